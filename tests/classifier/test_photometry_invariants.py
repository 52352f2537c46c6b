"""Photometry: invariances, and flags of images that cannot be measured."""

from dataclasses import fields, replace

import numpy as np
import pytest

from classifier.photometry import Flag, PhotometrySettings, measure
from simulator.gaussian_mixture import pixel_centres
from skyreel.errors import ClassifierError
from tests.helpers.stars import (
    SEEING_PIX,
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

STILL = PhotometrySettings(centre="fixed", psf_width="data set", templates=0)
FITTED = PhotometrySettings(templates=0)


@pytest.fixture(scope="module")
def psf():
    return hits_psf()


@pytest.fixture(scope="module")
def shaped(psf):
    return draw_many(psf, 200, 12)


def _rng(seed):
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def varied(psf, shaped):
    """70 objects of 6 epochs: stars of all brightnesses, masks, bands, padding, jitter."""
    rng = _rng(21)
    flux_adu = 10 ** rng.uniform(1.5, 5, (70, 6))
    profiles = shaped[rng.integers(len(shaped), size=(70, 6))]
    images = expose(flux_adu[..., None, None] * profiles, rng)
    images[rng.random(images.shape) < 0.002] = np.nan
    stamps = as_stamps(images, band=rng.integers(0, 2, (70, 6)).astype(np.uint8))
    seeing = (SEEING_PIX * np.exp(rng.normal(0, 0.1, (70, 6)))).astype(np.float32)
    n_epochs = rng.integers(1, 7, 70)
    stamps = replace(stamps, seeing_fwhm_pix=seeing)
    return stamps.rearranged(np.tile(np.arange(6), (70, 1)), n_epochs)


def assert_same(a, b, **tolerance):
    for field in fields(a):
        got, expected = getattr(a, field.name), getattr(b, field.name)
        if tolerance:
            np.testing.assert_allclose(got, expected, err_msg=field.name, **tolerance)
        else:
            np.testing.assert_array_equal(got, expected, err_msg=field.name)


def of_objects(stamps, rows):
    return type(stamps)(**{name: array[rows] for name, array in stamps.arrays().items()})


def test_threads_and_batch_size_change_no_bit(psf, varied):
    whole = measure(varied, psf)
    assert_same(measure(varied, psf, threads=3), whole)
    for rows in (slice(0, 1), slice(13, 70)):
        assert_same(measure(of_objects(varied, rows), psf), whole.of(rows))


def test_later_images_change_no_bit_of_earlier_ones(psf, varied):
    whole = measure(varied, psf)
    first = varied.rearranged(np.tile(np.arange(3), (70, 1)), np.minimum(varied.n_epochs, 3))
    early = measure(first, psf)
    seen = np.arange(3) < varied.n_epochs[:, None]
    for name in ("flux_njy", "flux_error_njy", "difference_flux_njy", "difference_flux_error_njy"):
        np.testing.assert_array_equal(
            getattr(early, name)[seen], getattr(whole, name)[:, :3][seen], err_msg=name
        )


def test_the_order_of_images_does_not_change_fluxes(psf, varied):
    last = varied.n_epochs[:, None] - 1
    backwards = np.clip(last - np.arange(6), 0, 5)
    turned = measure(varied.rearranged(backwards, varied.n_epochs), psf)
    expected = np.take_along_axis(measure(varied, psf).flux_njy, backwards, axis=1)
    seen = np.arange(6) <= last
    np.testing.assert_array_equal(turned.flux_njy[seen], expected[seen])


def test_half_the_gain_changes_only_the_sky(psf, varied):
    """Twice the counts at half the gain and 2.5 log 2 brighter zero points: the same light."""
    doubled = replace(
        varied,
        images_adu=2 * varied.images_adu,
        gain_e_per_adu=varied.gain_e_per_adu / 2,
        zero_point_mag=(varied.zero_point_mag.astype(float) + 2.5 * np.log10(2.0)),
    )
    a, b = measure(varied, psf), measure(doubled, psf)
    assert_same(replace(b, sky_adu=b.sky_adu / 2), a, rtol=1e-5, atol=1e-6)


def test_a_transposed_image_of_a_transposed_psf_is_the_same(psf, varied):
    """Long axes turn from +x to +y: e1 changes sign. Sums in another order, in float32."""
    turned = replace(varied, images_adu=varied.images_adu.swapaxes(2, 3))
    a, b = measure(varied, psf), measure(turned, replace(psf, e1=-psf.e1))
    np.testing.assert_allclose(b.flux_njy, a.flux_njy, rtol=2e-3, atol=2.0)
    np.testing.assert_allclose(b.x_pix, a.y_pix, atol=2e-3)


def test_a_constant_added_to_the_image_goes_into_the_sky(psf, varied):
    """With the noise taken from the border; a gain would turn a brighter sky into more noise."""
    unknown = np.full(len(varied), np.nan, dtype=np.float32)
    dim = replace(varied, read_noise_e=unknown, gain_e_per_adu=unknown)
    bright = replace(dim, images_adu=dim.images_adu + np.float32(64.0))
    a, b = measure(dim, psf), measure(bright, psf)
    np.testing.assert_allclose(b.flux_njy, a.flux_njy, rtol=1e-3, atol=1.0)
    np.testing.assert_allclose(b.flux_error_njy, a.flux_error_njy, rtol=1e-3)
    np.testing.assert_allclose(b.sky_adu, a.sky_adu + 64.0, atol=0.01)


def test_noise_measured_in_the_border_is_that_of_gain_and_read_noise(psf):
    """The scatter of 264 pixels, so 4.4 % of an error of each; 5 sigma of the mean of 500."""
    images = expose(np.zeros((500, 1, SIZE_PIX, SIZE_PIX)), _rng(5))
    known = as_stamps(images)
    unknown = replace(known, read_noise_e=np.full(500, np.nan, dtype=np.float32))
    ratio = measure(unknown, psf, STILL).flux_error_njy / measure(known, psf, STILL).flux_error_njy
    assert abs(ratio.mean() - 1.0) < 5 * 0.044 / np.sqrt(500) + 2e-3


# Flags, and images that cannot be measured --------------------------------------------------


def test_padded_epochs_are_nan(psf, varied):
    curves = measure(varied, psf)
    padded = np.arange(6) >= varied.n_epochs[:, None]
    assert np.isfinite(curves.flux_njy[~padded]).all()
    for name in ("flux_njy", "difference_flux_njy", "sky_adu", "x_pix", "fwhm_pix"):
        assert np.isnan(getattr(curves, name)[padded]).all()
    assert (curves.flags[padded] == 0).all()


@pytest.mark.parametrize(
    ("spoil", "flag"),
    [
        (lambda s: s["images_adu"][..., 6:15, 6:15].fill(np.nan), "MASKED"),
        (lambda s: s["images_adu"].fill(np.nan), "MASKED"),
        (lambda s: s["zero_point_mag"].fill(np.nan), "NO_CALIBRATION"),
        (lambda s: s["exposure_time_s"].fill(0.0), "NO_CALIBRATION"),
        (lambda s: s["images_adu"].__setitem__((0, 0), _only_core()), "NO_SKY"),
    ],
)
def test_an_unmeasurable_image_is_nan_with_a_flag(psf, spoil, flag):
    stamps = noiseless(psf)
    arrays = {name: array.copy() for name, array in stamps.arrays().items()}
    spoil(arrays)
    curves = measure(type(stamps)(**arrays), psf)
    assert np.isnan([curves.flux_njy[0, 0], curves.flux_error_njy[0, 0], curves.x_pix[0, 0]]).all()
    assert curves.flags[0, 0] & Flag[flag]


def _only_core():
    image = draw(hits_psf()) * 1e4 + SKY_ADU
    border = np.hypot(*pixel_centres(SIZE_PIX)) > 0.36 * SIZE_PIX
    image[border.reshape(image.shape)] = np.nan
    return image


def test_absurd_pixel_values_are_masked(psf):
    stamps = noiseless(psf)
    absurd = stamps.images_adu.copy()
    absurd[0, 0, 3, 4], absurd[0, 0, 9, 9] = np.inf, 1e30
    curves = measure(replace(stamps, images_adu=absurd), psf, FITTED)
    assert curves.flux_njy[0, 0] == pytest.approx(5e4, rel=5e-3)


def test_saturated_stars_are_flagged_and_measured_in_their_wings(psf):
    stamps = noiseless(psf)
    image = stamps.images_adu.copy()
    image[image > 2000] = np.nan
    curves = measure(
        replace(stamps, images_adu=image, saturated=np.ones((1, 1), dtype=bool)), psf, STILL
    )
    assert curves.flags[0, 0] & Flag.SATURATED
    assert curves.flux_njy[0, 0] == pytest.approx(5e4, rel=0.02)


def test_an_unknown_seeing_is_fitted_from_the_typical_one_of_the_survey(psf):
    images = (5e4 * draw(psf, 5.0) + SKY_ADU)[None, None]
    stamps = as_stamps(images, seeing_pix=np.nan)
    curves = measure(stamps, psf, FITTED)
    assert curves.flags[0, 0] & Flag.SEEING_UNKNOWN
    assert curves.flux_njy[0, 0] == pytest.approx(5e4, rel=0.01)
    refused = measure(stamps, psf, STILL)
    assert np.isnan(refused.flux_njy[0, 0]) and refused.flags[0, 0] & Flag.NO_CALIBRATION


def test_a_second_star_is_flagged_and_a_single_star_is_not(psf, shaped):
    flux_adu = flux_of(shaped.mean(axis=0), 100)
    lonely = expose(flux_adu * shaped, _rng(6))
    pair = expose(flux_adu * (shaped + 0.3 * draw(psf, x=4.5, y=-2.0)), _rng(7))
    alone, together = (
        (measure(as_stamps(images[:, None]), psf).flags & Flag.EXTENDED) > 0
        for images in (lonely, pair)
    )
    assert alone.mean() < 0.01
    assert together.mean() > 0.95


def test_a_position_stays_within_a_pixel(psf):
    curves = measure(noiseless(psf, x=2.5), psf, FITTED)
    assert curves.x_pix[0, 0] == 1.0
    assert curves.flags[0, 0] & Flag.OFF_CENTRE


def test_the_data_sets_sky_is_used_where_it_is_known(psf, varied):
    sky = varied.sky_adu.copy()
    sky[:, ::2] = np.nan
    mixed = measure(replace(varied, sky_adu=sky), psf, PhotometrySettings(sky="data set"))
    given, border = (
        measure(varied, psf, PhotometrySettings(sky=s)) for s in ("data set", "border")
    )
    np.testing.assert_array_equal(mixed.flux_njy[:, ::2], border.flux_njy[:, ::2])
    np.testing.assert_array_equal(mixed.flux_njy[:, 1::2], given.flux_njy[:, 1::2])


@pytest.mark.parametrize(
    "wrong",
    [
        {"sky": "corner"},
        {"centre": "free"},
        {"psf_width": "x"},
        {"centre_scatter_pix": 0.0},
        {"centre_scatter_pix": np.nan},
        {"least_light": 1.0},
        {"templates": -1},
        {"flux_error_floor": -0.1},
        {"extended_flux_error_floor": 1.0},
    ],
)
def test_refused_settings_name_the_allowed_ones(wrong):
    with pytest.raises(ClassifierError, match=f"photometry: {next(iter(wrong))} = .*; allowed: "):
        PhotometrySettings(**wrong)


def test_stamps_that_are_not_square_are_refused(psf, varied):
    narrow = replace(varied, images_adu=varied.images_adu[..., :15])
    with pytest.raises(ClassifierError, match=r"shape \(70, 6, 21, 15\); .* square"):
        measure(narrow, psf)


def test_no_objects_give_no_light_curves(psf, varied):
    assert len(measure(of_objects(varied, slice(0, 0)), psf)) == 0
