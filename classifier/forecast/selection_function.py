"""Efficiency of a schedule and a model: the selection function, in bins of what objects are.

Efficiencies are fractions of all objects drawn: those that are detected, and those that are also
classified correctly after their last image. Intervals are Wilson's for 68.3 % (Wilson 1927,
J. Am. Stat. Assoc. 22, 209).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from classifier.forecast.objects import Columns
from simulator.lightcurves.supernovae.light_curve_kernels import TYPE_IA, TYPE_II

EDGES = {
    "magnitude": np.arange(10.0, 31.0, 0.5),
    "redshift": np.arange(0.0, 2.01, 0.05),
    "period_d": np.geomspace(0.01, 1000.0, 21),
    "host_mag": np.arange(10.0, 33.0, 1.0),
}
RA_EDGES_DEG = np.linspace(0.0, 360.0, 13)
DEC_EDGES_DEG = np.degrees(np.arcsin(np.linspace(-1.0, 1.0, 13)))
"""Edges of cells of equal area."""
SKY = "sky"
SUBTYPES = {"SN Ia": TYPE_IA, "SN II": TYPE_II}


@dataclass(frozen=True)
class Bin:
    """Efficiency in one bin; ``low`` and ``high`` of the cells of the sky are of ``ra_deg``."""

    group: str
    quantity: str
    low: float
    high: float
    dec_low_deg: float
    dec_high_deg: float
    n: int
    n_detected: int
    n_correct: int
    detected: float
    detected_low: float
    detected_high: float
    correct: float
    correct_low: float
    correct_high: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def wilson(successes: ArrayLike, n: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fraction, lower and upper end of the 68.3 % Wilson interval; NaN where ``n`` is 0."""
    k, n = np.broadcast_arrays(np.asarray(successes, dtype=float), np.asarray(n, dtype=float))
    some = np.maximum(n, 1.0)
    share = k / some
    centre = (share + 0.5 / some) / (1 + 1 / some)
    half = np.sqrt(share * (1 - share) / some + 0.25 / some**2) / (1 + 1 / some)
    unknown = n == 0
    return tuple(np.where(unknown, np.nan, v) for v in (share, centre - half, centre + half))


def groups(objects: Columns, classes: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Objects of every class, and of the types of supernovae, as bool (object,) by name."""
    found = {name: objects["label"] == k for k, name in enumerate(classes)}
    for name, subtype in SUBTYPES.items():
        parent = name.split()[0]
        if parent in found:
            found[name] = found[parent] & (objects["subtype"] == subtype)
    return {name: members for name, members in found.items() if members.any()}


def selection_function(
    objects: Columns, correct: np.ndarray, classes: tuple[str, ...]
) -> list[Bin]:
    """Efficiency of every group of objects in bins of every quantity, empty bins left out.

    Parameters
    ----------
    objects : mapping of str to numpy.ndarray
        As `classifier.forecast.objects.draw_objects` gives them.
    correct : numpy.ndarray of bool, shape (object,)
        Detected, and classified correctly after the last image.
    """
    found: list[Bin] = []
    for group, members in groups(objects, classes).items():
        found += _total(group, members, objects, correct)
        for quantity, edges in EDGES.items():
            found += _bins(group, quantity, members, objects, correct, edges)
        found += _sky(group, members, objects, correct)
    return found


def _total(group, members, objects, correct):
    yield from _made(group, "all", [(np.nan,) * 4], [members], objects, correct)


def _bins(group, quantity, members, objects, correct, edges):
    values = objects[quantity]
    inside = [members & (values >= low) & (values < high) for low, high in pairwise(edges)]
    places = [(low, high, np.nan, np.nan) for low, high in pairwise(edges)]
    yield from _made(group, quantity, places, inside, objects, correct)


def _sky(group, members, objects, correct):
    ra, dec = objects["ra_deg"] % 360.0, objects["dec_deg"]
    places, inside = [], []
    for low, high in pairwise(RA_EDGES_DEG):
        for south, north in pairwise(DEC_EDGES_DEG):
            places.append((low, high, south, north))
            here = (ra >= low) & (ra < high) & (dec >= south) & (dec < north)
            inside.append(members & here)
    yield from _made(group, SKY, places, inside, objects, correct)


def _made(group, quantity, places, inside, objects, correct) -> Iterator[Bin]:
    for place, rows in zip(places, inside, strict=True):
        n = int(rows.sum())
        if n:
            n_detected = int(objects["detected"][rows].sum())
            n_correct = int(correct[rows].sum())
            ends = [float(v) for k in (n_detected, n_correct) for v in wilson(k, n)]
            yield Bin(group, quantity, *map(float, place), n, n_detected, n_correct, *ends)


def bins_of(found: list[Bin], group: str, quantity: str) -> list[Bin]:
    """The bins of one group in one quantity, in order."""
    return [each for each in found if each.group == group and each.quantity == quantity]


def as_columns(found: Mapping[str, list[Bin]]) -> dict[str, list[Any]]:
    """Bins of several schedules and models, by (schedule, model), as columns of one table."""
    columns: dict[str, list[Any]] = {}
    for (schedule, model), each in found.items():
        for one in each:
            for name, value in {"schedule": schedule, "model": model, **one.as_dict()}.items():
                columns.setdefault(name, []).append(value)
    return columns
