"""Which visits of a schedule or visit table are used: where, when and of which programme."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from skyreel.errors import UserError
from survey_profiles import ephemeris
from survey_profiles.physical_ranges import known

PROGRAMMES = ("all", "wfd", "ddf")
_MJD_OF_ORDINAL_ZERO = -678576  # MJD = proleptic Gregorian ordinal - 678576
_IS_DATE = re.compile(r"\d{4}-?\d{2}-?\d{2}")
_DEEP_DRILLING = re.compile(r"\bddf|\bdd:|deep[ _-]?drilling", re.IGNORECASE)


@dataclass(frozen=True)
class VisitSelection:
    """Visits to use, as text so that it is the same on the command line and in files.

    Parameters
    ----------
    position : str or two float, optional
        Right ascension and declination in degrees, ``"150.1,2.2"``; else positions are drawn.
    programme : str
        "ddf": visits of deep drilling fields; "wfd": all others; "all".
    dates : str or pair, optional
        First and last date (UTC), ``"2026-07-01,2026-12-31"`` (the last day included), or two MJD.
    season : int, optional
        Observing season of every position, from 1 on. A season ends when the Sun has the right
        ascension of the position; the first begins with the table.

    Raises
    ------
    UserError
        A value that is none of these.
    """

    position: str | None = None
    programme: str = "all"
    dates: str | None = None
    season: int | None = None

    def __post_init__(self):
        for name in ("position", "dates"):
            value = getattr(self, name)
            if isinstance(value, list | tuple):
                object.__setattr__(self, name, ",".join(map(str, value)))
            elif not isinstance(value, str | None):
                raise UserError(f"{name} {value!r}; allowed: text, or two values.")
        if isinstance(self.season, bool) or not isinstance(self.season, int | None):
            raise UserError(f"season {self.season!r}; allowed: whole numbers from 1 on.")
        if self.programme not in PROGRAMMES:
            raise UserError(f"programme {self.programme!r}; allowed: {', '.join(PROGRAMMES)}.")
        if self.season is not None and self.season < 1:
            raise UserError(f"season {self.season}; allowed: 1 (the first) or more.")
        self.position_deg()
        self.dates_mjd()

    def __bool__(self) -> bool:
        return self != VisitSelection()

    def position_deg(self) -> tuple[float, float] | None:
        """Right ascension and declination."""
        if self.position is None:
            return None
        try:
            ra, dec = (float(part) for part in self.position.split(","))
        except ValueError:
            ra = dec = np.nan
        if np.isnan(known("ra_deg", ra)) or np.isnan(known("dec_deg", dec)):
            raise UserError(
                f"position {self.position!r}; allowed: right ascension and declination in degrees, "
                "as 150.1,2.2."
            )
        return ra, dec

    def dates_mjd(self) -> tuple[float, float] | None:
        """First time, and the first one after the last."""
        if self.dates is None:
            return None
        parts = [part.strip() for part in self.dates.split(",")]
        try:
            first, last = (_mjd(part) for part in parts)
        except ValueError:
            first = last = np.nan
        last += 1.0 if _IS_DATE.fullmatch(parts[-1]) else 0.0
        if not first < last or np.isnan(known("mjd", [first, last])).any():
            raise UserError(
                f"dates {self.dates!r}; allowed: the first and the last date, as "
                "2026-07-01,2026-12-31, or two MJD."
            )
        return first, last


def _mjd(text):
    if "-" not in text:
        return float(text)
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is not None:
        raise ValueError("a time zone")
    seconds = moment.hour * 3600 + moment.minute * 60 + moment.second
    return moment.toordinal() + _MJD_OF_ORDINAL_ZERO + seconds / 86400


def is_deep_drilling(text: str) -> bool:
    """Whether the target or note of a visit names a deep drilling field, as ``DD:COSMOS``."""
    return bool(_DEEP_DRILLING.search(text))


def season_numbers(
    mjd: NDArray[np.float64], ra_deg: NDArray[np.float64], first_mjd: float
) -> NDArray[np.int64]:
    """Observing season of visits: 1 plus the passages of the Sun since ``first_mjd``.

    Parameters
    ----------
    mjd, ra_deg : float array, shape (visit,)
        Times must be known.
    """
    passages = ephemeris.sun_passages(mjd, ra_deg) - ephemeris.sun_passages(first_mjd, ra_deg)
    return passages.astype(np.int64) + 1
