"""Maximum-likelihood damped random walk (continuous autoregressive process, CAR in FATS).

The likelihood is that of Pichara et al. 2012 (MNRAS 427, 1284) as FATS computes it: the first
point is predicted by the mean and is not part of the likelihood. As in FATS, it is maximised with
the Nelder-Mead method of SciPy with default settings, within bounds.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from classifier.features.distribution import mean_of

START = (10.0, 0.5)  # sigma [mag/day^0.5], tau [day]
UPPER = 100.0  # of both; the lower bound is 0
_MAX_EVALUATIONS = 400
_TOLERANCE = 1e-4  # of parameters and of the logarithm of the likelihood
_LEAST_PROBABILITY = 1e-300  # FATS adds it to the probability of every point
_MAX_EXPONENT = 650.0  # below it, exp(-x) is far above the least probability
_LOG_2PI = math.log(2.0 * math.pi)
_LARGE, _SMALL = 1e150, 1e-150


@njit(cache=True, nogil=True, error_model="numpy")
def fill_damped_random_walk(
    row: np.record, time: np.ndarray, magnitude: np.ndarray, error: np.ndarray
) -> None:
    """Write the features of times [day], magnitudes and errors (point,) into a record."""
    row["CAR_sigma"] = row["CAR_tau"] = row["CAR_mean"] = np.nan
    if time.size < 2:
        return
    mean = mean_of(magnitude)
    sigma, tau = most_likely(np.diff(time), magnitude - mean, error**2)
    row["CAR_sigma"], row["CAR_tau"], row["CAR_mean"] = sigma, tau, mean / tau


@njit(cache=True, nogil=True, error_model="numpy")
def minus_log_likelihood(
    parameters: np.ndarray,
    step_day: np.ndarray,
    deviation: np.ndarray,
    variance: np.ndarray,
    decay: np.ndarray,
) -> float:
    """-log L of ``parameters`` (sigma, tau).

    ``step_day`` (point - 1,) is the time between points, ``deviation`` (point,) from the mean,
    ``variance`` (point,) of the measurement; ``decay`` (point - 1,) is scratch space.
    """
    sigma, tau = parameters
    for i in range(step_day.size):
        decay[i] = math.exp(-step_day[i] / tau)
    stationary = 0.5 * tau * sigma**2
    spread, expected = stationary, 0.0
    product, total = 1.0, 0.0
    for i in range(step_day.size):
        a, precision = decay[i], 1.0 / (spread + variance[i])
        expected = a * (expected + spread * precision * (deviation[i] - expected))
        spread = stationary * (1.0 - a * a) + a * a * variance[i] * spread * precision
        whole = spread + variance[i + 1]
        half_square = 0.5 * (expected - deviation[i + 1]) ** 2 / whole
        if half_square > _MAX_EXPONENT:
            half_square = -math.log(math.exp(-half_square) + _LEAST_PROBABILITY)
        total += half_square
        product *= whole
        if product > _LARGE or product < _SMALL:
            total, product = total + 0.5 * math.log(product), 1.0
    return total + 0.5 * math.log(product) + 0.5 * step_day.size * _LOG_2PI


@njit(cache=True, nogil=True, error_model="numpy")
def most_likely(
    step_day: np.ndarray, deviation: np.ndarray, variance: np.ndarray
) -> tuple[float, float]:
    """Sigma and tau where the Nelder-Mead simplex converges, or after 400 evaluations."""
    decay = np.empty(step_day.size)
    simplex = np.array([START, START, START])
    simplex[1, 0] *= 1.05
    simplex[2, 1] *= 1.05
    value, trial, beyond = np.empty(3), np.empty(2), np.empty(2)
    for i in range(3):
        value[i] = minus_log_likelihood(simplex[i], step_day, deviation, variance, decay)
    calls = 3
    _sort(simplex, value)
    while calls < _MAX_EVALUATIONS and not _has_converged(simplex, value):
        _reflect(trial, simplex, 1.0)
        found = minus_log_likelihood(trial, step_day, deviation, variance, decay)
        calls += 1
        if value[0] <= found < value[1]:
            simplex[2], value[2] = trial, found
        elif calls < _MAX_EVALUATIONS:
            expand = found < value[0]
            outside = found < value[2]
            _reflect(beyond, simplex, 2.0 if expand else 0.5 if outside else -0.5)
            second = minus_log_likelihood(beyond, step_day, deviation, variance, decay)
            calls += 1
            if expand and not second < found:
                simplex[2], value[2] = trial, found
            elif expand or (second <= found if outside else second < value[2]):
                simplex[2], value[2] = beyond, second
            else:
                calls = _shrink(simplex, value, calls, step_day, deviation, variance, decay)
        _sort(simplex, value)
    return simplex[0, 0], simplex[0, 1]


@njit(cache=True, nogil=True, error_model="numpy")
def _has_converged(simplex, value):
    size = np.abs(simplex[1:] - simplex[0]).max()
    return size <= _TOLERANCE and np.abs(value[1:] - value[0]).max() <= _TOLERANCE


@njit(cache=True, nogil=True, error_model="numpy")
def _reflect(point, simplex, factor):
    """Fill ``point`` with the worst corner reflected at the centre of the others, by ``factor``."""
    for j in range(2):
        middle = (simplex[0, j] + simplex[1, j]) / 2
        point[j] = (1.0 + factor) * middle - factor * simplex[2, j]
        point[j] = min(max(point[j], 0.0), UPPER)


@njit(cache=True, nogil=True, error_model="numpy")
def _shrink(simplex, value, calls, step_day, deviation, variance, decay):
    """Move two corners half-way to the best; returns the number of evaluations so far."""
    for i in (1, 2):
        for j in range(2):
            simplex[i, j] = simplex[0, j] + 0.5 * (simplex[i, j] - simplex[0, j])
        if calls >= _MAX_EVALUATIONS:
            return calls
        value[i] = minus_log_likelihood(simplex[i], step_day, deviation, variance, decay)
        calls += 1
    return calls


@njit(cache=True, nogil=True, error_model="numpy")
def _sort(simplex, value):
    """Sort corners by value, best first; equal ones keep their order."""
    for i in range(1, 3):
        j = i
        while j > 0 and value[j] < value[j - 1]:
            value[j - 1], value[j] = value[j], value[j - 1]
            for parameter in range(2):
                swap = simplex[j, parameter]
                simplex[j, parameter] = simplex[j - 1, parameter]
                simplex[j - 1, parameter] = swap
            j -= 1
