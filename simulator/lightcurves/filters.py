"""Transmission curves of the filters a profile may name, as ``sncosmo`` names them (``desg``).

Transmissions are relative and per photon, system total; only their shape matters for AB magnitudes.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np

from skyreel.errors import SimulationError

if TYPE_CHECKING:
    from survey_profiles.instrument_schema import Band

LIGHT_SPEED_A_PER_S = 2.99792458e18
_STEP_ANGSTROM = 10.0  # of integrals over curves of a profile
AB_ZERO_POINT_FNU = 3.631e-20  # erg/s/cm^2/Hz at AB magnitude 0 (Oke & Gunn 1983)


@dataclass(frozen=True)
class Bandpass:
    """One filter: wavelengths [A] and transmission, both of shape (wavelength,)."""

    name: str
    wave_angstrom: np.ndarray
    transmission: np.ndarray

    def at(self, wave_angstrom: np.ndarray) -> np.ndarray:
        """Transmission at any wavelengths, zero outside the tabulated range."""
        return np.interp(wave_angstrom, self.wave_angstrom, self.transmission, left=0.0, right=0.0)

    @property
    def mean_angstrom(self) -> float:
        """Mean wavelength, weighted with the transmission."""
        wave, transmission = self.wave_angstrom, self.transmission
        return float(np.trapezoid(wave * transmission, wave) / np.trapezoid(transmission, wave))

    @property
    def ab_zero_flux(self) -> float:
        """Integral of F_lambda lambda T over wavelength [erg/s/cm^2 A] of an AB = 0 source."""
        photons = self.transmission / self.wave_angstrom
        return AB_ZERO_POINT_FNU * LIGHT_SPEED_A_PER_S * np.trapezoid(photons, self.wave_angstrom)


def filter_names() -> tuple[str, ...]:
    """The filters that are tabulated."""
    return tuple(_table())


def bandpass(name: str) -> Bandpass:
    """The filter of this name.

    Raises
    ------
    skyreel.errors.SimulationError
        It is not tabulated; the message names the nearest one.
    """
    if name not in _table():
        nearest = get_close_matches(name, filter_names(), n=1, cutoff=0.0)[0]
        raise SimulationError(
            f"filter {name!r} is not tabulated; allowed: {', '.join(filter_names())}; "
            f"nearest: {nearest!r}."
        )
    wave_angstrom, transmission = np.array(_table()[name]).T
    return Bandpass(name, wave_angstrom, transmission)


def own_curve(name: str, band: Band) -> Bandpass | None:
    """The curve that a profile states for a band itself, interpolated; None without one."""
    if band.transmission is None:
        return None
    wave, transmission = np.array(band.transmission, dtype=float).T
    steps = int(np.ceil((wave[-1] - wave[0]) / _STEP_ANGSTROM))
    fine = np.union1d(np.linspace(wave[0], wave[-1], steps + 1), wave)
    return Bandpass(name, fine, np.interp(fine, wave, transmission))


@lru_cache(maxsize=1)
def _table() -> dict[str, list[tuple[float, float]]]:
    text = files("simulator.lightcurves").joinpath("data/bandpasses.csv").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    table: dict[str, list[tuple[float, float]]] = {}
    for row in csv.DictReader(lines):
        table.setdefault(row["band"], []).append((float(row["wave_A"]), float(row["trans"])))
    return table
