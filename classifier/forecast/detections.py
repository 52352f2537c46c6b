"""When a simulated object is first detected, from its true flux and the noise of its images.

An image detects an object where its signal-to-noise is 5 or more. The signal of an object that
appears (supernova, asteroid) is its whole flux. That of a variable star is the change from its
median magnitude in the band. One that does not vary is detected as a source; a galaxy without a
point source counts as detected in its first image. The noise is that of sky, read-out and the
object itself, not that of a host galaxy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simulator.observing.schedule import DETECTION_SIGMA

if TYPE_CHECKING:
    from simulator.simulator import Drawn

LEAST_CHANGE_MAG = 1e-4
"""Largest deviation from the median of an object that does not vary."""


@dataclass(frozen=True)
class Detections:
    """When objects are observed and detected; arrays (object,), NaN where there is no such time.

    ``first_detection_mjd`` is the time of the first image that detects an object, and
    ``n_detections`` the number of those that do.
    """

    n_epochs: np.ndarray
    first_mjd: np.ndarray
    last_mjd: np.ndarray
    first_detection_mjd: np.ndarray
    n_detections: np.ndarray

    @property
    def detected(self) -> np.ndarray:
        """Whether an image detects the object, bool (object,)."""
        return self.n_detections > 0


def detections_of(drawn: Drawn) -> Detections:
    """Detections of a batch of objects."""
    mjd, observed = drawn.conditions.schedule.mjd, drawn.conditions.schedule.observed
    found = (signal_to_noise(drawn) >= DETECTION_SIGMA) & observed
    times = np.where(found, mjd, np.inf).min(axis=1)
    return Detections(
        n_epochs=observed.sum(axis=1),
        first_mjd=_finite(np.where(observed, mjd, np.inf).min(axis=1)),
        last_mjd=_finite(np.where(observed, mjd, -np.inf).max(axis=1)),
        first_detection_mjd=_finite(times),
        n_detections=found.sum(axis=1),
    )


def _finite(times):
    return np.where(np.isfinite(times), times, np.nan)


def signal_to_noise(drawn: Drawn) -> np.ndarray:
    """Signal-to-noise of the objects in their images, (object, epoch); 0 where there is none."""
    schedule, objects = drawn.conditions.schedule, drawn.objects
    magnitude, appears = objects.magnitude, objects.alerts
    level = median_by_band(magnitude, schedule.band, schedule.observed)
    lost = schedule.trailing_loss_mag(objects.rate_arcsec_per_h)
    with np.errstate(invalid="ignore"):
        varies = (np.abs(magnitude - level) > LEAST_CHANGE_MAG).any(axis=1)
    whole = schedule.signal_to_noise(magnitude, loss_mag=lost)
    change = schedule.signal_to_noise(magnitude, change_mag=level, loss_mag=lost)
    signal = np.where((appears | ~varies)[:, None], whole, change)
    without_source = ~np.isfinite(magnitude).any(axis=1) & ~appears
    signal = np.where(without_source[:, None], np.inf, signal)
    return np.where(schedule.observed, np.nan_to_num(signal, posinf=np.inf), 0.0)


def median_by_band(magnitude: np.ndarray, band: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Median magnitude of every object in the band of every epoch, (object, epoch).

    Of an even number of magnitudes it is the brighter of the middle two.
    """
    level = np.full(magnitude.shape, np.nan)
    rows = np.arange(len(magnitude))
    for each in np.unique(band):
        here = (band == each) & observed
        ordered = np.sort(np.where(here, magnitude, np.nan), axis=1)  # NaN last
        middle = np.maximum(here.sum(axis=1) - 1, 0) // 2
        level = np.where(here, ordered[rows, middle][:, None], level)
    return level
