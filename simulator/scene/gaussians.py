"""Light on pixels: every source is a sum of elliptical Gaussians, integrated over pixels.

A PSF, a galaxy and their convolution are all sums of Gaussians (Hogg & Lang 2013,
PASP 125, 719), so one kernel draws everything. Images here are flattened (row, column)
stamps; positions are in pixels from the centre of the stamp, x along columns.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
from numba import njit

from simulator.fastmath import fast_exp

# A pixel of width 1/n widens a Gaussian by 1/(12 n^2); what this leaves out is 1/(480 n^4 sigma^4)
# of its peak. n grows until that is this share of the peak of all components together.
_PIXEL_ERROR = 1e-3
_MAX_SUBPIXELS = 6


def pixel_centres(size_pix: int):
    """x and y of every pixel of a flattened stamp, float32, shape (size_pix^2,) each."""
    axis = np.arange(size_pix, dtype=np.float32) - np.float32(0.5 * (size_pix - 1))
    y, x = np.meshgrid(axis, axis, indexing="ij")
    return np.ascontiguousarray(x.ravel()), np.ascontiguousarray(y.ravel())


@njit(cache=True, nogil=True, error_model="numpy")
def add_concentric(image, size, x0, y0, gaussians):
    """Add Gaussians that share a centre, stepping along rows by recurrence.

    From one grid point to the next a Gaussian changes by a factor that itself changes by a
    constant factor, so a point costs two products instead of an exponential. All components
    use as many points per pixel as the narrowest needs.

    Parameters
    ----------
    image : array of float32, shape (size * size,)
    gaussians : array of float64, shape (4, component)
        Flux, cxx, cxy and cyy of each.
    """
    n = _points_per_pixel(gaussians)
    step = 1.0 / n
    state = np.empty((6, gaussians.shape[1]))
    start = -0.5 * (size - 1) + 0.5 * (step - 1.0)
    _start_recurrence(state, gaussians, start - x0, start - y0, step)
    value, ratio = np.empty(gaussians.shape[1]), np.empty(gaussians.shape[1])
    points = np.empty(-(-size * n // 4) * 4)
    for row in range(size * n):
        value[:] = state[0]
        ratio[:] = state[1]
        for column in range(0, points.size, 4):
            four = _sum_four_points(value, ratio, state[2])
            points[column], points[column + 1], points[column + 2], points[column + 3] = four
        line = image[(row // n) * size : (row // n) * size + size]
        for column in range(size):
            line[column] += np.float32(points[column * n : (column + 1) * n].sum())
        for k in range(value.size):
            state[0, k] *= state[3, k]
            state[3, k] *= state[4, k]
            state[1, k] *= state[5, k]


@njit(cache=True, nogil=True, error_model="numpy")
def _points_per_pixel(gaussians):
    peak, error = 1e-300, 0.0
    for k in range(gaussians.shape[1]):
        mean = 0.5 * (gaussians[1, k] + gaussians[3, k])
        half = 0.5 * (gaussians[1, k] - gaussians[3, k])
        narrow = mean - sqrt(half * half + gaussians[2, k] ** 2) + 1.0 / 12.0
        peak += gaussians[0, k] / narrow
        error += gaussians[0, k] / (480.0 * narrow**3)
    n = 1
    while n < _MAX_SUBPIXELS and error > _PIXEL_ERROR * peak * n**4:
        n += 1
    return n


@njit(cache=True, nogil=True, error_model="numpy")
def _start_recurrence(state, gaussians, dx, dy, step):
    """Value, ratio along x, its factor, ratio along y, its factor, factor of x ratio in y."""
    widening = step * step / 12.0
    for k in range(gaussians.shape[1]):
        cxx, cxy, cyy = gaussians[1, k] + widening, gaussians[2, k], gaussians[3, k] + widening
        determinant = cxx * cyy - cxy * cxy
        axx, axy, ayy = cyy / determinant, -cxy / determinant, cxx / determinant
        peak = gaussians[0, k] * step * step / (2.0 * np.pi * sqrt(determinant))
        state[0, k] = peak * fast_exp(-0.5 * (axx * dx * dx + 2.0 * axy * dx * dy + ayy * dy * dy))
        state[1, k] = fast_exp(-step * (axx * (dx + 0.5 * step) + axy * dy))
        state[2, k] = fast_exp(-axx * step * step)
        state[3, k] = fast_exp(-step * (ayy * (dy + 0.5 * step) + axy * dx))
        state[4, k] = fast_exp(-ayy * step * step)
        state[5, k] = fast_exp(-axy * step * step)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc"})
def _sum_four_points(value, ratio, factor):
    """The sum over components at this and the next three points, stepping past them."""
    sum0, sum1, sum2, sum3 = 0.0, 0.0, 0.0, 0.0
    for k in range(value.size):
        v, r, f = value[k], ratio[k], factor[k]
        sum0 += v
        v *= r
        r *= f
        sum1 += v
        v *= r
        r *= f
        sum2 += v
        v *= r
        r *= f
        sum3 += v
        value[k] = v * r
        ratio[k] = r * f
    return sum0, sum1, sum2, sum3


@njit(cache=True, nogil=True, error_model="numpy")
def covariance(size, e1, e2):
    """(cxx, cxy, cyy) of an ellipse with mean-square size ``size``^2.

    ``size`` is the geometric mean of the axes; the ellipticity is (a - b)/(a + b) at twice
    the position angle of the long axis from +x, so that (e1, e2) = e (cos 2t, sin 2t).
    """
    e = min(sqrt(e1 * e1 + e2 * e2), 0.95)
    ratio = (1.0 + e) / (1.0 - e)  # a / b
    half_sum = 0.5 * (ratio + 1.0 / ratio) * size * size
    if e == 0.0:
        return half_sum, 0.0, half_sum
    half_difference = 0.5 * (ratio - 1.0 / ratio) * size * size
    stretch = half_difference / sqrt(e1 * e1 + e2 * e2)
    return half_sum + stretch * e1, stretch * e2, half_sum - stretch * e1
