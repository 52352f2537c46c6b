"""The template of a stamp: drawn on its own grid, and moved to the grid of an exposure.

Kernels of `simulator.difference.planes`, for one object and band or exposure at a time.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from simulator.detector.defects import OUTSIDE, SATURATED
from simulator.detector.lanczos import lanczos_weights, shift_stamp
from simulator.detector.noise import add_normal_noise
from simulator.difference.template import LANCZOS_ORDER
from simulator.expose import Detector
from simulator.gaussian_mixture import Mixture
from simulator.psf.psf import Psf, add_star
from simulator.rng import Purpose
from simulator.scene.render import Scene, render

Grid = tuple[np.ndarray, np.ndarray, int]
"""Pixel centres of a square image, x and y, and its size."""
_NOISE = np.uint32(int(Purpose.TEMPLATE_NOISE) << 24)
_LOW, _SHIFT = np.uint64(0xFFFFFFFF), np.uint64(32)


class Coadd(NamedTuple):
    """A template on its own grid."""

    electrons: np.ndarray  # (row, column), float32: of one exposure, without background
    variance: np.ndarray
    flags: np.ndarray  # uint8


class MovedTemplate(NamedTuple):
    """A template on the grid of an exposure, wider than its stamp."""

    adu: np.ndarray  # (row, column), float32
    variance: np.ndarray
    flags: np.ndarray  # uint8


@njit(cache=True, nogil=True, error_model="numpy")
def draw_coadd(
    coadd: Coadd,
    grid: Grid,
    scene: Scene,
    psf: Psf,
    i: int,
    band: int,
    disc: Mixture,
    bulge: Mixture,
    variance_share: float,
    detector: Detector,
    address: np.uint64,
    key: tuple[np.uint32, np.uint32],
) -> None:
    """Draw the template of object ``i`` in a band, with its noise and saturated pixels.

    ``scene`` and ``psf`` have an "epoch" for every band; ``variance_share`` is the variance of a
    pixel, as a share of that of one exposure.
    """
    flat, variance = coadd.electrons.reshape(grid[2] ** 2), coadd.variance.reshape(grid[2] ** 2)
    flags = coadd.flags.reshape(grid[2] ** 2)
    render(flat, grid, scene, psf, i, band, disc, bulge)
    read_variance = detector.read_noise_e[i] ** 2
    full_well, background = np.float32(detector.full_well_e[i]), scene.background_e[i, band]
    for p in range(flat.size):
        flags[p] = SATURATED if flat[p] > full_well else 0
        light = min(flat[p], full_well)
        variance[p] = variance_share * (light + read_variance)
        flat[p] = light - np.float32(background)
    low, high = np.uint32(address & _LOW), np.uint32(address >> _SHIFT)
    add_normal_noise(flat, variance, (low, high, _NOISE, np.uint32(band << 24)), key)


@njit(cache=True, nogil=True, error_model="numpy")
def draw_psf(image: np.ndarray, grid: Grid, psf: Psf, i: int, epoch: int) -> float:
    """Fill the centred image of a PSF, of sum 1, and return its share of all light."""
    flat = image.reshape(image.size)
    flat[:] = np.float32(0.0)
    add_star(flat, grid, psf, i, epoch, 1.0, 0.0, 0.0)
    total = flat.sum()
    flat /= total
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def move_template(
    moved: MovedTemplate, coadd: Coadd, x_shift_pix: float, y_shift_pix: float, scale: float
) -> None:
    """Resample a template to the grid of an exposure, and scale it.

    A pixel has the flags of all pixels that it was made from.
    """
    size = moved.adu.shape[0]
    scale = np.float32(scale)
    shift_stamp(moved.adu, coadd.electrons, x_shift_pix, y_shift_pix, LANCZOS_ORDER)
    margin = (coadd.electrons.shape[0] - size) // 2
    shared = resampled_variance(x_shift_pix, y_shift_pix, LANCZOS_ORDER) * scale * scale
    row, column = margin + int(np.rint(y_shift_pix)), margin + int(np.rint(x_shift_pix))
    moved.flags[:] = 0
    for a in range(size):
        for b in range(size):
            moved.adu[a, b] *= scale
            moved.variance[a, b] = shared * coadd.variance[row + a, column + b]
    if coadd.flags.any():
        row, column = margin + int(np.floor(y_shift_pix)), margin + int(np.floor(x_shift_pix))
        _grow_flags(moved.flags, coadd.flags, row, column)


@njit(cache=True, nogil=True, error_model="numpy")
def _grow_flags(flags, coadd_flags, first_row, first_column):
    for a in range(flags.shape[0]):
        for b in range(flags.shape[1]):
            for k in range(1 - LANCZOS_ORDER, LANCZOS_ORDER + 1):
                for m in range(1 - LANCZOS_ORDER, LANCZOS_ORDER + 1):
                    flags[a, b] |= coadd_flags[first_row + a + k, first_column + b + m]


@njit(cache=True, nogil=True, error_model="numpy")
def resampled_variance(x_shift_pix: float, y_shift_pix: float, order: int) -> float:
    """Variance of a resampled pixel (float32), relative to that of the pixels it was made from."""
    wx = lanczos_weights(x_shift_pix - np.floor(x_shift_pix), order)
    wy = lanczos_weights(y_shift_pix - np.floor(y_shift_pix), order)
    return np.float32((wx * wx).sum() * (wy * wy).sum())


@njit(cache=True, nogil=True, error_model="numpy")
def cut_template(moved: MovedTemplate, science_mask: np.ndarray) -> None:
    """End a template where the science image does: at the edge of the detector."""
    size = science_mask.shape[0]
    border = (moved.adu.shape[0] - size) // 2
    for a in range(size):
        for b in range(size):
            if science_mask[a, b] & OUTSIDE:
                moved.adu[a + border, b + border] = np.float32(0.0)
                moved.flags[a + border, b + border] = OUTSIDE
