"""Differences of whole images that share a pixel grid, from known or measured PSFs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import binary_dilation
from scipy.signal import oaconvolve

from simulator.detector.defects import OUTSIDE
from simulator.difference.background import (
    noise_correlation,
    robust_sigma,
    source_free,
)
from simulator.difference.image_matching import fit_kernel
from simulator.difference.images import (
    LEAST_GOOD,
    Image,
    check_shapes,
    measure_psfs,
    prepare,
)
from simulator.difference.stars import fwhm_of
from simulator.difference.subtraction import FOOTPRINT
from simulator.difference.whitening import Noise, Pair, kernel_pair, white, zogy_pair
from skyreel.errors import SubtractionError

METHODS = ("alard-lupton", "zogy")
_RATIO_ROUNDS, _RATIO_SN, _LEAST_RATIOS = 4, 10.0, 9
_COMMON_SN, _LEAST_COMMON = 5.0, 20
_FWHM_PER_SIGMA = 2.3548  # of a Gaussian
_SPECTRUM_PIX = 128  # a grid that holds every kernel
_MASK_BITS = 2 ** np.arange(8, dtype=np.uint8)
_EQUAL_WIDTHS = 1.02  # PSFs closer than this are taken as equally wide


@dataclass
class ImageDifference:
    """Science minus matched template, in units of the science image."""

    difference: np.ndarray  # (row, column), NaN where masked
    variance: np.ndarray
    mask: np.ndarray  # uint8, bits of `simulator.detector.defects`
    psf: np.ndarray | None  # for a source of flux 1; None without PSFs of the images
    kernels: Pair
    matching_kernel: np.ndarray | None  # of Alard and Lupton
    about: Mapping[str, object] = field(default_factory=dict)  # what was measured and done


def subtract_images(
    science: Image,
    template: Image,
    *,
    method: str = "alard-lupton",
    decorrelate: bool = True,
    noise: tuple[Noise, Noise] | None = None,
) -> ImageDifference:
    """Subtract a template from a science image on the same pixel grid.

    Parameters
    ----------
    science, template : Image
    method : str
        ``"alard-lupton"``: the image with the narrower PSF is convolved with a fitted kernel;
        ``"zogy"``: both PSFs, known or measured, give the difference of Zackay et al. (2016).
    decorrelate : bool
        Make the noise of an Alard-Lupton difference white.
    noise : (Noise, Noise), optional
        Of science and template, where their correlation is known (as from
        `simulator.difference.whitening.correlation_of_mean`); the difference then has white
        noise. Otherwise the variance is measured, and the kernels are those for white noise in
        both images; the correlation that is measured in them still enters the noise of the
        difference.

    Returns
    -------
    ImageDifference

    Raises
    ------
    SubtractionError
        Images of different or too small shapes, without common good pixels, or without the
        stars that the method needs.
    """
    if method not in METHODS:
        raise SubtractionError(f"method {method!r}; allowed are {', '.join(METHODS)}.")
    check_shapes(science, template)
    prepared = [prepare(each) for each in (science, template)]
    measure_psfs(*prepared)
    bad = prepared[0].bad | prepared[1].bad
    if (~bad).mean() < LEAST_GOOD:
        raise SubtractionError(
            f"{science.name} and {template.name} share {(~bad).mean():.1%} good pixels; needed are "
            f"{LEAST_GOOD:.0%}. Give images that overlap, on the same pixel grid."
        )
    if noise is not None:
        for each, known in zip(prepared, noise, strict=True):
            each.noise = known
    whitened = noise or tuple(white(each.noise) for each in prepared)
    if method == "zogy":
        pair, kernel, offset, about = _zogy(*prepared, bad, whitened)
    else:
        whitened = whitened if decorrelate else None
        pair, kernel, offset, about = _alard_lupton(*prepared, bad, whitened)
    return _difference(prepared, bad, pair, kernel, offset, about)


def _widths(science, template):
    """FWHM [pix] of both PSFs, None where one is not known."""
    if science.psf is None or template.psf is None:
        return None
    return fwhm_of(science.psf), fwhm_of(template.psf)


def _alard_lupton(science, template, bad, whitened):
    widths = _widths(science, template)
    reverse = widths is not None and widths[1] > _EQUAL_WIDTHS * widths[0]
    source, target = (science, template) if reverse else (template, science)
    missing = abs(widths[0] ** 2 - widths[1] ** 2) if widths else 0.0
    variance = np.where(bad, 1.0, science.variance + template.variance)
    fit = fit_kernel(
        source.pixels, target.pixels, variance, bad, sigma_pix=np.sqrt(missing) / _FWHM_PER_SIGMA
    )
    total = fit.kernel.sum()
    if not (total > 0 and _common_pixels(science, template, bad) >= _LEAST_COMMON):
        raise SubtractionError(
            f"the images have fewer than {_LEAST_COMMON} pixels of sources in common, too few to "
            "fit a matching kernel. Give images of the same field with several stars or galaxies."
        )
    point, offset = np.ones((1, 1)), fit.background
    matching = (point, fit.kernel)
    if reverse:  # in units of the science image
        matching, offset = (fit.kernel / total, point / total), -fit.background / total
    pair = kernel_pair(matching, science.psf, (science.noise, template.noise), whitened=whitened)
    about = {
        "method": "alard-lupton",
        "decorrelated": whitened is not None,
        "convolved": "science" if reverse else "template",
        "flux_ratio": 1 / total if reverse else total,
        "reduced_chi2": fit.reduced_chi2,
        "pixels_fitted": fit.n_pixels,
        "pixels_rejected": fit.n_rejected,
        **_psf_words(science, template),
    }
    return pair, fit.kernel, offset, about


def _common_pixels(science, template, bad):
    """Pixels of sources that both images have."""
    above = [
        each.pixels > _COMMON_SN * np.sqrt(each.noise.variance) for each in (science, template)
    ]
    return int((above[0] & above[1] & ~bad).sum())


def _zogy(science, template, bad, whitened):
    for each in (science, template):
        if each.psf is None:
            raise SubtractionError(
                f"{each.name}: no PSF was given and fewer than three isolated stars were found to "
                "measure it. Give --psf-science and --psf-template, or use the method "
                "alard-lupton."
            )
    noise, ratio = (science.noise, template.noise), 1.0
    images = [np.where(bad, 0.0, each.pixels) for each in (science, template)]
    for _ in range(_RATIO_ROUNDS):
        pair = zogy_pair(science.psf, template.psf, ratio, noise, whitened=whitened)
        matched = [oaconvolve(i, k, mode="same") for i, k in zip(images, pair[:2], strict=True)]
        ratio *= _flux_ratio(*matched)
    about = {
        "method": "zogy",
        "decorrelated": True,
        "convolved": "both",
        "flux_ratio": ratio,
        **_psf_words(science, template),
    }
    return pair, None, np.zeros(bad.shape), about


def _flux_ratio(science, template):
    """Flux of the sources of one matched image over that of the other; 1 without sources.

    The median of pixel ratios, each weighted by its flux.
    """
    use = template - np.median(template) > _RATIO_SN * robust_sigma(template)
    if use.sum() < _LEAST_RATIOS:
        return 1.0
    ratios, weights = science[use] / template[use], template[use]
    order = np.argsort(ratios)
    total = np.cumsum(weights[order])
    ratio = float(ratios[order][np.searchsorted(total, total[-1] / 2)])
    return ratio if ratio > 0 else 1.0


def _psf_words(science, template):
    widths = _widths(science, template) or (None, None)
    return {
        "psf_science": science.psf_from,
        "psf_template": template.psf_from,
        "fwhm_science_pix": widths[0],
        "fwhm_template_pix": widths[1],
    }


def _difference(prepared, bad, pair, kernel, offset, about):
    """Apply the kernels to images and variances, and grow the mask."""
    science, template = prepared
    images = [np.where(bad, 0.0, i) for i in (science.pixels - offset, template.pixels)]
    parts = [oaconvolve(i, k, mode="same") for i, k in zip(images, pair[:2], strict=True)]
    variance = sum(_propagated(each, bad, k) for each, k in zip(prepared, pair[:2], strict=True))
    mask = _grown(science.flags | template.flags, pair[:2])
    good = mask == 0
    difference = np.where(good, parts[0] - parts[1], np.nan)
    if not good.any():
        raise SubtractionError(
            "every pixel of the difference is masked: the masks, grown by the kernel, leave none."
        )
    about = {
        **about,
        "noise_science": np.sqrt(science.noise.variance),
        "noise_template": np.sqrt(template.noise.variance),
        "noise_difference": float(np.sqrt(np.median(variance[good]))),
        "neighbour_correlation_expected": pair.neighbour_correlation(),
        "neighbour_correlation_measured": measured_neighbours(difference),
        "masked_share": float((~good).mean()),
    }
    return ImageDifference(difference, variance, mask, pair.psf, pair, kernel, about)


def _propagated(each, bad, kernel):
    """Variance of an image after its kernel; correlated noise changes its level."""
    flat = np.where(bad | ~np.isfinite(each.variance), each.noise.variance, each.variance)
    square = kernel**2
    independent = oaconvolve(np.pad(flat, square.shape[0] // 2, mode="edge"), square, mode="valid")
    power = np.abs(np.fft.fft2(kernel, (_SPECTRUM_PIX, _SPECTRUM_PIX))) ** 2
    spectrum = each.noise.spectrum(_SPECTRUM_PIX)
    return np.maximum(independent, 0) * (power * spectrum).mean() / power.mean() / spectrum.mean()


def _grown(flags, kernels):
    """Mask of the difference: bits of the pixels that each pixel was made from, and its border."""
    footprint = _footprint(kernels)
    mask = np.zeros_like(flags)
    for bit in _MASK_BITS:
        has_bit = (flags & bit) > 0
        if has_bit.any():
            mask[binary_dilation(has_bit, footprint)] |= bit
    rows, columns = np.nonzero(footprint)
    centre = footprint.shape[0] // 2
    reach = int(max(np.abs(rows - centre).max(), np.abs(columns - centre).max()))
    border = np.ones(mask.shape, dtype=bool)
    border[reach : mask.shape[0] - reach, reach : mask.shape[1] - reach] = False
    mask[border] |= OUTSIDE
    return mask


def _footprint(kernels):
    """Pixels, about the centre, at which a kernel has a weight that matters."""
    largest = max(kernel.shape[0] for kernel in kernels)
    footprint = np.zeros((largest, largest), dtype=bool)
    for kernel in kernels:
        inner = slice((largest - kernel.shape[0]) // 2, (largest + kernel.shape[0]) // 2)
        footprint[inner, inner] |= np.abs(kernel) > FOOTPRINT * np.abs(kernel).max()
    return footprint


def measured_neighbours(difference: np.ndarray) -> tuple[float, float]:
    """Correlation of source-free neighbours along columns (x) and rows (y); NaN are left out."""
    bad = ~np.isfinite(difference)
    values = np.where(bad, 0.0, difference)
    correlation = noise_correlation(values, source_free(values, bad), 1)
    return float(correlation[1, 2]), float(correlation[2, 1])
