"""Schedules of exposures in which all objects are observed at the same times."""

from __future__ import annotations

import numpy as np

from simulator.lightcurves.protocol import Bands
from simulator.observing.schedule import Schedule


def lsst_bands(reference: int) -> Bands:
    """The bands ugrizy of LSST."""
    return Bands(tuple("ugrizy"), tuple(f"lsst{letter}" for letter in "ugrizy"), reference)


def schedule(n_objects, mjd, *, band=0, limiting_mag=24.0) -> Schedule:
    """Exposures of 30 s at the times ``mjd``; band and limit are numbers or one of each time."""

    def table(values):
        return np.broadcast_to(np.asarray(values, dtype=float), (n_objects, len(mjd))).copy()

    return Schedule(
        mjd=table(mjd),
        band=table(band).astype(np.int64),
        exposure_time_s=table(30.0),
        zero_point_mag=table(28.0),
        limiting_mag=table(limiting_mag),
        gain_e_per_adu=np.ones((n_objects, 1)),
    )
