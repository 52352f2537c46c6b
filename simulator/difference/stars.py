"""Stars of whole images: where they are, and the PSF that they give."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter, maximum_filter, shift

_SMOOTHING_PIX = 1.5
_LEAST_SN = 20.0  # of the peak of a star in the smoothed image
_MOST_STARS = 100
LEAST_STARS = 3
_FIRST_HALF = 12  # of the cut-outs in which the width is measured first
_WIDE_FWHM = 3.0  # half width of the PSF image, and of isolation, in FWHM
_CLIP = 3.0


class Star(NamedTuple):
    """A star in pixels of its image, from the first pixel's centre."""

    x_pix: float
    y_pix: float
    peak: float


def find_stars(image: np.ndarray, bad: np.ndarray, sigma: float, half: int) -> list[Star]:
    """Isolated stars without masked pixels within ``half`` pixels, brightest first.

    A brighter or comparable maximum (a third of the peak) inside the cut-out excludes a star.
    """
    smooth = gaussian_filter(np.where(bad, 0.0, image), _SMOOTHING_PIX)
    noise = sigma / (2 * np.sqrt(np.pi) * _SMOOTHING_PIX)
    peaks = (smooth == maximum_filter(smooth, 5)) & (smooth > _LEAST_SN * noise)
    rows, columns = np.nonzero(peaks)
    heights = smooth[rows, columns]
    found = []
    for i in np.argsort(-heights, kind="stable"):
        y, x = int(rows[i]), int(columns[i])
        if not (half <= y < image.shape[0] - half and half <= x < image.shape[1] - half):
            continue
        near = (np.abs(rows - y) <= half) & (np.abs(columns - x) <= half)
        near[i] = False
        if bad[cut(y, x, half)].any() or (heights[near] > heights[i] / 3).any():
            continue
        found.append(Star(*_centroid(image[cut(y, x, 3)], x, y), float(heights[i])))
        if len(found) == _MOST_STARS:
            break
    return found


def cut(row: int, column: int, half: int) -> tuple[slice, slice]:
    """Index of the pixels within ``half`` of a pixel."""
    return np.s_[row - half : row + half + 1, column - half : column + half + 1]


def _centroid(pixels, x, y):
    """Centre of light of the brighter half of a small cut-out around a pixel."""
    weight = np.clip(pixels - np.percentile(pixels, 30), 0, None)
    offsets = np.arange(pixels.shape[0]) - pixels.shape[0] // 2
    total = weight.sum()
    return x + (weight.sum(0) @ offsets) / total, y + (weight.sum(1) @ offsets) / total


def fwhm_of(psf: np.ndarray) -> float:
    """FWHM [pix] of the circle with the area above half of the peak."""
    return float(2 * np.sqrt((psf > psf.max() / 2).sum() / np.pi))


def measured_psf(image: np.ndarray, bad: np.ndarray, sigma: float) -> np.ndarray | None:
    """PSF image of a whole image: odd, square, of sum 1; None with too few isolated stars.

    The median of cut-outs that are centred by cubic splines and divided by their flux, without
    stars whose profile differs (galaxies, blends, saturated stars).

    Parameters
    ----------
    image, bad : arrays, shape (row, column)
    sigma : float
        Noise of the background.
    """
    return _psf_of_two_sizes(image, bad, lambda half: find_stars(image, bad, sigma, half))


def psf_at(image: np.ndarray, bad: np.ndarray, stars: list[Star]) -> np.ndarray | None:
    """PSF image as `measured_psf`, at the positions of stars of another image on the same grid.

    An offset between the images then becomes part of the PSF.
    """
    return _psf_of_two_sizes(image, bad, lambda half: stars)


def _psf_of_two_sizes(image, bad, stars_for):
    """The PSF in cut-outs of the size that a first measurement of its width asks for."""
    half = _FIRST_HALF
    for _ in range(2):
        psf = _stack(image, bad, stars_for(half), half)
        if psf is None:
            return None
        half = int(np.clip(np.ceil(_WIDE_FWHM * fwhm_of(psf)), 5, 31))
    return psf


def _stack(image, bad, stars, half):
    stamps = []
    for star in stars:
        y, x = round(star.y_pix), round(star.x_pix)
        here = cut(y, x, half)
        inside = half <= y < image.shape[0] - half and half <= x < image.shape[1] - half
        if not inside or bad[here].any():
            continue
        stamp = shift(image[here], (y - star.y_pix, x - star.x_pix), mode="nearest")
        border = np.r_[stamp[0], stamp[-1], stamp[:, 0], stamp[:, -1]]
        stamp = stamp - np.median(border)
        if stamp.sum() > 0:
            stamps.append(stamp / stamp.sum())
    if len(stamps) < LEAST_STARS:
        return None
    stamps = np.array(stamps)
    for _ in range(3):
        middle = np.median(stamps, axis=0)
        distance = np.sqrt(((stamps - middle) ** 2).sum(axis=(1, 2)))
        keep = distance <= max(_CLIP * np.median(distance), 1e-12)
        if keep.all() or keep.sum() < LEAST_STARS:
            break
        stamps = stamps[keep]
    psf = np.clip(np.median(stamps, axis=0), 0, None)
    return (psf / psf.sum()).astype(np.float32)
