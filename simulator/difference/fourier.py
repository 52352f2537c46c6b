"""Discrete Fourier transforms of small square images inside compiled kernels.

A spectrum is stored transposed; the inverse transform restores the order. The centre of an odd
image lies at the first pixel of its grid, so a symmetric image has a real spectrum.
"""

from __future__ import annotations

from math import cos, pi, sin
from typing import NamedTuple

import numpy as np
from numba import njit


class Grid(NamedTuple):
    """A grid of ``size`` x ``size`` pixels, a power of two, and its tables."""

    size: int
    cosine: np.ndarray  # (size / 2,)
    sine: np.ndarray
    reverse: np.ndarray  # (size,): indices with their bits reversed


@njit(cache=True, nogil=True, error_model="numpy")
def fourier_grid(size: int) -> Grid:
    """Tables for transforms of ``size`` x ``size`` pixels, a power of two."""
    half = size // 2
    cosine, sine = np.empty(half, dtype=np.float32), np.empty(half, dtype=np.float32)
    for k in range(half):
        cosine[k] = cos(2.0 * pi * k / size)
        sine[k] = -sin(2.0 * pi * k / size)
    reverse = np.zeros(size, dtype=np.int64)
    bit = half
    filled = 1
    while bit:
        for k in range(filled):
            reverse[filled + k] = reverse[k] + bit
        filled *= 2
        bit //= 2
    return Grid(size, cosine, sine, reverse)


@njit(cache=True, nogil=True, error_model="numpy")
def transform(real: np.ndarray, imaginary: np.ndarray, grid: Grid) -> None:
    """Replace a complex float32 image by its spectrum (transposed), without a factor.

    With ``real`` and ``imaginary`` exchanged it is the inverse transform times size^2.
    """
    _transform_columns(real, imaginary, grid)
    for i in range(grid.size):
        for j in range(i):
            real[i, j], real[j, i] = real[j, i], real[i, j]
            imaginary[i, j], imaginary[j, i] = imaginary[j, i], imaginary[i, j]
    _transform_columns(real, imaginary, grid)


@njit(cache=True, nogil=True, error_model="numpy")
def _transform_columns(real, imaginary, grid):
    """Radix-2 transform along the first axis (Cooley & Tukey 1965), all columns at once."""
    size = grid.size
    for i in range(size):
        j = grid.reverse[i]
        if i < j:
            for x in range(size):
                real[i, x], real[j, x] = real[j, x], real[i, x]
                imaginary[i, x], imaginary[j, x] = imaginary[j, x], imaginary[i, x]
    span = 1
    while span < size:
        step = size // (2 * span)
        for first in range(0, size, 2 * span):
            for k in range(span):
                c, s = grid.cosine[k * step], grid.sine[k * step]
                a, b = first + k, first + k + span
                real_a, imaginary_a = real[a], imaginary[a]
                real_b, imaginary_b = real[b], imaginary[b]
                for x in range(size):
                    u = c * real_b[x] - s * imaginary_b[x]
                    v = c * imaginary_b[x] + s * real_b[x]
                    real_b[x] = real_a[x] - u
                    imaginary_b[x] = imaginary_a[x] - v
                    real_a[x] += u
                    imaginary_a[x] += v
        span *= 2


@njit(cache=True, nogil=True, error_model="numpy")
def place(grid_image: np.ndarray, image: np.ndarray) -> None:
    """Copy an odd image to a zeroed grid, its centre to the first pixel."""
    last, centre = grid_image.shape[0] - 1, image.shape[0] // 2
    grid_image[:] = np.float32(0.0)
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            grid_image[(y - centre) & last, (x - centre) & last] = image[y, x]


@njit(cache=True, nogil=True, error_model="numpy")
def take(image: np.ndarray, grid_image: np.ndarray, factor: float) -> None:
    """Fill an odd image from a grid, times a factor, its centre from the first pixel."""
    last, centre = grid_image.shape[0] - 1, image.shape[0] // 2
    factor = np.float32(factor)
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            image[y, x] = factor * grid_image[(y - centre) & last, (x - centre) & last]
