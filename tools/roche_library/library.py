"""Draws binaries that cover the observed population, and writes the library of light curves.

How often each system is used is decided by ``simulator.lightcurves.periodic.eclipsing_binary``,
which weights them to observed amplitudes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from simulator.lightcurves.periodic.roche_library import (
    COLUMNS,
    DETACHED_LOG_PERIOD,
    MAG_PER_COUNT,
    Library,
    half_phases,
)
from tools.roche_library.geometry import (
    Binary,
    contact,
    detached,
    lobe_polar_radius,
    radius,
    semi_detached,
)
from tools.roche_library.light import light_curve

COUNTS = (1100, 500, 800)  # systems of each of the library's subtypes
SEED = 2010
AMPLITUDE_LIMITS_MAG = (0.15, 1.8)  # in r, peak to peak
_R = 2  # place of r in ugrizy
_SOLAR_SEPARATION = 4.208  # separation in solar radii of 1 solar mass in an orbit of 1 day

# binary, inclination [deg], log10 period [d], fill-out, polar radii over the separation
System = tuple[Binary, float, float, float, tuple[float, float]]


def contact_system(rng: np.random.Generator) -> System:
    """W UMa stars: mass ratio .1-1, fill-out .02-.6, temperatures within a few per cent."""
    mass_ratio = 0.1 + 0.9 * rng.uniform() ** 0.6
    fill_out = rng.uniform(0.02, 0.6)
    inclination_deg = np.rad2deg(np.arccos(rng.uniform(0.0, 0.6)))
    hot_k = 10 ** rng.uniform(np.log10(3800), np.log10(8500))
    temperatures_k = hot_k, hot_k * min(rng.normal(0.97, 0.04), 1.03)
    binary = contact(mass_ratio, fill_out, temperatures_k)
    radii = (
        radius(mass_ratio, binary.omega_1, np.inf, 0.0, 0.0, 1.0),
        radius(1 / mass_ratio, binary.omega_2, np.inf, 0.0, 0.0, 1.0),
    )
    return binary, inclination_deg, np.nan, fill_out, radii


def semi_detached_system(rng: np.random.Generator) -> System:
    """Algols: star 2 fills its lobe and is cooler; mass ratio .15-.8."""
    mass_ratio = rng.uniform(0.15, 0.8)
    largest = 0.95 * lobe_polar_radius(mass_ratio)
    radius_1 = rng.uniform(0.12, largest)
    inclination_deg = np.rad2deg(np.arccos(rng.uniform(0.0, 0.5)))
    hot_k = 10 ** rng.uniform(np.log10(4000), np.log10(9500))
    temperatures_k = hot_k, max(hot_k * rng.uniform(0.45, 0.95), 3200.0)
    binary = semi_detached(mass_ratio, radius_1, temperatures_k)
    radii = radius_1, lobe_polar_radius(1 / mass_ratio)
    return binary, inclination_deg, np.nan, np.nan, radii


def detached_system(rng: np.random.Generator) -> System:
    """Two main-sequence stars of .5-1.8 solar masses that eclipse; log P uniform to 10 d.

    R = M^0.9, grown by up to 60 % for the evolved primary, and T = 5780 K M^0.62 (solar units;
    rough fits to the main sequence); systems whose stars nearly fill their lobes are redrawn.
    """
    log_period = rng.uniform(*DETACHED_LOG_PERIOD)
    while True:
        mass_1 = 10 ** rng.uniform(np.log10(0.5), np.log10(1.8))
        mass_ratio = max(rng.uniform(0.4, 1.0), 0.2 / mass_1)
        masses = np.array([mass_1, mass_1 * mass_ratio])
        grown = np.array([1 + 0.6 * rng.uniform() ** 2, 1.0])
        separation = _SOLAR_SEPARATION * (masses.sum() * 10 ** (2 * log_period)) ** (1 / 3)
        radii = masses**0.9 * grown / separation
        lobes = np.array([lobe_polar_radius(mass_ratio), lobe_polar_radius(1 / mass_ratio)])
        if np.all(radii < 0.92 * lobes):
            break
    temperatures_k = 5780 * masses**0.62
    inclination_deg = np.rad2deg(np.arccos(0.9 * radii.sum() * rng.uniform()))
    binary = detached(mass_ratio, tuple(radii), tuple(temperatures_k))
    return binary, inclination_deg, log_period, np.nan, tuple(radii)


SYSTEMS = (contact_system, semi_detached_system, detached_system)


def make_system(rng: np.random.Generator, subtype: int) -> tuple[tuple[float, ...], np.ndarray]:
    """One system with an amplitude inside the limits: (row of ``COLUMNS``, curves (6, node))."""
    while True:
        binary, inclination_deg, log_period, fill_out, radii = SYSTEMS[subtype](rng)
        flux = light_curve(binary, inclination_deg, half_phases())
        curves = -2.5 * np.log10(flux / flux.max(axis=0)).T
        if AMPLITUDE_LIMITS_MAG[0] < np.ptp(curves[_R]) < AMPLITUDE_LIMITS_MAG[1]:
            break
    temperatures = binary.temperature_1_k, binary.temperature_2_k
    physical = binary.mass_ratio, inclination_deg, *temperatures, fill_out, *radii
    return (subtype, log_period, *physical), curves


def make_library(counts: Sequence[int] = COUNTS, seed: int = SEED) -> Library:
    """The library of a seed; a system depends on the seed and its own number alone."""
    systems = []
    for subtype, count in enumerate(counts):
        for number in range(count):
            key = np.random.SeedSequence(seed, spawn_key=(subtype, number))
            systems.append(make_system(np.random.default_rng(key), subtype))
    rows = np.array([row for row, _ in systems])
    parameters = {name: rows[:, k] for k, name in enumerate(COLUMNS)}
    return Library(parameters, np.array([curves for _, curves in systems]))


def write_library(library: Library, path: str | Path) -> None:
    """Write a library as counts of ``MAG_PER_COUNT``, differenced along phase to pack well."""
    counts = np.rint(library.curves / MAG_PER_COUNT).astype(np.int16)
    steps = np.diff(counts, axis=2, prepend=np.int16(0))
    columns = {name: values.astype(np.float32) for name, values in library.parameters.items()}
    np.savez_compressed(path, steps=steps.transpose(2, 1, 0), **columns)


def main(argv: list[str] | None = None) -> None:
    """Command line of ``python -m tools.roche_library``."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.roche_library", description="Make the library of eclipsing binaries."
    )
    parser.add_argument("--out", required=True, metavar="FILE", help="npz file to write")
    parser.add_argument("--seed", type=int, default=SEED)
    args = parser.parse_args(argv)
    start = time.perf_counter()
    library = make_library(seed=args.seed)
    write_library(library, args.out)
    seconds = time.perf_counter() - start
    print(f"{args.out}: {len(library.curves)} systems in {seconds:.0f} s")
