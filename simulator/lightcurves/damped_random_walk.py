"""Damped random walks (Ornstein-Uhlenbeck processes) of unit variance, drawn exactly at any times.

Between two times the walk is conditionally Gaussian (Kelly et al. 2009, ApJ 698, 895; MacLeod et
al. 2010, equations 5 and 6), so irregular times need no fine grid and gaps cost nothing.
"""

from __future__ import annotations

import numpy as np

EARLIER, EARLIER_STEP_DAY = 24, 25.0  # times before the first epoch at which walks are drawn


def walk(mjd: np.ndarray, tau_day: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """The walks at their times, (object, epoch), with mean 0, variance 1 and covariance
    exp(-|dt| / tau).

    Parameters
    ----------
    mjd : array, shape (object, epoch)
        Increasing; NaN, where padded, only at the end. The value there is NaN.
    tau_day : array, shape (object,)
    normals : array, shape (object, epoch)
        Standard normal numbers; the k-th epoch uses the k-th.
    """
    kept = np.exp(-np.diff(mjd, axis=1) / tau_day[:, None])
    fresh = np.sqrt(-np.expm1(2 * np.log(np.maximum(kept, 1e-300))))
    out = np.empty(mjd.shape)
    out[:, 0] = np.where(np.isnan(mjd[:, 0]), np.nan, normals[:, 0])
    for epoch in range(1, mjd.shape[1]):
        step = kept[:, epoch - 1] * out[:, epoch - 1]
        out[:, epoch] = step + fresh[:, epoch - 1] * normals[:, epoch]
    return out


def with_earlier_times(mjd: np.ndarray) -> np.ndarray:
    """Times (object, epoch) with ``EARLIER`` ones before the first epoch of every object."""
    steps = EARLIER_STEP_DAY * np.arange(EARLIER, 0, -1)
    return np.concatenate([mjd[:, :1] - steps, mjd], axis=1)


def at_epochs_or_times(
    mjd: np.ndarray, tau_day: np.ndarray, known_mjd: np.ndarray, known: np.ndarray
) -> np.ndarray:
    """Walks that were drawn at `with_earlier_times`: at their epochs, else as `at_times`.

    Parameters
    ----------
    mjd, tau_day, known_mjd, known
        As of `at_times`.
    """
    if np.array_equal(mjd, known_mjd[:, EARLIER:], equal_nan=True):
        return known[:, EARLIER:]
    return at_times(mjd, tau_day, known_mjd, known)


def at_times(
    mjd: np.ndarray, tau_day: np.ndarray, known_mjd: np.ndarray, known: np.ndarray
) -> np.ndarray:
    """Expected values of walks at other times, given those at ``known_mjd``; NaN at NaN times.

    At the known times they are the known values. Between two of them the expectation is
    (sinh((b - t) / tau) x_a + sinh((t - a) / tau) x_b) / sinh((b - a) / tau); before the first and
    after the last it decays to zero.

    Parameters
    ----------
    mjd : array, shape (object, time)
    tau_day : array, shape (object,)
    known_mjd, known : arrays, shape (object, epoch)
        Times and values of `walk`.
    """
    out = np.full(mjd.shape, np.nan)
    for row, times in enumerate(mjd):
        used = np.isfinite(known_mjd[row])
        a, x = known_mjd[row, used], known[row, used]
        wanted = np.isfinite(times)
        out[row, wanted] = _bridge(times[wanted], tau_day[row], a, x)
    return out


def _bridge(times, tau_day, known_mjd, known):
    right = np.clip(np.searchsorted(known_mjd, times), 1, max(known_mjd.size - 1, 1))
    first, last = known_mjd[0], known_mjd[-1]
    outside = np.maximum(first - times, times - last)
    ends = np.where(times <= first, known[0], known[-1])
    decayed = ends * np.exp(-np.maximum(outside, 0.0) / tau_day)
    if known_mjd.size == 1:
        return decayed
    a, b = known_mjd[right - 1], known_mjd[right]
    inside = np.clip(times, a, b)
    gap = np.maximum((b - a) / tau_day, 1e-12)
    before, after = (inside - a) / tau_day, (b - inside) / tau_day
    # sinh(u) / sinh(gap) = exp(u - gap) (1 - exp(-2 u)) / (1 - exp(-2 gap)), for any length of gap
    left_share = np.exp(-before) * np.expm1(-2 * after) / np.expm1(-2 * gap)
    right_share = np.exp(-after) * np.expm1(-2 * before) / np.expm1(-2 * gap)
    between = left_share * known[right - 1] + right_share * known[right]
    return np.where(outside > 0, decayed, between)
