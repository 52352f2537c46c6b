"""A population that does not depend on the schedule: what stays, and how it is distributed."""

import numpy as np
import pytest
from scipy import stats

from simulator.lightcurves.cosmology import explosions_per_year
from simulator.lightcurves.supernovae import type_ia
from simulator.options import Options
from simulator.simulator import Simulator
from survey_profiles import load_profile

DEEP = np.full(6, 25.0)
SMALL = {"cadence.max_epochs": "30"}


def simulator(seed=4, classes=None, **changes):
    options = Options(seed=seed, **({"classes": classes} if classes else {}))
    return Simulator(load_profile("lsst", {**SMALL, **changes}), options)


@pytest.fixture(scope="module")
def supernovae():
    return simulator(classes={"SN": 1}).of_population(DEEP).drawn("test", np.arange(6000))


@pytest.mark.parametrize("name", ["redshift", "subtype", "mean_mag", "period_d", "x1", "amplitude"])
def test_physics_is_the_same_under_another_schedule(name):
    indices = np.arange(300)
    one = simulator().of_population(DEEP).drawn("test", indices).objects
    shorter = {"cadence.max_epochs": "20", "cadence.season.first_mjd": "61300"}
    other = simulator(**shorter).of_population(DEEP).drawn("test", indices).objects
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
    usual = simulator(classes={"SN": 1}, seed=9).drawn("test", np.arange(1500)).objects
    for name in ("redshift", "peak_mag"):
        found = supernovae.objects.parameters[name][seen]
        assert stats.ks_2samp(found, usual.parameters[name]).pvalue > 1e-3


def test_a_simulator_keeps_its_own_population():
    usual, indices = simulator(), np.arange(60)
    before = usual.drawn("test", indices).objects.magnitude
    usual.of_population(DEEP).drawn("test", indices)
    np.testing.assert_array_equal(before, usual.drawn("test", indices).objects.magnitude)


def test_some_stars_and_asteroids_are_not_detected():
    found = simulator().of_population(DEEP).drawn("test", np.arange(700))
    seen = (found.objects.magnitude < found.conditions.schedule.limiting_mag).any(axis=1)
    names = simulator().classes
    shares = {name: seen[found.label == k].mean() for k, name in enumerate(names)}
    assert 0 < shares["AST"] < 1 and 0 < shares["SN"] < 1
    assert shares["GAL"] == 0  # no point source


def test_pointing_numbers_are_those_that_objects_are_given():
    made = simulator()
    number = made.pointing_numbers("test", np.arange(40))
    drawn = made.drawn("test", np.arange(40))
    np.testing.assert_array_equal(made.pointings.n_epochs[number], drawn.conditions.n_epochs)
    np.testing.assert_array_equal(made.pointings.mjd[number], drawn.conditions.schedule.mjd)
