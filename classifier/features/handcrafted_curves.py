"""Hand-made light-curve features for training on few objects.

They are logarithms or shares, because trees with random thresholds do best where values are spread
evenly. A feature that needs more points than there are is 0. Arrays are (object, point), features
(object,); fluxes are in nJy, times in days.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

_CALIBRATION_ERROR = 0.005  # share of the flux, added to the photometric error
_NIGHT_DAY = 0.4  # a longer pause begins another night
_FREQUENCIES_PER_DAY = np.arange(0.1, 5.0, 0.02)
_ONE_PHASE = 1e-6  # determinant below which all points have the same phase
_SMALLEST = 1e-12


@dataclass(frozen=True)
class Points:
    """The measured points of light curves, moved to the front.

    ``known`` (object, point) marks the points; the other entries are zero.
    """

    day: np.ndarray
    flux: np.ndarray
    error: np.ndarray
    known: np.ndarray

    @classmethod
    def of(cls, day: np.ndarray, flux: np.ndarray, error: np.ndarray) -> Points:
        """Points where flux and error are finite, in the order given."""
        measured = np.isfinite(flux) & np.isfinite(error) & (error > 0)
        order = np.argsort(~measured, axis=1, kind="stable")
        known = np.take_along_axis(measured, order, axis=1)
        error = np.hypot(error, _CALIBRATION_ERROR * flux)
        moved = (np.take_along_axis(values, order, axis=1) for values in (day, flux, error))
        return cls(*(np.where(known, values, 0.0) for values in moved), known)

    @cached_property
    def n(self) -> np.ndarray:
        """Number of points, at least 1 to divide by."""
        return np.maximum(self.known.sum(axis=1), 1)

    @cached_property
    def weight(self) -> np.ndarray:
        """Inverse variance, 0 where there is no point."""
        return np.where(self.known, 1 / np.maximum(self.error, _SMALLEST) ** 2, 0.0)

    @cached_property
    def total_weight(self) -> np.ndarray:
        """Sum of the weights (object,)."""
        return np.maximum(self.weight.sum(axis=1), _SMALLEST)

    @cached_property
    def offset(self) -> np.ndarray:
        """Flux minus its weighted mean."""
        mean = (self.weight * self.flux).sum(axis=1) / self.total_weight
        return np.where(self.known, self.flux - mean[:, None], 0.0)

    @cached_property
    def deviation(self) -> np.ndarray:
        """Offset in units of the error."""
        return self.offset * np.sqrt(self.weight)

    @cached_property
    def chi2(self) -> np.ndarray:
        """Sum of squares of the deviations (object,)."""
        return (self.deviation**2).sum(axis=1)

    @cached_property
    def scale(self) -> np.ndarray:
        """Median flux plus twice the median error, always above zero (object,)."""
        return np.abs(self.median(self.flux)) + 2 * self.median(self.error) + _SMALLEST

    @cached_property
    def residual(self) -> np.ndarray:
        """Flux minus its unweighted mean."""
        mean = self.flux.sum(axis=1) / self.n
        return np.where(self.known, self.flux - mean[:, None], 0.0)

    @cached_property
    def spread(self) -> np.ndarray:
        """Standard deviation of the flux (object,)."""
        return np.sqrt((self.residual**2).sum(axis=1) / self.n)

    @cached_property
    def steps(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(change of flux, whether it exists, whether within a night), each (object, point - 1)."""
        exists = self.known[:, 1:]
        same_night = exists & (np.diff(self.day, axis=1) < _NIGHT_DAY)
        return np.where(exists, np.diff(self.flux, axis=1), 0.0), exists, same_night

    @cached_property
    def slope(self) -> np.ndarray:
        """Slope of a straight line in units of its error (object,)."""
        middle = (self.weight * self.day).sum(axis=1) / self.total_weight
        time = np.where(self.known, self.day - middle[:, None], 0.0)
        width = np.sqrt(np.maximum((self.weight * time**2).sum(axis=1), _SMALLEST))
        return (self.weight * time * self.offset).sum(axis=1) / width

    def median(self, values: np.ndarray) -> np.ndarray:
        """Median of the points of every object, 0 where there is none."""
        order = np.sort(np.where(self.known, values, np.inf), axis=1)
        low, high = ((self.n - 1) // 2)[:, None], (self.n // 2)[:, None]
        middle = [np.take_along_axis(order, k, axis=1)[:, 0] for k in (low, high)]
        return np.where(self.known.any(axis=1), (middle[0] + middle[1]) / 2, 0.0)

    def extremes(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Smallest and largest of the points of every object, 0 where there is none."""
        low = np.where(self.known, values, np.inf).min(axis=1)
        high = np.where(self.known, values, -np.inf).max(axis=1)
        return np.where(np.isfinite(low), low, 0.0), np.where(np.isfinite(high), high, 0.0)


def brightness(p: Points) -> np.ndarray:
    """Inverse hyperbolic sine of the median flux in units of 100 nJy."""
    return np.arcsinh(p.median(p.flux) / 100)


def amplitude(p: Points) -> np.ndarray:
    """Logarithm of the range of the flux over its median."""
    low, high = p.extremes(p.flux)
    return np.log((high - low) / p.scale + 1e-3)


def scatter(p: Points) -> np.ndarray:
    """Logarithm of the standard deviation over the median."""
    return np.log(p.spread / p.scale + 1e-3)


def excess(p: Points) -> np.ndarray:
    """Logarithm of the reduced chi2 about a constant."""
    return np.log(p.chi2 / np.maximum(p.n - 1, 1) + 0.1)


def skewness(p: Points) -> np.ndarray:
    """Third moment of the flux."""
    return (p.residual**3).sum(axis=1) / p.n / np.maximum(p.spread, _SMALLEST) ** 3


def asymmetry(p: Points) -> np.ndarray:
    """Distance [mag] of the faintest point from the median minus that of the brightest."""
    magnitude = -2.5 * np.log10(np.maximum(p.flux / p.scale[:, None], 0.05))
    low, high = p.extremes(magnitude)
    return high + low - 2 * p.median(magnitude)


def von_neumann(p: Points) -> np.ndarray:
    """Logarithm of eta: mean square of the steps over the variance (von Neumann 1941)."""
    change, _, _ = p.steps
    mean_square = (change**2).sum(axis=1) / np.maximum(p.n - 1, 1)
    return np.log(mean_square / np.maximum(p.spread**2, _SMALLEST) + 0.03)


def stetson(p: Points) -> np.ndarray:
    """Correlation of neighbours within a night, after the index J of Stetson (1996)."""
    _, _, same_night = p.steps
    product = np.where(same_night, p.deviation[:, 1:] * p.deviation[:, :-1], 0.0)
    signed = np.sign(product) * np.sqrt(np.abs(product))
    return np.arcsinh(signed.sum(axis=1) / np.maximum(same_night.sum(axis=1), 1))


def within_nights(p: Points) -> np.ndarray:
    """Logarithm of the mean square step within a night, in units of its variance."""
    change, _, same_night = p.steps
    variance = np.maximum(p.error[:, 1:] ** 2 + p.error[:, :-1] ** 2, _SMALLEST)
    square = np.where(same_night, change**2 / variance, 0.0)
    return np.log(square.sum(axis=1) / np.maximum(same_night.sum(axis=1), 1) + 0.1)


def rising(p: Points) -> np.ndarray:
    """Share of the steps with increasing flux."""
    change, exists, _ = p.steps
    return (change > 0).sum(axis=1) / np.maximum(exists.sum(axis=1), 1)


def trend(p: Points) -> np.ndarray:
    """Inverse hyperbolic sine of the slope of a straight line in units of its error."""
    return np.arcsinh(p.slope)


def trend_share(p: Points) -> np.ndarray:
    """Share of chi2 that a straight line explains."""
    return p.slope**2 / np.maximum(p.chi2, _SMALLEST)


def power(p: Points) -> np.ndarray:
    """Largest share of the weighted variance that a sine of 0.1 to 5 per day explains."""
    weight = (p.weight / p.total_weight[:, None])[:, None]
    angle = 2 * np.pi * p.day[..., None] * _FREQUENCIES_PER_DAY
    cos, sin = np.cos(angle), np.sin(angle)
    mean_cos, mean_sin = (np.matmul(weight, wave)[:, 0] for wave in (cos, sin))
    cos2 = np.matmul(weight, cos**2)[:, 0] - mean_cos**2
    sin2 = np.matmul(weight, sin**2)[:, 0] - mean_sin**2
    both = np.matmul(weight, cos * sin)[:, 0] - mean_cos * mean_sin
    weighted = weight * p.offset[:, None]
    along_cos, along_sin = (np.matmul(weighted, wave)[:, 0] for wave in (cos, sin))
    determinant = cos2 * sin2 - both**2
    variance = np.maximum(p.chi2 / p.total_weight, _SMALLEST)[:, None]
    found = sin2 * along_cos**2 + cos2 * along_sin**2 - 2 * both * along_cos * along_sin
    share = found / np.maximum(determinant, _ONE_PHASE) / variance
    return np.where(determinant > _ONE_PHASE, share, 0.0).max(axis=1)


CURVE_FEATURES = {
    f.__name__: f
    for f in (
        brightness,
        amplitude,
        scatter,
        excess,
        skewness,
        asymmetry,
        von_neumann,
        stetson,
        within_nights,
        rising,
        trend,
        trend_share,
        power,
    )
}
