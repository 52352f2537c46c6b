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

if TYPE_CHECKING:
    from survey_profiles.cadence_schema import Footprint
    from survey_profiles.profile import Profile

_H_PER_DAY = 24.0
_TRANSIT_SHIFT_H_PER_DAY = 24.0 * (ephemeris.SIDEREAL_PER_SOLAR - 1.0)


@dataclass(frozen=True)
class Visits:
    """Planned visits of many fields; ``night`` counts the nights of a field from 0."""

    mjd: np.ndarray
    band: np.ndarray
    night: np.ndarray
    exposure_time_s: np.ndarray
    airmass: np.ndarray
    ra_deg: np.ndarray  # (pointing, 1)
    dec_deg: np.ndarray  # (pointing, 1)


def draw_visits(profile: Profile, rng: np.random.Generator, count: int) -> Visits:
    """The visits of ``count`` random fields in the bands in use."""
    ra_deg, dec_deg = draw_fields(profile.cadence.footprint, rng, count)
    plan = _fixed_nights if profile.cadence.nights else _season_nights
    mjd, band, night, exposure_time_s = plan(profile, rng, ra_deg)
    mjd = _in_time_order(mjd)
    hour = ephemeris.hour_angle_h(mjd, ra_deg, profile.site.longitude_deg)
    altitude = ephemeris.altitude_deg(hour, dec_deg, profile.site.latitude_deg)
    airmass = ephemeris.airmass(altitude)
    refused = ~(airmass <= profile.cadence.max_airmass)
    if profile.cadence.season:
        refused |= _close_to_moon(
            mjd, ra_deg, dec_deg, profile.cadence.season.min_moon_separation_deg
        )
    mjd, airmass = (np.where(refused, np.nan, a) for a in (mjd, airmass))
    return Visits(mjd, band, night, exposure_time_s, airmass, ra_deg, dec_deg)


def _close_to_moon(mjd, ra_deg, dec_deg, limit_deg):
    moon_ra, moon_dec = ephemeris.moon_equatorial_deg(mjd)
    return ephemeris.separation_deg(ra_deg, dec_deg, moon_ra, moon_dec) < limit_deg


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


def _midnight_mjd(night_mjd, site):
    return night_mjd - site.longitude_deg / 360.0 + (site.longitude_deg > 0)


def _time_of(hour_angle, midnight_mjd, midnight_hour_angle):
    solar_h = (hour_angle - midnight_hour_angle) / ephemeris.SIDEREAL_PER_SOLAR
    return midnight_mjd + solar_h / _H_PER_DAY


def _fixed_nights(profile, rng, ra_deg):
    """Visits of ``[[cadence.nights]]``; each field got each with its own probability."""
    cadence, names = profile.cadence, profile.band_names
    planned = [
        (k, night.mjd, names.index(v.band), v)
        for k, night in enumerate(cadence.nights)
        for v in sorted(night.visits, key=lambda v: v.hour_angle_h)
        if v.band in cadence.bands
    ]
    shape = (len(ra_deg), len(planned))
    midnight = _midnight_mjd(np.array([mjd for _, mjd, _, _ in planned], dtype=float), profile.site)
    at_midnight = ephemeris.hour_angle_h(midnight, ra_deg, profile.site.longitude_deg)
    hour = np.array([v.hour_angle_h for *_, v in planned])
    hour = hour + rng.normal(0.0, cadence.hour_angle_scatter_h, shape)
    made = rng.random(shape) < np.array([v.fraction for *_, v in planned])
    hour = hour + rng.normal(0.0, cadence.hour_angle_field_scatter_h, (len(ra_deg), 1))
    usual_s = [profile.bands[v.band].exposure_time_s for *_, v in planned]
    time_s = [v.exposure_time_s or usual for (*_, v), usual in zip(planned, usual_s, strict=True)]
    return (
        np.where(made, _time_of(hour, midnight, at_midnight), np.nan),
        np.broadcast_to(np.array([band for _, _, band, _ in planned]), shape),
        np.broadcast_to(np.array([k for k, *_ in planned]), shape),
        np.broadcast_to(np.array(time_s, dtype=float), shape),
    )


def _season_nights(profile, rng, ra_deg):
    """Visits of ``[cadence.season]``: nights by their gaps, then one block of bands a night."""
    season, site = profile.cadence.season, profile.site
    night_mjd, observed = _nights_of_season(season, site, rng, ra_deg)
    midnight = _midnight_mjd(night_mjd, site)
    at_midnight = ephemeris.hour_angle_h(midnight, ra_deg, site.longitude_deg)
    bands, in_use = _block_tables(profile)
    block = _choose_blocks(season, rng, midnight, in_use)
    gap_h = rng.uniform(*season.pair_gap_min, (*night_mjd.shape, bands.shape[1])) / 60.0
    gap_h[..., 0] = 0.0
    offset_h = np.cumsum(gap_h, axis=2) * ephemeris.SIDEREAL_PER_SOLAR  # of hour angle
    taken = bands[block] >= 0
    length_h = np.where(taken, offset_h, 0.0).max(axis=2)
    low = np.maximum(-season.hour_angle_limit_h, at_midnight - season.half_night_h)
    high = np.minimum(season.hour_angle_limit_h, at_midnight + season.half_night_h) - length_h
    start = low + rng.random(low.shape) * (high - low)
    usable = observed & (high > low) & (block >= 0)
    hour = start[..., None] + offset_h
    mjd = _time_of(hour, midnight[..., None], at_midnight[..., None])
    mjd = np.where(usable[..., None] & taken, mjd, np.nan)
    shape = (len(ra_deg), -1)
    night = np.broadcast_to(np.arange(mjd.shape[1])[:, None], mjd.shape)
    band = np.maximum(bands[block], 0)
    usual_s = np.array([b.exposure_time_s for b in profile.bands.values()])
    return tuple(a.reshape(shape) for a in (mjd, band, night, usual_s[band]))


def _nights_of_season(season, site, rng, ra_deg):
    """Whole MJDs of the nights of each field, and whether each lies in its window."""
    count = len(ra_deg)
    first = season.first_mjd + 365.25 * rng.integers(season.years, size=(count, 1))
    midnight = _midnight_mjd(np.floor(first), site)
    at_midnight = ephemeris.hour_angle_h(midnight, ra_deg, site.longitude_deg)
    to_centre = (-at_midnight / _TRANSIT_SHIFT_H_PER_DAY) % 365.25
    slack = (season.season_day - season.window_day) / 2.0
    start = np.floor(first + to_centre + rng.uniform(-slack, slack, (count, 1)))
    start = start - season.window_day / 2.0
    weights = np.array(season.night_gap_weights) / sum(season.night_gap_weights)
    steps = int(season.window_day / min(season.night_gaps_day)) + 1
    gaps = rng.choice(np.array(season.night_gaps_day), p=weights, size=(count, steps))
    elapsed = np.cumsum(gaps, axis=1) - 1.0
    return np.floor(start + elapsed), elapsed < season.window_day


def _block_tables(profile):
    """Band index of each visit of each block (-1: no visit in a band in use), and whether any."""
    names, blocks = profile.band_names, profile.cadence.season.blocks
    bands = np.full((len(blocks), max(len(b.bands) for b in blocks)), -1)
    for row, block in enumerate(blocks):
        used = [names.index(n) for n in block.bands if n in profile.cadence.bands]
        bands[row, : len(used)] = used
    return bands, bands[:, 0] >= 0


def _choose_blocks(season, rng, midnight, in_use):
    """Index of the block of each night, -1 where the Moon allows none."""
    weight = np.array([b.weight for b in season.blocks]) * in_use
    limit = np.array([b.max_moon_fraction for b in season.blocks])
    allowed = ephemeris.moon_lit_fraction(midnight)[..., None] <= limit
    edges = np.cumsum(weight * allowed, axis=2)
    pick = rng.random(midnight.shape)[..., None] * edges[..., -1:]
    block = (pick >= edges).sum(axis=2)
    return np.where(edges[..., -1] > 0, np.minimum(block, len(weight) - 1), -1)
