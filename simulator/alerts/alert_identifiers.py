"""Names and numbers of objects, detections and exposures, in the form each survey gives them.

They depend on the run's seed, the object and the time of the exposure alone. Two objects of a run
never share one: an object counts as ``number`` = 3 index + position of its split.
"""

from __future__ import annotations

import numpy as np

NIGHT_0_MJD = 57754.0
"""ZTF counts nights from 2017-01-01 (UT)."""

_LETTERS = 26**7
_STEP = 5_000_000_029  # shares no factor with 26 or 10
_SHIFT = 1_234_567_891
_QUADRANTS = 64
_CANDIDATES = 5000  # of one sign in an exposure of a quadrant
_POSITIVE, _NEGATIVE = 15_000, 10_000
_FIRST_OBJECT = 170_000_000_000_000_000  # real identifiers of 2026 begin with these digits
_OBJECTS = 10**14
MOST_OBJECTS = 10**9


def object_numbers(split_number: int, indices: np.ndarray) -> np.ndarray:
    """Numbers of objects of a split, int64; no two of a run are equal."""
    return 3 * np.asarray(indices, dtype=np.int64) + split_number


def _mixed(number, seed, size):
    """Another number below ``size`` for every number: a one-to-one map for each seed."""
    step, shift = _STEP % size, (int(seed) % size) * (_SHIFT % size)
    return [(int(each) * step + shift) % size for each in number]


def ztf_names(number: np.ndarray, seed: int, first_mjd: np.ndarray) -> list[str]:
    """Names like ZTF18abcdefg: the year of the first exposure, and seven letters."""
    years = mjd_years(first_mjd)
    names = []
    for each, year in zip(_mixed(number, seed, _LETTERS), years.tolist(), strict=True):
        letters = ""
        for _ in range(7):
            each, letter = divmod(each, 26)
            letters = chr(ord("a") + letter) + letters
        names.append(f"ZTF{year % 100:02d}{letters}")
    return names


def mjd_years(mjd: np.ndarray) -> np.ndarray:
    """Calendar years of dates, int."""
    return _dates(mjd).astype("datetime64[Y]").astype(int) + 1970


def calendar_days(mjd: np.ndarray) -> np.ndarray:
    """Dates as whole numbers like 20260305."""
    days = _dates(mjd)
    months = days.astype("datetime64[M]")
    day = (days - months.astype("datetime64[D]")).astype(int) + 1
    return (months.astype(int) // 12 + 1970) * 10_000 + (months.astype(int) % 12 + 1) * 100 + day


def _dates(mjd):
    return np.datetime64("1858-11-17") + np.floor(np.asarray(mjd)).astype(int)


def ztf_quadrant(number: np.ndarray) -> np.ndarray:
    """The read-out channel (rcid, 0 to 63) that an object falls on."""
    return np.asarray(number) % _QUADRANTS


def ztf_pid(mjd: np.ndarray, rcid: np.ndarray) -> np.ndarray:
    """ZTF's number of a processed exposure: night, hundred-thousandth of the day, quadrant."""
    night, part = _night_and_part(np.asarray(mjd) - NIGHT_0_MJD)
    return ((night * 100_000 + part) * 100 + rcid) * 100 + 15


def ztf_candid(pid: np.ndarray, number: np.ndarray, is_positive: np.ndarray) -> np.ndarray:
    """ZTF's number of a detection: that of the exposure, and the candidate's number in it."""
    table, rest = candidate_number(number), np.asarray(number) // (_QUADRANTS * _CANDIDATES)
    sign = np.where(is_positive, _POSITIVE, _NEGATIVE)
    return pid * 1_000_000 + rest % 10 * 100_000 + sign + table


def candidate_number(number: np.ndarray) -> np.ndarray:
    """The number of an object's candidates in their exposures (``tblid``)."""
    return np.asarray(number) // _QUADRANTS % _CANDIDATES


def _night_and_part(days):
    night = np.floor(days).astype(np.int64)
    return night, np.minimum(np.floor((days - night) * 1e5).astype(np.int64), 99_999)


def rubin_visit(mjd: np.ndarray) -> np.ndarray:
    """A visit like 2026030500055: the day of observation (noon to noon, UT), and its part."""
    days = np.asarray(mjd) - 0.5
    return calendar_days(days) * 100_000 + _night_and_part(days)[1]


def rubin_source_id(mjd: np.ndarray, number: np.ndarray) -> np.ndarray:
    """An identifier of a detection or of a forced measurement: night, time and object."""
    night, part = _night_and_part(np.asarray(mjd) - 0.5 - NIGHT_0_MJD)
    return (night * 100_000 + part) * MOST_OBJECTS + np.asarray(number) % MOST_OBJECTS


def rubin_object_id(number: np.ndarray, seed: int) -> np.ndarray:
    """An identifier of an object, int64."""
    return np.array(_mixed(number, seed, _OBJECTS), dtype=np.int64) + _FIRST_OBJECT


def asteroid_designation(number: int) -> str:
    """The permanent number of a simulated asteroid, of a form that no real one has yet."""
    return f"9{number:09d}"
