"""Medians and scatters along the last axis of what is known; NaN where too little is."""

from __future__ import annotations

import warnings

import numpy as np

_SIGMA_PER_MAD = 1.4826
_LEAST = 3


def nanmedian(values):
    """Median along the last axis."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.nanmedian(values, axis=-1)


def sigma_of_mad(values):
    """1.4826 times the median absolute deviation along the last axis."""
    return _SIGMA_PER_MAD * nanmedian(np.abs(values - nanmedian(values)[..., None]))


def mean(values):
    """Mean along the last axis, of three values or more."""
    return _with_enough(values, np.nanmean)


def scatter(values):
    """Standard deviation along the last axis, of three values or more."""
    return _with_enough(values, lambda v, axis: np.nanstd(v, axis=axis, ddof=1))


def median(values):
    """Median along the last axis, of three values or more."""
    return _with_enough(values, np.nanmedian)


def _with_enough(values, statistic):
    enough = np.isfinite(values).sum(axis=-1) >= _LEAST
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.where(enough, statistic(np.where(np.isfinite(values), values, np.nan), axis=-1),
                        np.nan)  # fmt: skip
