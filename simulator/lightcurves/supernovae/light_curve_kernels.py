"""Magnitudes of supernovae from one row of physical numbers each, compiled.

A batch is a matrix ``physics`` of shape (object, column) with the columns named below. A
light curve is either looked up in a table of spectra (SN Ia, template SN II) or is the
parametric SN II of ``plateau_magnitude`` times a table of colours.
"""

from __future__ import annotations

from math import exp, inf, log, log10
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from simulator.lightcurves.supernovae.seds import REDSHIFT_STEP, bilinear, linear

if TYPE_CHECKING:
    from simulator.lightcurves.supernovae.seds import Grid

COLUMNS = (
    "subtype",
    "redshift",
    "explosion_mjd",
    "offset_mag",  # distance modulus, luminosity and any grey shift
    "reddening",  # c of a SN Ia, A_V of a SN II
    "stretch",  # of the time axis of a table
    "template",  # row of the table; -1 for the parametric SN II
    "rise_day",
    "slope_1",  # mag/d, from peak to the transition
    "slope_2",  # mag/d, plateau
    "slope_3",  # mag/d, after the plateau
    "plateau_day",  # explosion to the middle of the drop
    "drop_mag",
    "drop_width_day",
    "log_temperature_factor",
)
(
    SUBTYPE,
    REDSHIFT,
    EXPLOSION,
    OFFSET,
    REDDENING,
    STRETCH,
    TEMPLATE,
    RISE,
    SLOPE_1,
    SLOPE_2,
    SLOPE_3,
    PLATEAU,
    DROP,
    DROP_WIDTH,
    LOG_TEMPERATURE_FACTOR,
) = range(len(COLUMNS))
TYPE_IA, TYPE_II = 0, 1
PARAMETRIC = -1

LOG_TEMPERATURE_AT_1_DAY = log(10_800.0) + 0.45 * log(10.0)  # T = 10,800 K (t / 10 d)^-0.45
COOLING_EXPONENT = 0.45
LOG_TEMPERATURE_FLOOR = log(5_000.0)
LOG_TEMPERATURE_CEILING = log(30_000.0)  # reached at one day; keeps the first hours finite
TRANSITION_FRACTION = 35.0 / 83.7  # end of the first decline in units of the plateau's length
_PEAK_NODES = 96
_PEAK_FIRST, _PEAK_LAST = 0.05, 6.0  # of the rise time


@njit(cache=True, nogil=True)
def plateau_magnitude(age_day: float, row: np.ndarray) -> float:
    """Rest-frame r magnitude of a SN II relative to its peak; ``age_day`` > 0, rest frame.

    Rise as 1 - (1 - t / t_rise)^2 in flux, three straight declines (slopes s1, s2, s3 of
    Anderson et al. 2014) and the fall off the plateau as a Fermi-Dirac step.
    """
    rise, plateau = row[RISE], row[PLATEAU]
    fall = row[DROP] / (1.0 + exp((plateau - age_day) / row[DROP_WIDTH]))
    if age_day < rise:
        return fall - 2.5 * log10(1.0 - (1.0 - age_day / rise) ** 2)
    transition = max(TRANSITION_FRACTION * plateau, rise)
    first = min(age_day, transition) - rise
    second = min(max(age_day - transition, 0.0), max(plateau - transition, 0.0))
    third = max(age_day - max(plateau, transition), 0.0)
    return fall + row[SLOPE_1] * first + row[SLOPE_2] * second + row[SLOPE_3] * third


@njit(cache=True, nogil=True)
def log_temperature(age_day: float, row: np.ndarray) -> float:
    """Natural log of the photosphere's temperature [K]."""
    cooling = LOG_TEMPERATURE_AT_1_DAY - COOLING_EXPONENT * log(age_day)
    bounded = min(max(cooling, LOG_TEMPERATURE_FLOOR), LOG_TEMPERATURE_CEILING)
    return bounded + row[LOG_TEMPERATURE_FACTOR]


@njit(cache=True, nogil=True)
def table_magnitude(
    age_day: float, z_index: float, row: np.ndarray, table: np.ndarray, grid: Grid
) -> float:
    """Magnitude from a (redshift, age) table; before its first age the light grows as t^2."""
    warped_day = age_day / row[STRETCH]
    looked_up_day = max(warped_day, grid.first)
    magnitude = bilinear(table, z_index, (looked_up_day - grid.first) / grid.step)
    if warped_day < grid.first:
        magnitude -= 5.0 * log10(warped_day / grid.first)
    return magnitude


@njit(cache=True, nogil=True)
def magnitude(row: np.ndarray, mjd: float, band: int, grid_ia: Grid, grid_ii: Grid) -> float:
    """AB magnitude of one supernova at one time; +inf before it explodes and at NaN times."""
    age_day = (mjd - row[EXPLOSION]) / (1.0 + row[REDSHIFT])
    if not age_day > 0.0:
        return inf
    z_index = row[REDSHIFT] / REDSHIFT_STEP
    grid = grid_ia if row[SUBTYPE] == TYPE_IA else grid_ii
    value = row[OFFSET] + row[REDDENING] * linear(grid.reddening[band], z_index)
    if row[TEMPLATE] == PARAMETRIC:
        column = (log_temperature(age_day, row) - grid.first) / grid.step
        colour = bilinear(grid.magnitude[0, band], z_index, column)
        return value + colour + plateau_magnitude(age_day, row)
    table = grid.magnitude[int(row[TEMPLATE]), band]
    return value + table_magnitude(age_day, z_index, row, table, grid)


@njit(cache=True, nogil=True)
def fill_magnitudes(
    out: np.ndarray,
    physics: np.ndarray,
    mjd: np.ndarray,
    band: np.ndarray,
    grid_ia: Grid,
    grid_ii: Grid,
) -> None:
    """Magnitudes of a batch into ``out``, all (object, epoch)."""
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = magnitude(physics[i], mjd[i, j], band[i, j], grid_ia, grid_ii)


@njit(cache=True, nogil=True)
def detected(
    rows: np.ndarray,
    physics: np.ndarray,
    mjd: np.ndarray,
    band: np.ndarray,
    limiting_mag: np.ndarray,
    grid_ia: Grid,
    grid_ii: Grid,
) -> np.ndarray:
    """Whether each supernova is above the limit at any epoch of its row of the schedule."""
    found = np.zeros(rows.size, dtype=np.bool_)
    for k in range(rows.size):
        i = rows[k]
        for j in range(mjd.shape[1]):
            if not mjd[i, j] > physics[k, EXPLOSION]:
                continue
            value = magnitude(physics[k], mjd[i, j], band[i, j], grid_ia, grid_ii)
            if value < limiting_mag[i, j]:
                found[k] = True
                break
    return found


@njit(cache=True, nogil=True)
def find_peaks(physics: np.ndarray, band: int, grid_ia: Grid, grid_ii: Grid) -> np.ndarray:
    """Peak magnitude and its MJD in one band, (object, 2), on a log-spaced grid of ages.

    Steps are 5 % of the age: 1 d at the peak of a SN Ia.
    """
    ratio = (_PEAK_LAST / _PEAK_FIRST) ** (1.0 / (_PEAK_NODES - 1))
    peaks = np.full((physics.shape[0], 2), np.nan)
    for i in range(physics.shape[0]):
        row = physics[i]
        scale_day = row[RISE] * row[STRETCH] * (1.0 + row[REDSHIFT])
        peaks[i, 0] = inf
        for k in range(_PEAK_NODES):
            mjd = row[EXPLOSION] + scale_day * _PEAK_FIRST * ratio**k
            value = magnitude(row, mjd, band, grid_ia, grid_ii)
            if value < peaks[i, 0]:
                peaks[i, 0] = value
                peaks[i, 1] = mjd
    return peaks
