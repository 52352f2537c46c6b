"""Rest-frame spectra turned into tables of observer-frame AB magnitudes, and their look-up.

A table has the axes (template, band, redshift, abscissa), where the abscissa is age or log
temperature. Its magnitudes are those of a source 10 pc away whose light is redshifted: the
distance modulus is added afterwards, so the tables are smooth and linear interpolation does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit

from simulator.lightcurves.filters import Bandpass

REDSHIFT_STEP = 0.01
REDSHIFTS = np.arange(0.0, 1.5 + REDSHIFT_STEP / 2, REDSHIFT_STEP)
WAVE_ANGSTROM = np.arange(1000.0, 11_200.0, 10.0)  # bandpasses are sampled at 25 A
_FAINTEST_RELATIVE_FLUX = 1e-8  # of the table's brightest; splines can fall below zero
_SMALL_REDDENING_MAG = 0.1


class Grid(NamedTuple):
    """Magnitudes and reddening of one family of spectra.

    ``magnitude`` is (template, band, redshift, abscissa) [mag], the abscissa uniform from
    ``first`` in ``step``; ``reddening`` is (band, redshift) [mag per unit of reddening].
    """

    magnitude: np.ndarray
    reddening: np.ndarray
    first: float
    step: float


@dataclass(frozen=True)
class SedSeries:
    """Spectra of one source: flux density [erg/s/cm^2/A at 10 pc], (abscissa, WAVE_ANGSTROM)."""

    name: str
    flux: np.ndarray


def band_weights(filters: list[Bandpass]) -> np.ndarray:
    """Weights that turn rest-frame flux into AB = 0 units, (band, redshift, wavelength).

    From m = -2.5 log10(int F lambda T dlambda / int F_AB lambda T dlambda) with
    F(lambda) = F_rest(lambda / (1 + z)) / (1 + z) (photon counting; Hogg et al. 2002).
    """
    stretch = 1.0 + REDSHIFTS[:, None]
    step_angstrom = WAVE_ANGSTROM[1] - WAVE_ANGSTROM[0]
    photons = stretch * WAVE_ANGSTROM * step_angstrom
    return np.stack([photons * f.at(stretch * WAVE_ANGSTROM) / f.ab_zero_flux for f in filters])


def magnitude_table(series: list[SedSeries], weights: np.ndarray) -> np.ndarray:
    """AB magnitudes of every spectrum, (template, band, redshift, abscissa)."""
    flux = np.stack([weights @ one.flux.T for one in series])
    floor = _FAINTEST_RELATIVE_FLUX * flux.max(axis=(1, 3), keepdims=True)
    return -2.5 * np.log10(np.maximum(flux, floor))


def reddening_table(spectrum: np.ndarray, law_mag: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Dimming [mag] per unit of a reddening law, in each band and redshift.

    Parameters
    ----------
    spectrum : array, shape (wavelength,)
        The reddened spectrum; the table holds to first order for others.
    law_mag : array, shape (wavelength,)
        Dimming [mag] at WAVE_ANGSTROM for unit reddening.
    """
    dimmed = spectrum * 10.0 ** (-0.4 * _SMALL_REDDENING_MAG * law_mag)
    return -2.5 * np.log10((weights @ dimmed) / (weights @ spectrum)) / _SMALL_REDDENING_MAG


def dust_law(total_to_selective: float) -> np.ndarray:
    """A(lambda) / A(V) of Cardelli, Clayton & Mathis (1989) at WAVE_ANGSTROM."""
    from sncosmo import CCM89Dust

    dust = CCM89Dust()
    dust.set(ebv=1.0 / total_to_selective, r_v=total_to_selective)  # A(V) = 1 mag
    return -2.5 * np.log10(dust.propagate(WAVE_ANGSTROM, np.ones_like(WAVE_ANGSTROM)))


@njit(cache=True, nogil=True, inline="always")
def bilinear(table: np.ndarray, row: float, column: float) -> float:
    """A (row, column) table at fractional indices; linear beyond its edges."""
    i = min(max(int(row), 0), table.shape[0] - 2)
    j = min(max(int(column), 0), table.shape[1] - 2)
    u = row - i
    v = column - j
    upper = table[i, j] + v * (table[i, j + 1] - table[i, j])
    lower = table[i + 1, j] + v * (table[i + 1, j + 1] - table[i + 1, j])
    return upper + u * (lower - upper)


@njit(cache=True, nogil=True, inline="always")
def linear(values: np.ndarray, position: float) -> float:
    """A (node,) table at a fractional index; linear beyond its edges."""
    i = min(max(int(position), 0), values.size - 2)
    return values[i] + (position - i) * (values[i + 1] - values[i])
