"""One supernova with stated physics, its light curve, and sncosmo's of the same spectra."""

from __future__ import annotations

from functools import cache

import numpy as np
import sncosmo

from simulator.lightcurves.filters import bandpass
from simulator.lightcurves.supernovae.light_curve_kernels import COLUMNS
from simulator.lightcurves.supernovae.supernova import Supernova
from tests.helpers.schedules import lsst_bands

LSST = lsst_bands(reference=1)


@cache
def lsst_supernova() -> Supernova:
    """The class in the bands of LSST, whose tables take a while."""
    return Supernova(LSST)


def one_row(**columns):
    row = np.zeros((1, len(COLUMNS)))
    for name, value in columns.items():
        row[0, COLUMNS.index(name)] = value
    return row


def type_ia(redshift=0.1, c=0.0, stretch_factor=1.0):
    return one_row(subtype=0, redshift=redshift, stretch=stretch_factor, reddening=c, rise_day=18.5)


def type_ii(redshift=0.05, **columns):
    usual = dict(rise_day=7.5, slope_1=0.0265, slope_2=0.0127, slope_3=0.0147, plateau_day=83.7)
    usual |= dict(drop_mag=2.35, drop_width_day=5.0, stretch=1.0, template=-1)
    return one_row(subtype=1, redshift=redshift, **{**usual, **columns})


def light_curve(model, row, age_day, band=0):
    mjd = np.asarray(age_day, dtype=float)[None]
    return model.magnitudes({"_physics": row}, mjd, np.full(mjd.shape, band))[0]


def sncosmo_ia(source, name, redshift, phase_day):
    """Magnitudes at 10 pc for B = 0 (AB) at maximum; sncosmo applies 1 / (1 + z) itself."""
    one = bandpass(name)
    model = sncosmo.Model(source)
    model.set(z=redshift)
    judged = sncosmo.Bandpass(one.wave_angstrom, one.transmission, name=name)
    magnitude = model.bandmag(judged, "ab", phase_day * (1 + redshift))
    return magnitude - source.bandmag("bessellb", "ab", 0.0)
