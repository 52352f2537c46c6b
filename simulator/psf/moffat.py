"""Point sources with a Moffat profile, integrated over each pixel or as a sum of Gaussians.

Images are flattened (row, column) stamps; positions are in pixels from the stamp's centre, x
along columns.
"""

from __future__ import annotations

from math import ceil, exp, lgamma, log, pi, sqrt

import numpy as np
from numba import njit

from simulator.fastmath import exp2_of_negative, log_of
from simulator.gaussian_mixture import Mixture

BETA_RANGE = (1.3, 30.0)  # of the profiles that can be drawn
MAX_ASYMMETRY = 0.4  # per FWHM on each axis: the profile then still falls in every direction

# Gauss-Legendre abscissae over a pixel of unit width, and weights, for 1 to 5 points.
_ORDERS = [np.polynomial.legendre.leggauss(n) for n in range(1, 6)]
_POINTS = np.array([np.pad(x / 2, (0, 5 - x.size)) for x, _ in _ORDERS], dtype=np.float32)
_WEIGHTS = np.array([np.pad(w / 2, (0, 5 - w.size)) for _, w in _ORDERS], dtype=np.float32)
_CORE_FWHM = 1.6  # beyond this many FWHM from the centre two points are enough at any width
_SYMMETRIC_FROM = np.float32(4.0)  # a^2: symmetric wings; the skew is largest half-way there
_LOG2E = np.float32(1.4426950408889634)

# Nodes of the sum of Gaussians are even in the logarithm, and reach from where so little flux is
# left that one Gaussian can carry it to this many standard deviations above the mean.
_LARGEST_STEP, _STEP_SIGMAS = 0.75, 1.65
_WIDEST_FLUX, _NARROWEST_SIGMAS = 3e-3, 2.3


@njit(cache=True, nogil=True, error_model="numpy")
def moffat_scale(fwhm: float, beta: float) -> float:
    """The a of a Moffat profile (1 + r^2/a^2)^-beta with this full width at half maximum."""
    return fwhm / (2.0 * sqrt(2.0 ** (1.0 / beta) - 1.0))


@njit(cache=True, nogil=True, error_model="numpy")
def moffat_mixture(beta: float) -> Mixture:
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


@njit(cache=True, nogil=True, error_model="numpy")
def _points_per_pixel(narrow_fwhm):
    if narrow_fwhm > 2.6:
        return 2
    if narrow_fwhm > 1.5:
        return 3
    return 4 if narrow_fwhm > 1.0 else 5


@njit(cache=True, nogil=True, error_model="numpy")
def add_moffat(
    image: np.ndarray,
    x_pix: np.ndarray,
    y_pix: np.ndarray,
    size: int,
    flux: float,
    x0: float,
    y0: float,
    beta: float,
    cxx: float,
    cxy: float,
    cyy: float,
    skew_x: float = 0.0,
    skew_y: float = 0.0,
) -> None:
    """Add a star of total ``flux``; (cxx, cxy, cyy) is a^2 times the shape of the ellipse.

    ``skew_x`` and ``skew_y``, per pixel, make it asymmetric: at (dx, dy) from its centre the
    square of its elliptical radius in units of a, r^2, grows by
    (skew_x dx + skew_y dy) min(r^2, 4 - r^2), and stays as it is beyond 4. (x0, y0) is where a
    fit with a symmetric profile finds it under the noise of the sky.
    """
    determinant = cxx * cyy - cxy * cxy
    axx, axy, ayy = cyy / determinant, -2.0 * cxy / determinant, cxx / determinant
    peak = flux * (beta - 1.0) / (pi * sqrt(determinant))
    skew2 = cxx * skew_x**2 + 2.0 * cxy * skew_x * skew_y + cyy * skew_y**2
    if skew2 > 0.0:
        peak /= 1.0 + skew2 * _flux_of_skew(beta)
        x0 += (cxx * skew_x + cxy * skew_y) / (2.0 * beta - 1.0)
        y0 += (cxy * skew_x + cyy * skew_y) / (2.0 * beta - 1.0)
    mean = 0.5 * (cxx + cyy)
    narrow = sqrt(mean - sqrt(0.25 * (cxx - cyy) ** 2 + cxy * cxy))
    narrow_fwhm = 2.0 * narrow * sqrt(2.0 ** (1.0 / beta) - 1.0)
    n = _points_per_pixel(narrow_fwhm)
    centre = y0 + 0.5 * (size - 1)
    reach = _CORE_FWHM * narrow_fwhm * sqrt(cyy) / narrow + 0.5
    first, last, end = 0, size, size * size
    shape = (beta, peak, axx, axy, ayy, skew_x, skew_y)
    if n > 2:
        first = min(size, max(0, ceil(centre - reach)))
        last = max(first, min(size, int(centre + reach) + 1))
        _add_rows(image, x_pix, y_pix, 0, first * size, 2, x0, y0, shape)
        _add_rows(image, x_pix, y_pix, last * size, end, 2, x0, y0, shape)
    _add_rows(image, x_pix, y_pix, first * size, last * size, n, x0, y0, shape)


@njit(cache=True, nogil=True, error_model="numpy")
def _flux_of_skew(beta):
    """Relative flux that a skew adds, to second order, over the square of the skew along a.

    It is (beta - 1) beta (beta + 1) / 4 times the integral of r^2 min(r^2, 4 - r^2)^2
    (1 + r^2)^(-beta - 2) over r^2 from 0 to 4, in powers of t = 1 + r^2.
    """
    total = 0.0
    for power, below, above in ((2, 1.0, 1.0), (1, -3.0, -11.0), (0, 3.0, 35.0), (-1, -1.0, -25.0)):
        exponent = power - beta
        if abs(exponent) < 1e-6:
            exponent = 1e-6
        middle = 3.0**exponent
        total += (below * (middle - 1.0) + above * (5.0**exponent - middle)) / exponent
    return 0.25 * (beta - 1.0) * beta * (beta + 1.0) * total


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _add_rows(image, x_pix, y_pix, start, end, n, x0, y0, shape):
    out, x, y = image[start:end], x_pix[start:end], y_pix[start:end]
    beta, peak, axx, axy, ayy, skew_x, skew_y = shape
    qxx, qxy, qyy = np.float32(axx), np.float32(axy), np.float32(ayy)
    sx, sy = np.float32(skew_x), np.float32(skew_y)
    power = np.float32(-beta) * _LOG2E
    for i in range(n):
        sub_y = np.float32(y0) - _POINTS[n - 1, i]
        for j in range(n):
            sub_x = np.float32(x0) - _POINTS[n - 1, j]
            weight = np.float32(peak) * _WEIGHTS[n - 1, i] * _WEIGHTS[n - 1, j]
            for p in range(out.size):
                dx = x[p] - sub_x
                dy = y[p] - sub_y
                q = (qxx * dx + qxy * dy) * dx + qyy * dy * dy
                bent = max(min(q, _SYMMETRIC_FROM - q), np.float32(0.0))
                q += bent * (sx * dx + sy * dy)
                out[p] += weight * exp2_of_negative(power * log_of(np.float32(1.0) + q))
