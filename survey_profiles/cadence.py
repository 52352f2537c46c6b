"""When a survey observes a field: a fixed list of nights, or a season with random gaps.

A field has a position; visits are placed by hour angle, so that airmass, Moon and time of
night belong together. Arrays are (pointing, visit), in order of time; NaN in ``mjd`` where
there is no visit. A night is named by the whole MJD at its local midnight.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from survey_profiles import ephemeris
from survey_profiles.pointings import pack_left
from survey_profiles.season import midnight_mjd, season_visits, time_of

if TYPE_CHECKING:
    from survey_profiles.cadence_schema import Footprint
    from survey_profiles.profile import Profile


@dataclass(frozen=True)
class PlannedVisits:
    """Planned visits of many fields; ``night`` counts the nights of a field from 0."""

    mjd: np.ndarray
    band: np.ndarray
    night: np.ndarray
    exposure_time_s: np.ndarray
    airmass: np.ndarray
    ra_deg: np.ndarray  # (pointing, 1)
    dec_deg: np.ndarray  # (pointing, 1)


def draw_visits(profile: Profile, rng: np.random.Generator, count: int) -> PlannedVisits:
    """The visits of ``count`` random fields in the bands in use."""
    ra_deg, dec_deg = draw_fields(profile.cadence.footprint, rng, count)
    plan = _fixed_nights if profile.cadence.nights else season_visits
    mjd, band, night, exposure_time_s = plan(profile, rng, ra_deg, dec_deg)
    mjd = _in_time_order(mjd)
    planned = {"mjd": mjd, "band": band, "night": night, "exposure_time_s": exposure_time_s}
    planned, _ = pack_left(np.isfinite(mjd), planned)
    mjd = planned["mjd"]
    hour = ephemeris.hour_angle_h(mjd, ra_deg, profile.site.longitude_deg)
    altitude = ephemeris.altitude_deg(hour, dec_deg, profile.site.latitude_deg)
    airmass = ephemeris.airmass(altitude)
    refused = ~((profile.cadence.min_airmass <= airmass) & (airmass <= profile.cadence.max_airmass))
    if profile.cadence.season:
        refused |= _close_to_moon(
            mjd, ra_deg, dec_deg, profile.cadence.season.min_moon_separation_deg
        )
    planned["mjd"], airmass = (np.where(refused, np.nan, a) for a in (mjd, airmass))
    return PlannedVisits(**planned, airmass=airmass, ra_deg=ra_deg, dec_deg=dec_deg)


def _close_to_moon(mjd, ra_deg, dec_deg, limit_deg):
    known = np.isfinite(mjd)
    ra_deg, dec_deg = (np.broadcast_to(angle, mjd.shape)[known] for angle in (ra_deg, dec_deg))
    moon = ephemeris.moon_equatorial_deg(mjd[known])
    close = np.zeros(mjd.shape, dtype=bool)
    close[known] = ephemeris.separation_deg(ra_deg, dec_deg, *moon) < limit_deg
    return close


def draw_fields(
    footprint: Footprint, rng: np.random.Generator, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Right ascension and declination in degrees, shape (count, 1), even on the sphere."""
    ra_deg = rng.uniform(*footprint.ra_deg, (count, 1))
    low, high = np.sin(np.radians(footprint.dec_deg))
    return ra_deg, np.degrees(np.arcsin(rng.uniform(low, high, (count, 1))))


def _in_time_order(mjd):
    """Drop visits that would not come at least a minute after the one before."""
    latest = np.fmax.accumulate(np.where(np.isnan(mjd), -np.inf, mjd), axis=1)
    before = np.concatenate([np.full((len(mjd), 1), -np.inf), latest[:, :-1]], axis=1)
    return np.where(mjd > before + 1.0 / 1440.0, mjd, np.nan)


def _fixed_nights(profile, rng, ra_deg, _dec_deg):
    """Visits of ``[[cadence.nights]]``; each field got each with its own probability."""
    cadence, names = profile.cadence, profile.band_names
    planned = [
        (k, night.mjd, names.index(v.band), v)
        for k, night in enumerate(cadence.nights)
        for v in sorted(night.visits, key=lambda v: v.hour_angle_h)
        if v.band in cadence.bands
    ]
    shape = (len(ra_deg), len(planned))
    midnight = midnight_mjd(np.array([mjd for _, mjd, _, _ in planned], dtype=float), profile.site)
    at_midnight = ephemeris.hour_angle_h(midnight, ra_deg, profile.site.longitude_deg)
    hour = np.array([v.hour_angle_h for *_, v in planned])
    hour = hour + rng.normal(0.0, cadence.hour_angle_scatter_h, shape)
    made = rng.random(shape) < np.array([v.fraction for *_, v in planned])
    hour = hour + rng.normal(0.0, cadence.hour_angle_field_scatter_h, (len(ra_deg), 1))
    usual_s = [profile.bands[v.band].exposure_time_s for *_, v in planned]
    time_s = [v.exposure_time_s or usual for (*_, v), usual in zip(planned, usual_s, strict=True)]
    return (
        np.where(made, time_of(hour, midnight, at_midnight), np.nan),
        np.broadcast_to(np.array([band for _, _, band, _ in planned]), shape),
        np.broadcast_to(np.array([k for k, *_ in planned]), shape),
        np.broadcast_to(np.array(time_s, dtype=float), shape),
    )
