"""Nights of an open-ended timetable, and what is observed in each.

A field has its season around the date when it culminates at midnight; nights follow by random
gaps, and a block of visits is chosen for each by the light of the sky. Hours are counted as
hour angles of the field.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from survey_profiles import ephemeris
from survey_profiles.moonlight import moonlight_at

if TYPE_CHECKING:
    from survey_profiles.profile import Profile, Site

LIGHT_NANOLAMBERT = (10.0, 150.0)  # of the Moon, where a sky is grey and bright; dark ones have 65
TWILIGHT_SUN_DEG = -18.0  # altitude of the Sun where astronomical twilight begins
DARK, GREY, BRIGHT, TWILIGHT = range(4)
_H_PER_DAY = 24.0
_TRANSIT_SHIFT_H_PER_DAY = 24.0 * (ephemeris.SIDEREAL_PER_SOLAR - 1.0)
_DAYS_PER_YEAR = 365.25


def midnight_mjd(night_mjd: np.ndarray, site: Site) -> np.ndarray:
    """Time of the local mean midnight of the nights named by these whole MJDs."""
    return night_mjd - site.longitude_deg / 360.0 + (site.longitude_deg > 0)


def time_of(
    hour_angle: np.ndarray, midnight: np.ndarray, midnight_hour_angle: np.ndarray
) -> np.ndarray:
    """MJD at which a field has an hour angle, from that which it has at midnight."""
    solar_h = (hour_angle - midnight_hour_angle) / ephemeris.SIDEREAL_PER_SOLAR
    return midnight + solar_h / _H_PER_DAY


def season_visits(
    profile: Profile, rng: np.random.Generator, ra_deg: np.ndarray, dec_deg: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Visits of ``[cadence.season]``: nights by their gaps, then one block of bands a night.

    Returns
    -------
    mjd, band, night, exposure_time_s : numpy.ndarray, shape (field, visit)
        NaN in ``mjd`` where there is no visit.
    """
    season, site = profile.cadence.season, profile.site
    night_mjd, observed = _nights_of_season(season, site, rng, ra_deg)
    midnight = midnight_mjd(night_mjd, site)
    at_midnight = ephemeris.hour_angle_h(midnight, ra_deg, site.longitude_deg)
    bands, weights = _block_tables(profile)
    pick = rng.random(midnight.shape)
    gap_h = rng.uniform(*season.pair_gap_min, (*midnight.shape, bands.shape[1])) / 60.0
    gap_h[..., 0] = 0.0
    offset_h = np.cumsum(gap_h, axis=2)
    part = rng.random(midnight.shape)
    low, high = _observable_hours(season, site, midnight, at_midnight)
    observed &= high > low
    times = time_of(low + part * (high - low), midnight, at_midnight)[observed]
    where = (np.broadcast_to(values, observed.shape)[observed] for values in (ra_deg, dec_deg))
    chosen = weights[:, _light(times, *where, site)].T
    block = np.full(observed.shape, -1)
    block[observed] = _choose_blocks(season, pick[observed], midnight[observed], chosen)
    offset_h, band = _with_overlaps(season, rng, offset_h, bands[block])
    offset_h = offset_h * ephemeris.SIDEREAL_PER_SOLAR
    latest = high - np.where(band >= 0, offset_h, 0.0).max(axis=2)
    usable = observed & (latest > low) & (block >= 0)
    hour = (low + part * (latest - low))[..., None] + offset_h
    mjd = time_of(hour, midnight[..., None], at_midnight[..., None])
    mjd = np.where(usable[..., None] & (band >= 0), mjd, np.nan)
    night = np.broadcast_to(np.arange(mjd.shape[1])[:, None], mjd.shape)
    band = np.maximum(band, 0)
    usual_s = np.array([b.exposure_time_s for b in profile.bands.values()])
    columns = (mjd, band, night, usual_s[band])
    return tuple(values.reshape(len(ra_deg), -1) for values in columns)


def _nights_of_season(season, site, rng, ra_deg):
    """Whole MJDs of the nights of each field, and whether each is observed."""
    count = len(ra_deg)
    first = season.first_mjd + _DAYS_PER_YEAR * rng.integers(season.years, size=(count, 1))
    midnight = midnight_mjd(np.floor(first), site)
    at_midnight = ephemeris.hour_angle_h(midnight, ra_deg, site.longitude_deg)
    to_centre = (-at_midnight / _TRANSIT_SHIFT_H_PER_DAY) % _DAYS_PER_YEAR
    slack = (season.season_day - season.window_day) / 2.0
    start = np.floor(first + to_centre + rng.uniform(-slack, slack, (count, 1)))
    start = start - season.window_day / 2.0
    weights = np.array(season.night_gap_weights) / sum(season.night_gap_weights)
    steps = int(season.window_day / min(season.night_gaps_day)) + 1
    gaps = rng.choice(np.array(season.night_gaps_day), p=weights, size=(count, steps))
    elapsed = np.cumsum(gaps, axis=1) - 1.0
    observed = elapsed < season.window_day
    if min(season.activity) < 1:
        kept = rng.choice(np.array(season.activity), size=(count, 1))
        observed &= rng.random(elapsed.shape) < kept
    night_mjd = np.floor(start + elapsed)
    return night_mjd, observed & (night_mjd >= np.floor(season.first_mjd))


def _observable_hours(season, site, midnight, at_midnight):
    """Least and greatest hour angle of a visit in each night."""
    centre, half = 0.0, season.half_night_h
    if season.max_sun_altitude_deg is not None:
        centre, half = _sun_down_hours(midnight, site, season.max_sun_altitude_deg)
    middle, limit = season.hour_angle_centre_h, season.hour_angle_limit_h
    low = np.maximum(middle - limit, at_midnight + centre - half)
    return low, np.minimum(middle + limit, at_midnight + centre + half)


def _sun_down_hours(midnight, site, altitude_deg):
    """True midnight after mean midnight, and half of the time that the Sun is below an altitude."""
    ra_deg, dec_deg = ephemeris.sun_equatorial_deg(midnight)
    hour = ephemeris.hour_angle_h(midnight, ra_deg, site.longitude_deg)
    latitude, dec = np.radians(site.latitude_deg), np.radians(dec_deg)
    needed = np.sin(np.radians(altitude_deg)) - np.sin(latitude) * np.sin(dec)
    cosine = np.clip(needed / (np.cos(latitude) * np.cos(dec)), -1.0, 1.0)
    return -(hour % 24.0 - 12.0), 12.0 - np.degrees(np.arccos(cosine)) / 15.0


def _light(mjd, ra_deg, dec_deg, site):
    """``DARK``, ``GREY``, ``BRIGHT`` or ``TWILIGHT`` in each night, at the time of its visits."""
    moonlight = np.searchsorted(LIGHT_NANOLAMBERT, moonlight_at(mjd, ra_deg, dec_deg, site))
    sun = ephemeris.sun_altitude_deg(mjd, site.latitude_deg, site.longitude_deg)
    return np.where(sun > TWILIGHT_SUN_DEG, TWILIGHT, moonlight)


def _block_tables(profile):
    """Band index of each visit of each block (-1: no visit in a band in use), and its weights."""
    names, blocks = profile.band_names, profile.cadence.season.blocks
    bands = np.full((len(blocks), max(len(b.bands) for b in blocks)), -1)
    for row, block in enumerate(blocks):
        used = [names.index(n) for n in block.bands if n in profile.cadence.bands]
        bands[row, : len(used)] = used
    return bands, np.array([b.weights for b in blocks]) * (bands[:, :1] >= 0)


def _choose_blocks(season, pick, midnight, weights):
    """Index of the block of each night from its weights (night, block); -1 where none may be."""
    lit = ephemeris.moon_lit_fraction(midnight)[..., None]
    allowed = lit >= np.array([b.min_moon_fraction for b in season.blocks])
    allowed &= lit <= np.array([b.max_moon_fraction for b in season.blocks])
    edges = np.cumsum(weights * allowed, axis=1)
    block = (pick[:, None] * edges[:, -1:] >= edges).sum(axis=1)
    return np.where(edges[:, -1] > 0, np.minimum(block, weights.shape[1] - 1), -1)


def _with_overlaps(season, rng, offset_h, band):
    """Times and bands with the blocks taken again, a little later, where fields overlap."""
    if not season.overlap_fraction:
        return offset_h, band
    again = rng.random(band.shape[:2]) < season.overlap_fraction
    log_low, log_high = np.log(np.array(season.overlap_gap_min) / 60.0)
    later_h = np.exp(rng.uniform(log_low, log_high, band.shape[:2]))
    repeated = np.where(again[..., None], band, -1)
    offset_h = np.concatenate([offset_h, offset_h + later_h[..., None]], axis=2)
    band = np.concatenate([band, repeated], axis=2)
    order = np.argsort(np.where(band >= 0, offset_h, np.inf), axis=2)
    return tuple(np.take_along_axis(values, order, axis=2) for values in (offset_h, band))
