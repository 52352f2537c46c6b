"""Exposures of whole sequences: the scene of every epoch through the detector, object by object.

Images are (object, epoch, row, column). The kernel runs without the interpreter's lock, so
every thread can take a batch. The images of an object depend on that object alone.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from simulator.artefacts.kernels import Artefacts, add_artefact
from simulator.contiguous import contiguous
from simulator.detector.defects import OUTSIDE, add_cosmic_rays, place_fixed_defects
from simulator.detector.lanczos import shift_stamp
from simulator.detector.noise import add_noise
from simulator.detector.readout import apply_fixed_defects, bleed, digitise
from simulator.gaussian_mixture import pixel_centres
from simulator.psf.psf import Psf
from simulator.rng import Purpose, key_words
from simulator.scene.render import Scene, render
from simulator.scene.sersic import DE_VAUCOULEURS, EXPONENTIAL, sersic

_NOISE, _DEFECTS = (np.uint32(int(p) << 24) for p in (Purpose.NOISE, Purpose.DEFECTS))
_LOW, _SHIFT = np.uint64(0xFFFFFFFF), np.uint64(32)
_RAY_DRAWS = 1 << 12  # draws kept for the fixed defects, and for the rays of one exposure


class Detector(NamedTuple):
    """The detector of every object of a batch; per-object values have shape (object,)."""

    gain_e_per_adu: np.ndarray
    read_noise_e: np.ndarray
    full_well_e: np.ndarray
    exposure_time_s: np.ndarray  # (object, epoch)
    cosmic_ray_rate_per_pix_s: float
    hot_pixel_fraction: float
    bad_column_fraction: float
    lanczos_order: int  # 0: no resampling
    silicon_um: float
    pixel_um: float
    edges: np.ndarray  # (object, 4): first and end row and column on it, as shares of the stamp


def expose(
    objects: np.ndarray,
    scene: Scene,
    psf: Psf,
    detector: Detector,
    *,
    seed: int,
    size_pix: int,
    images: np.ndarray,
    mask: np.ndarray,
    artefacts: Artefacts | None = None,
) -> None:
    """Fill the zeroed ``images`` (uint16) and ``mask`` (uint8), both (object, epoch, row, column).

    ``objects`` are the addresses in the data set, which with ``seed`` address the noise.
    """
    margin = detector.lanczos_order + 1 if detector.lanczos_order else 0
    wide = size_pix + 2 * margin
    _expose(
        np.ascontiguousarray(objects, dtype=np.uint64),
        contiguous(scene),
        contiguous(psf),
        contiguous(detector),
        key_words(seed),
        (*pixel_centres(wide), wide),
        sersic(EXPONENTIAL),
        sersic(DE_VAUCOULEURS),
        images,
        mask,
        contiguous(artefacts) if artefacts is not None and artefacts.kind.size else None,
    )


@njit(cache=True, nogil=True, error_model="numpy")
def _expose(objects, scene, psf, detector, key, grid, disc, bulge, images, mask, artefacts):
    wide = grid[2]
    flat = np.empty(wide * wide, dtype=np.float32)
    flags = np.empty((wide, wide), dtype=np.uint8)
    counts = np.empty(wide * wide, dtype=np.uint16)
    recorded = counts.reshape((wide, wide))
    defect = np.zeros((wide, wide), dtype=np.uint8)
    order = detector.lanczos_order
    for i in range(objects.size):
        words = np.uint32(objects[i] & _LOW), np.uint32(objects[i] >> _SHIFT)
        hot, dead = detector.hot_pixel_fraction, detector.bad_column_fraction
        defect[:] = 0
        has_defect = place_fixed_defects(defect, hot, dead, (*words, _DEFECTS), key)
        for epoch in range(scene.n_epochs[i]):
            render(flat, grid, scene, psf, i, epoch, disc, bulge)
            # without artefacts the argument is None, and this branch is not compiled
            if artefacts is not None and artefacts.kind[i, epoch]:
                x, y = scene.x_pix[i, epoch], scene.y_pix[i, epoch]
                add_artefact(flat, grid, artefacts, psf, i, epoch, x, y)
            if order:
                flags[:] = 0
                _detect(flat, flags, defect, has_defect, detector, i, epoch, words, key)
                digitise(counts, flat, detector.gain_e_per_adu[i])
                x, y = scene.x_pix[i, epoch], scene.y_pix[i, epoch]
                _register(images[i, epoch], mask[i, epoch], recorded, flags, x, y, order)
            else:
                _detect(flat, mask[i, epoch], defect, has_defect, detector, i, epoch, words, key)
                digitise(images[i, epoch].reshape(flat.size), flat, detector.gain_e_per_adu[i])
        _cut(images[i, : scene.n_epochs[i]], mask[i, : scene.n_epochs[i]], detector.edges[i])


@njit(cache=True, nogil=True, error_model="numpy")
def _detect(flat, flags, defect, has_defect, detector, i, epoch, words, key):
    """Cosmic rays, defects, noise and bleeding of one exposure, in place, and their mask bits.

    ``words`` are the low and the high half of the address of object ``i``.
    """
    stamp = flat.reshape(flags.shape)
    seconds = detector.exposure_time_s[i, epoch]
    rays = detector.cosmic_ray_rate_per_pix_s * seconds * flags.shape[0] * flags.shape[1]
    silicon_um, pixel_um = detector.silicon_um, detector.pixel_um
    draw = (epoch + 1) * _RAY_DRAWS
    add_cosmic_rays(stamp, flags, rays, silicon_um, pixel_um, (*words, _DEFECTS), draw, key)
    if has_defect:
        apply_fixed_defects(stamp, flags, defect, seconds)
    counter = (*words, _NOISE, np.uint32(epoch << 16))
    add_noise(flat, detector.read_noise_e[i], counter, key)
    if _any_above(flat, detector.full_well_e[i]):
        bleed(stamp, flags, detector.full_well_e[i])


@njit(cache=True, nogil=True, error_model="numpy")
def _cut(images, mask, edges):
    """Set pixels outside the detector to zero and mark them, in every epoch of one object."""
    size = images.shape[1]
    first_row, end_row = round(edges[0] * size), round(edges[1] * size)
    first_column, end_column = round(edges[2] * size), round(edges[3] * size)
    if first_row == 0 and end_row == size and first_column == 0 and end_column == size:
        return
    for row in range(size):
        for column in range(size):
            inside = first_row <= row < end_row and first_column <= column < end_column
            if not inside:
                images[:, row, column] = 0
                mask[:, row, column] = OUTSIDE


@njit(cache=True, nogil=True, error_model="numpy")
def _any_above(values, limit):
    limit = np.float32(limit)
    number = 0
    for p in range(values.size):
        number += values[p] > limit
    return number > 0


@njit(cache=True, nogil=True, error_model="numpy")
def _register(out, out_mask, recorded, flags, x, y, order):
    """Resample a wide stamp so that its source sits at the centre of ``out``.

    A pixel of ``out_mask`` has the bits of every pixel that it was made from.
    """
    size = out.shape[0]
    shifted = np.empty((size, size))
    shift_stamp(shifted, recorded, x, y, order)
    margin = (recorded.shape[0] - size) // 2
    row, column = margin + int(np.floor(y)), margin + int(np.floor(x))
    for a in range(size):
        for b in range(size):
            out[a, b] = np.uint16(min(max(shifted[a, b] + 0.5, 0.0), 65535.0))
            out_mask[a, b] = 0
            for i in range(1 - order, order + 1):
                for j in range(1 - order, order + 1):
                    out_mask[a, b] |= flags[row + a + i, column + b + j]
