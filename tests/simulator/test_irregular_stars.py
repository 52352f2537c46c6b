"""Long-period variables, dwarf novae and young stars against their own laws."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest

from simulator import Options, Simulator, load_profile
from simulator.lightcurves.dwarf_nova import (
    DECLINE_DAY_PER_MAG,
    DECLINE_EXPONENT,
    RECURRENCE_LIMITS_DAY,
    DwarfNova,
    below_maximum,
)
from simulator.lightcurves.long_period_variable import (
    MIRA_AMPLITUDE_LIMITS_MAG,
    MIRA_SHARE,
    PERIOD_LIMITS_DAY,
    LongPeriodVariable,
    pulsation,
)
from simulator.lightcurves.magnitudes import MagnitudeLaw
from simulator.lightcurves.protocol import Context
from simulator.lightcurves.young_star import TAU_LIMITS_DAY, YoungStar
from simulator.rng import Draws, Purpose
from tests.helpers.schedules import lsst_bands, schedule

LSST = lsst_bands(reference=2)
MODELS = (LongPeriodVariable, DwarfNova, YoungStar)
LAW = MagnitudeLaw(np.linspace(15.0, 19.0, 50), np.ones(50))
N = 2000
DAYS = np.linspace(59_000.0, 59_060.0, 61)


def drawn(model, objects=N, mjd=DAYS, band=2):
    where = Context(schedule(objects, mjd, band=band), LSST, LAW)
    return where.schedule, model.sample(Draws(5, np.arange(objects), Purpose.PHYSICS), where)


@pytest.mark.parametrize("family", MODELS)
def test_an_object_does_not_depend_on_the_others(family):
    model = family(LSST)
    _, many = drawn(model, 20)
    _, few = drawn(model, 7)
    for name, values in few.items():
        np.testing.assert_array_equal(values, many[name][:7], err_msg=name)


@pytest.mark.parametrize("family", MODELS)
def test_every_stored_parameter_is_drawn_and_finite(family):
    model = family(LSST)
    _, found = drawn(model, 200)
    for name in family.parameters:
        assert found[name].shape == (200,) and np.isfinite(found[name]).all(), name


@pytest.mark.parametrize("family", MODELS)
def test_padded_exposures_change_nothing(family):
    model = family(LSST)
    mjd = np.append(DAYS[:10], np.nan)
    times, found = drawn(model, 50, mjd)
    magnitude = model.magnitudes(found, times.mjd, times.band)
    assert np.isfinite(magnitude[:, :-1]).all()


def test_a_pulsation_is_a_cosine_when_rise_and_fall_are_equal():
    cycles = np.linspace(-2.0, 3.0, 101)
    expected = -0.5 * np.cos(2 * np.pi * cycles)
    np.testing.assert_allclose(pulsation(cycles, np.array(0.5)), expected, atol=1e-12)


@pytest.mark.parametrize("rise_share", [0.3, 0.45, 0.6])
def test_a_pulsation_rises_for_its_share_of_the_period(rise_share):
    cycles = np.linspace(0.0, 1.0, 10_001)
    light = -pulsation(cycles, np.array(rise_share))
    assert np.isclose(np.mean(np.diff(light) > 0), rise_share, atol=2e-4)
    assert np.isclose(np.ptp(light), 1.0) and cycles[light.argmin()] == pytest.approx(
        1 - rise_share
    )


def test_miras_repeat_after_a_period_with_their_amplitude():
    model = LongPeriodVariable(LSST)
    _, found = drawn(model, 300)
    miras = found["subtype"] == 0
    phase = np.linspace(0.0, 1.0, 2001)
    mjd = found["epoch_max_mjd"][:, None] + phase * found["period_d"][:, None]
    light = model.magnitudes(found, mjd, np.full(mjd.shape, 2))[miras]
    np.testing.assert_allclose(light[:, 0], light[:, -1], atol=1e-6)
    np.testing.assert_allclose(np.ptp(light, axis=1), found["amplitude_mag"][miras], rtol=1e-4)
    middle = (light.min(axis=1) + light.max(axis=1)) / 2
    np.testing.assert_allclose(middle, found["mean_mag"][miras], atol=1e-4)


def test_long_period_variables_follow_their_laws():
    model = LongPeriodVariable(LSST)
    _, found = drawn(model)
    miras = found["subtype"] == 0
    assert abs(miras.mean() - MIRA_SHARE) < 4 * np.sqrt(MIRA_SHARE * (1 - MIRA_SHARE) / N)
    for kind, (low, high) in enumerate(PERIOD_LIMITS_DAY):
        period = found["period_d"][found["subtype"] == kind]
        assert low <= period.min() and period.max() <= high
    amplitude_V = found["_amplitude_V_mag"]
    low, high = MIRA_AMPLITUDE_LIMITS_MAG
    assert low <= amplitude_V[miras].min() and amplitude_V[miras].max() <= high
    assert amplitude_V[~miras].max() <= low


def test_long_period_variables_vary_less_and_are_brighter_in_the_red():
    model = LongPeriodVariable(LSST)
    _, found = drawn(model, 200)
    phase = np.linspace(0.0, 1.0, 201)
    mjd = found["epoch_max_mjd"][:, None] + phase * found["period_d"][:, None]
    light = [model.magnitudes(found, mjd, np.full(mjd.shape, band)) for band in (1, 2, 3, 4)]
    amplitudes = np.array([np.ptp(values, axis=1) for values in light])
    assert (np.diff(amplitudes, axis=0) < 0).all()
    assert (np.diff([values.mean(axis=1) for values in light], axis=0) < 0).all()


def test_the_light_of_an_outburst_has_the_times_of_its_parts():
    amplitude, decline, plateau, fading = 4.0, 1.0, 3.0, 0.1

    def at(day):
        return below_maximum(np.array(day), amplitude, decline, plateau, fading)

    assert at(0.0) == pytest.approx(amplitude)
    rise = 0.4 * decline * amplitude
    assert at(rise) == pytest.approx(0.0)
    assert at(rise / 2) == pytest.approx(amplitude / 2)
    assert at(rise + plateau) == pytest.approx(fading * plateau)
    assert at(rise + plateau + 2 * decline) == pytest.approx(fading * plateau + 2.0)


def test_outbursts_recur_and_end_before_the_next():
    model = DwarfNova(LSST)
    _, found = drawn(model, 300)
    period = found["recurrence_day"][:, None]
    mjd = found["start_mjd"][:, None] + np.linspace(1e-6, 1 - 1e-6, 4001) * period
    here = model.magnitudes(found, mjd, np.full(mjd.shape, 2))
    later = model.magnitudes(found, mjd + period, np.full(mjd.shape, 2))
    np.testing.assert_allclose(here, later, atol=1e-4)
    quiescent = found["_quiescent_mag"][:, 2]
    assert (np.abs(quiescent[:, None] - here[:, [0, -1]]) < 0.03).all(), (
        "an outburst is over before the next begins"
    )
    above_peak = found["peak_mag"] - here.min(axis=1)  # by the light of quiescence
    # less than an eighth of a day of slow fading; 10^-0.6 of the light at the least amplitude
    assert above_peak.min() > -0.015 and above_peak.max() < 0.25


def test_one_outburst_begins_during_the_sequence():
    times, found = drawn(DwarfNova(LSST))
    assert (
        (found["start_mjd"] >= times.mjd[:, 0]) & (found["start_mjd"] <= times.mjd[:, -1])
    ).all()
    share = (found["start_mjd"] - DAYS[0]) / np.ptp(DAYS)
    assert kstest(share, "uniform").pvalue > 1e-3


def test_dwarf_novae_follow_their_relations():
    _, found = drawn(DwarfNova(LSST))
    expected = DECLINE_DAY_PER_MAG * found["orbital_period_h"] ** DECLINE_EXPONENT
    np.testing.assert_allclose(found["decline_day_per_mag"], expected)
    assert found["recurrence_day"].min() >= RECURRENCE_LIMITS_DAY[0]
    gap = (found["orbital_period_h"] > 2.2) & (found["orbital_period_h"] < 3.0)
    assert not gap.any()
    assert (found["orbital_period_h"][found["is_super"] == 1] < 2.2).all()


def test_dwarf_novae_are_bluer_in_outburst():
    model = DwarfNova(LSST)
    _, found = drawn(model, 200)
    colour_in = found["_peak_mag"][:, 1] - found["_peak_mag"][:, 3]
    colour_out = found["_quiescent_mag"][:, 1] - found["_quiescent_mag"][:, 3]
    assert (colour_in < colour_out).all()


def test_young_stars_scatter_by_their_sigma():
    model = YoungStar(LSST)
    mjd = 59_000.0 + 1000.0 * np.arange(12)  # many damping times apart: independent numbers
    times, found = drawn(model, N, mjd)
    step = model.magnitudes(found, times.mjd, times.band) - found["mean_mag"][:, None]
    unit = (step / found["sigma_mag"][:, None]).ravel()
    assert kstest(unit, "norm").pvalue > 1e-3
    assert (
        TAU_LIMITS_DAY[0] <= found["tau_day"].min() <= found["tau_day"].max() <= TAU_LIMITS_DAY[1]
    )


def test_young_stars_vary_more_in_the_blue_and_in_step():
    model = YoungStar(LSST)
    times, found = drawn(model, 20)
    blue, red = (
        model.magnitudes(found, times.mjd, np.full(times.mjd.shape, band)) for band in (1, 3)
    )
    deviation = [values - values.mean(axis=1, keepdims=True) for values in (blue, red)]
    ratio = (deviation[0] * deviation[1]).sum(axis=1) / (deviation[1] ** 2).sum(axis=1)
    np.testing.assert_allclose(ratio, ratio[0])
    assert ratio[0] > 1.2


def test_the_same_objects_are_in_templates_and_exposures():
    classes = {model.name: 1 for model in MODELS}
    options = Options(
        classes=classes,
        stamp_size_pix=21,
        planes=("science", "template", "difference"),
        magnitudes="flat",
    )
    made = Simulator(load_profile("ztf"), options).batch("train", range(30))
    detected = made.epochs["difference_detected"]
    assert detected.any(axis=1).mean() > 0.5
    assert set(made.objects["label"]) == {0, 1, 2}
