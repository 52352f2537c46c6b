"""Periodic stars: one table of shapes, one phase for all bands, redrawn until they are detected.

A curve is ``level + scale x shape(phase)`` in magnitudes, with a level, a scale and a shape per
object and band; the phase belongs to the object alone, so all bands vary in phase. Mean
magnitudes are those of the mean *flux*, as catalogues average.
"""

from __future__ import annotations

from abc import abstractmethod
from importlib.resources import files
from importlib.resources.abc import Traversable

import numpy as np
from numba import njit

from simulator.lightcurves.protocol import Bands, Context, LightCurveModel
from simulator.rng import Draws
from skyreel.errors import SimulationError

LETTERS = "ugrizy"
MAX_ATTEMPTS = 200
_LN_PER_MAG = 0.4 * np.log(10.0)
_BRIGHTENED_ABOVE_LIMIT_MAG = 1.0


def data_path(name: str) -> Traversable:
    """The path of a table shipped with the light curves."""
    return files("simulator.lightcurves") / "data" / name


def letter_indices(bands: Bands) -> np.ndarray:
    """Place of each band in ugrizy (DECam's Y counts as y), shape (band,)."""
    letters = [letter.lower() for letter in bands.letters]
    for name, letter in zip(bands.filters, letters, strict=True):
        if letter not in LETTERS:
            raise SimulationError(f"filter {name!r}: its last letter must be one of {LETTERS}.")
    return np.array([LETTERS.index(letter) for letter in letters])


def fourier_series(
    phase: np.ndarray, constant: np.ndarray, cosine: np.ndarray, sine: np.ndarray
) -> np.ndarray:
    """Sums of ``a_k cos(2 pi k phase) + b_k sin(2 pi k phase)``, k from 1; (curve, phase)."""
    angle = 2 * np.pi * np.outer(np.arange(1, np.shape(cosine)[-1] + 1), phase)
    return np.asarray(constant)[..., None] + cosine @ np.cos(angle) + sine @ np.sin(angle)


@njit(cache=True, nogil=True)
def look_up(
    tables: np.ndarray,
    shape: np.ndarray,
    scale: np.ndarray,
    level: np.ndarray,
    position: np.ndarray,
    band: np.ndarray,
) -> np.ndarray:
    """Magnitudes by linear interpolation in shape tables; NaN where ``position`` is.

    Parameters
    ----------
    tables : float32 array, shape (band, shape, node)
    shape, scale, level : arrays, shape (object, band)
    position : array, shape (object, epoch)
        0 at the first node, 1 at the last.
    band : int array, shape (object, epoch)
    """
    out = np.empty(position.shape)
    steps = tables.shape[2] - 1
    for i in range(position.shape[0]):
        for j in range(position.shape[1]):
            at = position[i, j] * steps
            if not 0.0 <= at <= steps:
                out[i, j] = np.nan
                continue
            b = band[i, j]
            node = min(int(at), steps - 1)
            row = tables[b, shape[i, b]]
            value = row[node] + (at - node) * (row[node + 1] - row[node])
            out[i, j] = level[i, b] + scale[i, b] * value
    return out


class Shapes:
    """Tabulated curves in magnitudes, axis order (band, shape, node), evenly spaced nodes."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = np.ascontiguousarray(values, dtype=np.float32)
        self.brightest = self.values.min(axis=2).astype(float)
        self.amplitude = self.values.max(axis=2) - self.brightest
        self._mean, self._variance, self._third = _moments(values)
        self._band = np.arange(len(self.values))

    def of(self, property_: np.ndarray, shape: np.ndarray) -> np.ndarray:
        """A (band, shape) property of each object's shapes, both (object, band)."""
        return property_[self._band, shape]

    def flux_mean_mag(self, shape: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """Magnitude of the mean flux of ``scale x shape``, by its first three cumulants.

        -2.5 log10 <10^(-0.4 m)> to third order in ``scale``; the error stays under 0.01 mag
        up to amplitudes of 1.5 mag.
        """
        mean, variance, third = (
            self.of(p, shape) for p in (self._mean, self._variance, self._third)
        )
        c = _LN_PER_MAG
        return scale * mean - c / 2 * scale**2 * variance + c**2 / 6 * scale**3 * third


def _moments(values):
    """Mean and second and third central moment over phase (the last node repeats or folds)."""
    weights = np.ones(values.shape[2])
    weights[[0, -1]] = 0.5
    mean = np.average(values, axis=2, weights=weights)
    off = values - mean[:, :, None]
    return mean, *(np.average(off**k, axis=2, weights=weights) for k in (2, 3))


class PeriodicStar(LightCurveModel):
    """What periodic classes share: evaluation, and redrawing of what cannot be detected.

    A class gives ``shapes``, ``epoch_name`` (the parameter that holds phase zero) and
    ``_draw``; ``_accepts`` says whether an object is detected, ``_brightened`` what to do if it
    never is.
    """

    epoch_name = "epoch_max_mjd"
    star_density_power = 1.0
    shapes: Shapes

    def sample(self, draws: Draws, context: Context) -> dict[str, np.ndarray]:
        """Parameters of a batch; objects that are not detected are redrawn whole.

        After ``MAX_ATTEMPTS`` draws the last one is kept and made brighter (``_brightened``).
        With ``Context.population_depth_mag`` nothing is redrawn.
        """
        parameters = self._draw(draws, context)
        if not context.detected_only:
            return parameters
        still = np.flatnonzero(~self._accepts(parameters, context))
        for number in range(1, MAX_ATTEMPTS):
            if not still.size:
                return parameters
            here = context.rows(still)
            redrawn = self._draw(draws.attempt(number, still), here)
            _put(parameters, still, redrawn)
            still = still[~self._accepts(redrawn, here)]
        last = {name: values[still] for name, values in parameters.items()}
        _put(parameters, still, self._brightened(last, context.rows(still)))
        return parameters

    def magnitudes(
        self, parameters: dict[str, np.ndarray], mjd: np.ndarray, band: np.ndarray
    ) -> np.ndarray:
        """Noise-free AB magnitudes, shape (object, epoch); NaN at padded epochs."""
        epoch, period = parameters[self.epoch_name], parameters["period_d"]
        phase = ((mjd - epoch[:, None]) / period[:, None]) % 1.0
        curves = (parameters[name] for name in ("_shape", "_scale", "_level"))
        return look_up(self.shapes.values, *curves, self._position(phase), band)

    def _position(self, phase):
        return phase

    @abstractmethod
    def _draw(self, draws, context):
        """Parameters of a batch, detected or not."""

    def _accepts(self, parameters, context):
        """True where some epoch is brighter than the limiting magnitude, shape (object,)."""
        schedule = context.schedule
        magnitude = self.magnitudes(parameters, schedule.mjd, schedule.band)
        return np.any(magnitude < schedule.limiting_mag, axis=1)

    def _brightened(self, parameters, context):
        """Brighten each star until its best epoch is 1 mag above the limiting magnitude."""
        schedule = context.schedule
        magnitude = self.magnitudes(parameters, schedule.mjd, schedule.band)
        excess = np.where(schedule.observed, magnitude - schedule.limiting_mag, np.inf).min(axis=1)
        step = excess + _BRIGHTENED_ABOVE_LIMIT_MAG
        return brightened(parameters, np.where(np.isfinite(step), step, 0.0))

    def _curves(self, mean_mag, colour_mag, shape, scale):
        """The underscored parameters of ``look_up``; colours are against the reference band."""
        band_mean = mean_mag[:, None] + colour_mag
        level = band_mean - self.shapes.flux_mean_mag(shape, scale)
        return {"_shape": shape, "_scale": scale, "_level": level}


def brightened(parameters: dict[str, np.ndarray], step_mag: np.ndarray) -> dict[str, np.ndarray]:
    """The parameters with every band brighter by ``step_mag``, shape (object,)."""
    mean, level = parameters["mean_mag"] - step_mag, parameters["_level"] - step_mag[:, None]
    return {**parameters, "mean_mag": mean, "_level": level}


def random_epoch(draws: Draws, context: Context, period_d: np.ndarray) -> np.ndarray:
    """A time of phase zero within one period after each object's first exposure [MJD]."""
    mjd = context.schedule.mjd
    first = np.where(np.isfinite(mjd), mjd, np.inf).min(axis=1)
    return np.where(np.isfinite(first), first, 0.0) + draws.uniform() * period_d


def relative_to(reference: int, magnitude: np.ndarray) -> np.ndarray:
    """Colours against the reference band of magnitudes shaped (object, band)."""
    return magnitude - magnitude[:, [reference]]


def _put(parameters, rows, values):
    for name, value in values.items():
        parameters[name][rows] = value
