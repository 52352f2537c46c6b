"""Where on the sky simulated objects are, and how offsets on a stamp change a position."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simulator.rng import Draws, Purpose

if TYPE_CHECKING:
    from survey_profiles import Profile

SCATTER_DEG = 0.5
"""Objects of one pointing lie within this distance of it, so that no two share a place."""

_ARCSEC_PER_DEG = 3600.0


def object_positions(
    profile: Profile,
    seed: int,
    objects: np.ndarray,
    ra_deg: np.ndarray,
    dec_deg: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Right ascension and declination of objects [deg], each (object,).

    An object lies near its pointing, uniformly within ``SCATTER_DEG``; where the pointing has no
    position, it lies uniformly on the footprint of the survey.

    Parameters
    ----------
    profile : survey_profiles.Profile
    seed : int
    objects : array, shape (object,)
        Addresses in the data set.
    ra_deg, dec_deg : array, shape (object,)
        Positions of the pointings; NaN where unknown.
    """
    first, second = Draws(seed, objects, Purpose.SKY_POSITION).uniforms(2).T
    radius, angle = SCATTER_DEG * np.sqrt(first), 2 * np.pi * second
    near = offset_position(ra_deg, dec_deg, radius * np.cos(angle), radius * np.sin(angle))
    area = profile.cadence.footprint
    low, high = area.ra_deg
    ra = low + min(high - low, 360.0) * first
    sines = np.sin(np.radians(area.dec_deg))
    dec = np.degrees(np.arcsin(sines[0] + (sines[1] - sines[0]) * second))
    known = np.isfinite(ra_deg) & np.isfinite(dec_deg)
    return np.where(known, near[0], ra % 360.0), np.where(known, near[1], dec)


def offset_position(
    ra_deg: np.ndarray, dec_deg: np.ndarray, east_deg: np.ndarray, north_deg: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Positions [deg] moved by small offsets on the tangent plane (gnomonic projection)."""
    x, y = np.radians(east_deg), np.radians(north_deg)
    dec0 = np.radians(dec_deg)
    down = np.cos(dec0) - y * np.sin(dec0)
    ra = np.asarray(ra_deg) + np.degrees(np.arctan2(x, down))
    dec = np.degrees(np.arctan2(np.sin(dec0) + y * np.cos(dec0), np.hypot(x, down)))
    return ra % 360.0, dec


def pixel_offset_position(
    ra_deg: np.ndarray,
    dec_deg: np.ndarray,
    x_pix: np.ndarray,
    y_pix: np.ndarray,
    pixel_scale_arcsec: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Positions moved by offsets on a stamp: columns run west, rows north."""
    scale_deg = pixel_scale_arcsec / _ARCSEC_PER_DEG
    return offset_position(ra_deg, dec_deg, -scale_deg * x_pix, scale_deg * y_pix)
