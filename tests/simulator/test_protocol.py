"""A class of object states its host, its motion and its alerts; nothing else must know it."""

from typing import ClassVar

import numpy as np
import pytest
from scipy.stats import kstest, truncexpon

from simulator import (
    HostPlacement,
    HostSite,
    LightCurveModel,
    Motion,
    Options,
    Simulator,
    lightcurves,
    load_profile,
    open_dataset,
    register,
    simulator_of,
)
from simulator.dataset.plan import make_plan
from simulator.dataset.run import execute, writer_for
from simulator.lightcurves import light_curve_class
from simulator.lightcurves.cosmology import distance_modulus_mag
from simulator.lightcurves.magnitudes import magnitude_law, thesis
from simulator.rng import Draws, Purpose
from skyreel.errors import SimulationError


class TidalDisruption(LightCurveModel):
    """A flare in the nucleus of its host."""

    name = "TDE"
    alerts = True
    host_placement = HostPlacement.OWN_HOST
    host_fraction = 1.0
    parameters: ClassVar = {"redshift": "redshift", "peak_mjd": "time of peak [d]"}

    def sample(self, draws, context):
        mjd = context.schedule.mjd
        peak = draws.uniform(np.nanmin(mjd, axis=1), np.nanmax(mjd, axis=1))
        return {"redshift": draws.uniform(0.02, 0.05), "peak_mjd": peak}

    def magnitudes(self, parameters, mjd, band):
        peak_mag = -19.5 + distance_modulus_mag(parameters["redshift"])
        return peak_mag[:, None] + np.abs(mjd - parameters["peak_mjd"][:, None]) / 30.0

    def host_sites(self, parameters):
        return np.full(parameters["redshift"].size, HostSite.NUCLEUS)


class Satellite(LightCurveModel):
    """A bright source that leaves a trail of its own direction in every exposure."""

    name = "SAT"
    parameters: ClassVar = {"angle_deg": "direction of the trail [deg]"}

    def sample(self, draws, context):
        return {"angle_deg": np.where(draws.uniform() < 0.5, 0.0, 90.0)}

    def magnitudes(self, parameters, mjd, band):
        return np.full(mjd.shape, 18.0)

    def motion(self, parameters):
        rate = np.full(parameters["angle_deg"].size, 120.0)
        return Motion(rate, np.deg2rad(parameters["angle_deg"]))


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    """The two classes are known during a test."""
    monkeypatch.setattr(lightcurves, "_added", {})
    register(TidalDisruption)
    register(Satellite)


def simulate(name, n=60, **overrides):
    simulator = Simulator(load_profile("hits", overrides), Options(classes={name: 1}, seed=2))
    return simulator.batch("train", np.arange(n))


def test_a_flare_in_a_nucleus_has_its_host_around_it_and_alerts():
    found = simulate("TDE")
    assert found.objects["has_host"].all()
    assert (found.objects["host_x_pix"] == 0).all() and (found.objects["host_y_pix"] == 0).all()
    assert ((found.objects["redshift"] > 0.02) & (found.objects["redshift"] < 0.05)).all()
    assert (found.objects["first_alert_epoch"] == 0).all()
    # hosts of the redshifts given: M_B near -20 is m near 16.5 at redshift 0.04
    assert 14 < np.median(found.objects["host_mag"]) < 19


def test_without_a_fraction_of_its_own_a_class_has_hosts_as_the_survey_says(monkeypatch):
    monkeypatch.setattr(TidalDisruption, "host_fraction", None)
    assert simulate("TDE", **{"hosts.sn_fraction": "0"}).objects["has_host"].sum() == 0
    assert simulate("TDE", **{"hosts.sn_fraction": "1"}).objects["has_host"].all()


def test_a_class_that_moves_leaves_trails_in_its_direction():
    lonely = {"field.neighbours_per_arcmin2": "0", "hosts.other_fraction": "0"}
    found = simulate("SAT", **lonely)
    seen = np.isfinite(found.epochs["mjd"]) & ~found.mask.any(axis=(2, 3))
    light = found.images - np.nan_to_num(found.epochs["sky_adu"])[:, :, None, None]
    axis = np.arange(21.0) - 10
    along_x = (light * axis**2).sum(axis=(2, 3))
    along_y = (light * axis[:, None] ** 2).sum(axis=(2, 3))
    towards_x = (found.objects["angle_deg"] == 0)[:, None] & seen
    towards_y = (found.objects["angle_deg"] == 90)[:, None] & seen
    assert towards_x.sum() > 200 and towards_y.sum() > 200
    assert (along_x > along_y)[towards_x].mean() > 0.99
    assert (along_x < along_y)[towards_y].mean() > 0.99
    assert (found.objects["first_alert_epoch"] == -1).all()  # it does not say that it alerts
    assert (found.objects["n_detections"] > 0).all()


def test_new_classes_are_stored_and_regenerated_like_any_other(tmp_path):
    options = Options(classes={"TDE": 1, "SAT": 1, "NV": 1}, stamp_size_pix=11)
    plan = make_plan("hits", options, tmp_path / "d.zarr", n=12, validation=0, test=0)
    with writer_for(plan) as writer:
        execute(plan, writer, threads=1)
    stored = open_dataset(tmp_path / "d.zarr")["train"]
    regenerated = simulator_of(tmp_path / "d.zarr").batch("train", np.arange(12))
    np.testing.assert_array_equal(stored["images"][:], regenerated.images)
    assert np.isfinite(stored["redshift"][:][stored["label"][:] == 0]).all()
    assert np.isfinite(stored["peak_mjd"][:]).sum() == np.sum(stored["label"][:] == 0)
    assert np.isfinite(stored["angle_deg"][:]).sum() == np.sum(stored["label"][:] == 1)


def test_a_class_that_cannot_work_is_refused_with_what_it_lacks():
    class Bare:
        name = "BARE"

    class NoRedshift(Satellite):
        host_placement = HostPlacement.OWN_HOST

    class OldPlacement(Satellite):
        host = "own"

    class NotAPlacement(Satellite):
        host_placement = "own"

    class NoName(Satellite):
        name = None

    for model, lacking in (
        (Bare, "class Bare: it has no magnitudes, sample"),
        (NoRedshift, "needs the parameter 'redshift'"),
        (OldPlacement, "'host' is now 'host_placement'"),
        (NotAPlacement, "must be one of HostPlacement.CHANCE"),
        (NoName, "as 'name'"),
    ):
        with pytest.raises(SimulationError, match=lacking):
            register(model)


def test_a_class_with_the_needed_methods_alone_takes_the_defaults():
    @register
    class Flat:
        name = "FLAT"
        parameters: ClassVar = {"level_mag": "magnitude [mag]"}

        def __init__(self, bands, templates=None):
            pass

        def sample(self, draws, context):
            return {"level_mag": draws.uniform(19, 20)}

        def magnitudes(self, parameters, mjd, band):
            return np.repeat(parameters["level_mag"][:, None], mjd.shape[1], axis=1)

    assert issubclass(Flat, LightCurveModel)
    found = simulate("FLAT", n=5).objects
    assert ((found["level_mag"] > 19) & (found["first_alert_epoch"] == -1)).all()


def test_a_parameter_that_is_declared_but_not_drawn_is_named(monkeypatch):
    monkeypatch.setattr(Satellite, "parameters", {"speed": "speed"})
    with pytest.raises(SimulationError, match=r"class SAT: sample\(\) returns no 'speed'"):
        simulate("SAT", n=2)


def test_a_class_sets_its_own_cut_off_in_the_magnitude_law_of_the_thesis():
    law = thesis(14.5, 24.0, {"RRL": 21.5})
    density = law.by_class["RRL"] / law.density
    grid = law.grid_mag
    assert density[grid < 19].min() > 0.99  # the erf cut-off is a magnitude wide
    assert density[np.searchsorted(grid, 22.5)] < 0.15
    simulator = Simulator(load_profile("hits"), Options(classes={"RRL": 1}, magnitudes="thesis"))
    assert set(simulator._law.by_class) == {"RRL"}


def test_the_flat_law_has_as_many_stars_at_every_magnitude_and_asteroids_by_their_counts():
    profile = load_profile("hits")
    bright, faint = profile.field.bright_mag, profile.field.faint_mag
    law = magnitude_law("flat", profile, [light_curve_class(name) for name in ("NV", "AST")])
    draws = Draws(1, np.arange(4000), Purpose.PHYSICS)
    drawn = law.draw(draws, "NV")
    assert kstest(drawn, "uniform", (bright, faint - bright)).pvalue > 1e-3
    rate = 0.27 * np.log(10)
    steep = truncexpon(rate * (faint - bright), scale=1 / rate)  # of magnitudes before the limit
    assert kstest(faint - law.draw(draws, "AST"), steep.cdf).pvalue > 1e-3
