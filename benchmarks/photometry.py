"""Stamps measured per second and core, photutils on the same stamps, bias, pulls, real stars.

    python -m benchmarks.photometry

Stamps are simulated HiTS sequences. Real stars are measured too where SKYREEL_DATA names
them. Prints one line per figure; nothing is asserted.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings

import numpy as np
from astropy.table import Table

from benchmarks.machine import describe_machine
from classifier.photometry import Flag, PhotometrySettings, PsfModel, measure
from classifier.stamp_batch import StampBatch
from simulator.options import Options
from simulator.simulator import Simulator
from survey_profiles import load_profile
from tests.helpers.real_stars import read_sequences
from tests.helpers.stars import as_stamps, draw, draw_many, expose, flux_of

TIMED = {
    "science, all fitted": PhotometrySettings(templates=0),
    "science, fitted centre": PhotometrySettings(templates=0, psf_width="data set"),
    "science, nothing fitted": PhotometrySettings(
        templates=0, psf_width="data set", centre="fixed"
    ),
    "science + difference": PhotometrySettings(),
}
SIGNAL_TO_NOISE = (0, 3, 5, 10, 30, 100, 300)
PHOTUTILS_STAMPS = 200
NJY_ZERO_POINT_MAG = 31.4


def simulated(profile, n_objects, **options):
    """(Stamps, true magnitudes) of simulated sequences."""
    sequences = Simulator(profile, Options(seed=1, **options)).batch("train", np.arange(n_objects))
    epochs, objects = sequences.epochs, sequences.objects
    images = sequences.images.astype(np.float32)
    images[(sequences.mask != 0) | np.isnan(epochs["mjd"])[:, :, None, None]] = np.nan
    seeing = epochs["seeing_fwhm_arcsec"] / profile.camera.pixel_scale_arcsec
    named = {
        name: epochs[name]
        for name in ("mjd", "band", "exposure_time_s", "sky_adu", "zero_point_mag")
    }
    stamps = StampBatch(
        images_adu=images,
        saturated=(sequences.mask & 1).any(axis=(2, 3)),
        n_epochs=objects["n_epochs"],
        seeing_fwhm_pix=seeing,
        gain_e_per_adu=objects["gain_e_per_adu"],
        read_noise_e=objects["read_noise_e"],
        assumed_fwhm_pix=np.nanmedian(seeing, axis=1),
        **named,
    )
    return stamps, epochs["magnitude"]


def stamps_per_second(stamps, psf, settings, repeats=5):
    """The best of several runs on one thread."""
    measure(stamps, psf, settings)
    spent = []
    for _ in range(repeats):
        start = time.perf_counter()
        measure(stamps, psf, settings)
        spent.append(time.perf_counter() - start)
    return int(stamps.n_epochs.sum()) / min(spent)


def photutils_per_second(stamps, psf):
    """Its PSF fit of position and flux of the first stamps, one source each."""
    from photutils.psf import ImagePSF, PSFPhotometry

    size = stamps.images_adu.shape[-1]
    fine = np.empty((4 * size, 4 * size))
    for a in range(4):
        for b in range(4):
            fine[a::4, b::4] = draw(psf, x=-b / 4, y=-a / 4)
    model = ImagePSF(fine, oversampling=4, origin=(2 * size - 2, 2 * size - 2))
    fit = PSFPhotometry(model, (size, size), aperture_radius=6)
    start_at = Table({"x_0": [0.5 * (size - 1)], "y_0": [0.5 * (size - 1)]})
    images = stamps.images_adu.reshape(-1, size, size)
    images = images[np.isfinite(images).all(axis=(1, 2))][:PHOTUTILS_STAMPS].astype(float)
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of fits of faint stars that do not converge
        for image in images:
            sky = np.median(image)
            fit(image - sky, error=np.sqrt(np.maximum(image, 1.0)), init_params=start_at)
    return len(images) / (time.perf_counter() - start)


def print_speed(profile, psf, n_objects):
    stamps, _ = simulated(profile, n_objects)
    print(f"\n{int(stamps.n_epochs.sum())} stamps, one thread")
    speeds = {name: stamps_per_second(stamps, psf, choice) for name, choice in TIMED.items()}
    for name, speed in speeds.items():
        print(f"{name:<26} {speed:10.0f} stamps/s")
    theirs = photutils_per_second(stamps, psf)
    ratio = speeds["science, fitted centre"] / theirs
    print(f"{'photutils PSFPhotometry':<26} {theirs:10.1f} stamps/s")
    print(f"ours with a fitted centre over photutils: {ratio:.0f}")


def print_injected(psf, n=10_000):
    """Bias and pull width of stars of known flux that GalSim drew, shapes as the survey's."""
    rng, profiles = np.random.default_rng(1), draw_many(psf, 400, 1)
    print(f"\n{n} GalSim stars each: jitter of half a pixel, widths and betas as in the survey")
    print("  S/N      bias [sigma]     pull width    EXTENDED")
    for wanted in SIGNAL_TO_NOISE:
        flux = flux_of(profiles.mean(axis=0), max(wanted, 1e-3))
        images = expose(flux * profiles[rng.integers(len(profiles), size=n)], rng)
        curves = measure(as_stamps(images[:, None]), psf, PhotometrySettings(templates=0))
        pull = (curves.flux_njy - flux) / curves.flux_error_njy
        extended = ((curves.flags & Flag.EXTENDED) > 0).mean()
        error = pull.std() / np.sqrt(n)
        print(
            f"  {wanted:>4} {pull.mean():10.3f} +- {error:.3f} {pull.std():11.3f} {extended:11.4f}"
        )


def print_constant(psf, n_objects):
    """Pulls of differences of simulated sources that do not vary."""
    print("\ndifferences of constant sources, simulated: pull width, scatter / flux, by S/N")
    lonely = {"field.neighbours_per_arcmin2": 0}
    for kind in ("NV", "GAL"):
        overrides = {**lonely, "hosts.other_fraction": 0} if kind == "NV" else lonely
        profile = load_profile("hits", overrides=overrides)
        stamps, _ = simulated(profile, n_objects, classes={kind: 1})
        curves = measure(stamps, psf)
        pull = curves.difference_flux_njy / curves.difference_flux_error_njy
        relative = curves.difference_flux_njy / curves.flux_njy
        for low, high in ((3, 10), (10, 30), (30, 100), (100, 300), (300, 3000)):
            chosen = (curves.signal_to_noise >= low) & (curves.signal_to_noise < high)
            chosen &= np.isfinite(pull)
            if chosen.sum() > 30:
                widths = (robust_scatter(v[chosen]) for v in (pull, relative))
                print(f"  {kind:<4} {low:>4}-{high:<5}" + "".join(f"{w:9.3f}" for w in widths))


def robust_scatter(values):
    """1.48 median absolute deviations."""
    return 1.4826 * np.nanmedian(np.abs(values - np.nanmedian(values)))


def print_real(data, psf):
    """Real stars against free Moffat fits, and their scatter; supernovae against light curves."""
    print("\nreal HiTS, g, unsaturated, S/N above 50")
    for kind in ("NV", "RRL", "EB"):
        sequences = read_sequences(data, kind)
        stamps, curves = sequences.stamps, measure(sequences.stamps, psf)
        used = (curves.signal_to_noise > 50) & (stamps.band == 0) & ~stamps.saturated
        to_njy = 10 ** (0.4 * (NJY_ZERO_POINT_MAG - stamps.zero_point_mag)) / stamps.exposure_time_s
        ratio = (curves.flux_njy / to_njy / sequences.column("psf_flux_adu"))[used]
        print(
            f"  {kind:<4} over free Moffat fit: median {np.nanmedian(ratio):.4f}, "
            f"scatter {robust_scatter(ratio):.4f}, EXTENDED "
            f"{((curves.flags & Flag.EXTENDED) > 0)[used].mean():.3f}"
        )
        if kind == "NV":
            _print_scatter(curves, used, sequences.column("psf_flux_adu") * to_njy)
    _print_supernovae(read_sequences(data, "SN"), psf)


def _print_scatter(curves, used, free_fit_njy):
    rows = np.flatnonzero(used.sum(axis=1) >= 10)

    def scatter(flux_njy):
        """Median over stars of the relative scatter of their light curves."""
        return np.median(
            [
                robust_scatter(f[u] / np.nanmedian(f[u]))
                for f, u in zip(flux_njy[rows], used[rows], strict=True)
            ]
        )

    ours, free = scatter(curves.flux_njy), scatter(free_fit_njy)
    noise = np.median([np.median(1 / curves.signal_to_noise[i][used[i]]) for i in rows])
    print(
        f"       light curves scatter by {ours:.4f} (free fits {free:.4f}); noise {noise:.4f}, "
        f"with 0.6 % of calibration {np.hypot(noise, 0.006):.4f}"
    )
    pull = curves.difference_flux_njy / curves.difference_flux_error_njy
    print(f"       differences: pull width {robust_scatter(pull[used]):.3f}")


def _print_supernovae(sequences, psf):
    curves, theirs = measure(sequences.stamps, psf), sequences.column("lc_flux_adu")
    found = []
    for i, header in enumerate(sequences.headers):
        ours = curves.difference_flux_njy[i]
        both = np.isfinite(ours) & np.isfinite(theirs[i]) & (sequences.stamps.band[i] == 0)
        if both.sum() >= 6:
            rows = (ours[both], curves.flux_njy[i][both])
            found.append(
                [
                    *(np.corrcoef(row, theirs[i][both])[0, 1] for row in rows),
                    header.get("LCCORR", np.nan),
                ]
            )
    difference, science, header = np.nanmedian(found, axis=0)
    print(
        f"  SN   correlation with the survey's difference fluxes, median of {len(found)}: "
        f"differences {difference:.3f}, science {science:.3f}, LCCORR {header:.3f}"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default=os.environ.get("SKYREEL_DATA"), help="real observations")
    parser.add_argument("--objects", type=int, default=700, help="simulated sequences")
    arguments = parser.parse_args()
    profile = load_profile("hits")
    psf = PsfModel.of(profile)
    print(describe_machine())
    print_speed(profile, psf, arguments.objects)
    print_injected(psf)
    print_constant(psf, arguments.objects)
    if arguments.data:
        print_real(arguments.data, psf)


if __name__ == "__main__":
    main()
