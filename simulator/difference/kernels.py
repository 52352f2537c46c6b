"""The two kernels of a difference, D = k_s * science - k_t * template, and the PSF of D.

Every method is a pair of kernels of sum 1, so a source keeps its flux in units of the science
image. With v_s and v_t the noise variances of the images and K the matching kernel:

- ``ALARD_LUPTON``: the narrower image is convolved with K and the other one is left.
- ``DECORRELATED``: both sides of it are convolved with phi, whose spectrum is
  sqrt((v_s + v_t) / (v_s + |K|^2 v_t)) (or with |K|^2 at v_s where the science image is
  convolved): white noise stays white (Reiss & Lupton 2016, DMTN-021).
- ``ZOGY``: spectra P_t / d and P_s / d, d^2 = (v_s |P_t|^2 + v_t |P_s|^2) / (v_s + v_t), with the
  PSFs P of both images (Zackay, Ofek & Gal-Yam 2016, ApJ 830, 27, eq. 13, in flux units). PSF
  images end smoothly (a cosine over their outer half), and a point of weight 0.0003 is added to
  both: where neither PSF passes any light the kernels are 1, and the noise stays white.

PSF images hold values per pixel of a source of flux 1, so their sum is the share of the light on
them. They should be 6 FWHM wide or more: stars then cancel to 0.5 % of their peak.
"""

from __future__ import annotations

from math import cos, pi, sqrt
from typing import NamedTuple

import numpy as np
from numba import njit

from simulator.difference.fourier import Grid, fourier_grid, place, take, transform
from simulator.difference.psf_matching import (
    Matching,
    equivalent_sigma_pix,
    match_psf,
    matching_space,
)

ALARD_LUPTON, DECORRELATED, ZOGY = 0, 1, 2
METHODS = {"alard-lupton": ALARD_LUPTON, "decorrelated": DECORRELATED, "zogy": ZOGY}
POINT = np.float32(3e-4)
TAPERED = 0.5  # of the radius of a PSF image
_LEAST_SHARE = 1e-6  # of the noise, for an image that has none


class Kernels(NamedTuple):
    """Kernels of one difference, and the work space to find them."""

    science: np.ndarray  # (row, column), float32, sum 1
    template: np.ndarray
    matching: np.ndarray  # K of Alard and Lupton
    grid: Grid
    planes: np.ndarray  # (4, size, size), float32
    taper: np.ndarray  # (row, column) of a PSF image
    tapered: np.ndarray  # (row, column): a PSF image times the taper
    space: Matching


@njit(cache=True, nogil=True, error_model="numpy")
def kernel_space(psf_size: int) -> Kernels:
    """Work space for PSF images of an odd ``psf_size``, at most 127 pixels."""
    size = 32
    while size <= psf_size:
        size *= 2
    half = size // 2 - 1
    if half > 24:
        half = 24
    width = 2 * half + 1
    return Kernels(
        np.zeros((width, width), dtype=np.float32),
        np.zeros((width, width), dtype=np.float32),
        np.zeros((width, width), dtype=np.float32),
        fourier_grid(size),
        np.zeros((4, size, size), dtype=np.float32),
        _cosine_taper(psf_size),
        np.zeros((psf_size, psf_size), dtype=np.float32),
        matching_space(psf_size, half),
    )


@njit(cache=True, nogil=True, error_model="numpy")
def _cosine_taper(size):
    """One in the middle of a PSF image, falling to zero at the radius of its edge."""
    taper, centre = np.zeros((size, size), dtype=np.float32), size // 2
    for y in range(size):
        for x in range(size):
            r = sqrt(float((y - centre) ** 2 + (x - centre) ** 2)) / max(centre, 1)
            u = min(max((r - TAPERED) / (1.0 - TAPERED), 0.0), 1.0)
            taper[y, x] = 0.5 * (1.0 + cos(pi * u))
    return taper


@njit(cache=True, nogil=True, error_model="numpy")
def find_kernels(
    kernels: Kernels,
    psf_difference: np.ndarray,
    psf_science: np.ndarray,
    psf_template: np.ndarray,
    science_variance: float,
    template_variance: float,
    method: int,
) -> float:
    """Fill the kernels and the PSF of the difference of two images with known PSFs.

    Parameters
    ----------
    kernels : Kernels
        From `kernel_space`.
    psf_difference : array of float32, odd and square
        Filled.
    psf_science, psf_template : arrays of float32, odd and square, of the same size
        Centred, of a source of flux 1.
    science_variance, template_variance : float
        Noise variance per pixel, white.
    method : int
        ALARD_LUPTON, DECORRELATED or ZOGY.

    Returns
    -------
    float
        Variance of a flux measured with the PSF of the difference, over that in white noise of
        the same variance per pixel; 1 for white noise.
    """
    a, b, c, d = kernels.planes[0], kernels.planes[1], kernels.planes[2], kernels.planes[3]
    noise = science_variance + template_variance
    science_variance = max(science_variance, _LEAST_SHARE * noise)
    template_variance = max(template_variance, _LEAST_SHARE * noise)
    if method == ZOGY:
        np.multiply(psf_science, kernels.taper, kernels.tapered)
        place(a, kernels.tapered)
        np.multiply(psf_template, kernels.taper, kernels.tapered)
        place(b, kernels.tapered)
        transform(a, b, kernels.grid)
        factor = _zogy_spectra(a, b, c, d, science_variance, template_variance)
    else:
        wider = equivalent_sigma_pix(psf_template) > equivalent_sigma_pix(psf_science)
        if wider:
            match_psf(kernels.matching, psf_science, psf_template, kernels.space)
        else:
            match_psf(kernels.matching, psf_template, psf_science, kernels.space)
        place(a, psf_science)
        place(b, kernels.matching)
        transform(a, b, kernels.grid)
        whiten = method == DECORRELATED
        factor = _alard_lupton_spectra(
            a, b, c, d, science_variance, template_variance, wider, whiten
        )
    _from_spectra(kernels, psf_difference)
    return factor


@njit(cache=True, nogil=True, error_model="numpy")
def _from_spectra(kernels, psf_difference):
    """Kernels, normalised to sum 1, and PSF from their packed spectra."""
    planes, grid = kernels.planes, kernels.grid
    transform(planes[1], planes[0], grid)  # inverse
    transform(planes[3], planes[2], grid)
    take(kernels.science, planes[0], 1.0)
    take(kernels.template, planes[1], 1.0)
    take(psf_difference, planes[2], 1.0 / grid.size**2)
    total = kernels.science.sum()
    kernels.science[:] /= total
    psf_difference[:] *= np.float32(grid.size**2) / total
    kernels.template[:] /= kernels.template.sum()


@njit(cache=True, nogil=True, error_model="numpy")
def matched_light(psf: np.ndarray, method: int, kernels: Kernels) -> float:
    """Light of a PSF image in which a method's kernels match the images' scales.

    ZOGY cancels PSF images that end by a cosine; Alard-Lupton kernels match all of an image.
    """
    light = 0.0
    for y in range(psf.shape[0]):
        for x in range(psf.shape[1]):
            light += psf[y, x] * kernels.taper[y, x] if method == ZOGY else psf[y, x]
    return light


@njit(cache=True, nogil=True, error_model="numpy")
def _unpack(a, b, i, j):
    """Spectra, at one frequency, of the two real images packed as real and imaginary part."""
    size = a.shape[0]
    k, m = (size - i) & (size - 1), (size - j) & (size - 1)
    half = np.float32(0.5)
    first = half * (a[i, j] + a[k, m]), half * (b[i, j] - b[k, m])
    second = half * (b[i, j] + b[k, m]), half * (a[k, m] - a[i, j])
    return first[0], first[1], second[0], second[1]


@njit(cache=True, nogil=True, error_model="numpy")
def _pack(a, b, c, d, i, j, science, template, psf):
    """Store spectra of kernels, packed, and of the PSF, at one frequency and at its negative."""
    size = a.shape[0]
    k, m = (size - i) & (size - 1), (size - j) & (size - 1)
    a[i, j] = science[0] - template[1]
    b[i, j] = science[1] + template[0]
    c[i, j], d[i, j] = psf
    if k != i or m != j:
        a[k, m] = science[0] + template[1]
        b[k, m] = template[0] - science[1]
        c[k, m], d[k, m] = psf[0], -psf[1]


@njit(cache=True, nogil=True, error_model="numpy")
def _zogy_spectra(a, b, c, d, science_variance, template_variance):
    """From the packed PSFs to the packed kernels and the PSF of the difference."""
    size, noise = a.shape[0], science_variance + template_variance
    v_s, v_t = np.float32(science_variance / noise), np.float32(template_variance / noise)
    for i in range(size // 2 + 1):
        for j in range(size if 0 < i < size // 2 else size // 2 + 1):
            s_re, s_im, t_re, t_im = _unpack(a, b, i, j)
            u, v = s_re + POINT, t_re + POINT
            norm = v_s * (v * v + t_im * t_im) + v_t * (u * u + s_im * s_im)
            scale = np.float32(1.0) / np.sqrt(max(norm, np.float32(1e-20)))
            science = v * scale, t_im * scale
            psf = science[0] * s_re - science[1] * s_im, science[0] * s_im + science[1] * s_re
            _pack(a, b, c, d, i, j, science, (u * scale, s_im * scale), psf)
    return 1.0


@njit(cache=True, nogil=True, error_model="numpy")
def _alard_lupton_spectra(a, b, c, d, science_variance, template_variance, wider, whiten):
    """From the packed PSF of the science image and K to the kernels and the PSF.

    ``wider``: the template is, and K convolves the science image.
    """
    size, noise = a.shape[0], science_variance + template_variance
    v_s, v_t = np.float32(science_variance / noise), np.float32(template_variance / noise)
    one, zero = np.float32(1.0), np.float32(0.0)
    power_sum, noise_sum, signal_sum = 0.0, 0.0, 0.0
    for i in range(size // 2 + 1):
        for j in range(size if 0 < i < size // 2 else size // 2 + 1):
            s_re, s_im, k_re, k_im = _unpack(a, b, i, j)
            k2 = k_re * k_re + k_im * k_im
            power = v_s * k2 + v_t if wider else v_s + v_t * k2
            phi = one / np.sqrt(power) if whiten else one
            matched = phi * k_re, phi * k_im
            psf = phi * s_re, phi * s_im
            if wider:
                psf = matched[0] * s_re - matched[1] * s_im, matched[0] * s_im + matched[1] * s_re
            _pack(
                a,
                b,
                c,
                d,
                i,
                j,
                matched if wider else (phi, zero),
                (phi, zero) if wider else matched,
                psf,
            )
            left = power * phi * phi
            signal = psf[0] * psf[0] + psf[1] * psf[1]
            power_sum += left
            signal_sum += signal
            noise_sum += left * signal
    count = size // 2 * size + 2  # frequencies visited
    return noise_sum * count / (power_sum * signal_sum)


@njit(cache=True, nogil=True, error_model="numpy")
def mean_variance(variance: np.ndarray, mask: np.ndarray) -> float:
    """Harmonic mean of the variance of good pixels, little changed by bright sources; NaN if none.

    Pixels with a variance that is not positive and finite are left out.
    """
    total, n = 0.0, 0
    for y in range(variance.shape[0]):
        for x in range(variance.shape[1]):
            value = variance[y, x]
            if mask[y, x] == 0 and value > 0.0 and value < np.inf:
                total += 1.0 / value
                n += 1
    return n / total if n else sqrt(-1.0)
