"""Moonlight scattered into the line of sight (Krisciunas & Schaefer 1991, PASP 103, 1033)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from survey_profiles import ephemeris

if TYPE_CHECKING:
    from survey_profiles.profile import Site

NANOLAMBERT_V_MAG = (20.7233 + np.log(34.08)) / 0.92104  # V mag/arcsec^2 of 1 nL, their eq. 27
V_EXTINCTION_MAG = 0.172  # per airmass, the value they use for Mauna Kea


def moonlight_nanolambert(
    moon_elongation: np.ndarray,
    moon_altitude: np.ndarray,
    field_altitude: np.ndarray,
    separation: np.ndarray,
) -> np.ndarray:
    """V-band surface brightness of scattered moonlight in nanolamberts; angles in degrees.

    Zero while the Moon is down. Their equations 3, 15, 20 and 21, good to 8-23 % by their
    own estimate.
    """
    phase = 180.0 - moon_elongation
    illuminance = 10.0 ** (-0.4 * (3.84 + 0.026 * phase + 4e-9 * phase**4))
    rayleigh = 10.0**5.36 * (1.06 + np.cos(np.radians(separation)) ** 2)
    mie = 10.0 ** (6.15 - separation / 40.0)
    reaching = 10.0 ** (-0.4 * V_EXTINCTION_MAG * _scattering_airmass(moon_altitude))
    scattered = 1.0 - 10.0 ** (-0.4 * V_EXTINCTION_MAG * _scattering_airmass(field_altitude))
    return np.where(moon_altitude > 0, (rayleigh + mie) * illuminance * reaching * scattered, 0.0)


def _scattering_airmass(altitude_deg):
    return (1.0 - 0.96 * np.cos(np.radians(altitude_deg)) ** 2) ** -0.5


def moonlight_at(
    mjd: np.ndarray, ra_deg: np.ndarray, dec_deg: np.ndarray, site: Site
) -> np.ndarray:
    """Scattered moonlight in nanolamberts towards a field at a time (arrays broadcast).

    Zero where the time is NaN.
    """
    mjd, ra_deg, dec_deg = np.broadcast_arrays(mjd, ra_deg, dec_deg)
    light, known = np.zeros(mjd.shape), np.isfinite(mjd)  # more than half is padding
    light[known] = _moonlight(mjd[known], ra_deg[known], dec_deg[known], site)
    return light


def _moonlight(mjd, ra_deg, dec_deg, site):
    moon = ephemeris.moon_ecliptic_deg(mjd)
    moon_ra, moon_dec = ephemeris.equatorial_deg(*moon)
    moon_hour = ephemeris.hour_angle_h(mjd, moon_ra, site.longitude_deg)
    field_hour = ephemeris.hour_angle_h(mjd, ra_deg, site.longitude_deg)
    return moonlight_nanolambert(
        ephemeris.elongation_deg(mjd, *moon),
        ephemeris.altitude_deg(moon_hour, moon_dec, site.latitude_deg),
        ephemeris.altitude_deg(field_hour, dec_deg, site.latitude_deg),
        ephemeris.separation_deg(ra_deg, dec_deg, moon_ra, moon_dec),
    )
