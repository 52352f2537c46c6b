"""Drawing transients whole, again and again, until an exposure detects each.

An object's exposures are given and never changed. Starts are uniform over their time span (from
five days before the first, as real surveys also begin after some explosions), redshifts and
luminosities come from `DetectableVolume`. The detected transients are therefore distributed as a
magnitude-limited survey finds them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from simulator.lightcurves.cosmology import MIN_REDSHIFT
from simulator.lightcurves.detectable_volume import DetectableVolume, exposures

if TYPE_CHECKING:
    from simulator.lightcurves.protocol import Context
    from simulator.rng import Draws

EARLY_START_DAY = 5.0  # of 46 real HiTS SNe, 12 alert within 2 d of their first exposure
NEARER = 0.8  # factor of redshift per step once the attempts are used up
_MOST_STEPS = 60


class DetectedTransients(ABC):
    """The objects of one call of ``sample`` and their accepted draws.

    Parameters
    ----------
    volume : DetectableVolume
    draws : Draws
    context : Context
        With a ``population_depth_mag`` none is drawn again: redshift and luminosity follow the
        rates in a volume that does not depend on the schedule.

    Attributes
    ----------
    start_mjd, redshift : array, shape (object,)
        Of the accepted draws; a subclass makes them.
    """

    max_attempts: ClassVar[int]
    start_mjd: np.ndarray
    redshift: np.ndarray

    def __init__(self, volume: DetectableVolume, draws: Draws, context: Context) -> None:
        self.draws, self.context = draws, context
        self.mjd, self.band, self.limiting_mag = exposures(context.schedule)
        self.first_mjd = np.fmin.reduce(self.mjd, axis=1) - EARLY_START_DAY
        self.last_mjd = np.fmax.reduce(self.mjd, axis=1)
        if context.detected_only:
            self.cells = volume.cells(context.schedule, self.first_mjd, self.last_mjd)
        else:
            self.cells = volume.cells_within(context.population_depth_mag, len(draws))

    @abstractmethod
    def draw(self, draws: Draws, rows: np.ndarray) -> None:
        """Draw the objects in ``rows`` from numbers of this attempt."""

    @abstractmethod
    def is_detected(self, rows: np.ndarray) -> np.ndarray:
        """Whether an exposure detects each of ``rows``."""

    @abstractmethod
    def move(self, rows: np.ndarray, redshift: np.ndarray) -> None:
        """Give the objects in ``rows`` other redshifts."""

    @abstractmethod
    def parameters(self) -> dict[str, np.ndarray]:
        """The batch, as ``LightCurveModel.sample`` returns it."""

    def sample(self) -> dict[str, np.ndarray]:
        """Parameters of the batch; but of a population, every transient is detected."""
        rows = np.arange(len(self.draws))
        if not self.context.detected_only:
            self.attempt(1, rows)
            return self.parameters()
        for number in range(1, self.max_attempts + 1):
            rows = self.attempt(number, rows)
            if rows.size == 0:
                return self.parameters()
        self._bring_nearer(rows)
        return self.parameters()

    def attempt(self, number: int, rows: np.ndarray) -> np.ndarray:
        """Draw the objects in ``rows``; return the rows that are not detected."""
        self.draw(self.draws.attempt(number, rows), rows)
        return rows[~self.is_detected(rows)]

    def draw_places(self, draws: Draws, rows: np.ndarray) -> tuple[np.ndarray, ...]:
        """Subtype, quantile of luminosity, redshift and start [MJD], each (rows,)."""
        places = self.cells.draw(draws, rows)
        return *places, draws.uniform(self.first_mjd[rows], self.last_mjd[rows])

    def _bring_nearer(self, rows):
        """Where all attempts failed: the earliest start, at falling redshift until detected."""
        self.start_mjd[rows] = self.first_mjd[rows]
        for _ in range(_MOST_STEPS):
            rows = rows[~self.is_detected(rows)]
            if rows.size == 0:
                return
            self.move(rows, np.maximum(NEARER * self.redshift[rows], MIN_REDSHIFT))
