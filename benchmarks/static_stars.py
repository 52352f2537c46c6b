"""Static stars that a difference detects: ``python -m benchmarks.static_stars --survey ztf``.

Stars of constant light, equally many at every magnitude, in the fields and with the templates of a
survey. Prints the share of their exposures with a detection, by magnitude, with and without the
error of the alignment as noise (``difference.registration_noise``), for the same stars; errors are
those of a mean over stars, as exposures of a star share its templates.
"""

from __future__ import annotations

import argparse
from itertools import pairwise

import numpy as np

from benchmarks.machine import describe_machine
from simulator import Options, Simulator, load_profile

SURVEYS = ("hits", "ztf", "lsst")
PLANES = ("science", "template", "difference")
STAMP_PIX = 21
BATCH_OBJECTS = 50


def detections(
    survey: str, n: int, seed: int, *, registration_noise: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Magnitude in the reference band, detections and exposures of each star, (object,)."""
    overrides = {
        "field.star_counts_slope_per_mag": 0.0,
        "difference.registration_noise": registration_noise,
    }
    options = Options(classes={"NV": 1}, stamp_size_pix=STAMP_PIX, planes=PLANES, seed=seed)
    simulator = Simulator(load_profile(survey, overrides), options)
    found = []
    for first in range(0, n, BATCH_OBJECTS):
        batch = simulator.batch("train", np.arange(first, min(first + BATCH_OBJECTS, n)))
        detected = batch.epochs["difference_detected"]
        numbers = detected.sum(axis=1), np.isfinite(batch.epochs["mjd"]).sum(axis=1)
        found.append((batch.objects["mean_mag"], *numbers))
    return tuple(np.concatenate(column) for column in zip(*found, strict=True))


def share(detected: np.ndarray, exposures: np.ndarray) -> tuple[float, float]:
    """Share of exposures with a detection, and its error over stars, half a detection at least."""
    mean = detected.sum() / exposures.sum()
    pulls = detected - mean * exposures
    return mean, np.sqrt(max((pulls**2).sum(), 0.25)) / exposures.sum()


def table(survey: str, n: int, seed: int) -> None:
    """Print the rows of one survey."""
    counted, ignored = (
        detections(survey, n, seed, registration_noise=noise) for noise in (True, False)
    )
    magnitude, _, exposures = counted
    print(f"{survey}: {n} stars, {exposures.sum():,} exposures, seed {seed}", flush=True)
    edges = np.arange(np.floor(magnitude.min()), np.ceil(magnitude.max()) + 1)
    ranges = [(edges[0], edges[-1]), *pairwise(edges)]
    for low, high in ranges:
        inside = (magnitude >= low) & (magnitude < high)
        if inside.any():
            row = [share(each[1][inside], each[2][inside]) for each in (counted, ignored)]
            words = " ".join(f"{100 * mean:6.2f} +- {100 * error:.2f} %" for mean, error in row)
            print(f"  {low:g}-{high:g} mag ({inside.sum():3d} stars): {words}", flush=True)


def main() -> None:
    """Print the table of every survey asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--survey", nargs="+", choices=SURVEYS, default=SURVEYS)
    parser.add_argument("--n", type=int, default=300, help="stars of each survey")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    print(f"{describe_machine()}; exposures detected, error of the alignment as noise: yes, no")
    for survey in given.survey:
        table(survey, given.n, given.seed)


if __name__ == "__main__":
    main()
