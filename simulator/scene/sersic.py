"""Sersic profiles of index 1 (exponential) and 4 (de Vaucouleurs) as sums of Gaussians."""

from __future__ import annotations

from functools import cache
from math import log

import numpy as np
from scipy.special import gamma

from simulator.gaussian_mixture import Mixture, fit_mixture

EXPONENTIAL, DE_VAUCOULEURS = 1, 4
SERSIC_B = {EXPONENTIAL: 1.6783469900166605, DE_VAUCOULEURS: 7.669249442500804}
_SIGMA_STEP = {EXPONENTIAL: 1.6, DE_VAUCOULEURS: 1.9}
_SIGMA_RANGE = {EXPONENTIAL: (0.06, 3.0), DE_VAUCOULEURS: (0.006, 25.0)}


@cache
def sersic(n: int) -> Mixture:
    """(weights, scales) of a Sersic profile of index 1 or 4, in half-light radii squared."""
    b, (low, high) = SERSIC_B[n], _SIGMA_RANGE[n]
    sigma = np.exp(np.arange(log(low), log(high) + 0.01, log(_SIGMA_STEP[n])))
    radius = np.exp(np.linspace(log(0.2 * low), log(1.5 * high), 400))
    total = 2 * np.pi * n * b ** (-2 * n) * gamma(2 * n)
    profile = np.exp(-b * radius ** (1 / n)) / total
    return fit_mixture(radius, profile, sigma)
