"""International Atomic Time (TAI) and Coordinated Universal Time (UTC).

The table of leap seconds is that of ERFA. After its end no more leap seconds are assumed, without
the warnings that ERFA gives for years ahead of it.
"""

from __future__ import annotations

from functools import cache

import erfa
import numpy as np
from numpy.typing import ArrayLike

_DAY_S = 86400.0


def tai_mjd(utc_mjd: ArrayLike) -> np.ndarray:
    """MJD in TAI of MJD in UTC; NaN stays NaN."""
    utc = np.asarray(utc_mjd, dtype=float)
    return utc + _offset_s(utc) / _DAY_S


def utc_mjd(tai_mjd: ArrayLike) -> np.ndarray:
    """MJD in UTC of MJD in TAI; NaN stays NaN."""
    tai = np.asarray(tai_mjd, dtype=float)
    starts, offsets = _table()
    known = np.nan_to_num(tai)
    return tai - _chosen(known, starts + offsets / _DAY_S, offsets) / _DAY_S


def _offset_s(utc):
    return _chosen(np.nan_to_num(utc), *_table())


def _chosen(mjd, starts, offsets):
    return offsets[np.maximum(np.searchsorted(starts, mjd, side="right") - 1, 0)]


@cache
def _table():
    """First days (MJD, UTC) and TAI - UTC [s] from then on."""
    table = erfa.leap_seconds.get()
    days = [f"{row['year']:04d}-{row['month']:02d}-01" for row in table]
    starts = np.array(days, dtype="datetime64[D]") - np.datetime64("1858-11-17")
    return starts.astype(float), np.asarray(table["tai_utc"], dtype=float)
