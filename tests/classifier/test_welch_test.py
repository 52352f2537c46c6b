"""Welch's test against its formulas, and the effect size against its expectation."""

import numpy as np
import pytest
from scipy import stats

from classifier.evaluation.welch_test import welch_test
from skyreel.errors import EvaluationError


def test_statistic_and_degrees_of_freedom_are_those_of_welch():
    a, b = np.array([0.937, 0.934, 0.940, 0.936]), np.array([0.923, 0.918, 0.931, 0.925, 0.920])
    share_a, share_b = a.var(ddof=1) / 4, b.var(ddof=1) / 5
    t = (a.mean() - b.mean()) / np.sqrt(share_a + share_b)
    degrees = (share_a + share_b) ** 2 / (share_a**2 / 3 + share_b**2 / 4)
    found = welch_test(a, b)
    assert (found.t, found.degrees) == pytest.approx((t, degrees))
    assert found.p == pytest.approx(2 * stats.t.sf(t, degrees))
    half = stats.t.ppf(0.975, degrees) * np.sqrt(share_a + share_b)
    assert (found.low, found.high) == pytest.approx(
        (found.difference - half, found.difference + half)
    )
    assert welch_test(b, a).effect == -found.effect


def test_the_effect_size_of_small_samples_is_unbiased():
    rng, n, true = np.random.default_rng(5), 1500, 0.8
    effects = [welch_test(rng.normal(true, 1, 5), rng.normal(0, 1, 5)).effect for _ in range(n)]
    error = np.std(effects) / np.sqrt(n)
    assert np.mean(effects) == pytest.approx(true, abs=4 * error)


def test_false_alarms_are_as_many_as_stated_with_unequal_variances():
    rng, n = np.random.default_rng(6), 1500
    p = [welch_test(rng.normal(0, 1, 5), rng.normal(0, 4, 7)).p for _ in range(n)]
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=4 * np.sqrt(0.05 * 0.95 / n))


def test_samples_without_spread():
    same, other = welch_test([0.9, 0.9], [0.9, 0.9]), welch_test([0.9, 0.9], [0.8, 0.8])
    assert (same.t, same.p) == (0, 1)
    assert (other.t, other.p) == (np.inf, 0) and np.isnan(other.effect)


def test_one_sample_without_spread():
    a, b = np.full(3, 7 / 24), np.array([0.31, 0.35, 0.33])  # the mean of a is not exactly 7 / 24
    found, error = welch_test(a, b), b.std(ddof=1) / np.sqrt(3)
    assert found.degrees == pytest.approx(2) and found.t == pytest.approx((7 / 24 - 0.33) / error)


@pytest.mark.parametrize("first", [[0.9], [0.9, np.nan], [[0.9, 0.8]]])
def test_samples_that_cannot_be_tested(first):
    with pytest.raises(EvaluationError, match="Welch test needs"):
        welch_test(first, [0.8, 0.7])
