"""Autocorrelation features of a light curve: by point number, and in time slots of one day.

Formulae after FATS (Nun et al. 2015, arXiv:1506.00010) as docs/explanation/features.md gives them.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from classifier.features.distribution import mean_of
from classifier.features.period_search import time_rounding

SLOT_DAY = 1.0
_STETSON_SLOTS = 100  # slots in FATS's StetsonK_AC
_THRESHOLD = math.exp(-1.0)


@njit(cache=True, nogil=True, error_model="numpy")
def fill_autocorrelation(row: np.record, time: np.ndarray, magnitude: np.ndarray) -> None:
    """Write the features of times [day] and magnitudes (point,) into a record."""
    deviation = magnitude - mean_of(magnitude)
    slot, correlation = slotted_autocorrelation(time, deviation)
    row["Autocor_length"] = _autocorrelation_length(deviation)
    row["SlottedA_length"] = _slotted_length(slot, correlation)
    row["StetsonK_AC"] = _stetson_k(correlation[: np.searchsorted(slot, _STETSON_SLOTS)])


@njit(cache=True, nogil=True, error_model="numpy")
def _autocorrelation_length(deviation):
    """The first lag, in points, at which the autocorrelation is below 1/e."""
    n, threshold = deviation.size, _THRESHOLD * (deviation**2).sum()
    for lag in range(1, n):
        product = 0.0
        for i in range(n - lag):
            product += deviation[i] * deviation[i + lag]
        if product < threshold:
            return float(lag)
    return np.nan


@njit(cache=True, nogil=True, error_model="numpy")
def slotted_autocorrelation(
    time: np.ndarray, deviation: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the slots that hold a pair, and their mean product over that of slot 0.

    Slot k holds pairs separated by k - 1/2 to below k + 1/2 slots, within the rounding of the
    times; slot 0 also every point with itself.
    """
    n = time.size
    half = 0.5 + 4.0 * time_rounding(time) / SLOT_DAY
    n_slots = int((time[-1] - time[0]) / SLOT_DAY + half) + 1
    product, pairs = np.zeros(n_slots), np.zeros(n_slots)
    product[0], pairs[0] = (deviation**2).sum(), n
    for i in range(n):
        for j in range(i + 1, n):
            k = int((time[j] - time[i]) / SLOT_DAY + half)
            product[k] += deviation[i] * deviation[j]
            pairs[k] += 1.0
    slot = np.flatnonzero(pairs)
    mean = product[slot] / pairs[slot]
    return slot, mean / mean[0]


@njit(cache=True, nogil=True, error_model="numpy")
def _slotted_length(slot, correlation):
    for i in range(slot.size):
        if correlation[i] < _THRESHOLD:
            return slot[i] * SLOT_DAY
    return np.nan


@njit(cache=True, nogil=True, error_model="numpy")
def _stetson_k(values):
    mean, absolute, squares = mean_of(values), 0.0, 0.0
    for value in values:
        absolute += abs(value - mean)
        squares += (value - mean) ** 2
    return absolute / math.sqrt(values.size * squares)
