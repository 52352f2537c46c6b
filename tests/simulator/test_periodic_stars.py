"""Periodic stars of all kinds: phases, detection, parameters."""

import numpy as np
import pytest

from simulator.lightcurves.periodic import periodic_star as periodic
from simulator.lightcurves.periodic.cepheid import Cepheid
from simulator.lightcurves.periodic.eclipsing_binary import (
    EclipsingBinary,
)
from simulator.lightcurves.periodic.periodic_star import look_up
from simulator.lightcurves.periodic.rr_lyrae import (
    RRLyrae,
)
from simulator.lightcurves.protocol import Bands
from tests.helpers.periodic_stars import (
    HOPELESS,
    LSST,
    context,
    draws,
    folded,
    population,
)

CLASSES = (RRLyrae, Cepheid, EclipsingBinary)


def look_up_oracle(tables, shape, scale, level, position, band):
    """What ``look_up`` must return, one epoch at a time; for tests only."""
    nodes = np.linspace(0.0, 1.0, tables.shape[2])
    out = np.full(position.shape, np.nan)
    for i, j in zip(*np.nonzero(np.isfinite(position)), strict=True):
        b = band[i, j]
        value = np.interp(position[i, j], nodes, tables[b, shape[i, b]])
        out[i, j] = level[i, b] + scale[i, b] * value
    return out


def test_the_kernel_equals_its_oracle():
    rng = np.random.default_rng(1)
    tables = rng.normal(size=(3, 5, 17)).astype(np.float32)
    shape, band = rng.integers(0, 5, (40, 3)), rng.integers(0, 3, (40, 12))
    scale, level = rng.normal(size=(2, 40, 3))
    position = rng.uniform(0, 1, (40, 12))
    position[0, :4] = [0.0, 1.0, np.nan, 0.5]
    arguments = (tables, shape, scale, level, position, band)
    np.testing.assert_allclose(look_up(*arguments), look_up_oracle(*arguments), atol=1e-6)


@pytest.mark.parametrize("model_class", CLASSES)
def test_an_object_does_not_depend_on_its_batch(model_class):
    model, whole = model_class(LSST), context(300, LSST)
    together = model.sample(draws(300), whole)
    for rows in (np.array([7]), np.arange(250, 300), np.array([11, 3, 200])):
        alone = model.sample(draws(rows), whole.rows(rows))
        for name, values in alone.items():
            np.testing.assert_array_equal(values, together[name][rows], err_msg=name)


@pytest.mark.parametrize("model_class", CLASSES)
def test_every_parameter_is_described_and_every_magnitude_is_finite(model_class):
    where = context(200, LSST)
    model = model_class(LSST, templates=None)
    parameters = model.sample(draws(200), where)
    stored = {name for name in parameters if not name.startswith("_")}
    assert stored == set(model.parameters)
    magnitude = model.magnitudes(parameters, where.schedule.mjd, where.schedule.band)
    np.testing.assert_array_equal(np.isfinite(magnitude), where.schedule.observed)


@pytest.mark.parametrize("model_class", CLASSES)
def test_curves_repeat_with_the_period_and_average_to_the_mean_magnitude(model_class):
    model, parameters = population(model_class, 200, LSST)
    phase = np.linspace(0, 1, 2000, endpoint=False)
    curves = folded(model, parameters, phase)
    # times are doubles near MJD 57070: rounded at 1e-11 d, 1e-10 of a period; slopes < 300 mag
    np.testing.assert_allclose(folded(model, parameters, phase + 7.0), curves, atol=1e-6)
    mean = -2.5 * np.log10(np.mean(10 ** (-0.4 * curves[1]), axis=1))
    np.testing.assert_allclose(mean, parameters["mean_mag"], atol=0.01)
    amplitude = np.ptp(curves[1], axis=1)
    np.testing.assert_allclose(amplitude, parameters["amplitude_mag"], atol=0.01)


@pytest.mark.parametrize("model_class", [RRLyrae, Cepheid])
def test_pulsating_stars_are_brightest_at_their_epoch_in_every_band(model_class):
    model, parameters = population(model_class, 300, LSST)
    phase = np.linspace(-0.5, 0.5, 401)
    curves = folded(model, parameters, phase)
    lag = np.abs(phase[curves[1].argmin(axis=1)])
    assert lag.max() < 0.01
    # long-period Cepheids lag in the red; and red RRc maxima are flat
    lags = np.abs(phase[curves.argmin(axis=2)])
    assert np.median(lags, axis=1).max() < 0.03
    correlation = [np.corrcoef(one.T)[0, 1:] for one in curves[:4].transpose(1, 2, 0)]
    assert np.min(correlation) > 0.8


def test_eclipses_happen_together_in_every_band():
    model, parameters = population(EclipsingBinary, 300, LSST)
    phase = np.linspace(-0.3, 0.3, 601)
    curves = folded(model, parameters, phase)
    deepest = phase[curves.argmax(axis=2)]
    assert np.abs(deepest).max() < 0.01 + 0.02  # total eclipses have flat bottoms


@pytest.mark.parametrize("model_class", [RRLyrae, Cepheid])
def test_pulsating_stars_are_seen_at_least_once(model_class):
    where = context(1000, LSST, limit_mag=21.0)
    model = model_class(LSST)
    parameters = model.sample(draws(1000), where)
    magnitude = model.magnitudes(parameters, where.schedule.mjd, where.schedule.band)
    assert np.all(np.any(magnitude < where.schedule.limiting_mag, axis=1))


def test_every_binary_has_an_eclipse_at_5_sigma():
    where = context(1000, LSST)
    model = EclipsingBinary(LSST)
    parameters = model.sample(draws(1000), where)
    plan = where.schedule
    curves = folded(model, parameters, np.linspace(0, 1, 1025))
    level = np.take_along_axis(curves.min(axis=2).T, plan.band, axis=1)
    magnitude = model.magnitudes(parameters, plan.mjd, plan.band)
    detected = plan.signal_to_noise(magnitude, change_mag=level) >= 5 * (1 - 1e-3)
    assert np.all(np.any(detected & (magnitude > level), axis=1))


@pytest.mark.parametrize("model_class", CLASSES)
def test_what_can_never_be_seen_is_made_visible_in_the_end(model_class, monkeypatch):
    monkeypatch.setattr(periodic, "MAX_ATTEMPTS", 3)
    where = context(60, LSST, HOPELESS)
    model = model_class(LSST)
    parameters = model.sample(draws(60), where)
    assert np.all(model._accepts(parameters, where))
    assert np.all(parameters["mean_mag"] < 26)


def test_an_unknown_filter_is_refused():
    with pytest.raises(ValueError, match="'bessellv': its last letter must be one of ugrizy"):
        RRLyrae(Bands(("V",), ("bessellv",)))


def test_decams_capital_y_is_y():
    assert Cepheid(Bands(("Y",), ("desY",))).shapes.values.shape[0] == 1
