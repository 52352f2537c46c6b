"""Differences of stamps: noise, flux, masks, borders and detections, as statistics of many."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit
from scipy.optimize import curve_fit
from scipy.signal import fftconvolve
from scipy.stats import norm

from simulator.detector.defects import BAD_PIXEL, COSMIC_RAY, OUTSIDE, SATURATED
from simulator.difference.detection import detect_stamp
from simulator.difference.kernels import ALARD_LUPTON, DECORRELATED, ZOGY
from simulator.difference.stamps import StampDifferences, subtract_stamps
from simulator.difference.subtraction import stamp_workspace, subtract_stamp
from skyreel.errors import SubtractionError
from tests.helpers.difference_images import field_of_stars, moffat_star

METHODS = (ALARD_LUPTON, DECORRELATED, ZOGY)
SIZE, PSF_SIZE = 31, 25
SCIENCE_SIGMA, TEMPLATE_SIGMA = 12.0, 6.0


class Stamps:
    """Two images of ``wide`` pixels with their PSFs, and the arrays that a difference fills."""

    def __init__(self, fwhm=(2.4, 2.1), wide=SIZE + 24, size=SIZE):
        self.science_psf = moffat_star(PSF_SIZE, fwhm[0]).astype(np.float32)
        self.template_psf = moffat_star(PSF_SIZE, fwhm[1], beta=3.0).astype(np.float32)
        self.fwhm, self.wide, self.size = fwhm, wide, size
        shape = wide, wide
        self.science_variance = np.full(shape, SCIENCE_SIGMA**2, dtype=np.float32)
        self.template_variance = np.full(shape, TEMPLATE_SIGMA**2, dtype=np.float32)
        self.masks = np.zeros((2, *shape), dtype=np.uint8)
        self.work = stamp_workspace(size, PSF_SIZE)
        self.difference = np.zeros((size, size), dtype=np.float32)
        self.variance, self.mask = np.zeros_like(self.difference), np.zeros((size, size), np.uint8)
        self.psf = np.zeros((PSF_SIZE, PSF_SIZE), dtype=np.float32)

    def images(self, stars, rng=None):
        """Science and template with the same stars (flux, x, y), with noise if ``rng`` is given."""
        science = field_of_stars(self.wide, self.fwhm[0], stars)
        template = field_of_stars(self.wide, self.fwhm[1], stars, beta=3.0)
        if rng is not None:
            science = science + rng.normal(0, SCIENCE_SIGMA, science.shape)
            template = template + rng.normal(0, TEMPLATE_SIGMA, template.shape)
        return science.astype(np.float32), template.astype(np.float32)

    def subtract(self, science, template, method):
        return subtract_stamp(
            science,
            self.science_variance,
            self.masks[0],
            template,
            self.template_variance,
            self.masks[1],
            self.science_psf,
            self.template_psf,
            method,
            self.difference,
            self.variance,
            self.mask,
            self.psf,
            self.work,
        )

    def detect(self, factor, threshold=5.0, radius_pix=3.0):
        planes = self.difference, self.variance, self.mask
        return detect_stamp(*planes, self.psf, factor, threshold, radius_pix, self.work)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("fwhm", [(2.4, 2.1), (2.1, 2.4)])
def test_constant_stars_cancel_and_a_new_star_keeps_flux_and_place(method, fwhm):
    stamps = Stamps(fwhm)
    constant = [(50000.0, -8.3, 4.2), (20000.0, 6.6, -7.1)]
    science, template = stamps.images(constant)
    stamps.subtract(science, template, method)
    assert np.abs(stamps.difference).max() < 0.006 * science.max()
    new = moffat_star(stamps.wide, fwhm[0], x=0.3, y=-0.2, flux=9000)
    factor = stamps.subtract((science + new).astype(np.float32), template, method)
    found = stamps.detect(factor)
    assert found.detected
    assert found.flux == pytest.approx(9000, rel=0.03)
    assert (found.x_pix, found.y_pix) == pytest.approx((0.3, -0.2), abs=0.05)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("fwhm", [(2.4, 2.1), (2.1, 2.4)])
def test_the_noise_is_as_propagated_and_white_where_promised(method, fwhm):
    stamps, rng, n = Stamps(fwhm), np.random.default_rng(4), 40
    pulls = np.empty((n, SIZE, SIZE))
    for i in range(n):
        stamps.subtract(*stamps.images([(0.0, 0.0, 0.0)], rng), method)
        assert not stamps.mask.any()
        pulls[i] = stamps.difference / np.sqrt(stamps.variance)
    tolerance = 5 / np.sqrt(pulls.size)
    assert pulls.var() == pytest.approx(1, abs=2 * tolerance)
    for neighbours in (pulls[:, 1:] * pulls[:, :-1], pulls[:, :, 1:] * pulls[:, :, :-1]):
        if method == ALARD_LUPTON:
            assert fwhm[0] > fwhm[1] or neighbours.mean() > 3 * tolerance
        else:
            assert neighbours.mean() == pytest.approx(0, abs=tolerance)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("fwhm", [(2.4, 2.1), (2.1, 2.4)])
def test_injected_fluxes_are_unbiased_with_the_stated_errors(method, fwhm):
    stamps, rng, n = Stamps(fwhm), np.random.default_rng(5), 200
    pulls = np.empty(n)
    for i in range(n):
        science, template = stamps.images([(3000.0, 5.0, 5.0)], rng)
        science += moffat_star(stamps.wide, fwhm[0], flux=1500).astype(np.float32)
        factor = stamps.subtract(science, template, method)
        forced = stamps.detect(factor, threshold=1e9)
        assert not forced.detected
        pulls[i] = (forced.flux - 1500) / forced.flux_error
    assert pulls.mean() == pytest.approx(0, abs=5 / np.sqrt(n) + 0.1)  # 0.1: 1 % of the flux
    assert pulls.std() == pytest.approx(1, abs=5 / np.sqrt(2 * n))


@njit
def found_in(stamps, psf, threshold, work):
    """Whether a source is detected in each stamp of white noise of variance 1."""
    size = stamps.shape[1]
    variance = np.ones((size, size), dtype=np.float32)
    mask = np.zeros((size, size), dtype=np.uint8)
    found = np.zeros(stamps.shape[0], dtype=np.bool_)
    for i in range(stamps.shape[0]):
        detection = detect_stamp(stamps[i], variance, mask, psf, 1.0, threshold, 3.0, work)
        found[i] = detection.detected
    return found


@pytest.mark.parametrize(
    ("fwhm", "threshold", "half"), [(2.2, 5.0, 4.99), (4.5, 5.0, 4.87), (4.5, 5.2, 5.07)]
)
def test_completeness_against_signal_to_noise(fwhm, threshold, half):
    """Half of the sources are found near the threshold; more than 95 % one sigma above it.

    S/N is that of the flux at the true position. The highest pixel near it is 1 / (S/N) higher on
    average, less what a source between pixels loses, so half are found below the threshold.
    At a threshold of 5.2 and LSST's sampling they are as in Rubin's DP1: 50 % at 5.07.
    """
    size, n = 21, 10_000
    psf, rng = moffat_star(31, fwhm).astype(np.float32), np.random.default_rng(6)
    places = rng.uniform(-0.5, 0.5, (50, 2))
    profiles = np.array([moffat_star(size, fwhm, x=x, y=y) for x, y in places])
    profiles /= np.sqrt((profiles**2).sum(axis=(1, 2)))[:, None, None]
    signal = rng.uniform(3.5, 7.5, n)
    which = np.arange(n) % len(profiles)
    stamps = rng.normal(size=(n, size, size)) + signal[:, None, None] * profiles[which]
    measured = (stamps * profiles[which]).sum(axis=(1, 2))
    found = found_in(stamps.astype(np.float32), psf, threshold, stamp_workspace(size, 31))
    curve = curve_fit(lambda x, a, b: norm.cdf((x - a) / b), measured, found, p0=(5.0, 0.3))
    assert curve[0][0] == pytest.approx(half, abs=0.05)  # 5 sigma of n sources
    assert found[(measured > 6) & (measured < 6.5)].mean() > 0.95


def test_few_of_many_empty_stamps_have_a_detection():
    n, size = 4000, 21
    psf = moffat_star(31, 2.2).astype(np.float32)
    stamps = np.random.default_rng(7).normal(size=(n, size, size)).astype(np.float32)
    found = found_in(stamps, psf, 3.0, stamp_workspace(size, 31))
    single = 2 * norm.sf(3.0)  # of one pixel; 29 pixels lie within three of the centre
    assert n * single < found.sum() < n * 29 * single


def test_a_source_that_became_fainter_is_detected_with_a_negative_flux():
    stamps = Stamps()
    science, template = stamps.images([(4000.0, 0.2, 0.1)])
    factor = stamps.subtract(0.5 * science, template, ZOGY)
    found = stamps.detect(factor)
    assert found.detected
    assert found.flux == pytest.approx(-2000, rel=0.03)
    assert found.signal_to_noise < -5


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("which", [0, 1])
def test_masked_pixels_grow_by_the_kernel_and_do_not_matter(method, which):
    stamps, rng = Stamps(), np.random.default_rng(8)
    science, template = stamps.images([(3000.0, 0.0, 0.0)], rng)
    row = stamps.wide // 2 + 7
    stamps.masks[which, row, row] = SATURATED
    science[row - 20, row] = np.nan
    results = []
    for value in (0.0, 60000.0):
        (science, template)[which][row, row] = value
        stamps.subtract(science, template, method)
        results.append(stamps.difference.copy())
    np.testing.assert_array_equal(*results)
    assert np.isfinite(results[0]).all()
    centre = SIZE // 2
    assert stamps.mask[centre + 7, centre + 7] & SATURATED
    assert stamps.mask[centre - 13, centre + 7] & BAD_PIXEL
    grown = (stamps.mask & SATURATED) > 0
    assert 1 < grown.sum() < 100
    assert stamps.mask[centre - 3, centre - 3] == 0


def test_pixels_outside_the_given_images_are_marked():
    stamps = Stamps(wide=SIZE)
    science, template = stamps.images([(0.0, 0.0, 0.0)], np.random.default_rng(9))
    stamps.subtract(science, template, DECORRELATED)
    outside = (stamps.mask & OUTSIDE) > 0
    assert outside[0].all() and outside[:, -1].all()
    assert not outside[6:-6, 6:-6].any()


@pytest.mark.parametrize("which", [0, 1])
def test_images_without_a_good_pixel_give_a_masked_difference(which):
    stamps = Stamps()
    science, template = stamps.images([(1000.0, 0.0, 0.0)])
    stamps.masks[which] = COSMIC_RAY
    factor = stamps.subtract(science, template, ZOGY)
    assert np.isnan(factor)
    assert stamps.mask.all() and not stamps.difference.any()
    found = stamps.detect(factor)
    assert not found.detected and np.isnan(found.flux)


def test_a_masked_centre_is_not_measured():
    stamps = Stamps()
    science, template = stamps.images([(1000.0, 0.0, 0.0)])
    centre = stamps.wide // 2
    stamps.masks[0, centre - 3 : centre + 4, centre - 3 : centre + 4] = COSMIC_RAY
    factor = stamps.subtract(science, template, ZOGY)
    assert np.isnan(stamps.detect(factor).signal_to_noise)


def test_the_matched_filter_is_that_of_scipy():
    stamps, rng = Stamps(), np.random.default_rng(10)
    science, template = stamps.images([(800.0, 0.0, 0.0)], rng)
    science += moffat_star(stamps.wide, stamps.fwhm[0], x=1.0, y=-2.0, flux=3000)
    factor = stamps.subtract(science.astype(np.float32), template, DECORRELATED)
    found = stamps.detect(factor, threshold=5.0, radius_pix=4.0)
    psf = stamps.psf.astype(float)
    flux = fftconvolve(stamps.difference, psf[::-1, ::-1], mode="same") / (psf**2).sum()
    y, x = SIZE // 2 - 2, SIZE // 2 + 1
    assert found.flux == pytest.approx(flux[y - 1 : y + 2, x - 1 : x + 2].max(), rel=0.03)
    assert (found.x_pix, found.y_pix) == pytest.approx((1, -2), abs=0.2)
    error = np.sqrt(stamps.variance[y, x] / (psf**2).sum())
    assert found.flux_error == pytest.approx(error, rel=0.01)


def batch(n_object=2, n_epoch=3, size=31):
    """Planes of science and template of shape (object, epoch, y, x), and their PSFs."""
    stamps, rng = Stamps(wide=size, size=size), np.random.default_rng(12)
    made = [
        [stamps.images([(900.0 * (e + 1), 0.2, 0.1)], rng) for e in range(n_epoch)]
        for _ in range(n_object)
    ]
    shape = n_object, n_epoch, size, size
    planes = []
    for which, sigma in enumerate((SCIENCE_SIGMA, TEMPLATE_SIGMA)):
        pixels = np.array([[pair[which] for pair in row] for row in made])
        planes.append((pixels, np.full(shape, sigma**2), np.zeros(shape, np.uint8)))
    psfs = [
        np.broadcast_to(psf, (n_object, n_epoch, PSF_SIZE, PSF_SIZE))
        for psf in (stamps.science_psf, stamps.template_psf)
    ]
    return *planes, psfs


@pytest.mark.slow  # compiles the kernels once more
def test_a_batch_is_its_stamps_one_by_one():
    science, template, psfs = batch()
    many = subtract_stamps(science, template, psfs, method="zogy", size_pix=21)
    assert many.difference.shape == (2, 3, 21, 21) and many.detected.shape == (2, 3)
    one = subtract_stamps(
        *([plane[1, 2] for plane in image] for image in (science, template, psfs)),
        method="zogy",
        size_pix=21,
    )
    for name in StampDifferences._fields:
        np.testing.assert_array_equal(getattr(many, name)[1, 2], getattr(one, name))


def test_batches_whose_shapes_do_not_fit_are_refused():
    science, template, psfs = batch()
    cases = {
        "odd size": (tuple(p[..., :-1, :-1] for p in science), template, psfs, {}),
        "template stamps": (science, tuple(p[:1] for p in template), psfs, {}),
        "differences of 41 pixels": (science, template, psfs, {"size_pix": 41}),
        "unknown": (science, template, psfs, {"method": "sfft"}),
    }
    for words, (*inputs, options) in cases.items():
        with pytest.raises(SubtractionError, match=words):
            subtract_stamps(*inputs, **{"method": "zogy"} | options)
