"""Draws the artefacts of a batch: which exposures have one, where, and how bright.

Sizes and brightnesses are our choice, but for those of PSF mismatches: wide enough that an artefact
is between barely visible and obvious. They scale with the 5-sigma limit of each exposure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simulator.artefacts.kernels import Artefacts, no_artefacts
from simulator.artefacts.kinds import (
    OF_OBJECT,
    Artefact,
    chance_of_kinds,
    shares_of_kinds,
)
from simulator.rng import Draws, Purpose

if TYPE_CHECKING:
    from simulator.difference.plane_maker import Neighbouring
    from simulator.observing.exposures import Conditions
    from simulator.options import Options
    from survey_profiles import Profile

MOST_SHIFT_PIX = 1.6  # of the alignment of a template
_SHIFT_PIX = (0.2, MOST_SHIFT_PIX)
# Of a PSF mismatch: natural logarithm of the width, error of the alignment, relative error of the
# template's light, of either sign. Detected ones are then like 34 bogus alerts of ZTF at stars of
# magnitude 16 to 17.5 (10, 50 and 90 %): net over absolute flux of the difference within 3 pixels
# 0.38, 0.81, 1.00 (real 0.60, 0.79, 0.97), correlation with the science image within 5 pixels 0.02,
# 0.59, 0.95 (0.33, 0.64, 0.87), axis ratio exp(0.07), exp(0.18), exp(0.41) (exp(0.16), exp(0.30),
# exp(0.60)).
_LOG_WIDTH_FACTOR = (0.005, 0.06)
_MISMATCH_SHIFT_PIX = (0.03, 0.15)
_SCALE_ERROR = (0.03, 0.1)
_BOOST_DEX = 1.5  # brightness over the 5-sigma limit, uniform in its logarithm
_DARK_SHARE = 14 / 15  # of bad pixels, as in the real alerts counted in the profile of ZTF
_GLINT_SHARE = 0.5  # of satellites
_SATURATED_MAG = (0.5, 4.0)  # above the profile's bright limit
_SATURATED_AWAY_PIX = 8.0  # largest distance of the star of a bogus object


class BogusObjects(NamedTuple):
    """Objects that are artefacts themselves; arrays (object,) and (object, epoch)."""

    kind: np.ndarray  # 0 for real objects
    epochs: np.ndarray  # bool, where it appears

    @classmethod
    def none(cls, n: int, n_epochs: int) -> BogusObjects:
        """No such object."""
        return cls(np.zeros(n, dtype=np.uint8), np.zeros((n, n_epochs), dtype=bool))


class ArtefactBank:
    """Draws the artefacts that a profile and the options ask for.

    ``has_bogus`` says whether a class of objects is artefacts.
    """

    def __init__(self, profile: Profile, options: Options, *, has_bogus: bool) -> None:
        shares = profile.artefacts.model_dump()
        with_difference = "difference" in options.planes
        self._chances = chance_of_kinds(options.artefacts, shares, with_difference=with_difference)
        self.is_used = bool(self._chances.any()) or has_bogus
        self.shares = None
        if has_bogus:
            self.shares = shares_of_kinds(shares, with_difference=with_difference)
        self._seed, self._size = options.seed, options.stamp_size_pix
        self._bright_mag = profile.field.bright_mag

    def draw(self, address: np.ndarray, conditions: Conditions, bogus: BogusObjects) -> Artefacts:
        """The artefacts of the objects at these addresses."""
        if not self.is_used:
            return no_artefacts()
        draws = Draws(self._seed, address, Purpose.ARTEFACT)
        kind = self._kinds(draws, conditions, bogus)
        n_epochs = kind.shape[1]
        u = draws.uniforms(6 * n_epochs).reshape(len(draws), 6, n_epochs).transpose(1, 0, 2)
        of_object = np.isin(kind, OF_OBJECT)
        u = np.where(of_object, u[:, :, :1], u)
        centred = (bogus.kind > 0)[:, None]
        x, y = ((share - 0.5) * self._size * ~centred for share in u[:2])
        limit_e, fwhm_pix = _limit_e(conditions.schedule), conditions.psf.fwhm_pix
        return _placed(kind, x, y, centred, u[2:], limit_e, fwhm_pix)

    def _kinds(self, draws, conditions, bogus):
        """Kind of every exposure, uint8 (object, epoch)."""
        of_exposure = self._chances.copy()
        of_exposure[list(OF_OBJECT)] = 0.0
        of_object = self._chances - of_exposure
        object_kind = _chosen(of_object, draws.uniform())[:, None]
        band_chosen = draws.uniform()
        n_epochs = conditions.schedule.mjd.shape[1]
        kind = _chosen(of_exposure, draws.uniforms(n_epochs))
        kind = np.where(object_kind > 0, object_kind, kind)
        kind = np.where((bogus.kind > 0)[:, None], bogus.kind[:, None] * bogus.epochs, kind)
        band = conditions.schedule.band
        last = np.maximum(conditions.n_epochs - 1, 0)
        at = (band_chosen * conditions.n_epochs).astype(int).clip(0, last)
        of_band = band == np.take_along_axis(band, at[:, None], axis=1)
        kind = np.where((kind == Artefact.TEMPLATE_DEFECT) & ~of_band, 0, kind)
        return np.where(conditions.schedule.observed, kind, 0).astype(np.uint8)

    def star(
        self, artefacts: Artefacts, bogus: BogusObjects
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Saturated stars: whether there is one, x, y [pix from the source], magnitude (object,).

        Of a bogus object the star is within some pixels of the centre, where its bleeding and
        wings are what is detected.
        """
        here = artefacts.kind == Artefact.SATURATED_STAR
        any_here, first = here.any(axis=1), here.argmax(axis=1)[:, None]
        x, y, size, angle = (
            np.take_along_axis(a, first, axis=1)[:, 0]
            for a in (artefacts.x_pix, artefacts.y_pix, artefacts.size_pix, artefacts.angle_rad)
        )
        of_bogus, away_pix = bogus.kind > 0, _SATURATED_AWAY_PIX * size
        x = np.where(of_bogus, away_pix * np.cos(angle), x)
        y = np.where(of_bogus, away_pix * np.sin(angle), y)
        low, high = _SATURATED_MAG
        return any_here, x, y, self._bright_mag - low - (high - low) * size

    @staticmethod
    def edges(edges: np.ndarray, artefacts: Artefacts, bogus: BogusObjects) -> np.ndarray:
        """Edges of the detector as `simulator.expose.Detector` has them, with those of artefacts.

        Half of the stamp may be missing; of a bogus object a third to nearly half.
        """
        cut = (artefacts.kind == Artefact.DETECTOR_EDGE).any(axis=1)
        first = (artefacts.kind == Artefact.DETECTOR_EDGE).argmax(axis=1)[:, None]
        share = np.take_along_axis(artefacts.size_pix, first, axis=1)[:, 0]
        angle = np.take_along_axis(artefacts.angle_rad, first, axis=1)[:, 0]
        lost = np.where(bogus.kind > 0, 0.33 + 0.14 * share, 0.05 + 0.44 * share)
        side = (angle / (np.pi / 2)).astype(int).clip(0, 3)
        found = edges.copy()
        rows = np.flatnonzero(cut)
        found[rows] = [0.0, 1.0, 0.0, 1.0]
        found[rows, side[rows]] += np.where(side[rows] % 2, -lost[rows], lost[rows])
        return found


def with_stars(
    neighbours: Neighbouring,
    here: np.ndarray,
    x_pix: np.ndarray,
    y_pix: np.ndarray,
    magnitude: np.ndarray,
) -> Neighbouring:
    """Neighbours with one more star, white, for the objects that have one ``here`` (object,)."""
    number, x, y, of_band = neighbours
    rows = np.arange(len(number))
    x, y = (np.append(a, np.zeros((len(rows), 1)), axis=1) for a in (x, y))
    of_band = np.append(of_band, np.full((len(rows), 1, of_band.shape[2]), np.inf), axis=1)
    x[rows, number] = np.where(here, x_pix, x[rows, number])
    y[rows, number] = np.where(here, y_pix, y[rows, number])
    of_band[rows, number] = np.where(here[:, None], magnitude[:, None], of_band[rows, number])
    return neighbours._replace(number=number + here, x_pix=x, y_pix=y, magnitude=of_band)


def _chosen(chances, uniform):
    """Kinds at uniform numbers; 0 beyond the sum of the chances."""
    edges = np.cumsum(chances)
    kind = np.searchsorted(edges, uniform, side="right")
    return np.where(kind < len(chances), kind, 0)


def _limit_e(schedule):
    """Electrons of a source at the 5-sigma limit, (object, epoch); 0 where padded."""
    adu = 10.0 ** (0.4 * (schedule.zero_point_mag - schedule.limiting_mag))
    return np.nan_to_num(adu * schedule.exposure_time_s * schedule.gain_e_per_adu)


def _placed(kind, x, y, centred, u, limit_e, fwhm_pix):
    """Artefacts of these kinds.

    ``centred`` (object, 1) are bogus objects: a stamp of theirs that is cut is misaligned too.
    ``u`` are four uniform numbers of every exposure: angle, size, sign and brightness.
    """
    angle = 2 * np.pi * u[0]
    cut = kind == Artefact.DETECTOR_EDGE
    shift = np.where(cut & ~centred, 0.0, _log_uniform(_SHIFT_PIX, u[1]))
    mismatch = kind == Artefact.PSF_MISMATCH
    shift = np.where(mismatch, _log_uniform(_MISMATCH_SHIFT_PIX, _second(u[2])), shift)
    is_shift = cut | mismatch | (kind == Artefact.DIPOLE)
    return Artefacts(
        np.ascontiguousarray(kind),
        np.where(is_shift, shift * np.cos(angle), x),
        np.where(is_shift, shift * np.sin(angle), y),
        _by_kind(kind, _sizes(u)),
        angle,
        _by_kind(kind, _fluxes(u, limit_e, fwhm_pix)),
    )


def _sizes(u):
    """``Artefacts.size_pix`` of each kind that has one."""
    share = u[1]
    low, high = _LOG_WIDTH_FACTOR
    return {
        Artefact.PSF_MISMATCH: np.exp(_sign(u[2]) * (low + (high - low) * share)),
        Artefact.SATURATED_STAR: share,
        Artefact.COSMIC_RAY: 1.0 + 9.0 * share**2,
        Artefact.BAD_PIXELS: 0.5 + 2.0 * share**2,
        Artefact.SATELLITE_TRAIL: np.where(_has_glints(u), 12.0 + 18.0 * share, 0.0),
        Artefact.GHOST: 6.0 + 14.0 * share,
        Artefact.TEMPLATE_DEFECT: 0.8 + 2.0 * share,
        Artefact.DETECTOR_EDGE: share,
    }


def _fluxes(u, limit_e, fwhm_pix):
    """``Artefacts.flux_e`` of each kind that has one."""
    bright_e = limit_e * 10.0 ** (_BOOST_DEX * u[3])
    width_pix = np.maximum(fwhm_pix, 1.0)
    return {
        Artefact.PSF_MISMATCH: _sign(u[3]) * _log_uniform(_SCALE_ERROR, _second(u[3])),
        Artefact.COSMIC_RAY: bright_e,
        Artefact.BAD_PIXELS: np.where(u[2] < _DARK_SHARE, -(0.3 + 0.7 * u[3]), bright_e),
        Artefact.BAD_COLUMN: -(0.1 + 0.9 * u[3]),
        Artefact.SATELLITE_TRAIL: np.where(_has_glints(u), bright_e, bright_e / width_pix),
        Artefact.GHOST: limit_e * 10.0 ** u[3] / (3.0 * width_pix**2),
        Artefact.TEMPLATE_DEFECT: _sign(u[2]) * bright_e,
    }


def _log_uniform(limits, uniform):
    low, high = limits
    return low * (high / low) ** uniform


def _sign(uniform):
    return np.where(uniform < 0.5, -1.0, 1.0)


def _second(uniform):
    """A second uniform number, independent of the sign that the first gives."""
    return (2.0 * uniform) % 1.0


def _has_glints(u):
    return u[2] < _GLINT_SHARE


def _by_kind(kind, values):
    return np.select([kind == k for k in values], list(values.values()), 0.0)
