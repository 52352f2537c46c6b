"""Hand-made features of the three stamps of one alert.

All are measured on pixels; of the packet only the sign ``isdiffpos`` of the difference image is
used (so that it is science less template). None depends on the depth, the band, the sky or the
seeing of the image: widths are relative to other sources of the same stamp. Features are
logarithms or shares, because trees with random thresholds do best on evenly spread values.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.ndimage import gaussian_filter, maximum_filter

from classifier.dataset import DatasetSplit
from classifier.features.first_alert_planes import Planes, first_planes

_APERTURE_PIX = 3.0  # radius of the aperture
_AROUND_PIX = 8.0
_SIGMA = 4.0
_TEMPLATE_SIGMA = 5.0
_LEAST_SHARE = 1e-3


@dataclass(frozen=True)
class Alert:
    """Quantities that several features share; planes are in units of their noise per pixel."""

    planes: Planes

    @cached_property
    def radius(self) -> np.ndarray:
        """Distance (row, column) from the central pixel [pix]."""
        return radius_of(self.planes.science)

    @cached_property
    def aperture(self) -> np.ndarray:
        """Usable pixels of the aperture, bool (row, column)."""
        return (self.radius <= _APERTURE_PIX) & self.planes.usable

    @cached_property
    def around(self) -> np.ndarray:
        """Usable pixels within 8 of the centre, bool (row, column)."""
        return (self.radius <= _AROUND_PIX) & self.planes.usable

    @cached_property
    def flux_noise(self) -> float:
        """Noise of the flux in the aperture."""
        return np.sqrt(max(self.aperture.sum(), 1))

    @cached_property
    def flux(self) -> float:
        """Signed flux of the difference in the aperture."""
        return self.planes.difference[self.aperture].sum()

    @cached_property
    def difference(self) -> np.ndarray:
        """The difference (row, column), with the sign that makes the source positive."""
        return self.planes.difference * (-1 if self.flux < 0 else 1)

    @cached_property
    def template_flux(self) -> float:
        """Flux of the template in the aperture."""
        return self.planes.template[self.aperture].sum()


def signal(a: Alert) -> float:
    """Signal-to-noise of the difference in the aperture."""
    return np.log10(np.abs(a.flux) / a.flux_noise + 1)


def polarity(a: Alert) -> float:
    """Net over absolute flux of the difference: 1 brighter, -1 fainter, near 0 a dipole."""
    total = np.abs(a.planes.difference[a.aperture]).sum()
    return a.flux / max(total, 1.0)


def width(a: Alert) -> float:
    """FWHM of the difference over that of other sources in the science image.

    0 (in the logarithm) where there is no other source or no flux.
    """
    ratio = fwhm_pix(a.difference) / star_fwhm_pix(a.planes.science, a.planes.clean)
    return np.log(ratio) if np.isfinite(ratio) else 0.0


def elongation(a: Alert) -> float:
    """Axis ratio of the second moments of the difference, pixels above 2 sigma within 8."""
    light = np.where(a.around & (a.difference > 2), a.difference, 0.0)
    rows, columns = np.nonzero(light)
    if rows.size < 3:
        return 0.0
    moments = np.cov(np.stack([rows, columns]), aweights=light[rows, columns], ddof=0)
    small, large = np.linalg.eigvalsh(moments + np.eye(2) / 12)  # a pixel has a width
    return 0.5 * np.log(large / small)


def off_centre(a: Alert) -> float:
    """Distance of the maximum of the difference within 8 pixels from the centre."""
    seen = np.where(a.around, smoothed(a.difference), -np.inf)
    return np.log(a.radius.flat[seen.argmax()] + 0.5)


def negative_peak(a: Alert) -> float:
    """Depth of the minimum within 8 pixels, beyond 4 sigma, over the height of the maximum."""
    seen = smoothed(a.difference)[a.around]
    if not seen.size:
        return 0.0
    depth = max(-seen.min() - _SIGMA, 0.0)
    return np.log1p(10 * min(depth / max(seen.max(), 1.0), 10.0))


def residuals(a: Alert) -> float:
    """Share of pixels beyond 8 where the smoothed difference exceeds 4 sigma, either sign."""
    away = (a.radius > _AROUND_PIX) & a.planes.usable
    return _log_share((np.abs(smoothed(a.planes.difference)) > _SIGMA) & away, away)


def correlation(a: Alert) -> float:
    """Correlation of difference and science within 5 pixels; high for a real source."""
    within = (a.radius <= 5) & a.planes.usable
    pair = a.difference[within], a.planes.science[within]
    if within.sum() < 3 or min(values.std() for values in pair) == 0:
        return 0.0
    return np.corrcoef(*pair)[0, 1]


def new_light(a: Alert) -> float:
    """New / (|new| + before): 1 for a new source, 1/2 where flux doubled, -1/2 where it vanished.

    New is the difference; before is the science less it, at least the noise of the aperture.
    """
    new = a.flux * a.planes.per_science
    before = a.planes.science[a.aperture].sum() - new
    return new / (np.abs(new) + max(before, a.flux_noise))


def template_signal(a: Alert) -> float:
    """Signal-to-noise of the template in the aperture."""
    return np.arcsinh(a.template_flux / a.flux_noise)


def template_spread(a: Alert) -> float:
    """Template flux in a ring of 4 to 8 pixels over that in the aperture: hosts, neighbours."""
    ring = (a.radius > 4) & (a.radius <= _AROUND_PIX) & a.planes.usable
    against = np.abs(a.template_flux) + 3 * np.sqrt(max(ring.sum(), 1))
    return np.arcsinh(5 * a.planes.template[ring].sum() / against)


def nearest(a: Alert) -> float:
    """Distance of the template's nearest source from the centre; half the stamp if none."""
    found = np.hypot(*peaks(a.planes.template, _TEMPLATE_SIGMA).T)
    return np.log(min(found.min(initial=np.inf), a.planes.template.shape[0] / 2) + 0.5)


def crowding(a: Alert) -> float:
    """Share of the template above 5 sigma."""
    return _log_share((a.planes.template > _TEMPLATE_SIGMA) & a.planes.usable, a.planes.usable)


def masked(a: Alert) -> float:
    """Share of the stamp that is outside the detector, bad, saturated, or not finite."""
    return _log_share(~a.planes.clean, np.ones_like(a.planes.clean))


def _log_share(chosen, among):
    return np.log10(chosen.sum() / max(among.sum(), 1) + _LEAST_SHARE)


_FUNCTIONS = {
    f.__name__: f
    for f in (
        signal,
        polarity,
        width,
        elongation,
        off_centre,
        negative_peak,
        residuals,
        correlation,
        new_light,
        template_signal,
        template_spread,
        nearest,
        crowding,
        masked,
    )
}
FEATURES = tuple(_FUNCTIONS)
BRIGHTNESS_FEATURES = ("signal", "template_signal")


def feature_columns(*, brightness: bool = True) -> list[int]:
    """Columns of the features; without ``brightness``, those that measure it are left out."""
    left_out = () if brightness else BRIGHTNESS_FEATURES
    return [i for i, name in enumerate(FEATURES) if name not in left_out]


def single_epoch_features(planes: Planes) -> np.ndarray:
    """The features (feature,) of one alert, float32, in the order of ``FEATURES``."""
    alert = Alert(planes)
    return np.array([of(alert) for of in _FUNCTIONS.values()], dtype=np.float32)


def first_alert_features(split: DatasetSplit) -> np.ndarray:
    """Features (object, feature) of the first alert of every object; NaN where there are none.

    Raises
    ------
    ClassifierError
        As `classifier.features.first_alert_planes.first_planes`.
    """
    unknown = np.full(len(FEATURES), np.nan, dtype=np.float32)
    planes = first_planes(split)
    return np.stack([unknown if p is None else single_epoch_features(p) for p in planes])


SMOOTHING_PIX = 1.0  # sigma of a Gaussian; ZTF's PSF has a FWHM of 2 pixels and more
WIDTH_RADIUS_PIX = 5.0
WIDTHS_PIX = (1.0, 12.0)  # FWHMs outside are noise
_ISOLATION_PIX = 6
_STAR_SIGMA = 15.0
_STARS = 5
# Noise of a plane of independent pixels after smoothing, over that before.
SMOOTHED_NOISE = 1 / (2 * np.sqrt(np.pi) * SMOOTHING_PIX)


def radius_of(plane: np.ndarray) -> np.ndarray:
    """Distance (row, column) of every pixel from the central one [pix]."""
    rows, columns = (np.arange(n) - n // 2 for n in plane.shape)
    return np.hypot(rows[:, None], columns)


def smoothed(plane: np.ndarray) -> np.ndarray:
    """The plane smoothed by a narrow Gaussian, in units of its noise after smoothing."""
    return gaussian_filter(plane, SMOOTHING_PIX, mode="constant") / SMOOTHED_NOISE


def fwhm_pix(plane: np.ndarray, row: int = 0, column: int = 0) -> float:
    """FWHM of the Gaussian with the effective area 1 / sum(share^2) of a source.

    The squared noise of the pixels, 1 each, is subtracted from the sum; NaN without flux.
    """
    rows, columns = (np.arange(n) - n // 2 for n in plane.shape)
    within = np.hypot(rows[:, None] - row, columns - column) <= WIDTH_RADIUS_PIX
    light = plane[within]
    flux, squares = light.sum(), (light**2).sum() - light.size
    if flux <= 0 or squares <= 0:
        return np.nan
    width = np.sqrt(2 * np.log(2) / np.pi * flux**2 / squares)
    return float(np.clip(width, *WIDTHS_PIX))


def peaks(plane: np.ndarray, sigma: float) -> np.ndarray:
    """Local maxima (peak, 2) above ``sigma``, from the centre [pix], brightest first."""
    seen = smoothed(plane)
    row, column = np.nonzero((seen >= sigma) & (seen == maximum_filter(seen, size=5)))
    order = np.argsort(-seen[row, column], kind="stable")
    middle = np.array(plane.shape) // 2
    return np.stack([row, column], axis=1)[order] - middle


def star_fwhm_pix(science: np.ndarray, clean: np.ndarray) -> float:
    """Median FWHM of bright, unsaturated sources other than the central one; NaN if none.

    Sources are used that are 8 pixels or more from the centre, not cut by the edge, the brightest
    within 6 pixels, and without masked pixels.
    """
    alone = smoothed(science) == maximum_filter(smoothed(science), size=2 * _ISOLATION_PIX + 1)
    half = np.array(science.shape) // 2
    found = []
    for row, column in peaks(science, _STAR_SIGMA):
        if np.hypot(row, column) < 8 or (np.abs([row, column]) > half - _ISOLATION_PIX).any():
            continue
        at = row + half[0], column + half[1]
        box = clean[at[0] - 3 : at[0] + 4, at[1] - 3 : at[1] + 4]
        if alone[at] and box.all():
            found.append(fwhm_pix(science, row, column))
    known = [width for width in found if np.isfinite(width)][:_STARS]
    return float(np.median(known)) if known else np.nan
