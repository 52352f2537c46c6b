"""Transients at cosmological distances that a survey detects: drawing by volume and luminosity.

As for supernovae (`simulator.lightcurves.supernovae.supernova`), exposures are given, starts are
uniform over their time span, redshifts follow a constant rate x comoving volume / (1 + z), and a
transient that no exposure detects is drawn again whole.
"""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import ClassVar

import numpy as np

from simulator.lightcurves.cosmology import (
    MIN_REDSHIFT,
    distance_modulus_mag,
    explosions_per_year,
)
from simulator.lightcurves.protocol import Bands, Context, HostPlacement, LightCurveModel
from simulator.lightcurves.supernovae.detectable_volume import (
    AGES_DAY,
    N_BINS,
    NODES,
    DetectableVolume,
    exposures,
)
from simulator.rng import Draws

EARLY_START_DAY = 5.0  # before the first exposure, as for supernovae
MAX_ATTEMPTS = 100
_NEARER, _MOST_STEPS = 0.8, 60
_PEAK_NODES = 96

Numbers = dict[str, np.ndarray]


class Transient(LightCurveModel):
    """A transient whose luminosity has a distribution of its own.

    A subclass gives ``light`` (magnitudes at 10 pc by rest-frame age), ``draw_numbers`` (its
    parameters at a quantile of luminosity), ``brightest`` and ``scale_day``. The parameters
    ``redshift``, ``peak_mag``, ``peak_mjd`` and the time of the start are added here.
    """

    alerts = True
    host_placement = HostPlacement.OWN_HOST
    start_name: ClassVar[str] = "start_mjd"

    def __init__(self, bands: Bands, templates: Path | None = None) -> None:
        super().__init__(bands, templates)
        edges = np.linspace(0.0, 1.0, N_BINS + 1)
        counts = explosions_per_year(NODES, lambda z: np.ones(np.shape(z)))
        self._volume = DetectableVolume([edges], self._brightest_curves(edges[1:]), [counts])

    @abstractmethod
    def draw_numbers(self, draws: Draws, quantile: np.ndarray) -> Numbers:
        """Parameters of a batch at these quantiles of luminosity, each (object,)."""

    @abstractmethod
    def light(
        self, numbers: Numbers, age_day: np.ndarray, redshift: np.ndarray, band: np.ndarray
    ) -> np.ndarray:
        """AB magnitudes at 10 pc, (object, epoch), at rest-frame ages since the start.

        ``redshift`` has shape (object, 1), the others (object, epoch). +inf before the start.
        """

    @abstractmethod
    def brightest(self, quantile: np.ndarray, redshift: np.ndarray, band: int) -> np.ndarray:
        """Magnitudes at 10 pc that no transient up to a quantile exceeds; arguments broadcast."""

    @abstractmethod
    def scale_day(self, numbers: Numbers) -> np.ndarray:
        """A rest-frame time within which the light peaks in every band, (object,)."""

    def sample(self, draws: Draws, context: Context) -> Numbers:
        """Parameters of a batch; every transient is detected at one epoch or more.

        With ``Context.population_depth_mag`` none is drawn again.
        """
        batch = _Batch(self, draws, context)
        still_open = np.arange(len(draws))
        if not context.detected_only:
            batch.attempt(1, still_open)
            return batch.parameters()
        for number in range(1, MAX_ATTEMPTS + 1):
            still_open = batch.attempt(number, still_open)
            if still_open.size == 0:
                return batch.parameters()
        batch.bring_nearer(still_open)
        return batch.parameters()

    def magnitudes(self, parameters: Numbers, mjd: np.ndarray, band: np.ndarray) -> np.ndarray:
        """AB magnitudes, (object, epoch); +inf before the start and at padded epochs."""
        redshift = parameters["redshift"][:, None]
        age_day = (mjd - parameters[self.start_name][:, None]) / (1 + redshift)
        seen = age_day > 0
        magnitude = self.light(parameters, np.where(seen, age_day, 1.0), redshift, band)
        offset = parameters["_offset_mag"][:, None] + distance_modulus_mag(redshift)
        return np.where(seen, magnitude + offset, np.inf)

    def peaks(self, parameters: Numbers) -> tuple[np.ndarray, np.ndarray]:
        """Peak magnitude and its MJD in the reference band, each (object,), to 3 % in age."""
        scale = self.scale_day(parameters) * (1 + parameters["redshift"])
        age = scale[:, None] * np.geomspace(0.03, 1.0, _PEAK_NODES)
        mjd = parameters[self.start_name][:, None] + age
        band = np.full(mjd.shape, self.bands.reference)
        magnitude = self.magnitudes(parameters, mjd, band)
        best = magnitude.argmin(axis=1)[:, None]
        return tuple(np.take_along_axis(a, best, 1)[:, 0] for a in (magnitude, mjd))

    def _brightest_curves(self, quantile):
        modulus = distance_modulus_mag(NODES)
        bands = range(len(self.bands.names))
        rows = [self.brightest(quantile[:, None], NODES, band) + modulus for band in bands]
        rising = np.minimum.accumulate(np.stack(rows, axis=1)[..., ::-1], axis=-1)[..., ::-1]
        shape = (quantile.size, len(rows), AGES_DAY.size, NODES.size)
        return np.ascontiguousarray(np.broadcast_to(rising[:, :, None], shape))


class _Batch:
    """The objects of one call of ``Transient.sample`` and their accepted draws."""

    def __init__(self, model, draws, context):
        self._model, self._draws, self._context = model, draws, context
        schedule = context.schedule
        mjd, self._band, self._limit_mag = exposures(schedule)
        self._mjd = mjd
        self._first_mjd = np.fmin.reduce(mjd, axis=1) - EARLY_START_DAY
        self._last_mjd = np.fmax.reduce(mjd, axis=1)
        if context.detected_only:
            self._cells = model._volume.cells(schedule, self._first_mjd, self._last_mjd)
        else:
            self._cells = model._volume.cells_within(context.population_depth_mag, len(draws))
        self._found = {}

    def attempt(self, number, rows):
        """Draw the objects in ``rows``; return the rows that are not detected."""
        draws = self._draws.attempt(number, rows)
        _, quantile, redshift = self._cells.draw(draws, rows)
        start_mjd = draws.uniform(self._first_mjd[rows], self._last_mjd[rows])
        drawn = self._model.draw_numbers(draws, quantile)
        drawn |= {"redshift": redshift, self._model.start_name: start_mjd}
        drawn["_offset_mag"] = np.zeros(rows.size)
        law = self._context.magnitude_law
        if self._model.name in law.by_class:
            peak_mag, _ = self._model.peaks(drawn)
            drawn["_offset_mag"] = law.draw(draws, self._model.name) - peak_mag
        for name, values in drawn.items():
            self._found.setdefault(name, np.empty(len(self._draws)))[rows] = values
        return rows[~self._detected(rows)]

    def _detected(self, rows):
        numbers = {name: values[rows] for name, values in self._found.items()}
        magnitude = self._model.magnitudes(numbers, self._mjd[rows], self._band[rows])
        return (magnitude < self._limit_mag[rows]).any(axis=1)

    def bring_nearer(self, rows):
        """Where all attempts failed: the earliest start, at falling redshift until detected."""
        self._found[self._model.start_name][rows] = self._first_mjd[rows]
        for _ in range(_MOST_STEPS):
            rows = rows[~self._detected(rows)]
            if rows.size == 0:
                return
            nearer = _NEARER * self._found["redshift"][rows]
            self._found["redshift"][rows] = np.maximum(nearer, MIN_REDSHIFT)

    def parameters(self):
        """The finished batch, as ``LightCurveModel.sample`` returns it."""
        peak_mag, peak_mjd = self._model.peaks(self._found)
        return {**self._found, "peak_mag": peak_mag, "peak_mjd": peak_mjd}
