"""A population that does not depend on the schedule: what stays, and how it is distributed."""

import numpy as np
import pytest
from scipy import stats

from simulator.lightcurves.cosmology import explosions_per_year
from simulator.lightcurves.supernovae import type_ia
from simulator.options import Options
from simulator.simulator import Simulator
from skyreel.errors import SimulationError
from survey_profiles import load_profile

DEEP = np.full(6, 25.0)
SMALL = {"cadence.max_epochs": "30"}


def simulator(seed=4, classes=None, **changes):
    options = Options(seed=seed, **({"classes": classes} if classes else {}))
    return Simulator(load_profile("lsst", {**SMALL, **changes}), options)


@pytest.fixture(scope="module")
def supernovae():
    return simulator(classes={"SN": 1}).of_population(DEEP).drawn("test", np.arange(6000))


@pytest.fixture(scope="module")
def usual():
    return simulator()


@pytest.fixture(scope="module")
def population(usual):
    return usual.of_population(DEEP).drawn("test", np.arange(700))


@pytest.fixture(scope="module")
def under_another_schedule():
    shorter = {"cadence.max_epochs": "20", "cadence.season.first_mjd": "61300"}
    return simulator(**shorter).of_population(DEEP).drawn("test", np.arange(700))


@pytest.mark.parametrize("name", ["redshift", "subtype", "mean_mag", "period_d", "x1", "amplitude"])
def test_physics_is_the_same_under_another_schedule(population, under_another_schedule, name):
    one, other = population.objects, under_another_schedule.objects
    name = next(known for known in one.parameters if known.startswith(name))
    np.testing.assert_array_equal(one.parameters[name], other.parameters[name])
    np.testing.assert_array_equal(one.host_magnitude, other.host_magnitude)
    assert np.isfinite(one.parameters[name]).any()


def test_redshifts_follow_the_rate_and_the_volume(supernovae):
    found = supernovae.objects.parameters
    redshift = found["redshift"][found["subtype"] == 0]
    nodes = np.geomspace(0.001, redshift.max(), 2000)
    cumulative = explosions_per_year(nodes, type_ia.rate_per_mpc3_year)
    result = stats.kstest(redshift, lambda z: np.interp(z, nodes, cumulative / cumulative[-1]))
    assert result.pvalue > 1e-3


def test_detected_supernovae_are_those_of_a_data_set(supernovae):
    """Drawing until one is detected gives the detected part of the population."""
    magnitude = supernovae.objects.magnitude
    seen = (magnitude < supernovae.conditions.schedule.limiting_mag).any(axis=1)
    assert 0.02 < seen.mean() < 0.5
    data_set = simulator(classes={"SN": 1}, seed=9).drawn("test", np.arange(1500)).objects
    for name in ("redshift", "peak_mag"):
        found = supernovae.objects.parameters[name][seen]
        assert stats.ks_2samp(found, data_set.parameters[name]).pvalue > 1e-3


def test_a_simulator_keeps_its_own_population(usual):
    indices = np.arange(60)
    before = usual.drawn("test", indices).objects.magnitude
    usual.of_population(DEEP).drawn("test", indices)
    np.testing.assert_array_equal(before, usual.drawn("test", indices).objects.magnitude)


def test_some_stars_and_asteroids_are_not_detected(usual, population):
    depth = population.conditions.schedule.limiting_mag
    seen = (population.objects.magnitude < depth).any(axis=1)
    shares = {name: seen[population.label == k].mean() for k, name in enumerate(usual.classes)}
    assert 0 < shares["AST"] < 1 and 0 < shares["SN"] < 1
    assert shares["GAL"] == 0  # no point source


def test_pointing_numbers_are_those_that_objects_are_given(usual):
    number = usual.pointing_numbers("test", np.arange(40))
    drawn = usual.drawn("test", np.arange(40))
    np.testing.assert_array_equal(usual.pointings.n_epochs[number], drawn.conditions.n_epochs)
    np.testing.assert_array_equal(usual.pointings.mjd[number], drawn.conditions.schedule.mjd)


@pytest.mark.parametrize("survey", ["lsst", "hits"])
def test_objects_in_arrays_of_their_own_length_are_the_same(survey):
    """HiTS draws two asymmetries of every PSF, one after the other."""
    whole = Simulator(load_profile(survey, SMALL), Options(seed=2, stamp_size_pix=11))
    n_epochs = whole.pointings.n_epochs[whole.pointing_numbers("test", np.arange(90))]
    indices = np.flatnonzero(n_epochs < n_epochs.max())[:30]
    length = int(n_epochs[indices].max())
    assert 0 < length < whole.n_epochs
    shorter = whole.of_length(length)
    assert shorter.n_epochs == length and whole.of_length(10_000).n_epochs == whole.n_epochs
    expected, found = (each.batch("test", indices) for each in (whole, shorter))
    assert found.images.shape[1] == length
    np.testing.assert_array_equal(found.images, expected.images[:, :length])
    np.testing.assert_array_equal(found.mask, expected.mask[:, :length])
    for name, values in found.epochs.items():
        np.testing.assert_array_equal(values, expected.epochs[name][:, :length])
    for name, values in found.objects.items():
        np.testing.assert_array_equal(values, expected.objects[name])


def test_objects_of_more_images_than_asked_for_are_refused(usual):
    with pytest.raises(SimulationError, match="images of an object in arrays of 5"):
        usual.of_length(5).drawn("test", np.arange(20))
