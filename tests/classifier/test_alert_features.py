"""Features of the three stamps of one alert: they mean what they say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier.features.alert_features import (
    FEATURES,
    feature_columns,
    fwhm_pix,
    radius_of,
    single_epoch_features,
    smoothed,
    star_fwhm_pix,
)
from classifier.features.first_alert_planes import Planes
from tests.helpers.alert_stamps import SIZE, stamps, star


def features(images, mask=None):
    mask = np.zeros(images.shape[1:], dtype=np.uint8) if mask is None else mask
    values = single_epoch_features(Planes.of(images, mask))
    return dict(zip(FEATURES, values.tolist(), strict=True))


def test_a_new_source_is_new_light_and_a_fading_star_is_negative():
    asteroid = features(stamps(star(5e3)))
    assert asteroid["polarity"] > 0.8
    assert asteroid["new_light"] > 0.9
    assert asteroid["template_signal"] < 3
    faded = features(stamps(-star(1e4), before=star(2e4)))
    assert faded["polarity"] < -0.8
    assert faded["new_light"] == pytest.approx(-1 / 3, abs=0.03)  # of what was, half went
    doubled = features(stamps(star(1e4), before=star(1e4)))
    assert doubled["new_light"] == pytest.approx(0.5, abs=0.03)
    assert doubled["template_signal"] > 5
    for name in ("signal", "width", "elongation", "off_centre"):
        assert faded[name] == pytest.approx(doubled[name], abs=0.1)


@pytest.mark.parametrize("fwhm", [2.0, 3.0, 5.0])
def test_width_is_relative_to_the_stars_of_the_stamp(fwhm):
    wide = features(stamps(star(2e4, fwhm=fwhm)))
    assert wide["width"] == pytest.approx(np.log(fwhm / 2.5), abs=0.1)
    assert features(stamps(star(2e4, fwhm=fwhm), neighbours=()))["width"] == 0


def test_width_of_a_gaussian_is_its_own():
    for fwhm in (2.0, 2.5, 3.5):
        plane = star(1e4, 7, -4, fwhm=fwhm)
        assert fwhm_pix(plane, 7, -4) == pytest.approx(fwhm, rel=0.05)
    assert np.isnan(fwhm_pix(np.zeros((SIZE, SIZE))))


def test_saturated_stars_and_those_at_the_edge_give_no_width():
    plane = 1e3 * star(1.0, 14, -18) + 1e3 * star(1.0, 29, 0, fwhm=5)
    clean = np.ones(plane.shape, dtype=bool)
    assert star_fwhm_pix(plane, clean) == pytest.approx(2.5, rel=0.05)
    clean[SIZE // 2 + 14, SIZE // 2 - 18] = False
    assert np.isnan(star_fwhm_pix(plane, clean))


def test_a_dipole_has_two_signs_and_a_hole():
    star_alone = features(stamps(star(5e3), before=star(3e4)))
    dipole = features(stamps(star(5e3, 0, 1.5) - star(5e3, 0, -1.5), before=star(3e4)))
    assert abs(dipole["polarity"]) < 0.3 < 0.8 < star_alone["polarity"]
    assert dipole["negative_peak"] > 1.5
    assert star_alone["negative_peak"] == 0
    assert dipole["correlation"] < 0.5 < 0.8 < star_alone["correlation"]


def test_trails_are_long_and_sources_beside_the_middle_off_centre():
    round_, trail = features(stamps(star(2e4))), features(stamps(star(2e4, fwhm_along=8)))
    assert trail["elongation"] > 0.5 > 0.2 > round_["elongation"]
    beside = features(stamps(star(2e4, 4, 3)))
    assert beside["off_centre"] == pytest.approx(np.log(5.5), abs=0.01)
    assert round_["off_centre"] == pytest.approx(np.log(0.5), abs=0.01)


def test_the_template_shows_neighbours_and_hosts():
    lonely = features(stamps(star(5e3), neighbours=()))
    assert lonely["nearest"] == pytest.approx(np.log(SIZE / 2 + 0.5))
    one = features(stamps(star(5e3), neighbours=((12, -5, 2e4),)))
    assert one["nearest"] == pytest.approx(np.log(13.5), abs=0.01)
    assert one["crowding"] > lonely["crowding"] == pytest.approx(-3)
    point, galaxy = star(2e4), star(1e5, fwhm=10)
    spread = [features(stamps(star(5e3), before=b))["template_spread"] for b in (point, galaxy)]
    assert spread[1] > spread[0] + 1


def test_residuals_elsewhere_and_lost_pixels_are_counted():
    plain, residual = stamps(star(5e3)), stamps(star(5e3))
    residual[2] += star(2e4, 20, 20) - star(2e4, 22, 20)
    assert features(residual)["residuals"] > features(plain)["residuals"]
    mask = np.zeros((SIZE, SIZE), dtype=np.uint8)
    mask[:, :7] = 8
    assert features(plain, mask)["masked"] == pytest.approx(np.log10(7 / 63 + 1e-3))
    assert features(plain)["masked"] == pytest.approx(-3)


@settings(deadline=None, max_examples=20)
@given(
    seed=st.integers(0, 9999),
    sky_adu=st.floats(-1e3, 1e4),
    scale=st.floats(0.1, 50),
    turns=st.integers(0, 3),
    flux_adu=st.floats(-2e4, 2e4),
)
def test_features_do_not_depend_on_sky_unit_or_orientation(seed, sky_adu, scale, turns, flux_adu):
    images = stamps(star(flux_adu, fwhm_along=4), before=star(2.5e4), seed=seed)
    other = scale * images + np.array([sky_adu, -sky_adu, 0])[:, None, None]
    rotated = np.rot90(other, turns, axes=(1, 2))
    expected, found = features(images), features(rotated)
    for name in FEATURES:
        assert found[name] == pytest.approx(expected[name], rel=1e-3, abs=1e-3), name


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 9999), size=st.sampled_from([21, 30, 63]), share=st.floats(0, 0.75))
def test_features_are_finite_whatever_pixels_are_missing(seed, size, share):
    rng = np.random.default_rng(seed)
    images = rng.normal(100, 5, (3, size, size))
    images[:, rng.random((size, size)) < share] = np.nan
    mask = rng.choice(np.array([0, 0, 0, 1], dtype=np.uint8), (size, size))
    if seed % 3 == 0:
        images[:, size // 2 - 9 : size // 2 + 10, size // 2 - 9 : size // 2 + 10] = np.nan
    planes = Planes.of(images, mask)
    assert planes is None or np.isfinite(single_epoch_features(planes)).all()


def test_stamps_without_finite_pixels_or_noise_give_no_planes():
    images, mask = stamps(star(5e3)), np.zeros((SIZE, SIZE), dtype=np.uint8)
    assert Planes.of(images, mask) is not None
    assert Planes.of(images, mask + np.uint8(2)) is None
    for plane in range(3):
        gone, flat = images.copy(), images.copy()
        gone[plane], flat[plane] = np.nan, 7.0
        assert Planes.of(gone, mask) is None
        assert Planes.of(flat, mask) is None


def test_smoothing_leaves_noise_of_unit_size():
    noise = np.random.default_rng(0).normal(size=(200, 200))
    inside = smoothed(noise)[8:-8, 8:-8]
    assert inside.std() == pytest.approx(1, abs=5 * np.sqrt(4 * np.pi / inside.size))
    assert radius_of(noise)[100, 103] == 3


def test_features_without_brightness_do_not_depend_on_it():
    columns = feature_columns(brightness=False)
    names = [FEATURES[i] for i in columns]
    assert set(FEATURES) - set(names) == {"signal", "template_signal"}
    assert feature_columns() == list(range(len(FEATURES)))
    faint, bright = (features(stamps(star(f), before=star(f))) for f in (2e4, 2e5))
    for name in ("polarity", "width", "new_light", "correlation", "negative_peak"):
        assert bright[name] == pytest.approx(faint[name], abs=0.1), name
    assert bright["signal"] > faint["signal"] + 0.8
