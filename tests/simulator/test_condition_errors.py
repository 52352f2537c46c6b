"""Conditions perturbed about those planned: sizes, symmetry, independence of other objects."""

from dataclasses import replace

import numpy as np
import pytest

from simulator.observing.condition_errors import night_numbers, perturbed, without
from simulator.options import Options
from simulator.simulator import Simulator
from skyreel.errors import SimulationError
from survey_profiles import draw_pointings, load_profile

N = 1024
QUIET = {
    f"condition_errors.{name}": 0.0
    for name in (
        "seeing_band_scatter",
        "seeing_night_scatter",
        "sky_band_scatter_mag",
        "sky_night_scatter_mag",
        "zero_point_band_scatter_mag",
        "depth_band_scatter_mag",
        "ellipticity_scatter",
        "cloud_mean_mag",
        "lost_night_fraction",
    )
}


@pytest.fixture(scope="module")
def planned():
    """The same few planned sequences, given to many objects."""
    pointings = draw_pointings(load_profile("lsst"), seed=4, count=64)
    return pointings.rows(np.arange(N) % 64)


def with_errors(planned, size=1.0, seed=0, objects=None, **errors):
    """Perturbed exposures of which only the given errors are not zero."""
    given = {f"condition_errors.{name}": value for name, value in errors.items()}
    profile = load_profile("lsst", {**QUIET, "seeing.max_fwhm_arcsec": 60.0, **given})
    objects = np.arange(N) if objects is None else objects
    return perturbed(planned, profile, seed, objects.astype(np.uint64), size)


def first_exposures(values):
    """One value of each object, which are independent of each other."""
    return np.asarray(values, dtype=float)[:, 0]


def test_no_error_changes_nothing(planned):
    profile = load_profile("lsst")
    assert perturbed(planned, profile, 0, np.arange(N, dtype=np.uint64), 0.0) is planned
    same = with_errors(planned)
    for name in ("mjd", "band", "seeing_fwhm_arcsec", "sky_adu", "limiting_mag", "n_epochs"):
        np.testing.assert_array_equal(getattr(same, name), getattr(planned, name))


@pytest.mark.parametrize("size", [0.5, 1.0])
@pytest.mark.parametrize(
    ("error", "sigma", "change"),
    [
        (
            "seeing_band_scatter",
            0.05,
            lambda a, b: np.log(a.seeing_fwhm_arcsec / b.seeing_fwhm_arcsec),
        ),
        (
            "seeing_night_scatter",
            0.3,
            lambda a, b: np.log(a.seeing_fwhm_arcsec / b.seeing_fwhm_arcsec),
        ),
        ("sky_band_scatter_mag", 0.24, lambda a, b: 2.5 * np.log10(a.sky_adu / b.sky_adu)),
        ("sky_night_scatter_mag", 0.17, lambda a, b: 2.5 * np.log10(a.sky_adu / b.sky_adu)),
        ("zero_point_band_scatter_mag", 0.08, lambda a, b: a.zero_point_mag - b.zero_point_mag),
        ("depth_band_scatter_mag", 0.2, lambda a, b: a.limiting_mag - b.limiting_mag),
        ("ellipticity_scatter", 0.025, lambda a, b: a.psf_e1 - b.psf_e1),
    ],
)
def test_errors_are_symmetric_and_as_large_as_asked(planned, error, sigma, change, size):
    found = first_exposures(change(with_errors(planned, size, **{error: sigma}), planned))
    expected = size * sigma
    assert abs(found.mean()) < 5 * expected / np.sqrt(N)
    assert abs(found.std() / expected - 1) < 5 / np.sqrt(2 * N)


def test_the_depth_follows_the_other_conditions(planned):
    errors = {"seeing_night_scatter": 0.3, "sky_night_scatter_mag": 0.2, "cloud_mean_mag": 0.5}
    found = with_errors(planned, **errors)
    width = 2.5 * np.log10(found.seeing_fwhm_arcsec / planned.seeing_fwhm_arcsec)
    sky = 1.25 * np.log10(found.sky_adu / planned.sky_adu)
    expected = found.zero_point_mag - planned.zero_point_mag - width - sky
    np.testing.assert_allclose(
        found.limiting_mag - planned.limiting_mag, expected, rtol=0, atol=1e-4
    )


def test_errors_of_a_band_and_of_a_night_are_common_to_their_exposures(planned):
    night = night_numbers(planned.mjd, load_profile("lsst").site.longitude_deg)
    for error, group in (("sky_band_scatter_mag", planned.band), ("sky_night_scatter_mag", night)):
        found = with_errors(planned, **{error: 0.2})
        change = np.log(found.sky_adu / planned.sky_adu)
        for row in range(8):
            seen = np.isfinite(planned.mjd[row])
            changes, groups = change[row, seen], group[row, seen]
            means = np.array([changes[groups == k].mean() for k in np.unique(groups)])
            spreads = [np.ptp(changes[groups == k]) for k in np.unique(groups)]
            assert max(spreads) < 1e-5 and means.std() > 0.05


def test_nights_begin_at_local_noon():
    noon = 61300 + 70.0 / 360.0 + 0.5  # west of Greenwich noon comes later
    mjd = np.array([[noon - 0.01, noon + 0.01, noon + 0.99, noon + 1.01, noon + 9.0, np.nan]])
    np.testing.assert_array_equal(night_numbers(mjd, -70.0), [[0, 1, 1, 2, 3, 3]])


def test_clouds_dim_by_the_mean_that_is_asked_and_never_brighten(planned):
    found = with_errors(planned, cloud_mean_mag=0.4)
    loss = first_exposures(planned.zero_point_mag - found.zero_point_mag)
    assert loss.min() > -1e-5 and loss.max() <= 10.0 + 1e-5
    assert abs(loss.mean() - 0.4) < 5 * loss.std() / np.sqrt(N)
    np.testing.assert_allclose(found.sky_adu, planned.sky_adu)


def test_nights_are_lost_whole_and_as_often_as_asked(planned):
    found = with_errors(planned, lost_night_fraction=0.1)
    longitude = load_profile("lsst").site.longitude_deg
    nights = night_numbers(planned.mjd, longitude).max(axis=1) + 1
    left = night_numbers(found.mjd, longitude).max(axis=1) + 1
    share = 1 - left / nights
    assert abs(share.mean() - 0.1) < 5 * share.std() / np.sqrt(N)
    for row in range(8):
        kept = set(found.mjd[row, : found.n_epochs[row]])
        assert kept <= set(planned.mjd[row])
        days = np.floor(planned.mjd[row] + longitude / 360 + 0.5)
        for day in np.unique(days[np.isfinite(days)]):
            assert len({t in kept for t in planned.mjd[row][days == day]}) == 1


def test_what_is_left_of_a_sequence_stays_in_order_and_is_padded(planned):
    lost = np.random.default_rng(1).random(planned.mjd.shape) < 0.3
    lost[0] = True
    found = without(planned, lost)
    assert found.mjd.shape == planned.mjd.shape
    np.testing.assert_array_equal(found.mjd[0], planned.mjd[0])
    seen = np.isfinite(planned.mjd) & ~lost
    np.testing.assert_array_equal(found.n_epochs[1:], seen.sum(axis=1)[1:])
    for name in ("mjd", "band", "sky_adu", "psf_beta"):
        expected = getattr(planned, name)[5, seen[5]]
        np.testing.assert_array_equal(getattr(found, name)[5, : expected.size], expected)
        padding = getattr(found, name)[5, expected.size :]
        assert (np.isnan(padding) if name != "band" else padding == 0).all()


def test_errors_depend_on_seed_and_object_alone(planned):
    profile = load_profile("lsst")
    objects = np.arange(N, dtype=np.uint64)
    together = perturbed(planned, profile, 3, objects, 1.0)
    few = np.array([700, 2, 41])
    alone = perturbed(planned.rows(few), profile, 3, objects[few], 1.0)
    for name in ("mjd", "band", "zero_point_mag", "seeing_fwhm_arcsec", "psf_e2", "n_epochs"):
        np.testing.assert_array_equal(getattr(alone, name), getattr(together, name)[few])
    other = perturbed(planned.rows(few), profile, 4, objects[few], 1.0)
    assert not np.array_equal(other.zero_point_mag, alone.zero_point_mag)


def test_a_perturbed_object_is_the_same_alone_and_in_a_batch():
    made = Simulator(load_profile("hits"), Options(seed=3, condition_error=1.0))
    indices = np.array([40, 3, 17])
    together = made.batch("test", indices)
    for row, index in enumerate(indices):
        alone = made.sequence(int(index), "test")
        np.testing.assert_array_equal(alone.images[0], together.images[row])
        for name, values in alone.epochs.items():
            np.testing.assert_array_equal(values[0], together.epochs[name][row])
    planned = Simulator(load_profile("hits"), Options(seed=3)).batch("test", indices)
    assert not np.array_equal(planned.images, together.images)
    np.testing.assert_array_equal(planned.objects["label"], together.objects["label"])


def test_wide_exposures_are_not_used(planned):
    profile = load_profile("lsst", {"condition_errors.seeing_night_scatter": 1.0})
    found = perturbed(planned, profile, 0, np.arange(N, dtype=np.uint64), 1.0)
    kept_some = found.n_epochs < planned.n_epochs
    assert kept_some.mean() > 0.9
    assert np.nanmax(found.seeing_fwhm_arcsec[kept_some]) <= profile.seeing.max_fwhm_arcsec


@pytest.mark.parametrize("size", [-0.1, 3.01, float("nan"), float("inf")])
def test_sizes_out_of_range_are_refused(size):
    with pytest.raises(SimulationError, match=r"--condition-error .*: a number from 0 .* to 3; 1"):
        Options(condition_error=size)


def test_other_surveys_have_the_errors_of_lsst_by_default():
    errors = load_profile("lsst").condition_errors
    assert load_profile("hits").condition_errors == errors
    assert replace(Options(), condition_error=2).as_dict()["condition_error"] == 2
