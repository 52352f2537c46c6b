"""Stamps registered on their source by Lanczos resampling, as difference pipelines register them.

The source is found in every stamp by a windowed centroid (XWIN of SExtractor; Bertin & Arnouts
1996): x += 2 sum(w I (x - x0)) / sum(w I), with a Gaussian window w as wide as the seeing.
Resampling leaves noise that neighbours share and pixels that scatter less.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numba import njit

from classifier.network_inputs import BORDER_PIX, border_sky, noise_adu
from classifier.stamp_batch import StampBatch
from simulator.detector.lanczos import shift_stamp

LANCZOS_ORDER = 2
MOST_SHIFT_PIX = 1.0
_FWHM_PER_SIGMA = 2.3548
_STEPS = 8
_LEAST_SIGNAL_TO_NOISE = 10.0
_LEAST_WEIGHT = 0.02  # of a masked pixel in a new one, that masks it


def registered(stamps: StampBatch, wanted: np.ndarray, drawn_pix: np.ndarray) -> StampBatch:
    """Stamps of some objects resampled so that their source is in the centre.

    Parameters
    ----------
    stamps : StampBatch
    wanted : bool, shape (object,)
        Which objects; the others stay as they are.
    drawn_pix : numpy.ndarray, shape (object, epoch, 2)
        Shifts in x and y for stamps where no source is found, within half a pixel.
    """
    images = stamps.images_adu.copy()
    sky, _ = border_sky(stamps.images_adu, BORDER_PIX)
    seeing_fwhm_pix, assumed = stamps.seeing_fwhm_pix, stamps.assumed_fwhm_pix[:, None]
    fwhm_pix = np.where(np.isnan(seeing_fwhm_pix), assumed, seeing_fwhm_pix)
    variance = noise_adu(stamps, sky) ** 2
    for i in np.flatnonzero(wanted):
        for epoch in range(stamps.n_epochs[i]):
            sigma_pix = fwhm_pix[i, epoch] / _FWHM_PER_SIGMA
            found = windowed_offset(images[i, epoch], sky[i, epoch], variance[i, epoch], sigma_pix)
            shift = np.where(np.isfinite(found).all(), found, drawn_pix[i, epoch])
            images[i, epoch] = moved(images[i, epoch], shift[0], shift[1], LANCZOS_ORDER)
    return replace(stamps, images_adu=images)


@njit(cache=True, nogil=True, error_model="numpy")
def windowed_offset(image: np.ndarray, sky: float, variance: float, sigma_pix: float) -> np.ndarray:
    """Offset (x, y) in pixels of the source from the central pixel, NaN where none is found.

    ``variance`` is that of an empty pixel. No source is found below a signal to noise of 10, if
    the search goes farther than ``MOST_SHIFT_PIX`` along an axis, or without pixels.
    """
    centre = image.shape[0] // 2
    x, y = 0.0, 0.0
    nothing = np.full(2, np.nan)
    for _ in range(_STEPS):
        total, noise, dx, dy = 0.0, 0.0, 0.0, 0.0
        for row in range(image.shape[0]):
            for column in range(image.shape[1]):
                value = image[row, column] - sky
                if not np.isfinite(value):
                    continue
                a, b = column - centre - x, row - centre - y
                weight = np.exp(-(a * a + b * b) / (2 * sigma_pix * sigma_pix))
                total += weight * value
                noise += weight * weight
                dx += weight * value * a
                dy += weight * value * b
        if not total > _LEAST_SIGNAL_TO_NOISE * np.sqrt(noise * variance):
            return nothing
        x, y = x + 2 * dx / total, y + 2 * dy / total
        if max(abs(x), abs(y)) > MOST_SHIFT_PIX:
            return nothing
    return np.array([x, y])


@njit(cache=True, nogil=True, error_model="numpy")
def moved(image: np.ndarray, x_shift_pix: float, y_shift_pix: float, order: int) -> np.ndarray:
    """A stamp read at shifted positions; NaN where it depends on a pixel that is NaN.

    Beyond its edge the stamp is continued by its mirror image.
    """
    size, margin = image.shape[0], order + 2
    wide = np.empty((size + 2 * margin, size + 2 * margin))
    missing = np.empty(wide.shape)
    level = np.nanmedian(image)
    for row in range(wide.shape[0]):
        for column in range(wide.shape[1]):
            value = image[_mirrored(row - margin, size), _mirrored(column - margin, size)]
            known = np.isfinite(value)
            wide[row, column] = value if known else level
            missing[row, column] = 0.0 if known else 1.0
    out, share = np.empty((size, size)), np.empty((size, size))
    shift_stamp(out, wide, x_shift_pix, y_shift_pix, order)
    shift_stamp(share, missing, x_shift_pix, y_shift_pix, order)
    for row in range(size):
        for column in range(size):
            if abs(share[row, column]) > _LEAST_WEIGHT:
                out[row, column] = np.nan
    return out


@njit(cache=True, nogil=True)
def _mirrored(place, size):
    if place < 0:
        return -1 - place
    return place if place < size else 2 * size - 1 - place
