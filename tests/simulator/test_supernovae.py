"""Supernovae follow their rates, and a survey detects every one of them.

Independent judge: blind rejection for the smart drawing of redshifts.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ks_2samp

from simulator.lightcurves.detectable_volume import NODES
from simulator.lightcurves.magnitudes import MagnitudeLaw
from simulator.lightcurves.protocol import Bands, Context
from simulator.lightcurves.supernovae import light_curve_kernels as kernels
from simulator.lightcurves.supernovae import supernova
from simulator.lightcurves.supernovae.supernova import Supernova
from simulator.rng import Draws, Purpose
from tests.helpers.schedules import schedule
from tests.helpers.supernovae import LSST, lsst_supernova

HITS = Bands(("g",), ("desg",))
COSMOLOGY_LAW = MagnitudeLaw(np.linspace(15, 24, 10), np.ones(10))
HITS_DAYS = np.concatenate([(np.arange(5)[:, None] + [0, 0.07, 0.14, 0.21]).ravel(), [8, 12, 24.5]])


@pytest.fixture(scope="module")
def lsst():
    return lsst_supernova()


@pytest.fixture(scope="module")
def hits():
    return Supernova(HITS)


def hits_context(n_objects, law=COSMOLOGY_LAW, **kwargs):
    return Context(schedule(n_objects, 57_070.0 + HITS_DAYS, **kwargs), HITS, law)


def drawn(model, context, seed=1, objects=None):
    n = len(context.schedule.mjd)
    objects = np.arange(n) if objects is None else objects
    return model.sample(Draws(seed, objects, Purpose.PHYSICS), context)


def test_every_supernova_is_brighter_than_the_limit_at_some_epoch(lsst):
    rng = np.random.default_rng(0)
    mjd = np.sort(60_000 + rng.uniform(0, 180, 50))
    mjd[-5:] = np.nan
    band = rng.integers(0, 6, 50)
    limit = np.array([23.9, 25.0, 24.7, 24.0, 23.3, 22.1])[band]
    context = Context(schedule(500, mjd, band=band, limiting_mag=limit), LSST, COSMOLOGY_LAW)
    parameters = drawn(lsst, context)
    magnitude = lsst.magnitudes(parameters, context.schedule.mjd, context.schedule.band)
    assert np.all((magnitude < context.schedule.limiting_mag).any(axis=1))
    assert np.all(np.isposinf(magnitude[:, -5:]))


def test_explosions_are_within_the_time_span_and_five_days_before(hits):
    parameters = drawn(hits, hits_context(1000))
    assert np.all(parameters["explosion_mjd"] > 57_070 - 5)
    assert np.all(parameters["explosion_mjd"] < 57_070 + 24.5)


def test_an_object_does_not_depend_on_the_others_in_its_batch(hits):
    whole = drawn(hits, hits_context(300))
    for objects in ([7], [250, 3, 17]):
        part = drawn(hits, hits_context(len(objects)), objects=np.array(objects))
        for name, values in part.items():
            np.testing.assert_array_equal(values, whole[name][objects], err_msg=name)


def test_all_parameters_are_described_and_mean_nothing_for_the_other_subtype(hits):
    parameters = drawn(hits, hits_context(300))
    stored = {name for name in parameters if not name.startswith("_")}
    assert stored == set(Supernova.parameters)
    is_ia = parameters["subtype"] == 0
    assert 0.1 < is_ia.mean() < 0.9
    for name in ("x1", "c"):
        np.testing.assert_array_equal(np.isnan(parameters[name]), ~is_ia)
    for name in ("absolute_mag", "host_av_mag", "rise_day", "plateau_day"):
        np.testing.assert_array_equal(np.isnan(parameters[name]), is_ia)


@pytest.mark.slow
def test_limiting_the_drawn_redshifts_leaves_what_blind_rejection_would(hits):
    """Redshifts by KS, the share of SNe II within 5 sigma, against drawing to z = 1.5 blindly."""
    smart = drawn(hits, hits_context(4000))
    n = 400_000
    batch = supernova._Batch(hits, Draws(9, np.arange(n), Purpose.PHYSICS), hits_context(n))
    cells = batch.cells
    cells._node = np.full_like(cells._node, NODES.size - 1)
    cells._cumulative = np.cumsum(hits._volume._prior * hits._volume._explosions[:, -1])[None]
    cells._cumulative = np.broadcast_to(cells._cumulative, (n, cells._node.shape[1]))
    unseen = batch.attempt(1, np.arange(n))
    seen = np.setdiff1d(np.arange(n), unseen)
    assert seen.size > 1000
    redshift, subtype = batch._physics[seen][:, [kernels.REDSHIFT, kernels.SUBTYPE]].T
    assert ks_2samp(redshift, smart["redshift"]).pvalue > 1e-3
    share = subtype.mean()
    sigma = np.sqrt(share * (1 - share) * (1 / seen.size + 1 / 4000))
    assert smart["subtype"].mean() == pytest.approx(share, abs=5 * sigma)


def test_most_objects_need_few_attempts(hits):
    n = 2000
    batch = supernova._Batch(hits, Draws(2, np.arange(n), Purpose.PHYSICS), hits_context(n))
    assert batch.attempt(1, np.arange(n)).size < 0.8 * n


def test_where_every_attempt_fails_the_supernova_comes_nearer(hits, monkeypatch):
    """Limits of 12 mag show no cosmological supernova in 2 attempts."""
    monkeypatch.setattr(supernova._Batch, "max_attempts", 2)
    context = hits_context(50, limiting_mag=12.0)
    parameters = drawn(hits, context)
    magnitude = hits.magnitudes(parameters, context.schedule.mjd, context.schedule.band)
    assert np.all((magnitude < 12.0).any(axis=1))


def test_a_single_exposure_is_a_sequence_too(hits):
    context = Context(schedule(50, [57_070.0]), HITS, COSMOLOGY_LAW)
    parameters = drawn(hits, context)
    assert np.all(hits.magnitudes(parameters, context.schedule.mjd, context.schedule.band) < 24)


def test_a_magnitude_law_for_supernovae_sets_their_peaks(hits):
    grid = np.linspace(18.0, 22.0, 50)
    law = MagnitudeLaw(grid, np.ones(50), {"SN": np.ones(50)})
    parameters = drawn(hits, hits_context(1000, law))
    peak_mag = parameters["peak_mag"]
    assert np.all((peak_mag > 18.0) & (peak_mag < 22.0))
    assert peak_mag.mean() == pytest.approx(20.0, abs=0.3)
    assert np.median(parameters["redshift"]) > 0.05


def test_peaks_are_where_the_light_curve_says(lsst):
    """Steps of 5 % in age leave 0.01 mag at the peak."""
    context = Context(schedule(200, 57_070.0 + HITS_DAYS, band=1), LSST, COSMOLOGY_LAW)
    parameters = drawn(lsst, context)
    mjd = parameters["explosion_mjd"][:, None] + np.geomspace(0.2, 90, 600)
    magnitude = lsst.magnitudes(parameters, mjd, np.ones(mjd.shape, dtype=int))
    np.testing.assert_allclose(magnitude.min(axis=1), parameters["peak_mag"], atol=0.02)
