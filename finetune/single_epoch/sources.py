"""Light, widths and neighbouring sources in one plane, in units of its noise.

Positions are pixels (row, column) from the middle of the stamp.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter, maximum_filter

SMOOTHING_PIX = 1.0  # sigma of a Gaussian; ZTF's PSF has a FWHM of 2 pixels and more
WIDTH_RADIUS_PIX = 5.0
WIDTHS_PIX = (1.0, 12.0)  # FWHMs outside are noise
_APART_PIX = 6
_STAR_SIGMA = 15.0
_STARS = 5
# Noise of a plane of independent pixels after smoothing, over that before.
SMOOTHED_NOISE = 1 / (2 * np.sqrt(np.pi) * SMOOTHING_PIX)


def radius_of(plane) -> np.ndarray:
    """Distance of every pixel from the middle one, in pixels."""
    rows, columns = (np.arange(n) - n // 2 for n in plane.shape)
    return np.hypot(rows[:, None], columns)


def smoothed(plane) -> np.ndarray:
    """The plane after a narrow Gaussian, in units of the noise that is left."""
    return gaussian_filter(plane, SMOOTHING_PIX, mode="constant") / SMOOTHED_NOISE


def fwhm_pix(plane, row=0, column=0) -> float:
    """Width of a source: of the Gaussian with the same effective area, 1 / sum(share^2).

    The squared noise of the pixels, 1 each, is taken off the sum; NaN without light.
    """
    rows, columns = (np.arange(n) - n // 2 for n in plane.shape)
    within = np.hypot(rows[:, None] - row, columns - column) <= WIDTH_RADIUS_PIX
    light = plane[within]
    flux, squares = light.sum(), (light**2).sum() - light.size
    if flux <= 0 or squares <= 0:
        return np.nan
    width = np.sqrt(2 * np.log(2) / np.pi * flux**2 / squares)
    return float(np.clip(width, *WIDTHS_PIX))


def peaks(plane, sigma: float) -> np.ndarray:
    """Pixels (peak, 2) above ``sigma`` that are the brightest within 2, brightest first."""
    seen = smoothed(plane)
    row, column = np.nonzero((seen >= sigma) & (seen == maximum_filter(seen, size=5)))
    order = np.argsort(-seen[row, column], kind="stable")
    middle = np.array(plane.shape) // 2
    return np.stack([row, column], axis=1)[order] - middle


def star_fwhm_pix(science, clean) -> float:
    """Median width of bright, unsaturated sources other than the one in the middle; NaN if none.

    Sources count that are 8 pixels or more from the middle, not cut by the edge, the brightest
    within 6 pixels, and without masked pixels.
    """
    alone = smoothed(science) == maximum_filter(smoothed(science), size=2 * _APART_PIX + 1)
    half = np.array(science.shape) // 2
    found = []
    for row, column in peaks(science, _STAR_SIGMA):
        if np.hypot(row, column) < 8 or (np.abs([row, column]) > half - _APART_PIX).any():
            continue
        at = row + half[0], column + half[1]
        box = clean[at[0] - 3 : at[0] + 4, at[1] - 3 : at[1] + 4]
        if alone[at] and box.all():
            found.append(fwhm_pix(science, row, column))
    known = [width for width in found if np.isfinite(width)][:_STARS]
    return float(np.median(known)) if known else np.nan
