"""Features of light curves that few objects are enough to learn from, each of one number.

They are logarithms, shares or angles rather than plain sizes, because trees that cut at random
places do best where values spread evenly. A feature that needs more points than there are is 0.
Arrays are (object, point); fluxes are in nJy, times in days.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

_CALIBRATION_ERROR = 0.005  # of the flux, beyond what photometry states
_NIGHT_DAY = 0.4  # a longer pause begins another night
_FREQUENCIES_PER_DAY = np.arange(0.1, 5.0, 0.02)
_ONE_PHASE = 1e-6  # determinant below which the points show one phase of a frequency
_SMALLEST = 1e-12


@dataclass(frozen=True)
class Points:
    """The measured points of light curves, moved up to the front.

    ``known`` tells which entries are points; the others hold zeros.
    """

    day: np.ndarray
    flux: np.ndarray
    error: np.ndarray
    known: np.ndarray

    @classmethod
    def of(cls, day, flux, error) -> Points:
        """Points where flux and error are finite, in the order given."""
        measured = np.isfinite(flux) & np.isfinite(error) & (error > 0)
        order = np.argsort(~measured, axis=1, kind="stable")
        known = np.take_along_axis(measured, order, axis=1)
        error = np.hypot(error, _CALIBRATION_ERROR * flux)
        moved = (np.take_along_axis(values, order, axis=1) for values in (day, flux, error))
        return cls(*(np.where(known, values, 0.0) for values in moved), known)

    @cached_property
    def n(self):
        """Number of points, at least 1 to divide by."""
        return np.maximum(self.known.sum(axis=1), 1)

    @cached_property
    def weight(self):
        """One over the variance, adding up to the ``total_weight``."""
        return np.where(self.known, 1 / np.maximum(self.error, _SMALLEST) ** 2, 0.0)

    @cached_property
    def total_weight(self):
        """Sum of the weights (object,)."""
        return np.maximum(self.weight.sum(axis=1), _SMALLEST)

    @cached_property
    def offset(self):
        """Flux less its weighted mean."""
        mean = (self.weight * self.flux).sum(axis=1) / self.total_weight
        return np.where(self.known, self.flux - mean[:, None], 0.0)

    @cached_property
    def deviation(self):
        """Offset in errors."""
        return self.offset * np.sqrt(self.weight)

    @cached_property
    def chi2(self):
        """Sum of squares of the deviations (object,)."""
        return (self.deviation**2).sum(axis=1)

    @cached_property
    def scale(self):
        """Median flux, kept away from zero by two errors (object,)."""
        return np.abs(self.median(self.flux)) + 2 * self.median(self.error) + _SMALLEST

    @cached_property
    def residual(self):
        """Flux less its plain mean."""
        mean = self.flux.sum(axis=1) / self.n
        return np.where(self.known, self.flux - mean[:, None], 0.0)

    @cached_property
    def spread(self):
        """Standard deviation of the flux (object,)."""
        return np.sqrt((self.residual**2).sum(axis=1) / self.n)

    @cached_property
    def steps(self):
        """(change of flux, whether there is one, whether within a night), (object, point - 1)."""
        there = self.known[:, 1:]
        same_night = there & (np.diff(self.day, axis=1) < _NIGHT_DAY)
        return np.where(there, np.diff(self.flux, axis=1), 0.0), there, same_night

    @cached_property
    def slope(self):
        """Slope of a straight line in its errors (object,), of either sign."""
        middle = (self.weight * self.day).sum(axis=1) / self.total_weight
        time = np.where(self.known, self.day - middle[:, None], 0.0)
        width = np.sqrt(np.maximum((self.weight * time**2).sum(axis=1), _SMALLEST))
        return (self.weight * time * self.offset).sum(axis=1) / width

    def median(self, values):
        """Median of the points of every object, 0 where there is none."""
        order = np.sort(np.where(self.known, values, np.inf), axis=1)
        low, high = ((self.n - 1) // 2)[:, None], (self.n // 2)[:, None]
        middle = [np.take_along_axis(order, k, axis=1)[:, 0] for k in (low, high)]
        return np.where(self.known.any(axis=1), (middle[0] + middle[1]) / 2, 0.0)

    def extremes(self, values):
        """Least and largest of the points of every object, 0 where there is none."""
        low = np.where(self.known, values, np.inf).min(axis=1)
        high = np.where(self.known, values, -np.inf).max(axis=1)
        return (np.where(np.isfinite(end), end, 0.0) for end in (low, high))


def brightness(p: Points):
    """Median flux, like a logarithm."""
    return np.arcsinh(p.median(p.flux) / 100)


def amplitude(p: Points):
    """Logarithm of the range of the flux over its median."""
    low, high = p.extremes(p.flux)
    return np.log((high - low) / p.scale + 1e-3)


def scatter(p: Points):
    """Logarithm of the standard deviation over the median."""
    return np.log(p.spread / p.scale + 1e-3)


def excess(p: Points):
    """Logarithm of the reduced chi2 about a constant."""
    return np.log(p.chi2 / np.maximum(p.n - 1, 1) + 0.1)


def skewness(p: Points):
    """Third moment of the flux."""
    return (p.residual**3).sum(axis=1) / p.n / np.maximum(p.spread, _SMALLEST) ** 3


def asymmetry(p: Points):
    """How much farther the faintest point is from the median than the brightest, in mag."""
    magnitude = -2.5 * np.log10(np.maximum(p.flux / p.scale[:, None], 0.05))
    low, high = p.extremes(magnitude)
    return high + low - 2 * p.median(magnitude)


def von_neumann(p: Points):
    """Logarithm of eta: mean square of the steps over the variance (von Neumann 1941)."""
    change, _, _ = p.steps
    mean_square = (change**2).sum(axis=1) / np.maximum(p.n - 1, 1)
    return np.log(mean_square / np.maximum(p.spread**2, _SMALLEST) + 0.03)


def stetson(p: Points):
    """Agreement of neighbours within a night, in the manner of Stetson's (1996) J."""
    _, _, same_night = p.steps
    product = np.where(same_night, p.deviation[:, 1:] * p.deviation[:, :-1], 0.0)
    signed = np.sign(product) * np.sqrt(np.abs(product))
    return np.arcsinh(signed.sum(axis=1) / np.maximum(same_night.sum(axis=1), 1))


def within_nights(p: Points):
    """Logarithm of the mean square step within a night, in errors."""
    change, _, same_night = p.steps
    variance = np.maximum(p.error[:, 1:] ** 2 + p.error[:, :-1] ** 2, _SMALLEST)
    square = np.where(same_night, change**2 / variance, 0.0)
    return np.log(square.sum(axis=1) / np.maximum(same_night.sum(axis=1), 1) + 0.1)


def rising(p: Points):
    """Share of the steps that go up."""
    change, there, _ = p.steps
    return (change > 0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)


def trend(p: Points):
    """Slope of a straight line in its errors, like a logarithm."""
    return np.arcsinh(p.slope)


def trend_share(p: Points):
    """Share of chi2 that a straight line explains."""
    return p.slope**2 / np.maximum(p.chi2, _SMALLEST)


def power(p: Points):
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
