"""Features of the distribution of magnitudes: moments, percentiles and outliers.

Formulae after FATS (Nun et al. 2015, arXiv:1506.00010): docs/explanation/features.md. FATS names
some of them "Flux"; all are computed from magnitudes.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

_SQRT_2 = math.sqrt(2.0)


@njit(cache=True, nogil=True, error_model="numpy")
def mean_of(values: np.ndarray) -> float:
    """Arithmetic mean, exact where all values are equal."""
    total = 0.0
    for value in values:
        total += value - values[0]
    return values[0] + total / values.size


@njit(cache=True, nogil=True, error_model="numpy")
def central_moment(values: np.ndarray, order: int) -> float:
    """Mean of (value - mean)^order."""
    mean, total = mean_of(values), 0.0
    for value in values:
        total += (value - mean) ** order
    return total / values.size


@njit(cache=True, nogil=True, error_model="numpy")
def cumulative_range(values: np.ndarray) -> float:
    """Range of the cumulative deviation from the mean over n times the scatter: Rcs, Psi_CS."""
    mean, total, low, high = mean_of(values), 0.0, np.inf, -np.inf
    for value in values:
        total += value - mean
        low, high = min(low, total), max(high, total)
    return (high - low) / (values.size * math.sqrt(central_moment(values, 2)))


@njit(cache=True, nogil=True, error_model="numpy")
def fill_distribution(row: np.record, magnitude: np.ndarray, error: np.ndarray) -> None:
    """Write the features of magnitudes and errors (point,), in mag, into a record."""
    ordered = np.sort(magnitude)
    _fill_moments(row, magnitude)
    _fill_percentiles(row, ordered)
    _fill_around_median(row, ordered)
    _fill_weighted(row, magnitude, error)
    row["AndersonDarling"] = 1.0 / (1.0 + math.exp(-10.0 * (_anderson_darling(ordered) - 0.3)))
    row["Con"] = _consecutive_outliers(magnitude)
    row["Rcs"] = cumulative_range(magnitude)


@njit(cache=True, nogil=True, error_model="numpy")
def _fill_moments(row, magnitude):
    n, mean, variance = magnitude.size, mean_of(magnitude), central_moment(magnitude, 2)
    kurtosis_sum = n * central_moment(magnitude, 4) / variance**2
    scale = n * (n + 1) / ((n - 1) * (n - 2) * (n - 3))
    row["Mean"] = mean
    row["Std"] = math.sqrt(variance)
    row["Meanvariance"] = math.sqrt(variance) / mean
    row["Skew"] = central_moment(magnitude, 3) / variance**1.5
    row["SmallKurtosis"] = scale * kurtosis_sum - 3 * (n - 1) ** 2 / ((n - 2) * (n - 3))


@njit(cache=True, nogil=True, error_model="numpy")
def _fill_percentiles(row, ordered):
    whole = _spread(ordered, 50)
    row["FluxPercentileRatioMid20"] = _spread(ordered, 400) / whole
    row["FluxPercentileRatioMid35"] = _spread(ordered, 325) / whole
    row["FluxPercentileRatioMid50"] = _spread(ordered, 250) / whole
    row["FluxPercentileRatioMid65"] = _spread(ordered, 175) / whole
    row["FluxPercentileRatioMid80"] = _spread(ordered, 100) / whole
    row["PercentDifferenceFluxPercentile"] = whole / _median(ordered)
    row["Q31"] = _quantile(ordered, 0.75) - _quantile(ordered, 0.25)
    few = -(-ordered.size // 20)  # 5 %, rounded up
    row["Amplitude"] = 0.5 * (_median(ordered[-few:]) - _median(ordered[:few]))


@njit(cache=True, nogil=True, error_model="numpy")
def _spread(ordered, permille):
    """Difference of the quantiles 1000 - ``permille`` and ``permille``, ranks rounded down."""
    n = ordered.size
    return ordered[n * (1000 - permille) // 1000] - ordered[n * permille // 1000]


@njit(cache=True, nogil=True, error_model="numpy")
def _quantile(ordered, fraction):
    place = (ordered.size - 1) * fraction
    below = int(place)
    above = min(below + 1, ordered.size - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


@njit(cache=True, nogil=True, error_model="numpy")
def _median(ordered):
    n = ordered.size
    return 0.5 * (ordered[(n - 1) // 2] + ordered[n // 2])


@njit(cache=True, nogil=True, error_model="numpy")
def _fill_around_median(row, ordered):
    median, tenth = _median(ordered), (ordered[-1] - ordered[0]) / 10
    inside = 0
    for value in ordered:
        inside += median - tenth < value < median + tenth
    row["MedianBRP"] = inside / ordered.size
    row["MedianAbsDev"] = _median(np.sort(np.abs(ordered - median)))
    row["PercentAmplitude"] = max(ordered[-1] - median, median - ordered[0]) / median


@njit(cache=True, nogil=True, error_model="numpy")
def _fill_weighted(row, magnitude, error):
    """Beyond1Std and StetsonK, about the mean weighted by 1/error^2."""
    n, smallest = magnitude.size, error.min()
    weights = weighted = 0.0
    for i in range(n):
        weight = (smallest / error[i]) ** 2  # a ratio: very small errors do not overflow
        weights += weight
        weighted += weight * (magnitude[i] - magnitude[0])
    mean = magnitude[0] + weighted / weights
    squares = absolute = chi_squares = 0.0
    for i in range(n):
        scaled = (magnitude[i] - mean) * (smallest / error[i])
        squares += (magnitude[i] - mean) ** 2
        absolute += abs(scaled)
        chi_squares += scaled**2
    scatter, beyond = math.sqrt(squares / (n - 1)), 0
    for value in magnitude:
        beyond += abs(value - mean) > scatter
    row["Beyond1Std"] = beyond / n
    row["StetsonK"] = absolute / math.sqrt(n * chi_squares)


@njit(cache=True, nogil=True, error_model="numpy")
def _anderson_darling(ordered):
    """A^2 of normality with mean and variance estimated (Anderson & Darling 1954)."""
    n, mean = ordered.size, mean_of(ordered)
    scatter = math.sqrt(central_moment(ordered, 2) * n / (n - 1))
    total = 0.0
    for i in range(n):
        z, mirrored = (ordered[i] - mean) / scatter, (ordered[n - 1 - i] - mean) / scatter
        total += (2 * i + 1) * (_log_normal_cdf(z) + _log_normal_cdf(-mirrored))
    return -n - total / n


@njit(cache=True, nogil=True, error_model="numpy")
def _log_normal_cdf(z):
    """Logarithm of the normal distribution function; minus infinity below -38."""
    if z > 0.0:
        return math.log1p(-0.5 * math.erfc(z / _SQRT_2))
    return math.log(0.5 * math.erfc(-z / _SQRT_2))


@njit(cache=True, nogil=True, error_model="numpy")
def _consecutive_outliers(magnitude):
    n, mean = magnitude.size, mean_of(magnitude)
    limit = 2.0 * math.sqrt(central_moment(magnitude, 2))
    run = count = 0
    for value in magnitude:
        run = run + 1 if abs(value - mean) > limit else 0
        count += run >= 3
    return count / max(n - 2, 1)
