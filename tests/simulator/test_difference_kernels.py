"""Kernels of a difference against NumPy and SciPy doing the same."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import convolve as scipy_convolve
from scipy.signal import fftconvolve

from simulator.difference.convolution import TAPS, convolve, half_width, set_taps
from simulator.difference.fourier import fourier_grid, place, take, transform
from simulator.difference.kernels import (
    ALARD_LUPTON,
    DECORRELATED,
    ZOGY,
    find_kernels,
    kernel_space,
    mean_variance,
)
from simulator.difference.psf_matching import equivalent_sigma_pix, match_psf, matching_space
from tests.helpers.difference_images import moffat_psf, moffat_star

METHODS = (ALARD_LUPTON, DECORRELATED, ZOGY)


@pytest.mark.parametrize("size", [32, 64])
def test_the_transform_is_that_of_numpy_transposed(size):
    rng = np.random.default_rng(size)
    image = rng.normal(size=(size, size)) + 1j * rng.normal(size=(size, size))
    real, imaginary = image.real.astype(np.float32), image.imag.astype(np.float32)
    transform(real, imaginary, fourier_grid(size))
    expected = np.fft.fft2(image).T
    np.testing.assert_allclose(real + 1j * imaginary, expected, atol=2e-6 * size**2)


def test_the_inverse_restores_an_image_in_its_place():
    image = np.random.default_rng(1).normal(size=(9, 9)).astype(np.float32)
    real, imaginary = np.zeros((2, 32, 32), dtype=np.float32)
    grid = fourier_grid(32)
    place(real, image)
    transform(real, imaginary, grid)
    transform(imaginary, real, grid)
    restored = np.empty_like(image)
    take(restored, real, 1 / 32**2)
    np.testing.assert_allclose(restored, image, atol=1e-6)


@pytest.mark.parametrize(("size", "half"), [(21, 1), (21, 6), (63, 9)])
@pytest.mark.parametrize("power", [1, 2])
def test_convolution_is_that_of_scipy(size, half, power):
    rng = np.random.default_rng(half)
    margin, columns = 10, size + 3
    image = rng.normal(size=(size, size)).astype(np.float32)
    kernel = rng.normal(size=(2 * margin + 1, 2 * margin + 1)).astype(np.float32)
    field = np.zeros((size + 2 * margin, columns + 2 * margin + TAPS), dtype=np.float32)
    field[margin : margin + size, margin : margin + size] = image
    taps = np.zeros((21, 21 + TAPS), dtype=np.float32)
    set_taps(taps, kernel, half, power)
    out = np.empty((size, columns), dtype=np.float32)
    convolve(out, field, margin, taps, half, 0, size)
    inner = kernel[margin - half : margin + half + 1, margin - half : margin + half + 1] ** power
    expected = scipy_convolve(image, inner, mode="constant")
    np.testing.assert_allclose(out[:, :size], expected, atol=2e-4)


def test_half_width_leaves_out_no_more_than_asked():
    kernel = moffat_psf(31, 3.0)
    total = np.abs(kernel).sum()
    for lost in (1e-1, 1e-2, 1e-3):
        half = half_width(kernel, lost)
        kept = kernel[15 - half : 16 + half, 15 - half : 16 + half].sum()
        narrower = kernel[16 - half : 15 + half, 16 - half : 15 + half].sum()
        assert kept >= (1 - lost) * total > narrower


@pytest.mark.parametrize(("narrow", "wide"), [(2.0, 2.6), (2.2, 2.25), (4.0, 5.0), (2.5, 5.0)])
def test_the_kernel_turns_one_psf_into_the_other(narrow, wide):
    source, target = moffat_psf(31, narrow), moffat_psf(31, wide, beta=3.0, e1=0.05)
    kernel = np.zeros((31, 31), dtype=np.float32)
    match_psf(kernel, source, target, matching_space(31, 15))
    matched = fftconvolve(source, kernel, mode="same")
    assert kernel.sum() == pytest.approx(1, abs=1e-5)
    assert np.abs(matched - target).max() < 0.0025 * target.max()


def test_a_psf_that_was_convolved_before_gives_the_same_kernel():
    space, kernels = matching_space(21, 15), np.zeros((3, 31, 31), dtype=np.float32)
    source, other, target = (moffat_psf(21, fwhm) for fwhm in (2.0, 2.2, 2.7))
    match_psf(kernels[0], source, target, space)
    match_psf(kernels[1], other, target, space)
    match_psf(kernels[2], source, target, space)
    np.testing.assert_array_equal(kernels[0], kernels[2])
    assert not np.array_equal(kernels[0], kernels[1])


def test_the_equivalent_width_of_a_gaussian_is_its_own():
    x = np.arange(-20, 21)
    psf = np.exp(-(x[:, None] ** 2 + x**2) / (2 * 2.5**2))
    assert equivalent_sigma_pix(psf / psf.sum()) == pytest.approx(2.5, rel=1e-6)


def spectrum(kernel, size=32):
    """Spectrum of a centred odd image on a grid, by NumPy."""
    grid, centre = np.zeros((size, size)), kernel.shape[0] // 2
    for y, x in np.ndindex(*kernel.shape):
        grid[(y - centre) % size, (x - centre) % size] += kernel[y, x]
    return np.fft.fft2(grid)


def kernels_of(method, fwhm_science, fwhm_template, size=25):
    science = moffat_star(size, fwhm_science).astype(np.float32)
    template = moffat_star(size, fwhm_template, beta=2.8).astype(np.float32)
    kernels, psf = kernel_space(size), np.zeros((size, size), dtype=np.float32)
    factor = find_kernels(kernels, psf, science, template, 9.0, 4.0, method)
    return kernels, psf, science, template, factor


def test_zogy_kernels_are_those_of_its_equations():
    kernels, psf, _, _, _ = kernels_of(ZOGY, 2.2, 2.5)
    p_s = spectrum(moffat_star(121, 2.2), 128)[::4, ::4]
    p_t = spectrum(moffat_star(121, 2.5, beta=2.8), 128)[::4, ::4]
    root = np.sqrt((9 * np.abs(p_t) ** 2 + 4 * np.abs(p_s) ** 2) / 13)
    passed = np.abs(p_t) > 0.1
    np.testing.assert_allclose(spectrum(psf)[passed], (p_t * p_s / root)[passed], atol=0.02)
    for kernel, other in ((kernels.science, p_t), (kernels.template, p_s)):
        np.testing.assert_allclose(spectrum(kernel)[passed], (other / root)[passed], atol=0.04)


@pytest.mark.parametrize("fwhm", [(2.5, 2.1), (2.1, 2.5)])
def test_decorrelation_is_that_of_the_technical_note(fwhm):
    kernels, _, _, _, factor = kernels_of(DECORRELATED, *fwhm)
    matching = np.abs(spectrum(kernels.matching)) ** 2
    powers = (9 + 4 * matching) if fwhm[0] > fwhm[1] else (9 * matching + 4)
    phi = np.sqrt(13 / powers)
    unmatched = kernels.science if fwhm[0] > fwhm[1] else kernels.template
    np.testing.assert_allclose(spectrum(unmatched), phi, atol=0.003)
    assert factor == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("method", [DECORRELATED, ZOGY])
@pytest.mark.parametrize("fwhm", [(2.5, 2.1), (2.1, 2.5), (4.0, 4.0)])
def test_noise_of_equal_power_at_all_frequencies(method, fwhm):
    kernels, _, _, _, _ = kernels_of(method, *fwhm)
    power = 9 * np.abs(spectrum(kernels.science)) ** 2
    power += 4 * np.abs(spectrum(kernels.template)) ** 2
    np.testing.assert_allclose(power, 13, rtol=0.01)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("fwhm", [(2.5, 2.1), (2.1, 2.5), (5.0, 4.0)])
def test_a_constant_star_cancels_and_keeps_its_flux(method, fwhm):
    kernels, psf, _, _, _ = kernels_of(method, *fwhm, size=31)
    science = moffat_star(91, fwhm[0])
    template = moffat_star(91, fwhm[1], beta=2.8)
    left = fftconvolve(science, kernels.science) - fftconvolve(template, kernels.template)
    assert np.abs(left).max() < 0.01 * science.max()
    assert kernels.science.sum() == pytest.approx(1, abs=1e-5)
    assert kernels.template.sum() == pytest.approx(1, abs=1e-5)
    through = fftconvolve(science, kernels.science, mode="same")[30:61, 30:61]
    np.testing.assert_allclose(psf, through, atol=0.01 * through.max())


@pytest.mark.parametrize("fwhm", [(2.5, 2.1), (2.1, 2.5)])
def test_the_noise_factor_is_that_of_the_correlated_noise(fwhm):
    kernels, psf, _, _, factor = kernels_of(ALARD_LUPTON, *fwhm)
    power = 9 * np.abs(spectrum(kernels.science)) ** 2
    power += 4 * np.abs(spectrum(kernels.template)) ** 2
    signal = np.abs(spectrum(psf)) ** 2
    assert factor == pytest.approx((power * signal).mean() / power.mean() / signal.mean(), rel=0.01)
    assert factor > 1.02


def test_the_mean_variance_ignores_masked_and_invalid_pixels():
    variance = np.array([[4.0, np.nan, 1e9], [4.0, 0.0, 4.0], [4.0, 7.0, np.inf]], dtype=np.float32)
    mask = np.zeros((3, 3), dtype=np.uint8)
    mask[2, 1] = 1
    assert mean_variance(variance, mask) == pytest.approx(5.0, rel=1e-6)  # 5 / (4 / 4 + 1e-9)
    assert np.isnan(mean_variance(variance, np.ones_like(mask)))
