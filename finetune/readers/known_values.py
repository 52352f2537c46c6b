"""Values out of files, known or unknown: each within its physical range, or NaN and noted."""

from __future__ import annotations

from math import isfinite, nan

import numpy as np
from numpy.typing import ArrayLike

from survey_profiles.physical_ranges import JD_OF_MJD_ZERO, PHYSICAL_RANGES, as_mjd, filled, known

_LARGEST_FLOAT32 = float(np.finfo(np.float32).max)


class KnownValues:
    """Values that are in their ranges, and notes on those that are not.

    None, NaN and masked values are unknown without a note.
    """

    def __init__(self) -> None:
        self._notes: dict[str, None] = {}

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence for each quantity with values that are taken as unknown or converted."""
        return tuple(self._notes)

    def column(self, quantity: str, values: ArrayLike, name: str | None = None) -> np.ndarray:
        """Values of a quantity as float64, NaN where unknown; ``name`` is that of the column."""
        values = filled(values)
        found = known(quantity, values)
        if (np.isnan(found) & ~np.isnan(values)).any():
            self._note_range(quantity, name)
        return found

    def times(self, values: ArrayLike, name: str) -> np.ndarray:
        """Modified Julian dates of a column of MJD or JD, NaN where unknown."""
        values = filled(values)
        mjd, n_julian = as_mjd(values)
        if n_julian:
            self._notes[f"{name} holds Julian dates; they were converted to MJD."] = None
        if (np.isnan(mjd) & ~np.isnan(values)).any():
            self._note_range("mjd", name)
        return mjd

    def number(self, quantity: str, value: object, name: str | None = None) -> float:
        """One value of a quantity; NaN if it is no number or out of range."""
        found = number(value)
        low, high, _ = PHYSICAL_RANGES[quantity]
        if low <= found <= high:
            return found
        if value is not None and value == value:  # None and NaN stand for unknown already
            self._note_range(quantity, name)
        return nan

    def _note_range(self, quantity, name):
        allowed = PHYSICAL_RANGES[quantity]
        name = name or quantity
        self._notes[f"{name} beyond the range {allowed} is taken as unknown."] = None


def number(value: object) -> float:
    """A value of a packet or header as a finite number; NaN if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return nan
    return float(value) if abs(value) <= _LARGEST_FLOAT32 else nan


def in_range(quantity: str, value: object) -> float:
    """A value in the range of its quantity; NaN if it is no number or beyond it."""
    found = number(value)
    low, high, _ = PHYSICAL_RANGES[quantity]
    return found if low <= found <= high else nan


def mjd_of(value: object) -> float:
    """A time as MJD, whether it is one or a JD; NaN if it is neither."""
    found = number(value)
    shifted = in_range("mjd", found - JD_OF_MJD_ZERO)
    return shifted if isfinite(shifted) else in_range("mjd", found)
