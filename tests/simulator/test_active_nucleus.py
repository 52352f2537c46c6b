"""Active nuclei vary as damped random walks of MacLeod et al. (2010), in a host's centre.

Judges: the covariance matrix of a Gaussian process in plain NumPy, and quadrature.
"""

from __future__ import annotations

import numpy as np
import pytest
from astropy.cosmology import Planck18
from scipy.stats import kstest

from simulator import Options, Simulator, load_profile
from simulator.lightcurves.active_nucleus import (
    ABSOLUTE_LIMITS_MAG,
    DAMPING_TIME,
    STRUCTURE_FUNCTION,
    ActiveNucleus,
    luminosity_function,
    relation,
)
from simulator.lightcurves.damped_random_walk import at_times, walk
from simulator.lightcurves.magnitudes import MagnitudeLaw
from simulator.lightcurves.protocol import Context
from simulator.lightcurves.quasar_spectrum import SLOPES
from simulator.rng import Draws, Purpose
from tests.helpers.schedules import lsst_bands, schedule

LSST = lsst_bands(reference=2)
IRREGULAR_DAYS = np.array([0.0, 0.02, 1.0, 1.5, 30.0, 31.0, 400.0])


def covariance(first_mjd, second_mjd, tau_day):
    return np.exp(-np.abs(first_mjd[:, None] - second_mjd[None, :]) / tau_day)


def law(low, high):
    return MagnitudeLaw(np.linspace(low, high, 50), np.ones(50))


def context(n, mjd, magnitude_law):
    return Context(schedule(n, mjd, band=2), LSST, magnitude_law)


def drawn(model, where, objects):
    return model.sample(Draws(3, objects, Purpose.PHYSICS), where)


@pytest.fixture(scope="module")
def model():
    return ActiveNucleus(LSST)


def test_a_walk_has_exactly_the_covariance_of_the_process():
    unit = np.eye(IRREGULAR_DAYS.size)
    mjd = np.tile(IRREGULAR_DAYS, (unit.shape[0], 1))
    rows = walk(mjd, np.full(unit.shape[0], 20.0), unit)  # one row per unit normal
    expected = covariance(IRREGULAR_DAYS, IRREGULAR_DAYS, 20.0)
    np.testing.assert_allclose(rows.T @ rows, expected, rtol=0, atol=1e-12)


def test_many_walks_have_the_structure_function_and_autocorrelation_of_theory():
    n, tau = 20_000, 50.0
    mjd = np.tile([0.0, 5.0, 50.0, 1000.0], (n, 1))
    walks = walk(mjd, np.full(n, tau), np.random.default_rng(0).normal(size=mjd.shape))
    for lag, column in ((5.0, 1), (50.0, 2), (1000.0, 3)):
        difference = walks[:, column] - walks[:, 0]
        # the variance of n squares of normal numbers is 2 sigma^4 / n
        expected = 2 * (1 - np.exp(-lag / tau))
        assert abs(difference.var() / expected - 1) < 5 * np.sqrt(2 / n)
        correlation = np.exp(-lag / tau)
        found = np.mean(walks[:, column] * walks[:, 0])
        assert abs(found - correlation) < 5 * np.sqrt((1 + correlation**2) / n)


def test_padded_epochs_change_nothing_and_are_nan():
    normals = np.random.default_rng(1).normal(size=(1, 5))
    whole = walk(np.array([[1.0, 2.0, 4.0, 8.0, 16.0]]), np.array([3.0]), normals)
    padded = walk(np.array([[1.0, 2.0, 4.0, np.nan, np.nan]]), np.array([3.0]), normals)
    np.testing.assert_array_equal(padded[0, :3], whole[0, :3])
    assert np.isnan(padded[0, 3:]).all()


def test_at_other_times_a_walk_is_the_conditional_expectation():
    tau = 20.0
    known = np.random.default_rng(2).normal(size=(1, IRREGULAR_DAYS.size))
    times = np.array([-15.0, 0.01, 0.5, 1.0, 10.0, 200.0, 400.0, 450.0, np.nan])
    found = at_times(times[None], np.array([tau]), IRREGULAR_DAYS[None], known)[0]
    cross = covariance(times[:-1], IRREGULAR_DAYS, tau)
    own = covariance(IRREGULAR_DAYS, IRREGULAR_DAYS, tau)
    np.testing.assert_allclose(found[:-1], cross @ np.linalg.solve(own, known[0]), atol=1e-9)
    assert np.isnan(found[-1])


def test_variability_is_that_of_the_paper_at_its_reference_and_along_each_axis():
    """Equation 7 at 4000 A, M_i = -23 and 10^9 solar masses is the constant A alone."""
    one = np.ones(1)
    at = {"rest_angstrom": 4000.0 * np.ones((1, 1)), "absolute_i_mag": -23 * one}
    sf = relation(STRUCTURE_FUNCTION, **at, log_mass=9 * one)
    tau = relation(DAMPING_TIME, **at, log_mass=9 * one)
    np.testing.assert_allclose([10 ** sf[0, 0], 10 ** tau[0, 0]], [0.309, 251.2], rtol=1e-3)
    bright = relation(STRUCTURE_FUNCTION, np.array([[4000.0]]), -24 * one, 9 * one)
    heavy = relation(DAMPING_TIME, np.array([[4000.0]]), -23 * one, 10 * one)
    red = relation(STRUCTURE_FUNCTION, np.array([[40_000.0]]), -23 * one, 9 * one)
    np.testing.assert_allclose([(bright - sf)[0, 0], (heavy - tau)[0, 0]], [-0.131, 0.21])
    np.testing.assert_allclose((red - sf)[0, 0], -0.479)


def test_every_band_follows_one_walk_and_blue_ones_vary_more(model):
    where = context(50, 60_000 + IRREGULAR_DAYS, law(18, 22))
    parameters = drawn(model, where, np.arange(50))
    mjd = where.schedule.mjd
    curves = np.stack([model.magnitudes(parameters, mjd, np.full(mjd.shape, b)) for b in range(6)])
    step = curves - parameters["_level_mag"].T[:, :, None]
    sigma = parameters["_sigma_mag"].T[:, :, None]
    np.testing.assert_allclose(step / sigma, np.broadcast_to(step[2] / sigma[2], step.shape))
    assert (np.diff(parameters["_sigma_mag"], axis=1) < 0).all()
    np.testing.assert_allclose(
        parameters["sf_infinity_mag"], np.sqrt(2) * parameters["_sigma_mag"][:, 2]
    )
    np.testing.assert_allclose(parameters["_level_mag"][:, 2], parameters["mean_mag"])


def test_light_curves_scatter_as_their_own_parameters_say(model):
    """After many damping times magnitudes are normal, with SF_inf / sqrt 2 about the mean."""
    n = 2000
    where = context(n, 60_000 + np.arange(0.0, 40_000.0, 8_000.0), law(18, 22))
    parameters = drawn(model, where, np.arange(n))
    magnitude = model.magnitudes(parameters, where.schedule.mjd, where.schedule.band)
    pull = magnitude - parameters["mean_mag"][:, None]
    pull /= parameters["sf_infinity_mag"][:, None] / np.sqrt(2)
    assert kstest(pull[:, ::4].ravel(), "norm").pvalue > 1e-4


def test_templates_of_earlier_months_vary_as_the_nucleus_does(model):
    """Unit variance at earlier times, up to what interpolation over 25 d of >= 100 d smooths."""
    n = 2000
    where = context(n, 60_000 + IRREGULAR_DAYS, law(18, 22))
    parameters = drawn(model, where, np.arange(n))
    earlier = np.tile([59_700.0, 59_850.0], (n, 1))
    magnitude = model.magnitudes(parameters, earlier, np.full(earlier.shape, 2))
    pull = magnitude - parameters["mean_mag"][:, None]
    pull /= parameters["sf_infinity_mag"][:, None] / np.sqrt(2)
    error = 5 * np.sqrt(2 / n)
    assert ((pull.var(axis=0) > 0.93 - error) & (pull.var(axis=0) < 1 + error)).all()
    expected = np.mean(np.exp(-150.0 / parameters["tau_day"]))
    assert abs(np.mean(pull[:, 0] * pull[:, 1]) - expected) < 0.05 + 5 * np.sqrt(2 / n)


def test_an_object_does_not_depend_on_the_others(model):
    where = context(8, 60_000 + IRREGULAR_DAYS, law(18, 22))
    together = drawn(model, where, np.arange(8))
    alone = drawn(model, where.rows(np.array([5])), np.array([5]))
    for name, values in alone.items():
        np.testing.assert_array_equal(values[0], together[name][5], err_msg=name)


def nuclei_per_redshift(magnitude):
    """Redshifts, and the nuclei (..., redshift) at magnitudes (...), with astropy's distances.

    A pure power law through one wavelength of the band: good to 1 %.
    """
    grid = np.linspace(0.006, 2.2, 1500)
    reference = LSST.curves[LSST.reference]
    log_wave = np.log(reference.mean_angstrom / (1 + grid) / 2500.0)
    slope = np.where(log_wave < np.log(5700 / 2500), SLOPES[1], SLOPES[2])
    broken = SLOPES[1] * np.log(5700 / 2500) + SLOPES[2] * (log_wave - np.log(5700 / 2500))
    colour = 2.5 / np.log(10) * np.where(slope == SLOPES[1], SLOPES[1] * log_wave, broken)
    modulus, volume = (
        Planck18.distmod(grid).value,
        Planck18.differential_comoving_volume(grid).value,
    )
    absolute = np.asarray(magnitude)[..., None] - modulus + 2.5 * np.log10((1 + grid) / 3) - colour
    low, high = ABSOLUTE_LIMITS_MAG
    inside = (absolute > low) & (absolute < high)
    return grid, np.where(inside, luminosity_function(absolute, grid) * volume, 0.0)


def test_magnitudes_follow_the_counts_of_the_luminosity_function(model):
    n, magnitude = 4000, np.linspace(16.0, 20.0, 401)
    found = drawn(model, context(n, [60_000.0], law(16.0, 20.0)), np.arange(n))["mean_mag"]
    counts = nuclei_per_redshift(magnitude)[1].sum(axis=1)
    cumulative = np.concatenate([[0.0], np.cumsum(counts[1:] + counts[:-1])])
    distance = kstest(found, lambda m: np.interp(m, magnitude, cumulative / cumulative[-1]))
    assert distance.statistic < 1.95 / np.sqrt(n) + 0.01
    assert counts[-1] / counts[0] > 30, "star counts grow sevenfold in four magnitudes"


def test_a_law_that_names_the_class_is_followed(model):
    named = MagnitudeLaw(np.linspace(16, 20, 50), np.ones(50), {"AGN": np.ones(50)})
    found = drawn(model, context(2000, [60_000.0], named), np.arange(2000))["mean_mag"]
    assert kstest(found, "uniform", (16, 4)).pvalue > 1e-3


@pytest.mark.parametrize("mean_mag", [17.0, 21.5])
def test_redshifts_follow_the_luminosity_function_at_the_magnitude(model, mean_mag):
    """Judge: the distribution summed over a grid of its own, with astropy's distances."""
    n = 4000
    where = context(n, [60_000.0], law(mean_mag - 1e-3, mean_mag + 1e-3))
    found = drawn(model, where, np.arange(n))["redshift"]
    grid, density = nuclei_per_redshift(mean_mag)
    cumulative = np.cumsum(density) / density.sum()
    distance = kstest(found, lambda z: np.interp(z, grid, cumulative)).statistic
    assert distance < 1.95 / np.sqrt(n) + 0.01


def test_the_luminosity_function_is_a_double_power_law_that_brightens_with_redshift():
    faint = luminosity_function(np.array([-15.0, -16.0]), 0.0)
    bright = luminosity_function(np.array([-32.0, -33.0]), 0.0)
    np.testing.assert_allclose(np.diff(np.log10(faint)), 0.4 * (1 - 1.16), atol=0.01)
    np.testing.assert_allclose(np.diff(np.log10(bright)), 0.4 * (1 - 3.37), atol=0.01)
    np.testing.assert_allclose(luminosity_function(-22.85, 0.0), 0.5)
    np.testing.assert_allclose(luminosity_function(-22.85 - 2.5 * (1.241 - 0.249), 1.0), 0.5)


def test_colours_are_those_of_the_power_law(model):
    """At redshift 1 all of griz is between 1100 and 5700 A: m_a - m_b = 2.5 alpha log(a / b)."""
    slope = np.array([-0.2, 0.3])
    colours = model._colours(np.ones(2), slope)
    wave = np.array([curve.mean_angstrom for curve in LSST.curves])
    expected = 2.5 * (SLOPES[1] + slope)[:, None] * np.log10(wave / wave[2])
    np.testing.assert_allclose(colours[:, 1:5], expected[:, 1:5], atol=0.02)


def test_nuclei_are_in_the_centres_of_their_hosts():
    simulator = Simulator(load_profile("hits"), Options(classes={"AGN": 1}, stamp_size_pix=11))
    batch = simulator.batch("train", np.arange(6))
    assert batch.objects["has_host"].all()
    np.testing.assert_array_equal(batch.objects["host_x_pix"], 0)
    np.testing.assert_array_equal(batch.objects["host_y_pix"], 0)
    assert (batch.objects["first_alert_epoch"] == -1).all()
    observed = np.isfinite(batch.epochs["mjd"])
    assert np.isfinite(batch.epochs["magnitude"][observed]).all()
