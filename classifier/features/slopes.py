"""Features of the differences between neighbouring points, and of a straight line.

Formulae after FATS (Nun et al. 2015, arXiv:1506.00010) as docs/explanation/features.md gives them.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from classifier.features.distribution import central_moment, mean_of

_PAIRS_OF_LAST = 30


@njit(cache=True, nogil=True, error_model="numpy")
def mean_square_step(values: np.ndarray) -> float:
    """Mean square difference of neighbours over the variance (2 for noise): Psi_eta."""
    total = 0.0
    for i in range(1, values.size):
        total += (values[i] - values[i - 1]) ** 2
    return total / ((values.size - 1) * central_moment(values, 2))


@njit(cache=True, nogil=True, error_model="numpy")
def fill_slopes(row: np.record, time: np.ndarray, magnitude: np.ndarray) -> None:
    """Write the features of times [day] and magnitudes (point,) into a record."""
    n, steepest, squares = time.size, -1.0, 0.0
    for i in range(1, n):
        slope = (magnitude[i] - magnitude[i - 1]) / (time[i] - time[i - 1])
        steepest = max(steepest, abs(slope))
        squares += slope**2
    span = time[-1] - time[0]
    row["MaxSlope"] = steepest if n > 1 else np.nan
    row["Eta_e"] = span**2 * squares / ((n - 1) * n**2 * central_moment(magnitude, 2))
    row["LinearTrend"] = _linear_trend(time, magnitude)
    row["PairSlopeTrend"] = _pair_slope_trend(magnitude[-_PAIRS_OF_LAST:])


@njit(cache=True, nogil=True, error_model="numpy")
def _linear_trend(time, magnitude):
    mean_time, mean_magnitude = mean_of(time), mean_of(magnitude)
    products = squares = 0.0
    for i in range(time.size):
        products += (time[i] - mean_time) * (magnitude[i] - mean_magnitude)
        squares += (time[i] - mean_time) ** 2
    return products / squares


@njit(cache=True, nogil=True, error_model="numpy")
def _pair_slope_trend(last):
    rising = 0
    for i in range(1, last.size):
        rising += 1 if last[i] > last[i - 1] else -1
    return rising / _PAIRS_OF_LAST
