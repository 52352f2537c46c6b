"""Positions of the Sun, the Moon and a field: low-precision formulae, good to about 0.3 degree.

Angles are in degrees, hour angles in hours, times are MJD (UTC taken as UT1). Arguments
broadcast; numbers may stand for arrays. Sun and Moon follow the low-precision formulae of the
Astronomical Almanac (section D46; geocentric, so the Moon's altitude is off by up to 1 degree
of parallax).
"""

from __future__ import annotations

import numpy as np

OBLIQUITY_DEG = 23.439
SIDEREAL_PER_SOLAR = 1.00273790935
MJD_J2000 = 51544.5


def _sin(angle_deg):
    return np.sin(np.radians(angle_deg))


def _cos(angle_deg):
    return np.cos(np.radians(angle_deg))


def hour_angle_h(mjd: np.ndarray, ra_deg: np.ndarray, longitude_deg: float) -> np.ndarray:
    """Hour angle of a right ascension, -12 to 12 h (sidereal time of Meeus 1998, eq. 12.4)."""
    sidereal_deg = 280.46061837 + 360.98564736629 * (mjd - MJD_J2000) + longitude_deg
    return ((sidereal_deg - ra_deg + 180.0) % 360.0 - 180.0) / 15.0


def altitude_deg(hour_angle: np.ndarray, dec_deg: np.ndarray, latitude_deg: float) -> np.ndarray:
    """Altitude above the horizon at an hour angle in hours."""
    upright = _sin(latitude_deg) * _sin(dec_deg)
    level = _cos(latitude_deg) * _cos(dec_deg) * _cos(15.0 * hour_angle)
    return np.degrees(np.arcsin(np.clip(upright + level, -1.0, 1.0)))


def airmass(altitude: np.ndarray) -> np.ndarray:
    """Secant of the zenith distance; infinite on and below the horizon."""
    sine = _sin(altitude)
    with np.errstate(divide="ignore"):
        return np.where(sine > 0, 1.0 / np.where(sine > 0, sine, 1.0), np.inf)


def separation_deg(
    ra_1: np.ndarray, dec_1: np.ndarray, ra_2: np.ndarray, dec_2: np.ndarray
) -> np.ndarray:
    """Angle between two directions."""
    cosine = _sin(dec_1) * _sin(dec_2) + _cos(dec_1) * _cos(dec_2) * _cos(ra_1 - ra_2)
    return np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))


def sun_longitude_deg(mjd: np.ndarray) -> np.ndarray:
    """Ecliptic longitude of the Sun."""
    day = mjd - MJD_J2000
    anomaly = 357.528 + 0.9856003 * day
    return 280.460 + 0.9856474 * day + 1.915 * _sin(anomaly) + 0.020 * _sin(2 * anomaly)


def sun_equatorial_deg(mjd: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Right ascension and declination of the Sun."""
    return equatorial_deg(sun_longitude_deg(mjd), 0.0)


def sun_passages(mjd: np.ndarray, ra_deg: np.ndarray) -> np.ndarray:
    """How often the Sun has passed a right ascension, from an epoch that they share."""
    longitude = sun_longitude_deg(mjd)
    ahead = sun_equatorial_deg(mjd)[0] - longitude
    whole = longitude + (ahead + 180.0) % 360.0 - 180.0  # right ascension, growing for ever
    return np.floor((whole - ra_deg) / 360.0)


def sun_altitude_deg(mjd: np.ndarray, latitude_deg: float, longitude_deg: float) -> np.ndarray:
    """Altitude of the Sun above the horizon of a place."""
    ra_deg, dec_deg = sun_equatorial_deg(mjd)
    return altitude_deg(hour_angle_h(mjd, ra_deg, longitude_deg), dec_deg, latitude_deg)


def equatorial_deg(
    longitude: np.ndarray, latitude: np.ndarray | float
) -> tuple[np.ndarray, np.ndarray]:
    """Right ascension and declination of ecliptic positions."""
    x = _cos(latitude) * _cos(longitude)
    y = _cos(OBLIQUITY_DEG) * _cos(latitude) * _sin(longitude)
    y = y - _sin(OBLIQUITY_DEG) * _sin(latitude)
    z = _sin(OBLIQUITY_DEG) * _cos(latitude) * _sin(longitude)
    z = z + _cos(OBLIQUITY_DEG) * _sin(latitude)
    return np.degrees(np.arctan2(y, x)) % 360.0, np.degrees(np.arcsin(z))


def moon_ecliptic_deg(mjd: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ecliptic longitude and latitude of the Moon."""
    century = (mjd - MJD_J2000) / 36525.0
    longitude = 218.32 + 481267.881 * century
    for amplitude, phase, rate in (
        (6.29, 135.0, 477198.87),
        (-1.27, 259.3, -413335.36),
        (0.66, 235.7, 890534.22),
        (0.21, 269.9, 954397.74),
        (-0.19, 357.5, 35999.05),
        (-0.11, 186.5, 966404.03),
    ):
        longitude = longitude + amplitude * _sin(phase + rate * century)
    latitude = 0.0
    for amplitude, phase, rate in (
        (5.13, 93.3, 483202.02),
        (0.28, 228.2, 960400.89),
        (-0.28, 318.3, 6003.15),
        (-0.17, 217.6, -407332.21),
    ):
        latitude = latitude + amplitude * _sin(phase + rate * century)
    return longitude, latitude


def moon_equatorial_deg(mjd: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Right ascension and declination of the Moon."""
    return equatorial_deg(*moon_ecliptic_deg(mjd))


def moon_elongation_deg(mjd: np.ndarray) -> np.ndarray:
    """Angle between Moon and Sun: 0 at new moon, 180 at full."""
    return elongation_deg(mjd, *moon_ecliptic_deg(mjd))


def elongation_deg(mjd: np.ndarray, longitude: np.ndarray, latitude: np.ndarray) -> np.ndarray:
    """Angle between the Sun and an ecliptic position."""
    return np.degrees(np.arccos(_cos(latitude) * _cos(longitude - sun_longitude_deg(mjd))))


def moon_lit_fraction(mjd: np.ndarray) -> np.ndarray:
    """Fraction of the Moon's disc that is lit."""
    return (1.0 - _cos(moon_elongation_deg(mjd))) / 2.0
