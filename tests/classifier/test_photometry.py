"""Optimal photometry: simulated fluxes, an independent formula, and photutils."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.utils.masked import Masked
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier.photometry import PhotometrySettings, PsfModel, measure
from classifier.photometry.optimal_photometry import (
    FLUX,
    N_KNOWN,
    PIXEL_VARIANCE,
    SKY,
    VARIANCE,
    optimal_flux,
)
from classifier.photometry.psf_model import N_SHAPE, draw_star
from simulator.gaussian_mixture import pixel_centres
from skyreel.errors import ClassifierError
from survey_profiles import load_profile
from tests.helpers.stars import (
    GAIN_E_PER_ADU,
    READ_NOISE_E,
    SIZE_PIX,
    SKY_ADU,
    as_stamps,
    draw,
    draw_many,
    expose,
    flux_of,
    hits_psf,
    noiseless,
)

SIGNAL_TO_NOISE = (3, 10, 30, 100, 300)
N_INJECTED = 4000
STILL = PhotometrySettings(centre="fixed", psf_width="data set", templates=0)
CENTRED = PhotometrySettings(psf_width="data set", templates=0)
FITTED = PhotometrySettings(templates=0)
# A fitted position follows noise to where it is brightest: the flux gains half a variance over
# flux for each axis, times the share of the prior that the data override. For these stars
# that is at most 0.03 standard deviations an axis.
POSITION_BIAS_SIGMAS = 0.08


@pytest.fixture(scope="module")
def psf():
    return hits_psf()


@pytest.fixture(scope="module")
def jittered(psf):
    return draw_many(psf, 300, 11, shapes=False)


@pytest.fixture(scope="module")
def shaped(psf):
    return draw_many(psf, 300, 12)


def pulls(psf, profiles, signal_to_noise, choices, n=N_INJECTED):
    """(flux - truth) / error of n noisy stars drawn from profiles (star, row, column)."""
    rng = np.random.default_rng(signal_to_noise)
    flux_adu = flux_of(profiles.mean(axis=0), signal_to_noise)
    images = expose(flux_adu * profiles[rng.integers(len(profiles), size=n)], rng)
    curves = measure(as_stamps(images[:, None]), psf, choices)
    return ((curves.flux_njy - flux_adu) / curves.flux_error_njy)[:, 0]


def five_sigma_of_width(n):
    return 5 / np.sqrt(2 * n)


# Fluxes that were put in ------------------------------------------------------------------


@pytest.mark.parametrize("signal_to_noise", SIGNAL_TO_NOISE)
@pytest.mark.parametrize("sky", ["border", "data set"])
def test_fluxes_at_a_known_position_are_unbiased_with_correct_errors(psf, sky, signal_to_noise):
    """5 standard errors of the mean; PSFs of GalSim and ours differ by 2e-4 in flux."""
    found = pulls(psf, draw(psf)[None], signal_to_noise, replace(STILL, sky=sky))
    allowed = 5 / np.sqrt(N_INJECTED) + 2e-4 * signal_to_noise
    assert abs(found.mean()) < allowed
    assert abs(found.std() - 1.0) < max(five_sigma_of_width(N_INJECTED), 0.05)


@pytest.mark.parametrize("signal_to_noise", SIGNAL_TO_NOISE)
def test_fluxes_at_a_fitted_position_have_the_documented_bias_only(psf, jittered, signal_to_noise):
    found = pulls(psf, jittered, signal_to_noise, CENTRED)
    allowed = 5 / np.sqrt(N_INJECTED) + 2e-4 * signal_to_noise + POSITION_BIAS_SIGMAS
    assert abs(found.mean()) < allowed
    assert abs(found.std() - 1.0) < max(five_sigma_of_width(N_INJECTED), 0.05)


@pytest.mark.parametrize("signal_to_noise", SIGNAL_TO_NOISE)
def test_fluxes_with_a_fitted_shape_have_correct_errors(psf, shaped, signal_to_noise):
    """Widths and betas scatter as in the survey; the fit's own prior is that scatter."""
    found = pulls(psf, shaped, signal_to_noise, FITTED)
    assert abs(found.mean()) < 5 / np.sqrt(N_INJECTED) + POSITION_BIAS_SIGMAS
    assert abs(found.std() - 1.0) < max(five_sigma_of_width(N_INJECTED), 0.05)


def test_weights_from_noisy_counts_make_fluxes_too_small(psf):
    """A third of a standard deviation at any signal to noise: why ours are made from the model."""
    profile, n = draw(psf), 2000
    flux_adu = flux_of(profile, 10)
    images = expose(np.broadcast_to(flux_adu * profile, (n, SIZE_PIX, SIZE_PIX)), _rng(2))
    signal = images.astype(float) - SKY_ADU
    empty = SKY_ADU / GAIN_E_PER_ADU + (READ_NOISE_E / GAIN_E_PER_ADU) ** 2
    naive = profile / np.maximum(empty + signal / GAIN_E_PER_ADU, 1.0)
    found = (naive * signal).sum(axis=(1, 2)) / (naive * profile).sum(axis=(1, 2))
    ours = measure(as_stamps(images[:, None]), psf, STILL)
    assert np.mean(found - flux_adu) / np.std(found) < -0.2
    assert abs(np.mean(ours.flux_njy - flux_adu) / np.std(ours.flux_njy)) < 5 / np.sqrt(n)


def test_empty_sky_has_zero_flux(psf, jittered):
    rng = np.random.default_rng(3)
    images = expose(np.zeros((N_INJECTED, 1, SIZE_PIX, SIZE_PIX)), rng)
    curves = measure(as_stamps(images), psf, FITTED)
    found = curves.flux_njy / curves.flux_error_njy
    assert abs(found.mean()) < 5 / np.sqrt(N_INJECTED)
    assert abs(found.std() - 1.0) < five_sigma_of_width(N_INJECTED)


def test_bright_stars_need_a_fitted_shape(psf, shaped):
    """With the seeing's width alone, 5 % of width scatter are some 5 % of flux scatter."""
    fixed = pulls(psf, shaped, 300, CENTRED, n=1000)
    fitted = pulls(psf, shaped, 300, FITTED, n=1000)
    assert fixed.std() > 5 * fitted.std()


@pytest.mark.parametrize("survey", ["ztf", "lsst"])
def test_other_surveys_are_measured_as_well(survey):
    """The mixture of Gaussians that stands for Kolmogorov's profile is 1e-3 off in flux."""
    psf = PsfModel.of(load_profile(survey))
    profile = draw(psf, 3.0)
    flux_adu = flux_of(profile, 100)
    images = expose(np.broadcast_to(flux_adu * profile, (2000, 1, SIZE_PIX, SIZE_PIX)), _rng(4))
    curves = measure(as_stamps(images, seeing_pix=3.0), psf, STILL)
    found = (curves.flux_njy - flux_adu) / curves.flux_error_njy
    assert abs(found.mean()) < 5 / np.sqrt(2000) + 100 * 1e-3
    assert abs(found.std() - 1.0) < five_sigma_of_width(2000)


def _rng(seed):
    return np.random.default_rng(seed)


# Without noise ------------------------------------------------------------------------------


def test_the_shape_of_a_bright_star_is_recovered(psf):
    stamps = noiseless(psf, x=0.37, y=-0.21, ln_width=0.06, ln_beta=-0.15)
    curves = measure(stamps, psf, FITTED)
    expected = psf.expected(stamps.seeing_fwhm_pix).fwhm_pix[0, 0] * np.exp(0.06)
    assert curves.x_pix[0, 0] == pytest.approx(0.37, abs=5e-3)
    assert curves.y_pix[0, 0] == pytest.approx(-0.21, abs=5e-3)
    assert curves.fwhm_pix[0, 0] == pytest.approx(expected, rel=5e-3)
    assert curves.flux_njy[0, 0] == pytest.approx(5e4, rel=3e-3)
    assert curves.sky_adu[0, 0] == pytest.approx(SKY_ADU, abs=0.3)


def test_fluxes_are_in_nanojansky(psf):
    """A source of AB 20 mag: 10^(0.4 (31.4 - 20)) nJy, whatever the zero point and exposure."""
    for zero_point, seconds in ((25.1, 86.0), (28.0, 30.0)):
        counts = seconds * 10 ** (0.4 * (zero_point - 20.0))
        one = np.ones((1, 1), dtype=np.float32)
        stamps = replace(
            noiseless(psf, counts), exposure_time_s=one * seconds, zero_point_mag=one * zero_point
        )
        curves = measure(stamps, psf, STILL)
        assert curves.flux_njy[0, 0] == pytest.approx(10 ** (0.4 * 11.4), rel=5e-4)


def test_masked_pixels_change_the_error_but_not_the_flux(psf):
    stamps = noiseless(psf)
    holes = stamps.images_adu.copy()
    holes[0, 0, :, 11] = np.nan
    holes[0, 0, 2, 3] = np.nan
    whole, holed = (measure(s, psf, STILL) for s in (stamps, replace(stamps, images_adu=holes)))
    assert holed.flux_njy[0, 0] == pytest.approx(whole.flux_njy[0, 0], rel=1e-3)
    assert holed.flux_error_njy[0, 0] > 1.05 * whole.flux_error_njy[0, 0]


# The kernel against its oracle ----------------------------------------------------------------


def naylor_oracle(data, profile, used, gain, read_variance, sky):
    """Equations of the module's docstring in the plainest NumPy, with a sky that is known."""
    flux, empty = 0.0, max(sky, 0.0) / gain + read_variance
    for _ in range(2):
        variance = empty + max(flux, 0.0) * profile / gain
        weight = profile / variance / (profile**2 / variance)[used].sum()
        flux = (weight * (data - sky))[used].sum()
    error2 = (weight**2 * variance)[used].sum()
    return flux, error2


@pytest.mark.parametrize("kind", ["numpy", "astropy"])
def test_masked_pixels_and_unknown_conditions_of_masked_arrays_do_not_count(psf, kind):
    as_masked = {"numpy": np.ma.masked_array, "astropy": Masked}[kind]
    stamps = noiseless(psf)
    hidden = np.zeros(stamps.images_adu.shape, dtype=bool)
    hidden[..., :5, :] = True
    masked = replace(
        stamps,
        images_adu=as_masked(np.where(hidden, np.float32(30000), stamps.images_adu), mask=hidden),
        seeing_fwhm_pix=as_masked(np.full((1, 1), 99.0, dtype=np.float32), mask=[[True]]),
        gain_e_per_adu=as_masked(np.float32([1e9]), mask=[True]),
    )
    nothing = np.float32(np.nan)
    plain = replace(
        stamps,
        images_adu=np.where(hidden, nothing, stamps.images_adu),
        seeing_fwhm_pix=np.full((1, 1), nothing),
        gain_e_per_adu=np.full(1, nothing),
    )
    found, expected = measure(masked, psf), measure(plain, psf)
    assert np.isfinite(found.flux_njy).all()
    np.testing.assert_array_equal(found.flux_njy, expected.flux_njy)
    np.testing.assert_array_equal(found.flux_error_njy, expected.flux_error_njy)
    with pytest.raises(ClassifierError, match="n_epochs has masked"):
        replace(stamps, n_epochs=np.ma.masked_array([1], [True]))


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**31),
    flux_adu=st.floats(-300, 1e5),
    sky_adu=st.floats(20, 1e3),
    gain=st.floats(0.5, 10),
    masked=st.integers(0, 200),
)
def test_the_kernel_equals_naylors_formula(seed, flux_adu, sky_adu, gain, masked):
    """float32 images and weights: 1e-5 of the sum of all that is summed."""
    rng = np.random.default_rng(seed)
    profile = PROFILE.astype(np.float32)
    data = (flux_adu * PROFILE + sky_adu + rng.normal(0, 5, PROFILE.shape)).astype(np.float32)
    used = np.ones(PROFILE.size, dtype=bool)
    used[rng.choice(PROFILE.size, masked, replace=False)] = False
    known = np.zeros(N_KNOWN)
    known[SKY], known[PIXEL_VARIANCE] = sky_adu, 25.0
    good = used.astype(np.float32)
    noise = (gain, 2.0, sky_adu)
    optimal_flux(
        np.where(used, data, 0).astype(np.float32),
        good,
        profile,
        good * BORDER,
        noise,
        known,
        np.empty_like(profile),
    )
    flux, error2 = naylor_oracle(data.astype(float), PROFILE, used, gain, 2.0, sky_adu)
    assert known[FLUX] == pytest.approx(flux, rel=1e-5, abs=1e-5 * 40 * (sky_adu + 5))
    assert known[VARIANCE] == pytest.approx(error2, rel=1e-4)


PROFILE = draw(hits_psf()).ravel()
BORDER = (np.hypot(*pixel_centres(SIZE_PIX)) > 0.36 * SIZE_PIX).astype(np.float32)


def test_the_error_equals_that_of_the_joint_linear_estimate_of_flux_and_sky(psf):
    """Weights of a star's flux with the border's mean as sky, written as one linear sum."""
    stamps = noiseless(psf, 2000.0)
    curves = measure(stamps, psf, STILL)
    profile = PROFILE
    empty = SKY_ADU / GAIN_E_PER_ADU + (READ_NOISE_E / GAIN_E_PER_ADU) ** 2
    variance = empty + 2000.0 * profile / GAIN_E_PER_ADU
    weight = profile / variance / (profile**2 / variance).sum()
    border = BORDER / BORDER.sum()
    a, p = weight.sum(), (border * profile).sum()
    combined = (weight - a * border) / (1 - a * p)
    assert (combined * profile).sum() == pytest.approx(1.0)
    expected = np.sqrt((combined**2 * variance).sum())
    assert curves.flux_error_njy[0, 0] == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize(("survey", "seeing_pix"), [("hits", 4.0), ("ztf", 2.2), ("lsst", 3.5)])
def test_the_psf_equals_that_of_galsim(survey, seeing_pix):
    """Both treat the pixel as a square: simulated PSFs agree to 0.4 % of the peak."""
    model = PsfModel.of(load_profile(survey))
    image, shape = np.empty(SIZE_PIX**2, dtype=np.float32), np.zeros(N_SHAPE)
    shape[:3] = 0.3, -0.4, 0.05
    grid = (*pixel_centres(SIZE_PIX), SIZE_PIX)
    draw_star(image, (grid, model.expected(np.array([[seeing_pix]])), 0, 0), shape)
    expected = draw(model, seeing_pix, x=0.3, y=-0.4, ln_width=0.05).ravel()
    assert np.abs(image - expected).max() < 4e-3 * expected.max()


def test_a_psf_library_is_used_unchanged(tmp_path):
    """A library made of Gaussians: a star drawn from it, stretched, is a wider Gaussian."""
    oversampling, size = 4, 121
    axis = (np.arange(size) - size // 2) / oversampling
    sigma = 3.0 / 2.3548
    epsf = np.exp(-0.5 * (axis[:, None] ** 2 + axis**2) / sigma**2)
    path = tmp_path / "library.npz"
    np.savez(
        path,
        epsf=epsf[None],
        epsf_oversampling=oversampling,
        epsf_fwhm_pix=[3.0],
        epsf_beta=[10.0],
        epsf_e1=[0.0],
        epsf_e2=[0.0],
    )
    profile = load_profile("hits", overrides={"psf.model": "library", "psf.library": str(path)})
    x, y = pixel_centres(SIZE_PIX)
    wide = 1.2 * sigma
    star = np.exp(-0.5 * ((x - 0.2) ** 2 + y**2) / wide**2) / (2 * np.pi * wide**2)
    images = (1e4 * star + SKY_ADU).reshape(1, 1, SIZE_PIX, SIZE_PIX)
    curves = measure(as_stamps(images, seeing_pix=3.6), PsfModel.of(profile), FITTED)
    assert curves.flux_njy[0, 0] == pytest.approx(1e4, rel=5e-3)
    assert curves.x_pix[0, 0] == pytest.approx(0.2, abs=0.02)


# Another program ------------------------------------------------------------------------------


def photutils_fluxes(psf, images, expected_adu):
    """Fluxes of photutils' fit of position and flux, with the sky and the noise as they are."""
    from astropy.table import Table
    from photutils.psf import ImagePSF, PSFPhotometry

    fine = np.empty((4 * SIZE_PIX, 4 * SIZE_PIX))
    for a in range(4):
        for b in range(4):
            fine[a::4, b::4] = draw(psf, x=-b / 4, y=-a / 4)
    model = ImagePSF(fine, oversampling=4, origin=(2 * SIZE_PIX - 2, 2 * SIZE_PIX - 2))
    fit = PSFPhotometry(model, (SIZE_PIX, SIZE_PIX), aperture_radius=6)
    start = Table({"x_0": [10.0], "y_0": [10.0], "flux_0": [float(expected_adu.sum())]})
    found = []
    for image in images:
        variance = (expected_adu + SKY_ADU) / GAIN_E_PER_ADU + (READ_NOISE_E / GAIN_E_PER_ADU) ** 2
        table = fit(image - SKY_ADU, error=np.sqrt(variance), init_params=start)
        found.append(table["flux_fit"][0])
    return np.array(found)


def test_fluxes_agree_with_photutils(psf, jittered):
    """That fits without a prior, and weighs with the mean light of all stars.

    Both see the same noise, so they differ by a small part of its standard deviation (0.04).
    """
    rng, n = _rng(8), 40
    flux_adu = flux_of(jittered.mean(axis=0), 30)
    scale = rng.uniform(0.7, 1.3, n)
    images = expose(flux_adu * jittered[:n] * scale[:, None, None], rng).astype(float)
    curves = measure(as_stamps(images[:, None]), psf, replace(CENTRED, sky="data set"))
    theirs = photutils_fluxes(psf, images, flux_adu * jittered.mean(axis=0))
    ours, error = curves.flux_njy[:, 0], curves.flux_error_njy[:, 0]
    apart = (theirs - ours) / error
    assert abs(apart.mean()) < 0.03
    assert apart.std() < 0.1
    of_noise = [values - flux_adu * scale for values in (ours, theirs)]
    assert np.corrcoef(of_noise)[0, 1] > 0.99
