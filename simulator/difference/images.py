"""Images to subtract: what is given of each, and its background, noise, mask and PSF."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_dilation

from simulator.detector.defects import BAD_PIXEL, SATURATED
from simulator.difference.background import (
    background_sigma,
    fit_background,
    noise_correlation,
    source_free,
)
from simulator.difference.stars import find_stars, measured_psf, psf_at
from simulator.difference.whitening import Noise
from skyreel.errors import SubtractionError

MIN_SIZE_PIX = 21
LEAST_GOOD = 0.05  # of the pixels
_BACKGROUND_ORDER = 2
_CORRELATED_PIX = 5  # noise of pixels further apart is taken as independent
_SATURATION_GROWN_PIX = 2
_MEASURED, _UNKNOWN = "measured from stars", "not known"


@dataclass
class Image:
    """One image to subtract.

    ``pixels`` are (row, column); NaN, and pixels where ``mask`` is not 0, are left out. Without a
    ``variance`` the noise is measured from the background, and with ``gain_e_per_adu`` the noise
    of the sources is added. ``psf`` is an odd square image; it is measured from stars if absent.
    """

    pixels: np.ndarray
    variance: np.ndarray | None = None
    mask: np.ndarray | None = None
    psf: np.ndarray | None = None
    gain_e_per_adu: float | None = None
    saturation_adu: float | None = None
    name: str = "image"


@dataclass
class PreparedImage:
    """An image without background, and what is known or was measured of it."""

    name: str
    pixels: np.ndarray  # (row, column), zero where bad
    bad: np.ndarray  # bool
    variance: np.ndarray  # infinite where bad
    noise: Noise  # of the background
    psf: np.ndarray | None
    psf_from: str
    flags: np.ndarray  # uint8, bits of `simulator.detector.defects`


def check_shapes(science: Image, template: Image) -> None:
    """Refuse images that do not share a pixel grid.

    Raises
    ------
    SubtractionError
        Images or planes of different shapes, or too small ones.
    """
    for each in (science, template):
        shape = np.shape(each.pixels)
        if len(shape) != 2 or min(shape) < MIN_SIZE_PIX:
            raise SubtractionError(
                f"{each.name} has the shape {shape}; allowed are images of two axes with "
                f"{MIN_SIZE_PIX} pixels or more along each."
            )
    if np.shape(science.pixels) != np.shape(template.pixels):
        raise SubtractionError(
            f"{science.name} has {np.shape(science.pixels)} pixels and {template.name} has "
            f"{np.shape(template.pixels)}; both must be on the same pixel grid. Resample one of "
            "them first, for instance with the package reproject."
        )
    for each in (science, template):
        for what in ("variance", "mask"):
            plane = getattr(each, what)
            if plane is not None and np.shape(plane) != np.shape(each.pixels):
                raise SubtractionError(
                    f"{each.name}: its {what} has the shape {np.shape(plane)}, the image "
                    f"{np.shape(each.pixels)}; they must be equal."
                )


def prepare(image: Image) -> PreparedImage:
    """Subtract the background of an image, and measure its noise.

    Raises
    ------
    SubtractionError
        Too few good pixels, or a background without noise.
    """
    pixels = np.asarray(image.pixels, dtype=float)
    flags = _flags(image, pixels)
    bad = flags != 0
    if (~bad).mean() < LEAST_GOOD:
        raise SubtractionError(
            f"{image.name}: {(~bad).mean():.1%} of its pixels are finite and not masked; needed "
            f"are {LEAST_GOOD:.0%}."
        )
    pixels = np.where(bad, 0.0, pixels)
    background = fit_background(pixels, source_free(pixels, bad), _BACKGROUND_ORDER)
    pixels = np.where(bad, 0.0, pixels - background)
    empty = source_free(pixels, bad)
    sigma = background_sigma(pixels, empty)
    if not sigma > 0:
        raise SubtractionError(
            f"{image.name}: its background has no noise (all values are equal), so neither "
            "weights nor thresholds follow. Give a calibrated image."
        )
    variance = _variance(image, pixels, sigma)
    if image.variance is not None:
        sigma = float(np.sqrt(1 / np.mean(1 / variance[empty])))
    noise = Noise(sigma**2, noise_correlation(pixels, empty, _CORRELATED_PIX))
    psf = None if image.psf is None else np.asarray(image.psf, dtype=np.float32)
    variance = np.where(bad, np.inf, variance)
    return PreparedImage(image.name, pixels, bad, variance, noise, psf, "given", flags)


def _flags(image, pixels):
    """Mask bits (uint8) as given, and of pixels without a value, saturated or without noise.

    Values of the mask outside 1 to 255 count as bad pixels.
    """
    flags = np.zeros(pixels.shape, dtype=np.uint8)
    if image.mask is not None:
        given = np.asarray(image.mask)
        bits = np.where((given > 0) & (given < 256), given, BAD_PIXEL)
        flags = np.where(given != 0, bits, 0).astype(np.uint8)
    flags[~np.isfinite(pixels)] |= BAD_PIXEL
    if image.saturation_adu is not None:
        hot = np.nan_to_num(pixels) >= image.saturation_adu
        flags[binary_dilation(hot, iterations=_SATURATION_GROWN_PIX)] |= SATURATED
    if image.variance is not None:
        variance = np.asarray(image.variance, dtype=float)
        flags[~(np.isfinite(variance) & (variance > 0))] |= BAD_PIXEL
    return flags


def _variance(image, pixels, sigma):
    """Noise variance as given, or from the background's noise and the gain."""
    if image.variance is not None:
        return np.asarray(image.variance, dtype=float)
    variance = np.full(pixels.shape, sigma**2)
    if image.gain_e_per_adu:
        variance = variance + np.clip(pixels, 0, None) / image.gain_e_per_adu
    return variance


def measure_psfs(science: PreparedImage, template: PreparedImage) -> None:
    """Measure the PSFs that were not given, from the same stars where there are enough.

    An offset between the images then becomes part of the template's PSF.
    """
    for each in (science, template):
        if each.psf is None:
            sigma = np.sqrt(each.noise.variance)
            each.psf = measured_psf(each.pixels, each.bad, sigma)
            each.psf_from = _UNKNOWN if each.psf is None else _MEASURED
    measured = [each.psf_from == _MEASURED for each in (science, template)]
    if all(measured):
        half = max(science.psf.shape[0], template.psf.shape[0]) // 2
        stars = find_stars(science.pixels, science.bad, np.sqrt(science.noise.variance), half)
        common = psf_at(template.pixels, template.bad, stars)
        template.psf = template.psf if common is None else common
