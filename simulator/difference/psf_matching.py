"""Matching kernels after Alard & Lupton (1998, ApJ 503, 325): sums of Gaussians times polynomials.

A kernel is a sum of terms x^a y^b exp(-r^2 / 2 s^2), a + b up to an order per Gaussian, constant
over the image; its coefficients follow from linear least squares. Three Gaussians of orders 4, 2
and 2, widths in the ratio 1 : 2 : 4 and at least 0.7 pixels, the second as wide as the kernel
should be, are those of the LSST pipelines (package ip_diffim, `makeKernelBasisList`).
"""

from __future__ import annotations

from math import exp, pi, sqrt
from typing import NamedTuple

import numpy as np
from numba import njit

ORDERS = (4, 2, 2)
RATIO = 2.0
MIN_SIGMA_PIX = 0.7
STEP = sqrt(2.0)  # widths grow in steps, so that sources are convolved once for many targets
MOST_STEPS = 8
N_TERMS = 27  # of all Gaussians: (order + 1)(order + 2) / 2 each
_MAX_ORDER = 4
_COLUMNS = 28  # terms, padded for vector instructions
_SLOTS = 8  # source PSFs whose convolved terms are kept
_RIDGE = 1e-9  # of the mean squared norm of a term: keeps the solution finite
_WIDTHS = 3.0  # half width of a kernel in units of its widest Gaussian


class Matching(NamedTuple):
    """Work space of `match_psf`, which keeps the terms of the last few PSFs that it convolved."""

    source: np.ndarray  # (slot, row, column): the PSFs
    steps: np.ndarray  # (slot,): their widths, -1 for an empty slot
    terms: np.ndarray  # (slot, pixel, term): every term convolved with the PSF, padded by zeros
    factor: np.ndarray  # (slot, term, term): Cholesky factor of the normal matrix
    profiles: np.ndarray  # (power, tap): a term along one axis
    lines: np.ndarray  # (power + 2, row, column): PSF convolved along rows, and two more images
    solution: np.ndarray  # (term,)
    latest: np.ndarray  # (1,): slot filled last


@njit(cache=True, nogil=True, error_model="numpy")
def matching_space(psf_size: int, max_half: int) -> Matching:
    """Work space for PSF images of ``psf_size`` pixels and kernels up to a half width."""
    pixels, taps = (psf_size * psf_size + 3) // 4 * 4, 2 * max_half + 1
    return Matching(
        np.zeros((_SLOTS, psf_size, psf_size), dtype=np.float32),
        np.full(_SLOTS, -1, dtype=np.int64),
        np.zeros((_SLOTS, pixels, _COLUMNS)),
        np.zeros((_SLOTS, _COLUMNS, _COLUMNS)),
        np.zeros((_MAX_ORDER + 1, taps)),
        np.zeros((_MAX_ORDER + 3, psf_size, psf_size)),
        np.zeros(N_TERMS),
        np.zeros(1, dtype=np.int64),
    )


@njit(cache=True, nogil=True, error_model="numpy")
def equivalent_sigma_pix(psf: np.ndarray) -> float:
    """Width of the Gaussian with the same sum of squares, sum P^2 = 1 / (4 pi s^2)."""
    squares = 0.0
    for y in range(psf.shape[0]):
        for x in range(psf.shape[1]):
            squares += psf[y, x] * psf[y, x]
    return 1.0 / sqrt(4.0 * pi * squares)


@njit(cache=True, nogil=True, error_model="numpy")
def match_psf(kernel: np.ndarray, source: np.ndarray, target: np.ndarray, space: Matching) -> None:
    """Fill a kernel of sum 1 that turns one PSF into another, wider one.

    Parameters
    ----------
    kernel : array of float32, odd and square
        Its half width limits the terms.
    source, target : arrays of float32, odd and square, of the same size
    space : Matching
        From `matching_space`. A source that was convolved lately costs nothing again.
    """
    missing = equivalent_sigma_pix(target) ** 2 - equivalent_sigma_pix(source) ** 2
    steps = _steps_for(missing)
    slot = _slot_of(source, steps, space)
    if slot < 0:
        slot = (space.latest[0] + 1) % _SLOTS
        space.latest[0] = slot
        _fill_slot(slot, source, steps, kernel.shape[0] // 2, space)
    terms, solution = space.terms[slot], space.solution
    solution[:] = 0.0
    for p in range(target.size):
        value = target[p // target.shape[1], p % target.shape[1]]
        for n in range(N_TERMS):
            solution[n] += value * terms[p, n]
    _solve(space.factor[slot], solution)
    _sum_terms(kernel, steps, solution, space.profiles)
    kernel /= kernel.sum()


@njit(cache=True, nogil=True, error_model="numpy")
def _steps_for(missing):
    """Steps of the widths at which the second Gaussian is about as wide as the kernel should be.

    ``missing`` is the variance of the kernel in pixels squared.
    """
    steps, sigma = 0, RATIO * MIN_SIGMA_PIX
    while missing > sigma * sigma * STEP and steps < MOST_STEPS:
        steps += 1
        sigma *= STEP
    return steps


@njit(cache=True, nogil=True, error_model="numpy")
def _slot_of(source, steps, space):
    """The slot that holds a PSF, or -1."""
    for slot in range(_SLOTS):
        if space.steps[slot] == steps:
            kept, same = space.source[slot], True
            for y in range(source.shape[0]):
                for x in range(source.shape[1]):
                    same = same and kept[y, x] == source[y, x]
                if not same:
                    break
            if same:
                return slot
    return -1


@njit(cache=True, nogil=True, error_model="numpy")
def term_half_width(gaussian: int, steps: int, max_half: int) -> int:
    """Half width [pix] of the terms of a Gaussian, at most ``max_half``."""
    sigma = MIN_SIGMA_PIX * RATIO**gaussian * STEP**steps
    return min(int(np.ceil(_WIDTHS * sigma)), max_half)


@njit(cache=True, nogil=True, error_model="numpy")
def set_profiles(profiles: np.ndarray, gaussian: int, steps: int, half: int, order: int) -> None:
    """Fill the terms of a Gaussian along one axis, (power, tap), each with sum |term| = 1."""
    sigma = MIN_SIGMA_PIX * RATIO**gaussian * STEP**steps
    for power in range(order + 1):
        total = 0.0
        for i in range(2 * half + 1):
            u = (i - half) / sigma
            profiles[power, i] = u**power * exp(-0.5 * u * u)
            total += abs(profiles[power, i])
        profiles[power, : 2 * half + 1] /= total


@njit(cache=True, nogil=True, error_model="numpy")
def _fill_slot(slot, source, steps, max_half, space):
    """Convolve every term with a PSF and factorise the normal matrix."""
    space.source[slot] = source
    space.steps[slot] = steps
    turned, out = space.lines[_MAX_ORDER + 1], space.lines[_MAX_ORDER + 2]
    terms, n = space.terms[slot], 0
    for gaussian in range(len(ORDERS)):
        half, order = term_half_width(gaussian, steps, max_half), ORDERS[gaussian]
        set_profiles(space.profiles, gaussian, steps, half, order)
        turned[:] = source.T
        for a in range(order + 1):
            _convolve_columns(out, turned, space.profiles[a], half)
            space.lines[a] = out.T
        for a in range(order + 1):
            for b in range(order + 1 - a):
                _convolve_columns(out, space.lines[a], space.profiles[b], half)
                for y in range(out.shape[0]):
                    for x in range(out.shape[1]):
                        terms[y * out.shape[1] + x, n] = out[y, x]
                n += 1
    _set_products(space.factor[slot], terms)
    _factorise(space.factor[slot])


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _convolve_columns(out, image, profile, half):
    size = image.shape[0]
    for y in range(size):
        line = out[y]
        line[:] = 0.0
        for j in range(max(-half, y - size + 1), min(half, y) + 1):
            row, weight = image[y - j], profile[j + half]
            for x in range(size):
                line[x] += weight * row[x]


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _set_products(normal, terms):
    """Fill the normal matrix: sums over pixels of products of terms, four pixels at a time."""
    normal[:] = 0.0
    for p in range(0, terms.shape[0] - 3, 4):
        a, b, c, d = terms[p], terms[p + 1], terms[p + 2], terms[p + 3]
        for i in range(_COLUMNS):
            line, u, v, w, z = normal[i], a[i], b[i], c[i], d[i]
            for j in range(_COLUMNS):
                line[j] += u * a[j] + v * b[j] + w * c[j] + z * d[j]


@njit(cache=True, nogil=True, error_model="numpy")
def _factorise(matrix):
    """Replace the lower half of a matrix by its Cholesky factor, with a small ridge."""
    n, trace = N_TERMS, 0.0
    for i in range(n):
        trace += matrix[i, i]
    for i in range(n):
        matrix[i, i] += _RIDGE * trace / n
    for j in range(n):
        for k in range(j):
            matrix[j, j] -= matrix[j, k] * matrix[j, k]
        matrix[j, j] = sqrt(max(matrix[j, j], 1e-300))
        for i in range(j + 1, n):
            for k in range(j):
                matrix[i, j] -= matrix[i, k] * matrix[j, k]
            matrix[i, j] /= matrix[j, j]


@njit(cache=True, nogil=True, error_model="numpy")
def _solve(factor, vector):
    """Solve in place, from the Cholesky factor."""
    n = vector.size
    for i in range(n):
        for k in range(i):
            vector[i] -= factor[i, k] * vector[k]
        vector[i] /= factor[i, i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            vector[i] -= factor[k, i] * vector[k]
        vector[i] /= factor[i, i]


@njit(cache=True, nogil=True, error_model="numpy")
def _sum_terms(kernel, steps, solution, profiles):
    """Fill a kernel from the coefficients of its terms."""
    centre, first = kernel.shape[0] // 2, 0
    kernel[:] = np.float32(0.0)
    for gaussian in range(len(ORDERS)):
        half, order = term_half_width(gaussian, steps, centre), ORDERS[gaussian]
        set_profiles(profiles, gaussian, steps, half, order)
        for j in range(2 * half + 1):
            n = first
            for a in range(order + 1):
                weight = 0.0
                for b in range(order + 1 - a):
                    weight += solution[n] * profiles[b, j]
                    n += 1
                for i in range(2 * half + 1):
                    kernel[centre - half + j, centre - half + i] += weight * profiles[a, i]
        first += (order + 1) * (order + 2) // 2
