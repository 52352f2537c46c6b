"""Real non-variable HiTS stars against the same stars simulated, measured with one PSF fit.

Run from the repository root: ``python -m benchmarks.real_stars --data SKYREEL_DATA``. Each star
is simulated under its own exposures (width, sky and zero point of the whole field, not of the
star), with its catalogue magnitude and its CCD, without hosts, neighbours and defects. Ratios
are simulated over real. Exits with 1 where a median is outside its tolerance.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table

from benchmarks.machine import describe_machine
from benchmarks.psf_fit import Fits, fit_stars
from simulator.lightcurves.nonvariable import NonVariable
from simulator.options import Options
from simulator.simulator import Simulator
from survey_profiles import load_profile

N_STARS = 100
NEARLY_SATURATED = 0.9  # of the CCD's saturation; such stars are not taken
BORDER_PIX = 2
ALONE = {
    "hosts.other_fraction": 0,
    "field.neighbours_per_arcmin2": 0,
    "camera.hot_pixel_fraction": 0,
    "camera.bad_column_fraction": 0,
    "camera.cosmic_ray_rate_per_mpix_s": 0,
}
AS_IN_TABLE = ("mjd", "exposure_time_s", "airmass", "sky_adu", "zero_point_mag", "limiting_mag")
TOLERANCE = {"flux": 0.02, "border variance": 0.03, "FWHM": 0.05, "light-curve scatter": 0.10}


@dataclass(frozen=True)
class RealStar:
    """One star: stamps (epoch, row, column) in ADU, NaN where masked, and its exposures."""

    name: str
    field: int
    ccd: str
    gain_e_per_adu: float
    read_noise_e: float
    saturation_adu: float
    magnitude: float
    stamps_adu: np.ndarray
    exposures: Table

    def expected_adu(self):
        """Counts of the catalogue magnitude at the zero point of each exposure."""
        zero_point, seconds = (self.exposures[k] for k in ("zero_point_mag", "exposure_time_s"))
        return np.asarray(10.0 ** (0.4 * (zero_point - self.magnitude)) * seconds, dtype=float)

    def rows(self, rows) -> RealStar:
        """The same star in some of its exposures."""
        return replace(self, stamps_adu=self.stamps_adu[rows], exposures=self.exposures[rows])


@dataclass(frozen=True)
class Measurement:
    """PSF fit of one sequence; arrays (epoch,)."""

    fits: Fits
    flux: np.ndarray  # in units of the catalogue magnitude's
    width: np.ndarray  # FWHM in units of the exposure's
    border_variance: np.ndarray  # ADU^2 of the outermost pixels, after the star is taken off

    def scatter(self, good):
        """Relative scatter of the light curve."""
        return np.std(self.flux[good], ddof=1) / np.mean(self.flux[good])


@dataclass(frozen=True)
class Pair:
    """A star measured in its real and its simulated stamps of the same exposures."""

    star: RealStar
    real: Measurement
    simulated: Measurement

    @property
    def good(self):
        """Epochs in which both fits converged."""
        return self.real.fits.good & self.simulated.fits.good

    def scatter_ratio(self):
        return self.simulated.scatter(self.good) / self.real.scatter(self.good)


class KnownStar(NonVariable):
    """A non-variable star of one magnitude."""

    def __init__(self, bands, magnitude):
        super().__init__(bands)
        self._known = magnitude

    def sample(self, draws, context):
        found = super().sample(draws, context)
        colours = found["_magnitude"] - found["mean_mag"][:, None]
        mean = np.full(len(draws), self._known)
        return {"mean_mag": mean, "_magnitude": mean[:, None] + colours}


def read_star(path) -> RealStar:
    """A star from its FITS file, in the g exposures whose conditions are known."""
    with fits.open(path) as file:
        header = file[0].header
        exposures = Table(file["EPOCHS"].data)
        stamps = file["STAMPS"].data.astype(float)
    star = RealStar(
        header["OBJECT"],
        header["FIELD"],
        header["CCD"].strip(),
        header["GAIN"],
        header["RDNOISE"],
        header["SATURATE"],
        header["MAG"],
        stamps,
        exposures,
    )
    known = np.all([np.isfinite(exposures[k]) for k in (*AS_IN_TABLE, "seeing_fwhm_pix")], axis=0)
    return star.rows(np.flatnonzero(known & (np.char.strip(np.asarray(exposures["band"])) == "g")))


def unsaturated(star: RealStar) -> bool:
    """Whether no pixel of any epoch comes near saturation."""
    peak = np.nanmax(star.stamps_adu)
    return not star.exposures["saturated"].any() and peak < NEARLY_SATURATED * star.saturation_adu


def chosen_stars(data, n=N_STARS) -> list[RealStar]:
    """``n`` unsaturated non-variable stars, the fields in turn, evenly over magnitudes."""
    stars = [read_star(p) for p in sorted((Path(data) / "hits/sequences/NV").glob("*.fits.gz"))]
    usable = sorted(filter(unsaturated, stars), key=lambda star: (star.magnitude, star.name))
    queues = [
        [s for s in usable if s.field == field] for field in sorted({s.field for s in usable})
    ]
    share = [0] * len(queues)
    for turn in range(min(n, len(usable)) * len(queues)):
        k = turn % len(queues)
        if share[k] < len(queues[k]) and sum(share) < n:
            share[k] += 1
    return [
        queue[int(rank)]
        for queue, count in zip(queues, share, strict=True)
        for rank in np.linspace(0, len(queue) - 1, count)
    ]


def lonely_profile(overrides=None):
    """The HiTS profile without hosts, neighbours and defects."""
    return load_profile("hits", overrides={**ALONE, **(overrides or {})})


def simulate(star: RealStar, profile, seed):
    """(stamps (epoch, row, column) in ADU, rows of the star's exposures that they belong to)."""
    table = Table({name: np.asarray(star.exposures[name], float) for name in AS_IN_TABLE})
    width_pix = np.asarray(star.exposures["seeing_fwhm_pix"], float)
    table["seeing_fwhm_arcsec"] = profile.camera.pixel_scale_arcsec * width_pix
    table["band"], table["field"], table["ccd"] = "g", star.field, star.ccd
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "exposures.ecsv"
        table.write(path)
        options = Options(classes={"NV": 1}, exposures=str(path), seed=seed)
        simulator = Simulator(profile, options)
    simulator.models["NV"] = KnownStar(simulator.bands, star.magnitude)
    sequence = simulator.sequence(0)
    rows = np.flatnonzero(np.isin(star.exposures["mjd"], sequence.epochs["mjd"][0]))
    return sequence.images[0, : rows.size].astype(float), rows


def measure(star: RealStar, stamps_adu) -> Measurement:
    """Stamps of a star, real or simulated, through the PSF fit."""
    fitted = fit_stars(stamps_adu, star.gain_e_per_adu, star.read_noise_e)
    border = np.ones(stamps_adu.shape[1:], dtype=bool)
    border[BORDER_PIX:-BORDER_PIX, BORDER_PIX:-BORDER_PIX] = False
    variance = np.nanvar((stamps_adu - fitted.model_adu)[:, border], axis=1)
    width = fitted.fwhm_pix / np.asarray(star.exposures["seeing_fwhm_pix"], float)
    return Measurement(fitted, fitted.flux_adu / star.expected_adu(), width, variance)


def compare(star: RealStar, profile, seed) -> Pair:
    """The star, real and simulated, in the exposures that the profile keeps."""
    simulated, rows = simulate(star, profile, seed)
    star = star.rows(rows)
    return Pair(star, measure(star, star.stamps_adu), measure(star, simulated))


def ratios(pairs) -> dict[str, list[np.ndarray]]:
    """Simulated over real, an array per star: one scatter, the rest in every epoch."""

    def of(value):
        return [(value(p.simulated) / value(p.real))[p.good] for p in pairs]

    return {
        "flux": of(lambda m: m.flux),
        "border variance": of(lambda m: m.border_variance),
        "FWHM": of(lambda m: m.width),
        "light-curve scatter": [np.array([p.scatter_ratio()]) for p in pairs],
    }


def standard_error(ratio):
    """Of the median, 1.253 sigma / sqrt(n): epochs of one star are not independent, stars are."""
    low, high = np.percentile([np.median(of_star) for of_star in ratio], [25, 75])
    return 1.253 * (high - low) / 1.349 / np.sqrt(len(ratio))


def components(pairs, kind, value) -> tuple[float, float, float]:
    """Scatter (1.48 median absolute deviation) of stars, of exposures, and of what is left.

    ``value`` of the measurements (``kind`` is real or simulated) is split into a median per
    star and one per exposure of a field.
    """
    values = np.concatenate([value(getattr(p, kind))[p.good] for p in pairs])
    star = np.repeat(np.arange(len(pairs)), [p.good.sum() for p in pairs])
    when = [p.star.field + 1e-6 * p.star.exposures["mjd"][p.good].round(3) for p in pairs]
    exposure = np.unique(np.concatenate(when), return_inverse=True)[1]
    of_star, of_exposure = np.zeros(star.max() + 1), np.zeros(exposure.max() + 1)
    for _ in range(10):
        of_star = _medians(values - of_exposure[exposure], star)
        of_exposure = _medians(values - of_star[star], exposure)
    rest = values - of_star[star] - of_exposure[exposure]
    return tuple(1.4826 * np.median(np.abs(v - np.median(v))) for v in (of_star, of_exposure, rest))


def _medians(values, group):
    return np.array([np.median(values[group == k]) for k in range(group.max() + 1)])


PARTS = {
    "ln flux": lambda m: np.log(m.flux),
    "ln FWHM": lambda m: np.log(m.width),
    "ln beta": lambda m: np.log(m.fits.beta),
    "e1": lambda m: m.fits.e1,
    "e2": lambda m: m.fits.e2,
}


def print_verdict(pairs) -> bool:
    """The table of ratios; True where every median is within its tolerance."""
    print(f"{'simulated / real':<20} {'median':>14} {'16-84 %':>14} {'n':>6}  allowed")
    passed = True
    for name, ratio in ratios(pairs).items():
        every = np.concatenate(ratio)
        low, median, high = np.percentile(every, [16, 50, 84])
        inside = abs(median - 1.0) <= TOLERANCE[name]
        passed &= inside
        print(
            f"{name:<20} {median:7.3f} +-{standard_error(ratio):.3f} {low:7.3f}-{high:.3f} "
            f"{every.size:>6}  1 +- {TOLERANCE[name]:.2f}  {'pass' if inside else 'MISS'}"
        )
    return passed


def print_scatter(pairs):
    """Light-curve scatter in four bins of magnitude: what the simulation has, and what it lacks."""
    print("\nlight-curve scatter (median)   real  simulated  difference in quadrature")
    ordered = sorted(pairs, key=lambda p: p.star.magnitude)
    edges = np.linspace(0, len(ordered), 5).astype(int)
    for first, last in pairwise(edges):
        part = ordered[first:last]
        real, simulated = (
            np.median([getattr(p, kind).scatter(p.good) for p in part])
            for kind in ("real", "simulated")
        )
        left = np.sign(real - simulated) * np.sqrt(abs(real**2 - simulated**2))
        span = f"g {part[0].star.magnitude:.2f} to {part[-1].star.magnitude:.2f}"
        print(f"  {span:<26} {real:8.4f} {simulated:10.4f} {left:10.4f}")


def print_components(pairs):
    """Where scatter is, real and simulated."""
    print("\nscatter             of stars          of exposures      the rest   (real, simulated)")
    for name, value in PARTS.items():
        real, simulated = (components(pairs, kind, value) for kind in ("real", "simulated"))
        cells = "   ".join(f"{r:.4f}, {s:.4f}" for r, s in zip(real, simulated, strict=True))
        print(f"  {name:<15} {cells}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default=os.environ.get("SKYREEL_DATA"), help="real observations")
    parser.add_argument("--stars", type=int, default=N_STARS)
    arguments = parser.parse_args()
    if not arguments.data:
        parser.error("name the folder of real observations with --data or SKYREEL_DATA")
    profile = lonely_profile()
    stars = chosen_stars(arguments.data, arguments.stars)
    pairs = [compare(star, profile, seed) for seed, star in enumerate(stars)]
    print(describe_machine())
    epochs, good = (sum(f(p.good) for p in pairs) for f in (len, sum))
    print(f"{len({s.field for s in stars})} fields, {len(pairs)} stars, {good} of {epochs} fits\n")
    passed = print_verdict(pairs)
    print_scatter(pairs)
    print_components(pairs)
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
