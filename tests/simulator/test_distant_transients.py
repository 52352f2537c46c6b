"""Tidal disruption events and kilonovae: published light curves, sampled as a survey finds them.

Judges: astropy's black body, quadrature, photometry of GW170817, and blind rejection.
"""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from astropy.modeling.physical_models import BlackBody
from scipy.integrate import quad
from scipy.stats import ks_2samp, kstest

from simulator import Options, Simulator, load_profile
from simulator.lightcurves import kilonova, tidal_disruption
from simulator.lightcurves.black_bodies import BlackBodies
from simulator.lightcurves.cosmology import distance_modulus_mag, volume_per_redshift_mpc3
from simulator.lightcurves.detected_transients import EARLY_START_DAY
from simulator.lightcurves.filters import bandpass
from simulator.lightcurves.kilonova import BLUE, RED, Kilonova
from simulator.lightcurves.magnitudes import MagnitudeLaw
from simulator.lightcurves.protocol import Bands, Context
from simulator.lightcurves.tidal_disruption import TidalDisruption
from simulator.observing.schedule import Schedule
from simulator.rng import Draws, Purpose

LSST = Bands(tuple("ugrizy"), tuple(f"lsst{letter}" for letter in "ugrizy"), reference=1)
LAW = MagnitudeLaw(np.linspace(15, 24, 10), np.ones(10))
DAYS = np.arange(0.0, 60.0, 3.0)
MODELS = (TidalDisruption, Kilonova)


@pytest.fixture(scope="module", params=MODELS, ids=lambda m: m.name)
def model(request):
    return request.param(LSST)


def context(n, law=LAW, limiting_mag=23.0, days=DAYS):
    def table(values):
        return np.broadcast_to(np.asarray(values, dtype=float), (n, len(days))).copy()

    schedule = Schedule(
        mjd=table(60_000 + days),
        band=table(np.arange(len(days)) % 6).astype(np.int64),
        exposure_time_s=table(30.0),
        zero_point_mag=table(28.0),
        limiting_mag=table(limiting_mag),
        gain_e_per_adu=np.ones((n, 1)),
    )
    return Context(schedule, LSST, law)


def drawn(model, where, objects):
    return model.sample(Draws(2, objects, Purpose.PHYSICS), where)


# Black bodies ----------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [1500.0, 5772.0, 30_000.0])
@pytest.mark.parametrize("redshift", [0.0, 0.4])
def test_black_bodies_agree_with_astropy(temperature, redshift):
    """The Sun is 4.83 in V; here any band, redshifted, from spectral flux densities of astropy."""
    luminosity = 3.828e33  # of the Sun, erg/s
    curve = bandpass("lsstr")
    wave = np.linspace(curve.wave_angstrom[0], curve.wave_angstrom[-1], 4000)
    radius_cm2 = luminosity / (4 * np.pi * 5.670374e-5 * temperature**4)
    body = BlackBody(temperature * u.K, scale=1.0 * u.erg / (u.cm**2 * u.AA * u.s * u.sr))
    surface = np.pi * body(wave / (1 + redshift) * u.AA).value / (1 + redshift)
    flux = surface * radius_cm2 / (10 * 3.0856776e18) ** 2
    photons = np.trapezoid(flux * wave * curve.at(wave), wave)
    expected = -2.5 * np.log10(photons / curve.ab_zero_flux)
    found = BlackBodies([curve]).magnitude(
        np.array(luminosity), np.array(temperature), np.array(redshift), np.array(0)
    )
    assert abs(float(found) - expected) < 0.01


# Tidal disruption events -----------------------------------------------------------------


def test_peak_luminosity_in_rest_frame_g_is_what_is_drawn():
    """At 4770 A, from the magnitude of a narrow band there, at redshift zero."""
    temperature, log_l = np.array([2e4]), np.array([43.5])
    total = tidal_disruption.bolometric_luminosity(log_l, temperature)
    body = BlackBody(2e4 * u.K)
    nu = 2.99792458e18 / tidal_disruption.REST_G_ANGSTROM
    share = np.pi * body(nu * u.Hz).value * nu / (5.670374e-5 * 2e4**4)
    np.testing.assert_allclose(total * share, 10.0**43.5, rtol=1e-4)


def test_the_rise_is_gaussian_and_the_decline_exponential():
    age = np.array([0.0, 20.0, 30.0, 90.0])
    found = tidal_disruption.relative_light(age, np.array(10.0), np.array(60.0))
    np.testing.assert_allclose(found, [np.exp(-4.5), np.exp(-0.5), 1.0, np.exp(-1.0)])


def test_luminosities_follow_the_published_function():
    quantile = (np.arange(20_000) + 0.5) / 20_000
    found = tidal_disruption.log_luminosity(quantile)

    def density(log_l):
        ratio = 10.0 ** (log_l - 43.1)
        return 1 / (ratio**0.3 + ratio**2.6)

    low, high = tidal_disruption.LOG_LUMINOSITY_LIMITS
    whole = quad(density, low, high)[0]
    for edge in (42.6, 43.1, 43.8):
        assert abs((found < edge).mean() - quad(density, low, edge)[0] / whole) < 1e-3


def test_times_and_temperatures_are_those_of_the_catalogue():
    n = 4000
    draws = Draws(1, np.arange(n), Purpose.PHYSICS)
    numbers = TidalDisruption(LSST).draw_numbers(draws, np.full(n, 0.5))
    for name, (mean, sigma) in (
        ("rise_sigma_day", tidal_disruption.LOG_RISE_DAY),
        ("decay_day", tidal_disruption.LOG_DECAY_DAY),
    ):
        values = np.log10(numbers[name])
        assert abs(values.mean() - mean) < 5 * sigma / np.sqrt(n)
        assert 0.9 * sigma < values.std() < sigma  # cut at 2.5 sigma
    assert numbers["temperature_K"].min() > 10**4.06
    assert numbers["temperature_K"].max() < 10**4.93


def test_tidal_disruption_events_are_in_centres_and_all_detected():
    simulator = Simulator(load_profile("hits"), Options(classes={"TDE": 1, "KN": 1}))
    made = simulator.drawn("train", np.arange(40))
    signal = made.conditions.schedule.signal_to_noise(made.objects.magnitude)
    assert (np.nan_to_num(signal) >= 4.9).any(axis=1).all()
    centred = made.label == simulator.classes.index("TDE")
    assert made.objects.has_host[centred].all()
    np.testing.assert_array_equal(made.objects.host[centred, :2], 0)
    offset = ~centred & made.objects.has_host
    assert (np.abs(made.objects.host[offset, :2]).max(axis=1) > 0).all()
    assert made.objects.alerts.all()


# Kilonovae -------------------------------------------------------------------------------


def test_the_luminosity_is_the_diffusion_integral():
    """Judge: adaptive quadrature of Arnett's integral, from the first node on."""
    mass, velocity = np.array([BLUE.mass_msun]), np.array([BLUE.velocity_c])
    found = kilonova.bolometric_luminosity(mass, velocity, BLUE.opacity_cm2_g)[0]
    mass_g, speed = mass[0] * 1.98841e33, velocity[0] * 2.99792458e10
    diffusion = 2 * BLUE.opacity_cm2_g * mass_g / (13.4 * speed * 2.99792458e10)

    def integrand(t, last):
        time = np.array([t])
        kept = kilonova.thermalisation(time, mass, velocity)[0, 0]
        heat = mass_g * kilonova.heating_erg_s_g(time)[0] * kept
        return heat * 2 * t / diffusion * np.exp((t**2 - last**2) / diffusion)

    for day in (0.3, 1.0, 4.0):
        last = day * 86_400.0
        expected = quad(integrand, kilonova._AGE_S[0], last, args=(last,), limit=200)[0]
        value = np.interp(last, kilonova._AGE_S, found)
        assert abs(value / expected - 1) < 0.01


def test_at_one_day_the_heating_is_that_of_the_r_process():
    """Some 2e10 erg/s/g (Metzger 2017), falling as t^-1.3."""
    one, ten = kilonova.heating_erg_s_g(np.array([86_400.0, 864_000.0]))
    assert 1e10 < one < 3e10
    np.testing.assert_allclose(np.log10(one / ten), 1.3, atol=1e-3)


def test_gw170817_was_17_5_in_i_at_eleven_hours():
    """Coulter et al. 2017 (Science 358, 1556): i = 17.5, 10.9 h after the merger, 40 Mpc away.

    The magnitude is not corrected for extinction; the model has to hold to 0.4 mag.
    """
    model = Kilonova(LSST)
    numbers = {
        "blue_mass_msun": np.array([BLUE.mass_msun]),
        "red_mass_msun": np.array([RED.mass_msun]),
        "blue_velocity_c": np.array([BLUE.velocity_c]),
        "red_velocity_c": np.array([RED.velocity_c]),
    }
    age = np.array([[10.9 / 24, 3.5]])
    at = np.array([[0.0098]])
    i = model.light(numbers, age, at, np.full(age.shape, 3))[0] + 5 * np.log10(40e6 / 10)
    g = model.light(numbers, age, at, np.full(age.shape, 1))[0] + 5 * np.log10(40e6 / 10)
    assert abs(i[0] - 17.5) < 0.4
    assert g[1] - g[0] > 2 and (g - i)[1] > 1  # the blue light is gone after three days


# Both ------------------------------------------------------------------------------------


def test_nothing_is_brighter_than_the_volumes_allow(model):
    n = 500
    rng = np.random.default_rng(0)
    quantile = rng.uniform(size=n)
    numbers = model.draw_numbers(Draws(4, np.arange(n), Purpose.PHYSICS), quantile)
    numbers |= {"redshift": np.full(n, 0.3), model.start_name: np.zeros(n)}
    numbers["_offset_mag"] = np.zeros(n)
    peak_mag, _ = model.peaks(numbers)
    grid = np.linspace(0, 1, 26)
    bound = model.brightest(grid[:, None], np.array([0.3]), LSST.reference)[:, 0]
    allowed = np.interp(quantile, grid, bound) + distance_modulus_mag(np.array([0.3]))
    assert (peak_mag > allowed - 0.02).all()


def test_smart_drawing_agrees_with_blind_rejection(model):
    """Redshifts and luminosities of detected events, against draws from one large volume."""
    n = 1500
    where = context(n, limiting_mag=22.0)
    found = drawn(model, where, np.arange(n))
    rng = np.random.default_rng(5)
    limit = 0.15 if model.name == "KN" else 0.9
    grid = np.linspace(1e-3, limit, 2000)
    rate = np.cumsum(volume_per_redshift_mpc3(grid) / (1 + grid))
    near = found["redshift"] < limit
    assert near.mean() > 0.98
    blind, needed, batch = {"redshift": [], "peak_mag": []}, 600, 0
    while sum(map(len, blind["redshift"])) < needed and batch < 60:
        batch, m = batch + 1, 4000
        numbers = model.draw_numbers(
            Draws(9, np.arange(m) + m * batch, Purpose.PHYSICS), rng.uniform(size=m)
        )
        numbers["redshift"] = np.interp(rng.uniform(size=m) * rate[-1], rate, grid)
        start = rng.uniform(60_000 - EARLY_START_DAY, 60_000 + DAYS[-1], m)
        numbers |= {model.start_name: start, "_offset_mag": np.zeros(m)}
        row = where.schedule.rows(np.zeros(m, dtype=int))
        seen = (model.magnitudes(numbers, row.mjd, row.band) < 22.0).any(axis=1)
        blind["redshift"].append(numbers["redshift"][seen])
        blind["peak_mag"].append(model.peaks(numbers)[0][seen])
    for name, values in blind.items():
        values = np.concatenate(values)
        assert values.size >= needed / 4, name
        assert ks_2samp(values, found[name][near]).pvalue > 1e-3, name


def test_a_transient_does_not_depend_on_the_others(model):
    where = context(8)
    together = drawn(model, where, np.arange(8))
    alone = drawn(model, where.rows(np.array([6])), np.array([6]))
    for name, values in alone.items():
        np.testing.assert_array_equal(values[0], together[name][6], err_msg=name)


def test_a_table_of_magnitudes_gives_the_peak(model):
    law = MagnitudeLaw(LAW.grid_mag, LAW.density, {model.name: (LAW.grid_mag > 20.5) * 1.0})
    found = drawn(model, context(50, law), np.arange(50))
    assert (found["peak_mag"] > 19.9).all()


def test_before_its_start_there_is_no_light(model):
    where = context(20)
    found = drawn(model, where, np.arange(20))
    magnitude = model.magnitudes(found, where.schedule.mjd, where.schedule.band)
    before = where.schedule.mjd < found[model.start_name][:, None]
    assert np.isinf(magnitude[before]).all() and np.isfinite(magnitude[~before]).all()


def test_a_population_is_not_drawn_again_and_does_not_depend_on_the_schedule(model):
    depth = np.full(6, 24.0)
    shallow, deep = (context(30, limiting_mag=limit) for limit in (10.0, 25.0))
    of_both = [
        drawn(model, Context(c.schedule, LSST, LAW, depth), np.arange(30)) for c in (shallow, deep)
    ]
    np.testing.assert_array_equal(of_both[0]["redshift"], of_both[1]["redshift"])


def test_hopeless_schedules_end_and_give_a_detection(model):
    where = context(3, limiting_mag=12.0, days=DAYS[:3])
    found = drawn(model, where, np.arange(3))
    magnitude = model.magnitudes(found, where.schedule.mjd, where.schedule.band)
    assert (magnitude < 12.0).any(axis=1).all()


def test_quantiles_are_uniform_among_all_events_of_a_volume():
    masses = kilonova.mass_factor((np.arange(5000) + 0.5) / 5000)
    share = np.log10(masses) / kilonova.MASS_SCATTER_DEX
    assert kstest(share, "norm").statistic < 0.03  # cut at two sigma: 2.3 % on either side
