"""Objects that are not used, and why, in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from skyreel.console import MOST_NAMES, first_names


@dataclass(frozen=True)
class LeftOut:
    """Objects ``names`` that are left out for one ``reason``, which ends "12 objects ..."."""

    reason: str
    names: tuple[str, ...]

    def __str__(self) -> str:
        return f"{len(self.names):,} {self.reason} ({first_names(self.names)})"


class Sieve:
    """Objects that are used: all but those that `leave_out` names, each for its first reason.

    Attributes
    ----------
    used : bool (object,)
    left_out : list of LeftOut
    """

    def __init__(self, names: Sequence[str] | np.ndarray) -> None:
        self._names = np.asarray(names).astype(str)
        self.used = np.ones(len(self._names), dtype=bool)
        self.left_out: list[LeftOut] = []

    def leave_out(self, which: ArrayLike, reason: str) -> None:
        """Leave out objects, bool (object,)."""
        rows = self.used & np.asarray(which)
        self.used &= ~rows
        if rows.any():
            self.left_out.append(LeftOut(reason, tuple(self._names[rows].tolist())))


def left_out_text(left_out: Iterable[LeftOut]) -> str:
    """All reasons as one sentence; empty where nothing is left out."""
    found = "; ".join(map(str, left_out))
    return f"Left out: {found}." if found else ""


def left_out_record(left_out: Iterable[LeftOut]) -> list[dict]:
    """The same for a JSON record, with the first names."""
    return [
        {"reason": each.reason, "objects": len(each.names), "first": list(each.names[:MOST_NAMES])}
        for each in left_out
    ]
