"""The matching kernel of two whole images, from all of their pixels and measured noise.

The terms are those of `simulator.difference.psf_matching`, to higher orders; a polynomial
background is fitted with them (Alard & Lupton 1998, section 2).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.ndimage import binary_dilation, convolve1d
from scipy.signal import oaconvolve

from simulator.difference.background import polynomial_terms
from simulator.difference.kernels import MAX_HALF_PIX
from simulator.difference.psf_matching import (
    MIN_SIGMA_PIX,
    MOST_STEPS,
    RATIO,
    STEP,
    set_profiles,
    term_half_width,
)

IMAGE_ORDERS = (6, 4, 2)  # default of hotpants (Becker 2015), option -ng
_CLIP, _ROUNDS = 5.0, 4
_CLIP_SHARE = 0.03  # of the signal: residuals of bright stars within it are kept
_TILE_PIX, _MOST_TILES = 256, 64  # of the normal equations: bounds on memory and time
_RIDGE = 1e-9
_MEDIAN_CHI2 = 0.4549  # of one degree of freedom
N_IMAGE_TERMS = sum((order + 1) * (order + 2) // 2 for order in IMAGE_ORDERS)


class ImageKernel(NamedTuple):
    """A fitted matching kernel: target = kernel * source + background."""

    kernel: np.ndarray  # (row, column); its sum is the ratio of the flux scales
    background: np.ndarray  # (row, column) of the image
    reduced_chi2: float
    n_pixels: int
    n_rejected: int


def steps_for_sigma(sigma_pix: float) -> int:
    """Steps of the widths at which the second Gaussian is about ``sigma_pix`` wide."""
    ratio = max(sigma_pix, 0.0) / (RATIO * MIN_SIGMA_PIX)
    return int(np.clip(np.round(np.log(max(ratio, 1.0)) / np.log(STEP)), 0, MOST_STEPS))


def fit_kernel(
    source: np.ndarray,
    target: np.ndarray,
    variance: np.ndarray,
    bad: np.ndarray,
    *,
    sigma_pix: float = 0.0,
    background_order: int = 0,
) -> ImageKernel:
    """Kernel and background that turn one whole image into another, by least squares.

    Of two sets of widths, the one with the smaller chi^2 is used. Pixels whose residual is
    beyond 5 sigma and 3 % of their signal (variable sources, artefacts) are left out.

    Parameters
    ----------
    source, target : arrays, shape (row, column)
        The values of bad pixels do not matter.
    variance : array, shape (row, column)
        Noise variance of target minus matched source.
    bad : array of bool, shape (row, column)
        Pixels that are not used; nor are those close to them.
    sigma_pix : float
        Width of a Gaussian that would match the images; 0 if unknown.
    background_order : int
        Of the polynomial.
    """
    narrow = steps_for_sigma(sigma_pix)
    images = np.where(bad, 0.0, source), np.where(bad, 0.0, target)
    widths = narrow, narrow + 1
    fits = [_fit(*images, variance, bad, background_order, steps) for steps in widths]
    return min(fits, key=lambda fit: fit.reduced_chi2)


def _fit(source, target, variance, bad, background_order, steps):
    half = term_half_width(len(IMAGE_ORDERS) - 1, steps, MAX_HALF_PIX)
    reach = term_half_width(1, steps, MAX_HALF_PIX)
    background = polynomial_terms(target.shape, background_order)
    use = ~binary_dilation(bad, np.ones((2 * reach + 1, 2 * reach + 1)))
    use[:half] = use[-half:] = False
    use[:, :half] = use[:, -half:] = False
    first, tiles = use, _tiles(use, target**2 / variance)
    for _ in range(_ROUNDS):
        solution = _solve(source, target, variance, use, background, steps, tiles)
        kernel = _kernel_of(solution[:N_IMAGE_TERMS], steps, half)
        offset = np.tensordot(solution[N_IMAGE_TERMS:], background, 1)
        squares = (target - offset - oaconvolve(source, kernel, mode="same")) ** 2
        allowed = variance * max(1.0, np.median(squares[use] / variance[use]) / _MEDIAN_CHI2)
        kept = use & (squares < _CLIP**2 * allowed + (_CLIP_SHARE * target) ** 2)
        if kept.sum() == use.sum():
            break
        use = kept
    n = int(use.sum())
    chi2 = float((squares / variance)[use].sum() / max(n - solution.size, 1))
    return ImageKernel(kernel, offset, chi2, n, int(first.sum()) - n)


def _tiles(use, signal):
    """Slices of the tiles with usable pixels; of a large image those with the most signal."""
    found = []
    for row in range(0, use.shape[0], _TILE_PIX):
        for column in range(0, use.shape[1], _TILE_PIX):
            tile = np.s_[row : row + _TILE_PIX, column : column + _TILE_PIX]
            if use[tile].any():
                found.append((float(signal[tile][use[tile]].sum()), tile))
    found.sort(key=lambda each: -each[0])
    return [tile for _, tile in found[:_MOST_TILES]]


def _profiles(steps):
    """(half width, order, profiles) of every Gaussian."""
    for gaussian, order in enumerate(IMAGE_ORDERS):
        half = term_half_width(gaussian, steps, MAX_HALF_PIX)
        profiles = np.zeros((order + 1, 2 * half + 1))
        set_profiles(profiles, gaussian, steps, half, order)
        yield half, order, profiles


def _terms(image, steps):
    """Every term convolved with an image, one by one."""
    for _, order, profiles in _profiles(steps):
        rows = [convolve1d(image, p, axis=1, mode="constant") for p in profiles]
        for a in range(order + 1):
            for b in range(order + 1 - a):
                yield convolve1d(rows[a], profiles[b], axis=0, mode="constant")


def _solve(source, target, variance, use, background, steps, tiles):
    """Coefficients of all terms, then of the background."""
    size = N_IMAGE_TERMS + len(background)
    normal, right = np.zeros((size, size)), np.zeros(size)
    margin = term_half_width(len(IMAGE_ORDERS) - 1, steps, MAX_HALF_PIX)
    for tile in tiles:
        here, root = use[tile], 1 / np.sqrt(variance[tile])
        if not here.any():
            continue
        begin = [max(0, each.start - margin) for each in tile]
        wide = source[begin[0] : tile[0].stop + margin, begin[1] : tile[1].stop + margin]
        inside = tuple(
            slice(each.start - b, each.start - b + n)
            for each, b, n in zip(tile, begin, here.shape, strict=True)
        )
        columns = [term[inside][here] for term in _terms(wide, steps)]
        columns += [term[tile][here] for term in background]
        matrix = np.stack(columns) * root[here]
        normal += matrix @ matrix.T
        right += matrix @ (target[tile] * root)[here]
    scale = np.sqrt(np.maximum(np.diag(normal), 1e-300))
    scaled = normal / np.outer(scale, scale) + _RIDGE * np.eye(size)
    return np.linalg.solve(scaled, right / scale) / scale


def _kernel_of(solution, steps, half):
    kernel, n = np.zeros((2 * half + 1, 2 * half + 1)), 0
    for own, order, profiles in _profiles(steps):
        inner = slice(half - own, half + own + 1)
        for a in range(order + 1):
            for b in range(order + 1 - a):
                kernel[inner, inner] += solution[n] * np.outer(profiles[b], profiles[a])
                n += 1
    return kernel
