"""Transients at cosmological distances whose luminosity has a distribution of its own.

They are drawn as `simulator.lightcurves.detected_transients` says, at a constant rate per comoving
volume and rest-frame time.
"""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import ClassVar

import numpy as np

from simulator.lightcurves.cosmology import distance_modulus_mag, explosions_per_year
from simulator.lightcurves.detectable_volume import AGES_DAY, N_BINS, NODES, DetectableVolume
from simulator.lightcurves.detected_transients import DetectedTransients
from simulator.lightcurves.protocol import Bands, Context, HostPlacement, LightCurveModel
from simulator.rng import Draws

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
    star_density_power = -1.0
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
        return _Batch(self, draws, context).sample()

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


class _Batch(DetectedTransients):
    """The objects of one call of ``Transient.sample``."""

    max_attempts = 100

    def __init__(self, model, draws, context):
        super().__init__(model._volume, draws, context)
        self._model = model
        self.start_mjd, self.redshift = np.empty((2, len(draws)))
        self._found = {model.start_name: self.start_mjd, "redshift": self.redshift}

    def draw(self, draws, rows):
        _, quantile, redshift, start_mjd = self.draw_places(draws, rows)
        drawn = self._model.draw_numbers(draws, quantile)
        drawn |= {"redshift": redshift, self._model.start_name: start_mjd}
        drawn["_offset_mag"] = np.zeros(rows.size)
        law = self.context.magnitude_law
        if self._model.name in law.by_class:
            peak_mag, _ = self._model.peaks(drawn)
            drawn["_offset_mag"] = law.draw(draws, self._model.name) - peak_mag
        for name, values in drawn.items():
            self._found.setdefault(name, np.empty(len(self.draws)))[rows] = values

    def is_detected(self, rows):
        numbers = {name: values[rows] for name, values in self._found.items()}
        magnitude = self._model.magnitudes(numbers, self.mjd[rows], self.band[rows])
        return (magnitude < self.limiting_mag[rows]).any(axis=1)

    def move(self, rows, redshift):
        self.redshift[rows] = redshift

    def parameters(self):
        peak_mag, peak_mjd = self._model.peaks(self._found)
        return {**self._found, "peak_mag": peak_mag, "peak_mjd": peak_mjd}
