"""PSF fit of a star: its most probable position and width, given data and prior.

Gauss-Newton steps on flux, position, ln(width) and ln(beta) together. Priors are normal,
about the centre of the stamp and the shape expected for the seeing. A faint source stays at the
prior, because the derivatives of the model by its shape are proportional to its flux.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from classifier.photometry.optimal_photometry import (
    FLUX,
    SHAPE_VARIANCE,
    SKY,
    SKY_VARIANCE,
    VARIANCE,
    dot,
    optimal_flux,
)
from classifier.photometry.psf_model import N_SHAPE, draw_star

# for X, Y [pix], WIDTH, BETA [ln]
_DIFFERENCES = np.array([0.05, 0.05, 0.02, 0.05])  # steps of the finite differences
_LONGEST = np.array([0.5, 0.5, 0.1, 0.2])  # Gauss-Newton step
_SETTLED = np.array([0.01, 0.01, 0.003, 0.02])  # a smaller step is the last,
_SETTLED_SIGMAS = 0.15  # or one below this share of a parameter's uncertainty
_REDRAW = np.array([0.2, 0.2, 0.05, 0.1])  # slopes are computed again after a change of this size
_MAX_STEPS = 6

# rows of the working space: 1 / V, a shifted star or the residual, one more, and the star's
# profile with its slopes
WEIGHT, SHIFTED, WEIGHTED, PROFILE, SLOPES, N_WORK = 0, 1, 2, 3, 4, 4 + N_SHAPE


@njit(cache=True, nogil=True, error_model="numpy")
def fit_shape(
    data: np.ndarray,
    good: np.ndarray,
    star: tuple,
    border: np.ndarray,
    noise: tuple[float, float, float],
    prior: tuple[np.ndarray, np.ndarray],
    shape: np.ndarray,
    known: np.ndarray,
    work: np.ndarray,
) -> None:
    """Find the ``shape`` (N_SHAPE,) of a star, and its flux and sky as ``optimal_flux`` does.

    ``star`` is the argument of ``draw_star``: (grid, psf, object, epoch). ``prior`` is (standard
    deviations, 0 for fixed parameters; largest deviations from the prior's centre). ``work``
    (N_WORK, pixel) holds the profile of the first ``shape`` on entry, of the last one on return.
    """
    scatter, farthest = prior
    profile, weight, slopes = work[PROFILE], work[WEIGHT], work[SLOPES:]
    optimal_flux(data, good, profile, border, noise, known, weight)
    known[SHAPE_VARIANCE] = 0.0
    if scatter.max() == 0.0:
        return
    step, settled, drawn_at = np.zeros(N_SHAPE), _SETTLED.copy(), np.full(N_SHAPE, np.inf)
    for _ in range(_MAX_STEPS):
        if (np.abs(shape - drawn_at) > _REDRAW).any():
            _draw_slopes(slopes, profile, work[SHIFTED], star, scatter, shape)
            drawn_at[:] = shape
        _solve(data, border, work, scatter, shape, known, step, settled)
        moved = _move(shape, step, farthest, settled)
        draw_star(profile, star, shape)
        optimal_flux(data, good, profile, border, noise, known, weight)
        if not moved:
            break


@njit(cache=True, nogil=True, error_model="numpy")
def _move(shape, step, farthest, settled):
    """Change ``shape`` by a step within bounds; whether the change exceeds ``settled``."""
    moved = False
    for j in range(N_SHAPE):
        before = shape[j]
        bounded = min(max(step[j], -_LONGEST[j]), _LONGEST[j])
        shape[j] = min(max(before + bounded, -farthest[j]), farthest[j])
        moved |= abs(shape[j] - before) > settled[j]
    return moved


@njit(cache=True, nogil=True, error_model="numpy")
def _draw_slopes(slopes, profile, shifted, star, scatter, shape):
    """Derivatives of the profile by each free parameter."""
    moved = shape.copy()
    for j in range(N_SHAPE):
        if scatter[j] > 0.0:
            moved[j] = shape[j] + _DIFFERENCES[j]
            draw_star(shifted, star, moved)
            moved[j] = shape[j]
            scale = np.float32(1.0 / _DIFFERENCES[j])
            for k in range(profile.size):
                slopes[j, k] = (shifted[k] - profile[k]) * scale


@njit(cache=True, nogil=True, error_model="numpy")
def _solve(data, border, work, scatter, shape, known, step, settled):
    """Fill ``step`` with the Gauss-Newton step, and the flux variance due to the shape.

    With J the slopes of the model by flux and shape, N = J' J / V and the prior's precision, h =
    J' 1 / V and p the mean of J over the border, the sky changes by -p times a step: the
    step solves (N - h p') step = J' residual / V - prior. The noise of the right-hand side has
    the covariance N + h h' variance(sky) - h p' - p h'.
    """
    n = N_SHAPE + 1
    matrix, right, light, wings = np.zeros((n, n)), np.zeros(n), np.zeros(n), np.zeros(n)
    _fill_equations(data, work, known, matrix, right, light)
    for j in range(N_SHAPE):
        if scatter[j] > 0.0:
            matrix[j + 1, j + 1] += scatter[j] ** -2
            right[j + 1] -= shape[j] * scatter[j] ** -2
        else:
            matrix[j + 1], matrix[:, j + 1], light[j + 1], right[j + 1] = 0.0, 0.0, 0.0, 0.0
            matrix[j + 1, j + 1] = 1.0
    if known[SKY_VARIANCE] > 0.0:
        n_border = border.sum()
        for j in range(n):
            scale = 1.0 if j == 0 else known[FLUX]
            wings[j] = scale * dot(border, work[PROFILE + j]) / n_border
    noise = matrix.copy()
    for j in range(n):
        for k in range(n):
            matrix[j, k] -= light[j] * wings[k]
            noise[j, k] += light[j] * (light[k] * known[SKY_VARIANCE] - wings[k])
            noise[j, k] -= wings[j] * light[k]
    inverse = np.linalg.inv(matrix)
    variance = 0.0
    for j in range(n):
        for k in range(n):
            variance += inverse[0, j] * noise[j, k] * inverse[0, k]
    known[SHAPE_VARIANCE] = max(variance - known[VARIANCE], 0.0)
    for j in range(N_SHAPE):
        step[j] = 0.0
        for k in range(n):
            step[j] += inverse[j + 1, k] * right[k]
        settled[j] = max(_SETTLED[j], _SETTLED_SIGMAS * np.sqrt(inverse[j + 1, j + 1]))


@njit(cache=True, nogil=True, error_model="numpy")
def _fill_equations(data, work, known, matrix, right, light):
    """Normal equations of flux and shape without the prior; slopes are those of flux one."""
    weight, residual, weighted, basis = work[WEIGHT], work[SHIFTED], work[WEIGHTED], work[PROFILE:]
    flux, sky = np.float32(known[FLUX]), np.float32(known[SKY])
    for k in range(data.size):
        residual[k] = data[k] - sky - flux * basis[0, k]
    for j in range(len(basis)):
        scale = 1.0 if j == 0 else known[FLUX]
        for k in range(data.size):
            weighted[k] = weight[k] * basis[j, k]
        right[j] = scale * dot(weighted, residual)
        light[j] = scale * weighted.sum()
        for other in range(j + 1):
            scale_other = 1.0 if other == 0 else known[FLUX]
            matrix[j, other] = scale * scale_other * dot(weighted, basis[other])
            matrix[other, j] = matrix[j, other]
