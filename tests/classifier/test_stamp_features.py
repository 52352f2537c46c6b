"""Features of stamps of known sources: what they must be, and that no orientation matters."""

import numpy as np
import pytest
from scipy.stats import pearsonr

from classifier.models.stamp.stamp_features import NAMES, stamp_features
from tests.helpers.alert_stamps import NOISE_ADU, SIZE, stamps, star

FWHM_PIX = 2.5


def features(planes, **metadata):
    """By name, of one alert."""
    planes = np.asarray(planes, dtype=np.float32)[None]
    known = {"is_positive": 1, "magnitude": 19.0, "limiting_mag": 20.5, "fwhm_pix": FWHM_PIX}
    given = {name: np.array([value]) for name, value in {**known, **metadata}.items()}
    found = stamp_features(planes, given, SIZE)
    assert found.shape == (1, len(NAMES)) and found.dtype == np.float32
    return dict(zip(NAMES, found[0].tolist(), strict=True))


@pytest.fixture(scope="module")
def bright():
    """A star of 100 sigma in its brightest pixel, where the template is empty."""
    return stamps(star(100 * NOISE_ADU * 2 * np.pi * (FWHM_PIX / 2.3548) ** 2), neighbours=())


def test_a_new_star_has_the_shape_of_the_psf(bright):
    found = features(bright)
    # noise of a hundredth of the peak moves them by about that
    assert found["fwhm_ratio"] == pytest.approx(1, abs=0.05)
    assert found["ellipticity"] == pytest.approx(0, abs=0.08)
    assert found["centroid_distance"] == pytest.approx(0, abs=0.02)
    assert found["psf_correlation"] > 0.99 and found["flux_share"] > 0.97
    assert found["unsigned_share"] > 0.9 and found["asymmetry"] < 0.2
    assert found["n_negative_2_sigma_3"] == found["n_negative_3_sigma_3"] == 0
    assert found["mag_from_limit"] == pytest.approx(-1.5) and found["masked_share"] == 0


def test_the_signal_to_noise_ratios_are_those_of_the_star(bright):
    found = features(bright)
    assert 3 * np.sinh(found["peak_snr"]) == pytest.approx(100, rel=0.15)  # of the frame's noise
    radius = np.hypot(*np.mgrid[-31:32, -31:32])
    inside = radius <= FWHM_PIX
    expected = bright[2][inside].sum() / NOISE_ADU / np.sqrt(inside.sum())
    assert 3 * np.sinh(found["flux_snr"]) == pytest.approx(expected, rel=0.15)


def test_a_drawn_out_source_is_wide_and_elliptical(bright):
    flux = 100 * NOISE_ADU * 2 * np.pi * (FWHM_PIX / 2.3548) ** 2
    found = features(stamps(star(3 * flux, fwhm_along=7), neighbours=()))
    round_ = features(bright)
    assert found["ellipticity"] > 0.3 > round_["ellipticity"]
    assert found["fwhm_ratio"] > 1.3 and found["psf_correlation"] < round_["psf_correlation"]


def test_a_source_that_is_off_the_centre_says_how_far():
    found = features(stamps(star(2e4, row=1, column=0.5), neighbours=()))
    # weights of 1.5 sigma draw the centroid towards the centre: 1.5^2 / (1 + 1.5^2) of the distance
    expected = np.hypot(1, 0.5) / FWHM_PIX * 2.25 / 3.25
    assert found["centroid_distance"] == pytest.approx(expected, rel=0.05)


def test_a_dipole_is_asymmetric_and_negative():
    found = features(stamps(star(1e4, row=1.5) - star(1e4, row=-1.5), neighbours=()))
    assert found["asymmetry"] > 1.3 and abs(found["unsigned_share"]) < 0.3
    assert found["n_negative_3_sigma_5"] >= 5 and abs(found["psf_correlation"]) < 0.3


def test_pixels_are_counted_below_their_limits():
    planes = stamps(0.0, neighbours=(), seed=3)
    planes[2, 29:34, 29:34] = 0
    planes[2, 30, 30], planes[2, 33, 33], planes[2, 31, 31] = -1e4, -1e4, 1e4
    found = features(planes)
    assert (found["n_negative_2_sigma_3"], found["n_negative_3_sigma_3"]) == (1, 1)
    assert (found["n_negative_2_sigma_5"], found["n_negative_3_sigma_5"]) == (2, 2)


def test_a_source_that_faded_is_a_source(bright):
    faded = bright * np.array([1, 1, -1])[:, None, None]
    found, same = features(faded, is_positive=0), features(bright)
    for name in set(NAMES) - {"is_positive"}:
        assert found[name] == pytest.approx(same[name], abs=1e-5), name


def test_no_feature_depends_on_quarter_turns_or_mirrors():
    planes = stamps(star(6e3, row=1, fwhm_along=4) - star(2e3, column=2), seed=5)
    same = features(planes)
    for turned in (np.rot90(planes, 1, (1, 2)), np.rot90(planes, 2, (1, 2)), planes[:, :, ::-1]):
        for name, value in features(turned).items():
            assert value == pytest.approx(same[name], abs=2e-3), name


def test_the_correlation_is_that_of_scipy(bright):
    middle = bright[2][26:37, 26:37].ravel()
    model = star(1.0)[26:37, 26:37].ravel()
    expected = pearsonr(middle, model).statistic
    assert features(bright)["psf_correlation"] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("value", [np.nan, 0.0, np.inf])
def test_planes_without_content_have_no_infinite_feature(value):
    planes = np.full((3, SIZE, SIZE), value)
    found = np.array(list(features(planes).values()))
    assert not np.isinf(found).any()


def test_masked_pixels_are_counted_and_add_nothing(bright):
    planes = bright.copy()
    planes[:, 31, 29:31] = np.nan
    assert features(planes)["masked_share"] == pytest.approx(2 / 25)


def test_pixels_beyond_the_size_are_not_read(bright):
    given = {"is_positive": 1, "magnitude": 19.0, "limiting_mag": 20.5, "fwhm_pix": FWHM_PIX}
    known = {name: np.array([value]) for name, value in given.items()}
    planes = bright[None].astype(np.float32)
    other = planes.copy()
    inside = np.zeros((SIZE, SIZE), bool)
    inside[27:36, 27:36] = inside[:2] = inside[-2:] = inside[:, :2] = inside[:, -2:] = True
    other[..., ~inside] += 500
    np.testing.assert_array_equal(stamp_features(other, known, 9), stamp_features(planes, known, 9))
