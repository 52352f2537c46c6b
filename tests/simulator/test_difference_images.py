"""Differences of whole images: simulated fields, and real DECam images against another code."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from scipy.signal import fftconvolve

from simulator.difference.background import background_sigma, noise_correlation, source_free
from simulator.difference.image_difference import measured_neighbours, subtract_images
from simulator.difference.image_matching import fit_kernel
from simulator.difference.images import Image
from simulator.difference.sources import detect_sources
from simulator.difference.stars import fwhm_of, measured_psf
from simulator.difference.whitening import Noise, correlation_of_mean, kernel_pair, white
from tests.helpers.difference_images import NEW_STAR, moffat_psf, moffat_star, pair_of_fields

SIZE = 160
GAIN_E_PER_ADU = 4.0


def subtract(science, template, **settings):
    return subtract_images(Image(science, name="a"), Image(template, name="b"), **settings)


def nearest(table, flux, x, y):
    """The detection closest to a star given from the centre of the image."""
    at = np.hypot(table["x_pix"] - x - (SIZE - 1) / 2, table["y_pix"] - y - (SIZE - 1) / 2)
    row = table[np.argmin(at)]
    assert at.min() < 0.5
    return row


@pytest.mark.parametrize("method", ["alard-lupton", "zogy"])
@pytest.mark.parametrize("fwhm", [(3.2, 2.6), (2.6, 3.2)])
@pytest.mark.parametrize("scale", [1.0, 0.4])
def test_a_new_star_is_found_with_its_flux(method, fwhm, scale):
    found = subtract(*pair_of_fields(3, fwhm=fwhm, scale=scale), method=method)
    row = nearest(detect_sources(found), *NEW_STAR)
    widened = 0.05 * NEW_STAR[0]  # cubic splines broaden a measured PSF
    assert row["flux"] == pytest.approx(NEW_STAR[0], abs=5 * row["flux_error"] + widened)
    assert found.about["flux_ratio"] == pytest.approx(1 / scale, rel=0.02)
    if method == "alard-lupton":
        narrower = "template" if fwhm[0] > fwhm[1] else "science"
        assert found.about["convolved"] == narrower


@pytest.mark.parametrize("fwhm", [(3.2, 2.6), (2.6, 3.2)])
@pytest.mark.parametrize("decorrelate", [True, False])
def test_the_noise_of_an_image_is_as_propagated(fwhm, decorrelate):
    found = subtract(*pair_of_fields(4, fwhm=fwhm), decorrelate=decorrelate)
    bad = found.mask != 0
    use = source_free(np.where(bad, 0.0, found.difference), bad)
    pull = background_sigma(found.difference / np.sqrt(found.variance), use)
    tolerance = 5 / np.sqrt(use.sum())
    assert pull == pytest.approx(1, abs=1.17 * tolerance)  # of a median absolute deviation
    expected = found.about["neighbour_correlation_expected"]
    measured = found.about["neighbour_correlation_measured"]
    assert measured == pytest.approx(expected, abs=2 * tolerance)
    if decorrelate:
        assert measured == pytest.approx((0, 0), abs=2 * tolerance)
    assert detect_sources(found).meta["noise_factor"] == pytest.approx(
        found.kernels.noise_factor(), rel=0.25
    )


def test_without_a_new_star_few_pixels_pass_the_threshold():
    found = subtract(*pair_of_fields(5, new=None))
    assert len(detect_sources(found, threshold=5.5)) <= 2  # residuals of the brightest stars


def test_a_fitted_kernel_turns_the_template_into_the_science_image():
    science, template = pair_of_fields(6, sigma=(0.01, 0.01), new=None)
    flat = np.ones_like(science)
    fit = fit_kernel(
        template - 40, science - 100, flat, np.zeros(science.shape, dtype=bool), sigma_pix=0.8
    )
    matched = fftconvolve(moffat_star(61, 2.6, beta=3.0), fit.kernel, mode="same")
    expected = moffat_star(61, 3.2)
    assert np.abs(matched - expected).max() < 0.005 * expected.max()
    assert fit.kernel.sum() == pytest.approx(1, abs=0.005)


def test_a_measured_psf_is_the_one_of_the_stars():
    science, _ = pair_of_fields(7, n_stars=12, sigma=(5.0, 5.0))
    psf = measured_psf(science - 100, np.zeros(science.shape, dtype=bool), 5.0)
    expected = moffat_psf(psf.shape[0], 3.2)
    assert np.abs(psf - expected).max() < 0.06 * expected.max()  # cubic splines broaden it
    assert fwhm_of(psf) == pytest.approx(3.2, rel=0.1)


def test_too_few_stars_give_no_psf():
    science = np.random.default_rng(1).normal(size=(100, 100))
    assert measured_psf(science, np.zeros(science.shape, dtype=bool), 1.0) is None


def test_the_correlation_of_noise_is_that_of_its_kernel():
    rng = np.random.default_rng(8)
    kernel = moffat_psf(9, 2.0).astype(float)
    noise = fftconvolve(rng.normal(size=(400, 400)), kernel, mode="same")
    found = noise_correlation(noise, np.ones(noise.shape, dtype=bool), 3)
    expected = correlation_of_mean([kernel], [1.0], 3).correlation
    np.testing.assert_allclose(found, expected, atol=0.03)


def test_known_correlated_noise_becomes_white():
    rng = np.random.default_rng(9)
    kernels = moffat_psf(9, 1.3).astype(float), moffat_psf(9, 1.6).astype(float)
    noise = tuple(correlation_of_mean([k], [s], 6) for k, s in zip(kernels, (9, 5), strict=True))
    matching = np.ones((1, 1)), moffat_psf(11, 1.5).astype(float)
    pair = kernel_pair(matching, None, noise, whitened=noise)
    images = [
        fftconvolve(rng.normal(0, s, (300, 300)), k, mode="same")
        for k, s in zip(kernels, (9, 5), strict=True)
    ]
    difference = fftconvolve(images[0], pair.science, mode="same")
    difference -= fftconvolve(images[1], pair.template, mode="same")
    assert measured_neighbours(difference[30:-30, 30:-30]) == pytest.approx((0, 0), abs=0.03)
    plain = kernel_pair(matching, None, noise, whitened=tuple(white(n) for n in noise))
    assert min(plain.neighbour_correlation()) > 0.1


def test_masked_and_saturated_pixels_are_left_out():
    science, template = pair_of_fields(10)
    science[40:44, 50:60] = np.nan
    template[100, 100] = 1e6
    mask = np.zeros(template.shape, dtype=np.uint8)
    mask[100, 100] = 4
    found = subtract_images(
        Image(science, saturation_adu=2e4, name="a"), Image(template, mask=mask, name="b")
    )
    assert np.isnan(found.difference[42, 55]) and found.mask[42, 55] & 2
    assert found.mask[100, 100] & 4
    assert (found.mask[science > 2e4] & 1).all()
    assert np.isfinite(found.difference[found.mask == 0]).all()
    nearest(detect_sources(found), *NEW_STAR)


# --- real images --------------------------------------------------------------------------------


def read(folder, name):
    return fits.getdata(folder / "judges" / "sfft_decam" / name).astype(float)


def noise_of_stack(folder, group) -> Noise:
    """Noise of a stack from the noise of its images and the kernels that matched them."""
    sigmas = []
    for letter in "abcde":
        image = read(folder, f"DEC-OBS{group}{letter}.mini.fits")
        sigmas.append(background_sigma(image, source_free(image, np.zeros(image.shape, bool))))
    kernels = [read(folder, f"DEC-OBS{group}{letter}.MatchKernel.fits") for letter in "bcde"]
    return correlation_of_mean([np.ones((1, 1)), *kernels], sigmas, 24)


def stack(folder, group):
    return read(folder, f"check/Stack-DEC-OBS{group}.fits")


def regions(science):
    """Pixels without sources, and those of stars, without the border that kernels reach."""
    inside = np.zeros(science.shape, dtype=bool)
    inside[26:-26, 26:-26] = True
    return inside & source_free(science, ~inside), inside & (science > 200)


def correlation(a, b, use):
    return np.corrcoef(a[use], b[use])[0, 1]


@pytest.mark.real
def test_real_difference_with_the_kernel_of_another_code(real_data):
    """With the same kernel and noise, our decorrelated difference is theirs."""
    noise = noise_of_stack(real_data, "04"), noise_of_stack(real_data, "18")
    matching = np.ones((1, 1)), read(real_data, "FinalMatchKernel.fits")
    images = stack(real_data, "04"), stack(real_data, "18")
    for whitened, name in ((None, "FinalDifference"), (noise, "FinalDifference.DeCorr")):
        pair = kernel_pair(matching, None, noise, whitened=whitened)
        ours = fftconvolve(images[0], pair.science, mode="same")
        ours -= fftconvolve(images[1], pair.template, mode="same")
        theirs = read(real_data, f"check/{name}.fits")
        sky, stars = regions(images[0])
        for use in (sky, stars):
            assert correlation(ours, theirs, use) > 0.999
        ratio = background_sigma(ours, sky) / background_sigma(theirs, sky)
        assert ratio**2 == pytest.approx(1, abs=0.03)


@pytest.mark.slow
@pytest.mark.real
def test_real_difference_with_our_own_kernel(real_data):
    """Ours is fitted to these 256 x 256 pixels, theirs to the whole detector.

    Pixels of bright stars hold residuals of both kernels, and ours are smaller: correlations are
    those of the pixels without sources.
    """
    images = stack(real_data, "04"), stack(real_data, "18")
    science, template = (Image(i, gain_e_per_adu=5 * GAIN_E_PER_ADU) for i in images)
    noise = noise_of_stack(real_data, "04"), noise_of_stack(real_data, "18")
    for decorrelate, name in ((False, "FinalDifference"), (True, "FinalDifference.DeCorr")):
        found = subtract_images(science, template, decorrelate=decorrelate, noise=noise)
        theirs = read(real_data, f"check/{name}.fits")
        sky, stars = regions(images[0])
        ours = found.difference
        assert correlation(ours, theirs, sky) > 0.98
        ratio = background_sigma(ours, sky) / background_sigma(theirs, sky)
        assert ratio**2 == pytest.approx(1, abs=0.03)
        assert ours[stars].std() < theirs[stars].std()
    assert np.mean(found.about["neighbour_correlation_measured"]) <= 0.15


@pytest.mark.real
def test_the_noise_of_a_difference_of_single_real_exposures_is_white(real_data):
    images = [Image(read(real_data, f"DEC-OBS{g}a.mini.fits")) for g in ("04", "18")]
    found = subtract_images(*images)
    assert found.about["neighbour_correlation_measured"] == pytest.approx((0, 0), abs=0.05)
    assert detect_sources(found).meta["noise_factor"] == pytest.approx(1, abs=0.15)


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.parametrize("method", ["alard-lupton", "zogy"])
def test_fluxes_injected_into_a_real_image_are_unbiased(real_data, method):
    science, template = (read(real_data, f"DEC-OBS{g}a.mini.fits") for g in ("04", "18"))
    free = source_free(science, np.zeros(science.shape, dtype=bool))
    psf = measured_psf(
        science, np.zeros(science.shape, dtype=bool), background_sigma(science, free)
    )
    rng, pulls, half, flux = np.random.default_rng(11), [], psf.shape[0] // 2, 6000.0
    for _ in range(6):
        injected, places = science.copy(), []
        while len(places) < 12:
            y, x = rng.integers(40, 216, 2)
            here = np.s_[y - half : y + half + 1, x - half : x + half + 1]
            apart = all(np.hypot(y - b, x - a) > 2 * half for a, b in places)
            if apart and free[y - 5 : y + 6, x - 5 : x + 6].all():
                injected[here] += flux * psf
                places.append((x, y))
        table = detect_sources(subtract(injected, template, method=method))
        for x, y in places:
            at = np.hypot(table["x_pix"] - x, table["y_pix"] - y)
            assert at.min() < 1.5
            row = table[np.argmin(at)]
            pulls.append((row["flux"] - flux) / row["flux_error"])
    assert np.mean(pulls) == pytest.approx(0, abs=5 * np.std(pulls) / np.sqrt(len(pulls)) + 0.2)
