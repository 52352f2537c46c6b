"""Light curves over ten years of a schedule: phases, seasons, supernovae of any of them."""

from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from simulator.options import Options
from simulator.simulator import Simulator
from survey_profiles import load_profile
from tests.helpers.opsim import ten_years

TEN_YEARS = {"cadence.season.window_day": "3653", "cadence.max_epochs": "1000"}


@pytest.fixture(scope="module")
def schedule(tmp_path_factory):
    return str(ten_years(tmp_path_factory.mktemp("ten_years")))


def simulator_of(schedule, *classes):
    options = Options(classes=dict.fromkeys(classes, 1), exposures=schedule, stamp_size_pix=11)
    return Simulator(load_profile("lsst", TEN_YEARS), options)


@pytest.mark.parametrize("name", ["RRL", "CEP", "EB"])
def test_phases_after_ten_years_are_exact_within_rounding(schedule, name):
    """The phase of every image is counted again in whole numbers, and found in the first cycle."""
    simulator = simulator_of(schedule, name)
    model = simulator.models[name]
    drawn = simulator.drawn("test", np.arange(6))
    times, band = drawn.conditions.schedule.mjd, drawn.conditions.schedule.band
    assert (np.nanmax(times, axis=1) - np.nanmin(times, axis=1) > 9 * 365).all()
    found = {k: v for k, v in drawn.objects.parameters.items() if k in model.parameters}
    epoch, period = found[model.epoch_name], found["period_d"]
    assert period.dtype == epoch.dtype == np.float64 and period.min() < 30
    near = times.copy()
    for row in range(6):
        for j in np.flatnonzero(np.isfinite(times[row])):
            cycles = (Fraction(times[row, j]) - Fraction(epoch[row])) / Fraction(period[row])
            near[row, j] = float(Fraction(epoch[row]) + (cycles % 1) * Fraction(period[row]))
    sampled = _sampled(simulator, name, drawn)
    expected = model.magnitudes(sampled, near, band)
    # MJD 64,000 is rounded to 7e-12 d: 4e-11 of the shortest period, on slopes of some 100 mag
    np.testing.assert_allclose(drawn.objects.magnitude, expected, atol=1e-7, rtol=0)
    shifted = model.magnitudes(sampled, near + 0.01 * period[:, None], band)
    assert np.nanmax(np.abs(shifted - expected)) > 1e-3  # else any phase would do


def _sampled(simulator, name, drawn):
    """All parameters of the objects, also those that are not kept."""
    from simulator.lightcurves.protocol import Context
    from simulator.rng import Draws, Purpose

    context = Context(drawn.conditions.schedule, simulator.bands, simulator._law, None)
    draws = Draws(simulator.options.seed, drawn.address, Purpose.PHYSICS)
    return simulator.models[name].sample(draws, context)


def test_supernovae_explode_in_every_season_and_are_seen_in_one(schedule):
    n = 240
    simulator = simulator_of(schedule, "SN")
    drawn = simulator.drawn("test", np.arange(n))
    conditions = drawn.conditions.schedule
    mjd, magnitude = conditions.mjd, drawn.objects.magnitude
    explosion = drawn.objects.parameters["explosion_mjd"]
    first = np.nanmin(mjd)
    season = np.floor((explosion - first + 60) / 365)  # from two months before the season on
    count = np.bincount(season.astype(int), minlength=10)
    assert stats.chisquare(count[:10]).pvalue > 1e-3 and count[:10].sum() > 0.95 * n
    age = mjd - explosion[:, None]
    assert np.isposinf(magnitude[age < 0]).all()
    seen = (magnitude < conditions.limiting_mag) & np.isfinite(mjd)
    assert seen.any(axis=1).all()
    assert not seen[age > 500].any()  # faded by the second season after the explosion
    at_peak = np.where(age > 0, magnitude, np.inf).min(axis=1)
    late = np.where(age > 700, magnitude, np.nan)
    there = np.isfinite(late).any(axis=1)
    assert (np.nanmin(late[there], axis=1) > at_peak[there] + 3).all()
