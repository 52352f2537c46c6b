"""Real non-variable HiTS stars against the same stars simulated, measured with one PSF fit.

``python benchmarks/real_stars.py --data SKYREEL_DATA`` simulates each star under its own
exposures (widths, sky and zero point of the whole field, not of the star), with its catalogue
magnitude and its CCD. Every ratio is simulated over real.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table

from simulator.lightcurves.nonvariable import NonVariable
from simulator.options import Options
from simulator.sequences import Simulator
from survey_profiles import load_profile

sys.path.insert(0, str(Path(__file__).parent))
from psf_fit import fit_stars

N_STARS = 100
NEARLY_SATURATED = 0.9  # of the CCD's saturation; such stars are not taken
BORDER_PIX = 2
ALONE = {
    "hosts.other_fraction": 0.0, "field.neighbours_per_arcmin2": 0.0,
    "camera.hot_pixel_fraction": 0.0, "camera.bad_column_fraction": 0.0,
    "camera.cosmic_ray_rate_per_mpix_s": 0.0,
}  # fmt: skip
AS_IN_TABLE = ("mjd", "exposure_time_s", "airmass", "sky_adu", "zero_point_mag", "limiting_mag")
TOLERANCE = {"flux": 0.02, "border variance": 0.03, "FWHM": 0.05, "light-curve scatter": 0.10}
PER_STAR = ("light-curve scatter",)


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
        changed = {"stamps_adu": self.stamps_adu[rows], "exposures": self.exposures[rows]}
        return RealStar(**{**self.__dict__, **changed})


@dataclass(frozen=True)
class Measurement:
    """What the PSF fit says of one sequence; arrays (epoch,)."""

    flux: np.ndarray  # in units of the catalogue magnitude's
    fwhm_pix: np.ndarray
    border_variance: np.ndarray  # ADU^2 of the outermost pixels, after the star is taken off
    good: np.ndarray

    def scatter(self, good):
        """Relative scatter of the light curve."""
        return np.std(self.flux[good], ddof=1) / np.mean(self.flux[good])


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
        header["OBJECT"], header["FIELD"], header["CCD"].strip(), header["GAIN"],
        header["RDNOISE"], header["SATURATE"], header["MAG"], stamps, exposures,
    )  # fmt: skip
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
    queues = [[s for s in usable if s.field == field] for field in sorted({s.field for s in usable})]
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
    scale = profile.camera.pixel_scale_arcsec
    table["seeing_fwhm_arcsec"] = scale * np.asarray(star.exposures["seeing_fwhm_pix"], float)
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
    return Measurement(fitted.flux_adu / star.expected_adu(), fitted.fwhm_pix, variance, fitted.good)


def compare(star: RealStar, profile, seed):
    """The star as (real, simulated) measurements of the same epochs."""
    simulated, rows = simulate(star, profile, seed)
    star = star.rows(rows)
    return measure(star, star.stamps_adu), measure(star, simulated)


def ratios(pairs) -> dict[str, np.ndarray]:
    """Simulated over real: scatter per star, the rest per star and epoch."""
    good = [real.good & simulated.good for real, simulated in pairs]

    def of(name):
        return np.concatenate(
            [(getattr(s, name) / getattr(r, name))[g] for (r, s), g in zip(pairs, good, strict=True)]
        )

    scatter = [s.scatter(g) / r.scatter(g) for (r, s), g in zip(pairs, good, strict=True)]
    return {
        "flux": of("flux"), "border variance": of("border_variance"), "FWHM": of("fwhm_pix"),
        "light-curve scatter": np.array(scatter),
    }  # fmt: skip
