"""Radial profiles as sums of Gaussians: Moffat, exponential, de Vaucouleurs, Kolmogorov.

Each sum is a pair (weights, scales): fluxes that add up to one, and variances in units of
the profile's own size squared (Moffat a, half-light radius, half-maximum width).
"""

from __future__ import annotations

from functools import cache
from math import exp, lgamma, log

import numpy as np
from numba import njit
from scipy.optimize import nnls
from scipy.special import gamma

# (1 + r^2/a^2)^-beta is the mean of exp(-t r^2/a^2) over t ~ Gamma(beta): Gaussians of
# variance a^2/(2t) that carry flux ~ t^(beta - 2) exp(-t) dt. The nodes are even in log t.
MOFFAT_NODES = np.exp(np.arange(-3.4, 2.4, 0.75))
MOFFAT_SCALES = 0.5 / MOFFAT_NODES

EXPONENTIAL, DE_VAUCOULEURS = 1, 4
_B_N = {EXPONENTIAL: 1.6783469900166605, DE_VAUCOULEURS: 7.669249442500804}
_SIGMA_STEP = {EXPONENTIAL: 1.6, DE_VAUCOULEURS: 1.9}
_SIGMA_RANGE = {EXPONENTIAL: (0.06, 3.0), DE_VAUCOULEURS: (0.006, 25.0)}


@njit(cache=True, nogil=True, error_model="numpy")
def fill_moffat(weights, beta):
    """Weights of a Moffat profile for the scales ``MOFFAT_SCALES`` (units of a^2)."""
    norm = lgamma(beta - 1.0)
    total = 0.0
    for k in range(weights.size):
        node = MOFFAT_NODES[k]
        weights[k] = exp((beta - 1.0) * log(node) - node - norm)
        total += weights[k]
    for k in range(weights.size):
        weights[k] /= total


@cache
def sersic(n: int):
    """(weights, scales) of a Sersic profile of index 1 or 4, in half-light radii squared."""
    b, (low, high) = _B_N[n], _SIGMA_RANGE[n]
    sigma = np.exp(np.arange(log(low), log(high) + 0.01, log(_SIGMA_STEP[n])))
    radius = np.exp(np.linspace(log(0.2 * low), log(1.5 * high), 400))
    total = 2 * np.pi * n * b ** (-2 * n) * gamma(2 * n)
    profile = np.exp(-b * radius ** (1 / n)) / total
    return _fit(radius, profile, sigma)


@cache
def kolmogorov():
    """(weights, scales) of a Kolmogorov PSF in units of its half-maximum width squared.

    The profile is drawn once by GalSim; one fit serves every seeing.
    """
    import galsim

    psf = galsim.Kolmogorov(fwhm=1.0)
    radius = np.exp(np.linspace(log(0.02), log(12.0), 300))
    profile = np.array([psf.xValue(r, 0.0) for r in radius])
    return _fit(radius, profile, np.exp(np.arange(log(0.3), log(9.0), log(1.5))))


def _fit(radius, profile, sigma):
    """Non-negative sum of Gaussians closest to a profile in flux per unit of log radius."""
    basis = np.exp(-0.5 * (radius[:, None] / sigma) ** 2) / (2 * np.pi * sigma**2)
    per_log_radius = radius**2
    weights, _ = nnls(basis * per_log_radius[:, None], profile * per_log_radius)
    kept = weights > 1e-5
    weights = weights[kept] / weights[kept].sum()
    return weights, sigma[kept] ** 2
