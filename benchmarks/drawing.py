"""Rendering compared with GalSim: differences of pixels, and the ratio of speeds.

Run from the repository root: ``python -m benchmarks.drawing``. Stars and galaxies of unit flux:
corners of the ranges and random ones from a fixed seed. Exits with 1 where a pixel is off by
0.5 % of the peak or the flux in the stamp by 0.2 %. GalSim is the reference, with
tightened parameters; it is timed with its defaults.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from dataclasses import asdict

import galsim
import numpy as np

from benchmarks.machine import describe_machine
from simulator.gaussian_mixture import pixel_centres
from simulator.scene.render import render
from simulator.scene.sersic import sersic
from tests.helpers.pictures import Picture, disagreement, galsims, kernel_arguments, ours

SIZE_PIX = 21
LARGEST_PEAK_ERROR = 5e-3
LARGEST_FLUX_ERROR = 2e-3
FWHM_PIX = (2.0, 8.0)
BETA = (2.5, 8.0)  # wider wings need FFTs of gigabytes; the tests compare those with their formula
HALF_LIGHT_PIX = (0.5, 8.0)
AXIS_RATIO = (0.2, 1.0)
SMALLEST_PSF_AXIS_RATIO = 0.8
REPEATS = 200


def ellipticity(axis_ratio, angle_rad):
    """(e1, e2) of an ellipse with this b/a."""
    e = (1 - axis_ratio) / (1 + axis_ratio)
    return e * np.cos(2 * angle_rad), e * np.sin(2 * angle_rad)


def corner_galaxies():
    """Every combination of the ends of the ranges, off centre."""
    shapes = itertools.product(FWHM_PIX, BETA, HALF_LIGHT_PIX, AXIS_RATIO, (0.0, 0.5, 1.0))
    for fwhm, beta, half_light, axis_ratio, bulge_fraction in shapes:
        e1, e2 = ellipticity(axis_ratio, 0.6)
        yield Picture(
            fwhm, beta, 0.05, -0.03, 0.5, -0.5, bulge_fraction, half_light, half_light, e1, e2
        )


def corner_stars():
    """Ends of width, wings and ellipticity, in the centre and on a corner of a pixel."""
    for fwhm, beta, axis_ratio in itertools.product(FWHM_PIX, BETA, (SMALLEST_PSF_AXIS_RATIO, 1.0)):
        for offset in (0.0, 0.5):
            e1, e2 = ellipticity(axis_ratio, 0.6)
            yield Picture(fwhm, beta, e1, e2, offset, offset)


def random_picture(rng, *, galaxy):
    """Anything within the ranges; sizes even in their logarithm."""
    psf = ellipticity(rng.uniform(SMALLEST_PSF_AXIS_RATIO, 1.0), rng.uniform(0, np.pi))
    star = (rng.uniform(*FWHM_PIX), rng.uniform(*BETA), *psf)
    if not galaxy:
        return Picture(*star, *rng.uniform(-9.0, 9.0, 2))
    sizes = np.exp(rng.uniform(*np.log(HALF_LIGHT_PIX), 2))
    shape = ellipticity(rng.uniform(*AXIS_RATIO), rng.uniform(0, np.pi))
    bulge_fraction = rng.choice([0.0, 1.0, rng.uniform()])
    return Picture(*star, *rng.uniform(-9.0, 9.0, 2), bulge_fraction, *sizes, *shape)


def seconds_of_kernel(picture):
    """Time of one drawing, the mean of many; the kernel is compiled before."""
    scene, psf = kernel_arguments(picture)
    image, grid = np.empty(SIZE_PIX**2, dtype=np.float32), pixel_centres(SIZE_PIX)
    begin = time.perf_counter()
    for _ in range(REPEATS):
        render(image, (*grid, SIZE_PIX), scene, psf, 0, 0, sersic(1), sersic(4))
    return (time.perf_counter() - begin) / REPEATS


def seconds_of_galsim(picture):
    """Time of one drawing with GalSim's default parameters."""
    begin = time.perf_counter()
    galsims(picture, SIZE_PIX, galsim.GSParams())
    return time.perf_counter() - begin


def compare(pictures):
    """Columns peak error, flux error, GalSim's seconds and ours, a row per picture."""
    rows = []
    for picture in pictures:
        image = ours(picture, SIZE_PIX)
        difference = disagreement(image, galsims(picture, SIZE_PIX))
        rows.append((*difference, seconds_of_galsim(picture), seconds_of_kernel(picture)))
    return np.array(rows)


def described(picture):
    """The values of a picture, those that play no part left out."""
    values = {name: value for name, value in asdict(picture).items() if value is not None}
    if picture.bulge_fraction is None:
        values = {name: values[name] for name in list(values)[:6]}
    return ", ".join(f"{name} {value:.3g}" for name, value in values.items())


def report(name, pictures):
    """Print a line of the table and say whether it is within the limits."""
    pictures = list(pictures)
    peak, flux, galsim_s, kernel_s = compare(pictures).T
    print(
        f"{name:16s} {len(pictures):5d} {100 * peak.max():9.3f} {100 * flux.max():9.3f} "
        f"{1e3 * galsim_s.mean():11.2f} {1e6 * kernel_s.mean():11.1f} "
        f"{galsim_s.sum() / kernel_s.sum():9.0f}"
    )
    print(f"    furthest pixel: {described(pictures[peak.argmax()])}")
    print(f"    furthest flux:  {described(pictures[flux.argmax()])}")
    return peak.max() < LARGEST_PEAK_ERROR and flux.max() < LARGEST_FLUX_ERROR


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=150, help="random stars, and random galaxies")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    print(describe_machine())
    print("pictures            n  pixel [%]  flux [%]  GalSim [ms]  ours [us]     ratio")
    within = [
        report("stars, corners", corner_stars()),
        report("galaxies, corners", corner_galaxies()),
    ]
    for name, galaxy in (("stars", False), ("galaxies", True)):
        pictures = [random_picture(rng, galaxy=galaxy) for _ in range(arguments.n)]
        within.append(report(name, pictures))
    print("within 0.5 % of the peak and 0.2 % of the flux" if all(within) else "MISSED")
    return 0 if all(within) else 1


if __name__ == "__main__":
    sys.exit(main())
