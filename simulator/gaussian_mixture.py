"""Sums of elliptical Gaussians, integrated over pixels.

A PSF, a galaxy and their convolution are all sums of Gaussians (Hogg & Lang 2013,
PASP 125, 719), so one kernel draws them all. Images are flattened (row, column) stamps.
Positions are in pixels from the centre of the stamp, x along columns. A radial profile as a sum
of Gaussians is a pair (weights, scales): fluxes that add up to one, and variances in units of
the profile's own size squared.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
from numba import njit
from scipy.optimize import nnls

from simulator.fastmath import fast_exp
from simulator.lanes import (
    BLOCK,
    DOWN,
    DOWN_FACTOR,
    LANES,
    N_STATE,
    RATIO,
    RATIO_DOWN,
    RATIO_FACTOR,
    VALUE,
    add_row,
    sum_of_lanes,
)

Mixture = tuple[np.ndarray, np.ndarray]  # (weights, scales), each of shape (component,)

# A pixel of width 1/n widens a Gaussian by 1/(12 n^2); the error is 1/(480 n^4 sigma^4) of its
# peak. n grows until that is this share of the peak of all components together.
_PIXEL_ERROR = 1e-3
_MAX_SUBPIXELS = 6

# Stepping starts at a corner of the stamp, where a narrow Gaussian far away must not have
# underflowed. Those below e^-600 of their peak there are drawn point by point instead, out to
# where they have fallen to e^-40.
_DEEPEST_START = 600.0
_FAINTEST = 40.0


def pixel_centres(size_pix: int) -> tuple[np.ndarray, np.ndarray]:
    """X and y of every pixel of a flattened stamp, float32, shape (size_pix^2,) each."""
    axis = np.arange(size_pix, dtype=np.float32) - np.float32(0.5 * (size_pix - 1))
    y, x = np.meshgrid(axis, axis, indexing="ij")
    return np.ascontiguousarray(x.ravel()), np.ascontiguousarray(y.ravel())


def fit_mixture(radius: np.ndarray, profile: np.ndarray, sigma: np.ndarray) -> Mixture:
    """(weights, scales) of the Gaussians closest to a profile in flux per unit of log radius.

    Parameters
    ----------
    radius, profile : array, shape (radius,)
        Surface brightness of a profile of flux one, in units of its own size.
    sigma : array, shape (candidate,)
        Candidate widths of the Gaussians; weights are not negative, negligible ones are dropped.
    """
    basis = np.exp(-0.5 * (radius[:, None] / sigma) ** 2) / (2 * np.pi * sigma**2)
    per_log_radius = radius**2
    weights, _ = nnls(basis * per_log_radius[:, None], profile * per_log_radius)
    kept = weights > 1e-5
    weights = weights[kept] / weights[kept].sum()
    return weights, sigma[kept] ** 2


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def add_concentric(
    image: np.ndarray, size: int, x0: float, y0: float, gaussians: np.ndarray
) -> None:
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
    n, narrowest = _points_per_pixel(gaussians)
    reach2 = (abs(x0) + 0.5 * size) ** 2 + (abs(y0) + 0.5 * size) ** 2
    if reach2 > 2.0 * _DEEPEST_START * narrowest:
        gaussians = _draw_steep(image, size, x0, y0, gaussians, n, reach2)
    _step_through(image, size, x0, y0, gaussians, n)


@njit(cache=True, nogil=True, error_model="numpy")
def _step_through(image, size, x0, y0, gaussians, n):
    step = 1.0 / n
    state = np.ones((N_STATE, -(-gaussians.shape[1] // BLOCK) * BLOCK))
    state[VALUE, gaussians.shape[1] :] = 0.0
    start = -0.5 * (size - 1) + 0.5 * (step - 1.0)
    _start_recurrence(state, gaussians, start - x0, start - y0, step)
    sums = np.empty((size, LANES))
    for row in range(size * n):
        sums[:] = 0.0
        add_row(sums, state, n)
        first = row // n * size
        for column in range(size):
            image[first + column] += np.float32(sum_of_lanes(sums, column))


@njit(cache=True, nogil=True, error_model="numpy")
def _points_per_pixel(gaussians):
    """Points per pixel that integrate the sum well enough, and its smallest variance."""
    peak, error, narrowest = 1e-300, 0.0, 1e300
    for k in range(gaussians.shape[1]):
        variance = _small_variance(gaussians[:, k])
        narrowest = min(narrowest, variance)
        narrow = variance + 1.0 / 12.0
        peak += gaussians[0, k] / narrow
        error += gaussians[0, k] / (480.0 * narrow**3)
    n = 1
    while n < _MAX_SUBPIXELS and error > _PIXEL_ERROR * peak * n**4:
        n += 1
    return n, narrowest


@njit(cache=True, nogil=True, error_model="numpy")
def _small_variance(gaussian):
    """Variance along the short axis."""
    mean, half = 0.5 * (gaussian[1] + gaussian[3]), 0.5 * (gaussian[1] - gaussian[3])
    return mean - sqrt(half * half + gaussian[2] ** 2)


@njit(cache=True, nogil=True, error_model="numpy")
def _draw_steep(image, size, x0, y0, gaussians, n, reach2):
    """Draw the components too narrow to step through, and return the others."""
    stepped = np.empty(gaussians.shape[1], dtype=np.bool_)
    for k in range(stepped.size):
        variance = _small_variance(gaussians[:, k])
        stepped[k] = reach2 <= 2.0 * _DEEPEST_START * variance
        if not stepped[k]:
            _add_point_by_point(image, size, x0, y0, gaussians[:, k], n)
    return gaussians[:, stepped]


@njit(cache=True, nogil=True, error_model="numpy")
def _add_point_by_point(image, size, x0, y0, gaussian, n):
    step = 1.0 / n
    cxx, cyy = gaussian[1] + step * step / 12.0, gaussian[3] + step * step / 12.0
    cxy = gaussian[2]
    determinant = cxx * cyy - cxy * cxy
    peak = gaussian[0] * step * step / (2.0 * np.pi * sqrt(determinant))
    start = 0.5 * (size - 1) - 0.5 * (step - 1.0)
    first_column, last_column = _grid_range(x0 + start, sqrt(2.0 * _FAINTEST * cxx), size, n)
    first_row, last_row = _grid_range(y0 + start, sqrt(2.0 * _FAINTEST * cyy), size, n)
    for row in range(first_row, last_row):
        dy = row * step - start - y0
        for column in range(first_column, last_column):
            dx = column * step - start - x0
            q = (cyy * dx * dx - 2.0 * cxy * dx * dy + cxx * dy * dy) / determinant
            image[row // n * size + column // n] += np.float32(peak * fast_exp(-0.5 * q))


@njit(cache=True, nogil=True, error_model="numpy")
def _grid_range(centre, reach, size, n):
    """First and one past the last grid point within ``reach`` of ``centre``, both in pixels."""
    first = min(max(int(np.ceil((centre - reach) * n)), 0), size * n)
    last = min(max(int(np.floor((centre + reach) * n)) + 1, 0), size * n)
    return first, last


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _start_recurrence(state, gaussians, dx, dy, step):
    """The state of every Gaussian at its first point, see `simulator.lanes.add_row`."""
    widening = step * step / 12.0
    for k in range(gaussians.shape[1]):
        cxx, cxy, cyy = gaussians[1, k] + widening, gaussians[2, k], gaussians[3, k] + widening
        determinant = cxx * cyy - cxy * cxy
        axx, axy, ayy = cyy / determinant, -cxy / determinant, cxx / determinant
        peak = gaussians[0, k] * step * step / (2.0 * np.pi * sqrt(determinant))
        state[VALUE, k] = peak * fast_exp(
            -0.5 * (axx * dx * dx + 2.0 * axy * dx * dy + ayy * dy * dy)
        )
        state[RATIO, k] = fast_exp(-step * (axx * (dx + 0.5 * step) + axy * dy))
        state[RATIO_FACTOR, k] = fast_exp(-axx * step * step)
        state[DOWN, k] = fast_exp(-step * (ayy * (dy + 0.5 * step) + axy * dx))
        state[DOWN_FACTOR, k] = fast_exp(-ayy * step * step)
        state[RATIO_DOWN, k] = fast_exp(-axy * step * step)


@njit(cache=True, nogil=True, error_model="numpy")
def covariance(size: float, e1: float, e2: float) -> tuple[float, float, float]:
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
