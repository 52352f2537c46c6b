"""Radial profiles as sums of Gaussians: Moffat, exponential, de Vaucouleurs, Kolmogorov.

Each sum is a pair (weights, scales): fluxes that add up to one, and variances in units of
the profile's own size squared (Moffat a, half-light radius, half-maximum width).
"""

from __future__ import annotations

from functools import cache
from math import ceil, exp, lgamma, log, sqrt

import numpy as np
from numba import njit
from scipy.optimize import nnls
from scipy.special import gamma

# Nodes of a Moffat profile are even in the logarithm, and reach from where so little flux is
# left that one Gaussian can carry it to this many standard deviations above the mean.
_LARGEST_STEP, _STEP_SIGMAS = 0.75, 1.65
_WIDEST_FLUX, _NARROWEST_SIGMAS = 3e-3, 2.3

EXPONENTIAL, DE_VAUCOULEURS = 1, 4
SERSIC_B = {EXPONENTIAL: 1.6783469900166605, DE_VAUCOULEURS: 7.669249442500804}
_SIGMA_STEP = {EXPONENTIAL: 1.6, DE_VAUCOULEURS: 1.9}
_SIGMA_RANGE = {EXPONENTIAL: (0.06, 3.0), DE_VAUCOULEURS: (0.006, 25.0)}


@njit(cache=True, nogil=True, error_model="numpy")
def moffat_mixture(beta):
    """(weights, scales) of a Moffat profile with ``beta`` above 1, in units of a^2.

    (1 + r^2/a^2)^-beta is the mean of exp(-t r^2/a^2) over t ~ Gamma(beta): Gaussians of
    variance a^2/(2t) that carry flux t^(beta - 2) exp(-t) dt / Gamma(beta - 1). Between 6 and
    30 of them are within 0.25 % of the peak and 0.2 % of the flux enclosed for beta from 1.3 to 30.
    """
    root = sqrt(beta)
    step = min(_LARGEST_STEP, _STEP_SIGMAS / root)
    low = (log(_WIDEST_FLUX) + lgamma(beta)) / (beta - 1.0)
    high = log(beta + _NARROWEST_SIGMAS * root + _NARROWEST_SIGMAS**2 / 6.0)
    n = 1 + max(ceil((high - low) / step), 1)
    weights, scales = np.empty(n), np.empty(n)
    for k in range(n):
        log_node = high - (n - 1 - k) * step
        weights[k] = exp((beta - 1.0) * log_node - exp(log_node))
        scales[k] = 0.5 * exp(-log_node)
    weights[0] /= 1.0 - exp(-(beta - 1.0) * step)  # and the flux of all nodes below
    return weights / weights.sum(), scales


@cache
def sersic(n: int):
    """(weights, scales) of a Sersic profile of index 1 or 4, in half-light radii squared."""
    b, (low, high) = SERSIC_B[n], _SIGMA_RANGE[n]
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
    # its narrowest Gaussian is 0.38 FWHM wide: a grid that steps over that misses the core
    return _fit(radius, profile, np.exp(np.arange(log(0.38), log(9.0), log(1.4))))


def _fit(radius, profile, sigma):
    """Non-negative sum of Gaussians closest to a profile in flux per unit of log radius."""
    basis = np.exp(-0.5 * (radius[:, None] / sigma) ** 2) / (2 * np.pi * sigma**2)
    per_log_radius = radius**2
    weights, _ = nnls(basis * per_log_radius[:, None], profile * per_log_radius)
    kept = weights > 1e-5
    weights = weights[kept] / weights[kept].sum()
    return weights, sigma[kept] ** 2
