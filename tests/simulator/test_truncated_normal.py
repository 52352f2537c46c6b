"""Truncated normal laws against SciPy's."""

import numpy as np
from scipy.stats import truncnorm

from simulator.lightcurves.truncated_normal import truncated_normal


def test_values_are_those_of_scipy_with_limits_of_each_object():
    quantile = np.linspace(0.0, 1.0, 7)
    mean, sigma = np.linspace(-1.0, 2.0, 7), np.linspace(0.3, 3.0, 7)
    low, high = np.linspace(-3.0, 0.5, 7), np.linspace(1.0, 2.5, 7)
    expected = truncnorm.ppf(quantile, low, high, loc=mean, scale=sigma)
    found = truncated_normal(quantile, mean, sigma, (low, high))
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
