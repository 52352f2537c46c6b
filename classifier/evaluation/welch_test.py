"""Welch's test of two means, with the size of the difference."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from skyreel.errors import EvaluationError


@dataclass(frozen=True)
class WelchTest:
    """The test of a difference of means of two samples whose variances may differ.

    Attributes
    ----------
    difference : float
        Mean of the first sample minus that of the second.
    low, high : float
        Interval of the difference that holds with 95 % confidence.
    t, degrees, p : float
        Statistic, degrees of freedom, and two-sided probability (Welch 1947, Biometrika 34, 28).
    effect : float
        Difference in units of the pooled standard deviation, without the bias of small samples:
        Hedges' g (Hedges 1981, Journal of Educational Statistics 6, 107). NaN where both samples
        have no spread.
    """

    difference: float
    low: float
    high: float
    t: float
    degrees: float
    p: float
    effect: float


def welch_test(first: ArrayLike, second: ArrayLike) -> WelchTest:
    """Compare two samples of at least two numbers each.

    Raises
    ------
    EvaluationError
        Fewer numbers, or some that are not finite.
    """
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if a.ndim != 1 or b.ndim != 1 or min(a.size, b.size) < 2:
        raise EvaluationError("a Welch test needs at least two numbers of each sample.")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise EvaluationError("a Welch test needs finite numbers.")
    difference = float(a.mean() - b.mean())
    if np.ptp(a) == 0 == np.ptp(b):
        return _without_spread(difference)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of a sample without spread
        found = stats.ttest_ind(a, b, equal_var=False)
    low, high = found.confidence_interval(0.95)
    return WelchTest(
        difference=difference,
        low=float(low),
        high=float(high),
        t=float(found.statistic),
        degrees=float(found.df),
        p=float(found.pvalue),
        effect=_hedges_g(a, b),
    )


def _without_spread(difference):
    same = difference == 0.0
    t = 0.0 if same else float(np.copysign(np.inf, difference))
    return WelchTest(difference, difference, difference, t, np.nan, float(same), np.nan)


def _hedges_g(a, b):
    degrees = a.size + b.size - 2
    squares = (a.size - 1) * a.var(ddof=1) + (b.size - 1) * b.var(ddof=1)
    correction = 1.0 - 3.0 / (4.0 * degrees - 1.0)
    return float(correction * (a.mean() - b.mean()) / np.sqrt(squares / degrees))
