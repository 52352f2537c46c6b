"""The options of a simulation, checked before any work starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import isfinite
from pathlib import Path

import numpy as np

from simulator.artefacts.kinds import parse_artefacts
from simulator.lightcurves import DEFAULT_CLASSES, class_names, light_curve_class
from simulator.observing.condition_errors import check_size
from simulator.rng import Draws, Purpose
from skyreel.errors import SimulationError
from survey_profiles import VisitSelection

STAMP_SIZES = (5, 101)
PLANES = ("science", "template", "difference")
PLANE_SIZES = (21, 63)
MAGNITUDE_LAWS = ("survey", "flat", "thesis")
_LONGEST_ROUND = 1000  # classes come in shuffled rounds of at most so many objects
_SHARE_ERROR = 0.01  # by which a class's share of a round may differ from the one asked


@dataclass(frozen=True)
class Options:
    """Options of a simulation, except the number of objects.

    Parameters
    ----------
    classes : mapping of class name to weight
    magnitudes : str
        ``survey``, ``flat``, ``thesis``, or the path of a table with a column ``magnitude``
        (and optionally ``class``).
    exposures : str, optional
        Table of exposures or visits; none draws them from the profile.
    position, programme, dates, season
        Visits of the table to use (`survey_profiles.VisitSelection`).
    templates : str, optional
        Folder of published light-curve templates.
    condition_error : float
        Size of the errors by which conditions differ from those planned
        (`simulator.observing.condition_errors`): 1 as published, 0 none.
    stamp_size_pix : int
        Odd, so that a source can sit in the central pixel.
    planes : tuple of str
        "science", which is always made, "template" and "difference", for stamps of 21 to 63 pixels.
    artefacts : str
        Chance that an exposure has an artefact, as ``"0.05"``, or kinds with chances, as
        ``"ghost:0.1,dipole:0.02"``; empty for none (`simulator.artefacts.kinds`).
    seed : int
    """

    classes: Mapping[str, float] = field(default_factory=lambda: dict.fromkeys(DEFAULT_CLASSES, 1))
    magnitudes: str = "survey"
    exposures: str | None = None
    position: str | None = None
    programme: str = "all"
    dates: str | None = None
    season: int | None = None
    templates: str | None = None
    condition_error: float = 0.0
    stamp_size_pix: int = 21
    planes: tuple[str, ...] = ("science",)
    artefacts: str = ""
    seed: int = 0

    def __post_init__(self):
        object.__setattr__(self, "planes", _in_order(self.planes))
        if self.visits and not self.exposures:
            raise SimulationError(
                "position, programme, dates and season select visits of a table; give exposures."
            )
        for name, weight in self.classes.items():
            light_curve_class(name)
            if not (isfinite(weight) and weight > 0):
                raise SimulationError(f"class {name}: weight {weight:g}; it must be above zero.")
        if not self.classes:
            raise SimulationError("no class to simulate; name at least one.")
        self._counts()
        check_size(self.condition_error)
        low, high = STAMP_SIZES
        if not (low <= self.stamp_size_pix <= high and self.stamp_size_pix % 2):
            raise SimulationError(
                f"stamp size {self.stamp_size_pix}; allowed are odd numbers of pixels from "
                f"{low} to {high}."
            )
        least, most = PLANE_SIZES
        if self.has_planes and not least <= self.stamp_size_pix <= most:
            raise SimulationError(
                f"stamp size {self.stamp_size_pix} with planes {', '.join(self.planes)}; allowed "
                f"with a template or a difference are {least} to {most}."
            )
        parse_artefacts(self.artefacts)
        if not 0 <= self.seed < 2**64:
            raise SimulationError(f"seed {self.seed}; allowed are 0 to {2**64 - 1}.")
        if self.magnitudes not in MAGNITUDE_LAWS and not Path(self.magnitudes).is_file():
            raise SimulationError(
                f"magnitudes {self.magnitudes!r}; allowed are {', '.join(MAGNITUDE_LAWS)}, or "
                "the path of a table."
            )
        if self.templates is not None and not Path(self.templates).is_dir():
            raise SimulationError(f"templates {self.templates}: there is no such folder.")

    @property
    def has_planes(self) -> bool:
        """Whether there is a plane beside the science image."""
        return len(self.planes) > 1

    @property
    def visits(self) -> VisitSelection:
        """Visits of the table of exposures that are used."""
        return VisitSelection(self.position, self.programme, self.dates, self.season)

    def cycle(self) -> list[int]:
        """Class numbers of one round, in which every class appears as often as its weight says."""
        return [k for k, count in enumerate(self._counts()) for _ in range(count)]

    def _counts(self):
        """Objects of every class in a round: the shortest round that keeps the shares."""
        weights = np.array(list(self.classes.values()), dtype=float)
        shares = weights / weights.sum()
        for length in range(len(shares), _LONGEST_ROUND + 1):
            counts = np.rint(shares * length).astype(int)
            if counts.sum() == length and abs(counts / length / shares - 1).max() < _SHARE_ERROR:
                return counts.tolist()
        rare = list(self.classes)[int(shares.argmin())]
        raise SimulationError(
            f"class {rare}: one object in {1 / shares.min():,.0f} is too rare for a round of at "
            f"most {_LONGEST_ROUND}; bring the weights closer together."
        )

    def as_dict(self) -> dict:
        """Plain values, as kept in a data set."""
        return {**asdict(self), "classes": dict(self.classes)}


def _in_order(planes):
    """Planes in the order of `PLANES`, the science image among them."""
    unknown = [plane for plane in planes if plane not in PLANES]
    if unknown:
        raise SimulationError(
            f"plane {unknown[0]!r}; allowed are {', '.join(PLANES)}, for instance "
            "science,template,difference."
        )
    return tuple(plane for plane in PLANES if plane in planes or plane == PLANES[0])


def parse_planes(text: str) -> tuple[str, ...]:
    """Planes of a text such as ``science,template``."""
    return tuple(filter(None, (plane.strip().lower() for plane in text.split(","))))


def parse_classes(text: str) -> dict[str, float]:
    """Classes and weights of a text such as ``SN:2,RRL,NV``."""
    classes: dict[str, float] = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        name, _, weight = part.partition(":")
        name = _known_name(name.strip())
        if name in classes:
            raise SimulationError(f"class {name} is named twice in {text!r}.")
        try:
            classes[name] = float(weight) if weight else 1.0
        except ValueError:
            raise SimulationError(
                f"class {name}: weight {weight!r} is not a number; write for instance {name}:2."
            ) from None
    if not classes:
        raise SimulationError(f"classes {text!r} names no class; write for instance SN:2,RRL,NV.")
    return classes


def _known_name(name):
    """The name itself if it is a class, or in capitals if that is one."""
    known = class_names()
    return name.upper() if name not in known and name.upper() in known else name


SPLITS = ("train", "validation", "test")
_SPLIT_SHIFT = 56


def addresses(split: str, indices: Sequence[int] | np.ndarray) -> np.ndarray:
    """Addresses of objects of a split, uint64, shape (object,).

    Raises
    ------
    SimulationError
        An unknown split, or an index that is not a whole number from 0 on.
    """
    if split not in SPLITS:
        raise SimulationError(f"split {split!r}; allowed are {', '.join(SPLITS)}.")
    indices = np.asarray(indices)
    whole = indices.size == 0 or np.issubdtype(indices.dtype, np.integer)
    if not whole or (indices < 0).any() or (indices >= 2**_SPLIT_SHIFT).any():
        raise SimulationError(
            f"indices of objects are whole numbers from 0 on, not {indices.ravel()[:3].tolist()}."
        )
    return indices.astype(np.uint64) + np.uint64(SPLITS.index(split) << _SPLIT_SHIFT)


def class_numbers(
    seed: int, split: str, indices: Sequence[int] | np.ndarray, cycle: Sequence[int]
) -> np.ndarray:
    """Class of every object: each round of ``len(cycle)`` objects is a shuffled ``cycle``."""
    indices = np.asarray(indices, dtype=np.int64)
    length = len(cycle)
    rounds, inverse = np.unique(indices // length, return_inverse=True)
    order = np.argsort(_round_draws(seed, split, rounds, length), axis=1)
    return np.asarray(cycle)[order[inverse, indices % length]]


def _round_draws(seed, split, rounds, length):
    return Draws(seed, addresses(split, rounds), Purpose.CLASS).uniforms(length)
