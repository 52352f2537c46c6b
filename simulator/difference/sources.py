"""Detections in the difference of a whole image, as a table."""

from __future__ import annotations

import numpy as np
from astropy.table import Table
from scipy.ndimage import maximum_filter
from scipy.signal import oaconvolve

from simulator.difference.background import robust_sigma
from simulator.difference.detection import THRESHOLD, peak_between
from simulator.difference.image_difference import ImageDifference
from simulator.difference.stars import fwhm_of

_LEAST_SHARE = 0.5  # of sum P^2 on good pixels, as for stamps
_LEAST_PIXELS = 400  # for a measurement of the noise
_GAUSSIAN_SIGMA_PIX = 1.5  # of the filter where no PSF is known
COLUMNS = {
    "x_pix": "pix, 0 in the centre of the first column",
    "y_pix": "pix, 0 in the centre of the first row",
    "flux": "PSF flux, science minus template, in units of the science image",
    "flux_error": "1 sigma",
    "signal_to_noise": "negative where the source became fainter",
}


def detect_sources(found: ImageDifference, *, threshold: float = THRESHOLD) -> Table:
    """Maxima of |S/N| of a difference filtered with its PSF, highest first.

    The noise of the filtered difference is measured: its median absolute deviation, whatever the
    correlation of the noise in the images, is that of S/N = 1.

    Parameters
    ----------
    found : ImageDifference
    threshold : float
        Least |S/N| at a pixel.

    Returns
    -------
    astropy.table.Table
        Columns as in ``COLUMNS``; its ``meta["noise_factor"]`` is the variance of a PSF flux
        over that in white noise of the same variance per pixel.
    """
    psf = _gaussian() if found.psf is None else found.psf
    good = found.mask == 0
    weight = np.where(good, 1 / found.variance, 0.0)
    values = np.where(good, found.difference, 0.0) * weight
    flipped = np.asarray(psf, dtype=float)[::-1, ::-1]
    signal = oaconvolve(values, flipped, mode="same")
    power = np.maximum(oaconvolve(weight, flipped**2, mode="same"), 0.0)
    share = oaconvolve(good.astype(float), flipped**2, mode="same") / (flipped**2).sum()
    usable = good & (share > _LEAST_SHARE) & (power > 0)
    significance = np.where(usable, signal / np.sqrt(np.where(usable, power, 1.0)), 0.0)
    noise_factor = _noise_factor(significance[usable])
    significance /= np.sqrt(noise_factor)
    width = 2 * int(np.ceil(fwhm_of(psf) / 2)) + 1
    peaks = np.abs(significance) == maximum_filter(np.abs(significance), width)
    rows, columns = np.nonzero(peaks & (np.abs(significance) >= threshold))
    table = _table(rows, columns, significance, signal, power, noise_factor)
    table.meta["noise_factor"] = noise_factor
    return table


def _noise_factor(significance):
    """Variance of S/N in most pixels; 1 where there are too few."""
    if significance.size < _LEAST_PIXELS:
        return 1.0
    spread = robust_sigma(significance)
    return spread**2 if spread > 0 else 1.0


def _gaussian():
    x = np.arange(-7, 8)
    psf = np.exp(-(x[:, None] ** 2 + x**2) / (2 * _GAUSSIAN_SIGMA_PIX**2))
    return psf / psf.sum()


def _table(rows, columns, significance, signal, power, noise_factor):
    found = []
    for y, x in zip(rows, columns, strict=True):
        dx = dy = 0.0
        gain = 1.0
        if 0 < y < significance.shape[0] - 1 and 0 < x < significance.shape[1] - 1:
            sign = np.sign(significance[y, x])
            dx, gain_x = peak_between(*(sign * significance[y, x - 1 : x + 2]))
            dy, gain_y = peak_between(*(sign * significance[y - 1 : y + 2, x]))
            gain = gain_x * gain_y
        error = np.sqrt(noise_factor / power[y, x])
        flux = gain * signal[y, x] / power[y, x]
        found.append((x + dx, y + dy, flux, error, flux / error))
    found.sort(key=lambda row: -abs(row[-1]))
    table = Table(rows=found or None, names=list(COLUMNS), dtype=[float] * len(COLUMNS))
    for name, meaning in COLUMNS.items():
        table[name].description = meaning
    return table
