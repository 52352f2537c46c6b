"""Parts of the simulator that close the domain gap: asymmetric stars, offsets, order of fields."""

import numpy as np
import pytest

from simulator.gaussian_mixture import covariance, pixel_centres
from simulator.options import Options
from simulator.psf.moffat import add_moffat, moffat_scale
from simulator.simulator import Simulator
from survey_profiles import draw_pointings, load_profile

WIDE_PIX = 401


def asymmetric_star(skew, beta, fwhm_pix=4.0, e1=0.05):
    image = np.zeros(WIDE_PIX**2, dtype=np.float32)
    x, y = pixel_centres(WIDE_PIX)
    shape = covariance(moffat_scale(fwhm_pix, beta), e1, -0.03)
    args = (image, x, y, WIDE_PIX, 1e5, 0.2, -0.1, beta, *shape)
    add_moffat(*args, skew / fwhm_pix, 0.5 * skew / fwhm_pix)
    return image.astype(float), x, y


@pytest.mark.parametrize("beta", [2.6, 3.8, 5.5])
def test_lopsidedness_keeps_the_flux(beta):
    symmetric, skewed = (asymmetric_star(skew, beta)[0].sum() for skew in (0.0, 0.12))
    assert skewed == pytest.approx(symmetric, rel=1e-3)  # third order is left


def test_asymmetric_stars_have_no_dark_pixels_even_at_the_limit():
    image, *_ = asymmetric_star(0.4, 2.5)
    assert np.isfinite(image).all() and image.min() >= 0
    assert image.argmax() == pytest.approx(image.size // 2, abs=2 * WIDE_PIX)


def test_far_wings_are_even():
    image, x, y = asymmetric_star(0.12, 3.8)
    even, *_ = asymmetric_star(0.0, 3.8)
    far = np.hypot(x, y) > 12
    # the whole profile is displaced by less than a tenth of a pixel, 4 (beta + 1) / 12 of it
    assert np.abs(image[far] / even[far] - 1).max() < 0.1


def test_sources_lie_about_the_offset():
    offset = (0.3, -0.2)
    profile = load_profile(
        "hits", overrides={"psf.position_offset_pix": offset, "hosts.other_fraction": 0}
    )
    simulator = Simulator(profile, Options(classes={"NV": 1}, seed=3))
    scenes = []
    kept = simulator._scene
    simulator._scene = lambda *args: scenes.append(kept(*args)) or scenes[-1]
    simulator.batch("train", np.arange(60))
    scene, _ = scenes[0]
    for positions, centre in zip((scene.x_pix, scene.y_pix), offset, strict=True):
        assert positions.mean() == pytest.approx(centre, abs=5 * 0.29 / np.sqrt(positions.size))
        assert np.abs(positions - centre).max() <= profile.psf.position_jitter_pix


def visit_gaps(overrides):
    profile = load_profile("hits", overrides=overrides)
    mjd = draw_pointings(profile, 1, 200).mjd
    gaps = np.diff(mjd, axis=1)
    return np.array([np.median(row[row < 0.12]) for row in gaps]) * 24


def test_gaps_within_a_night_are_the_same_for_all_fields():
    together = visit_gaps(None)
    apart = visit_gaps(
        {"cadence.hour_angle_scatter_h": 0.065, "cadence.hour_angle_field_scatter_h": 0}
    )
    assert together.std() < 0.3 * apart.std()
