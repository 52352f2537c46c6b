"""Point sources with a Moffat profile, integrated over each pixel.

Flattened stamps, positions in pixels from the stamp's centre, x along columns, as in
``simulator.scene.gaussians``.
"""

from __future__ import annotations

from math import ceil, pi, sqrt

import numpy as np
from numba import njit

from simulator.fastmath import exp2_of_negative, log_of

# Gauss-Legendre abscissae over a pixel of unit width, and weights, for 1 to 5 points.
_ORDERS = [np.polynomial.legendre.leggauss(n) for n in range(1, 6)]
_POINTS = np.array([np.pad(x / 2, (0, 5 - x.size)) for x, _ in _ORDERS], dtype=np.float32)
_WEIGHTS = np.array([np.pad(w / 2, (0, 5 - w.size)) for _, w in _ORDERS], dtype=np.float32)
_CORE_FWHM = 1.6  # beyond this many FWHM from the centre two points are enough at any width
_EVEN_FROM = np.float32(4.0)  # a^2: wings are even, and half-way there the skew is largest
_LOG2E = np.float32(1.4426950408889634)


@njit(cache=True, nogil=True, error_model="numpy")
def moffat_scale(fwhm, beta):
    """The a of a Moffat profile (1 + r^2/a^2)^-beta with this full width at half maximum."""
    return fwhm / (2.0 * sqrt(2.0 ** (1.0 / beta) - 1.0))


@njit(cache=True, nogil=True, error_model="numpy")
def _points_per_pixel(narrow_fwhm):
    if narrow_fwhm > 2.6:
        return 2
    if narrow_fwhm > 1.5:
        return 3
    return 4 if narrow_fwhm > 1.0 else 5


@njit(cache=True, nogil=True, error_model="numpy")
def add_moffat(
    image, x_pix, y_pix, size, flux, x0, y0, beta, cxx, cxy, cyy, skew_x=0.0, skew_y=0.0
):
    """Add a star of total ``flux``; (cxx, cxy, cyy) is a^2 times the shape of the ellipse.

    ``skew_x`` and ``skew_y``, per pixel, make it lopsided: at (dx, dy) from its centre the square
    of its elliptical radius in units of a, r^2, grows by (skew_x dx + skew_y dy) min(r^2, 4 - r^2),
    and stays as it is beyond 4.
    (x0, y0) is where a fit with an even profile finds it under the noise of the sky.
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
                bent = max(min(q, _EVEN_FROM - q), np.float32(0.0))
                q += bent * (sx * dx + sy * dy)
                out[p] += weight * exp2_of_negative(power * log_of(np.float32(1.0) + q))
