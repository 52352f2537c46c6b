"""Bright samples of periodic stars under simple schedules, and their folded curves."""

import numpy as np

from simulator.lightcurves.magnitudes import star_counts
from simulator.lightcurves.protocol import Bands, Context
from simulator.observing.schedule import Schedule
from simulator.rng import Draws, Purpose

LSST = Bands(tuple("ugrizy"), tuple("lsst" + letter for letter in "ugrizy"), reference=1)
SDSS = Bands(tuple("ugriz"), tuple("sdss" + letter for letter in "ugriz"), reference=1)
DECAM_G = Bands(("g",), ("desg",))
BRIGHT, TYPICAL, HOPELESS = (
    star_counts(15, 16, 0.1),
    star_counts(15, 24, 0.1),
    star_counts(32, 33, 0),
)


def schedule(n, *, n_band=1, n_epoch=27, nights=6, limit_mag=24.0):
    """Epochs in the dark hours of some nights, the last one of every third object padded."""
    rng = np.random.default_rng(0)
    mjd = 57070 + rng.integers(0, nights, (n, n_epoch)) + rng.uniform(0.0, 0.35, (n, n_epoch))
    mjd = np.sort(mjd, axis=1)
    mjd[::3, -1] = np.nan
    band = rng.integers(0, n_band, (n, n_epoch)) * np.isfinite(mjd)
    filled = np.where(np.isfinite(mjd), 1.0, np.nan)
    limit = filled * rng.normal(limit_mag, 0.3, (n, n_epoch))
    return Schedule(mjd, band, 86 * filled, 25.4 * filled, limit, np.full((n, 1), 4.0))


def context(n, bands=DECAM_G, law=TYPICAL, **options):
    return Context(schedule(n, n_band=len(bands.names), **options), bands, law)


def draws(objects):
    return Draws(3, np.arange(objects) if np.isscalar(objects) else objects, Purpose.PHYSICS)


def population(model_class, n, bands, **options):
    """A model and a bright sample of it, which detection leaves as nature has it."""
    where = context(n, bands, BRIGHT, **options)
    model = model_class(bands)
    return model, model.sample(draws(n), where)


def folded(model, parameters, phase):
    """Magnitudes of every object in every band at phases from the epoch, (band, object, phase)."""
    epoch, period = parameters[model.epoch_name], parameters["period_d"]
    mjd = epoch[:, None] + phase * period[:, None]
    bands = range(len(model.bands.names))
    return np.stack([model.magnitudes(parameters, mjd, np.full(mjd.shape, b)) for b in bands])


def assert_same_mean(ours, theirs):
    """Means within 5 sigma of the error of the (small) real sample and ours."""
    error = np.hypot(np.std(ours) / np.sqrt(len(ours)), np.std(theirs) / np.sqrt(len(theirs)))
    assert abs(np.mean(ours) - np.mean(theirs)) < 5 * error


def median_error(values):
    """Standard error of a median, 1.25 sigma / sqrt(n), sigma from the central 68 %."""
    sigma = 0.5 * np.ptp(np.percentile(values, [16, 84]))
    return 1.25 * sigma / np.sqrt(len(values))
