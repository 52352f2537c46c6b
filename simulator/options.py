"""What a user may ask of a simulation, checked before any work starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from functools import reduce
from math import gcd, isfinite
from pathlib import Path

from simulator.errors import SimulationError
from simulator.lightcurves import DEFAULT_CLASSES, class_names, light_curve_class

STAMP_SIZES = (5, 101)
MAGNITUDE_LAWS = ("survey", "thesis")
_FINEST_WEIGHT = 20  # weights are taken to the nearest 1/20


@dataclass(frozen=True)
class Options:
    """One simulation, up to how many objects it makes.

    Parameters
    ----------
    classes : mapping of class name to weight
    magnitudes : str
        ``survey``, ``thesis``, or the path of a table with a column ``magnitude`` (and
        optionally ``class``).
    exposures : str, optional
        Table of real observing conditions; none draws them from the profile.
    templates : str, optional
        Folder of published light-curve templates.
    stamp_size_pix : int
        Odd, so that a source can sit in the central pixel.
    seed : int
    """

    classes: Mapping[str, float] = field(default_factory=lambda: dict.fromkeys(DEFAULT_CLASSES, 1))
    magnitudes: str = "survey"
    exposures: str | None = None
    templates: str | None = None
    stamp_size_pix: int = 21
    seed: int = 0

    def __post_init__(self):
        for name, weight in self.classes.items():
            light_curve_class_or_error(name)
            if not (isfinite(weight) and weight > 0):
                raise SimulationError(f"class {name}: weight {weight:g}; it must be above zero.")
        if not self.classes:
            raise SimulationError("no class to simulate; name at least one.")
        low, high = STAMP_SIZES
        if not (low <= self.stamp_size_pix <= high and self.stamp_size_pix % 2):
            raise SimulationError(
                f"stamp size {self.stamp_size_pix}; allowed are odd numbers of pixels from "
                f"{low} to {high}."
            )
        if not 0 <= self.seed < 2**64:
            raise SimulationError(f"seed {self.seed}; allowed are 0 to {2**64 - 1}.")
        if self.magnitudes not in MAGNITUDE_LAWS and not Path(self.magnitudes).is_file():
            raise SimulationError(
                f"magnitudes {self.magnitudes!r}; allowed are {', '.join(MAGNITUDE_LAWS)}, or "
                "the path of a table."
            )
        if self.templates is not None and not Path(self.templates).is_dir():
            raise SimulationError(f"templates {self.templates}: there is no such folder.")

    def cycle(self) -> list[int]:
        """Class numbers of one round, in which every class appears as often as its weight says."""
        shares = [Fraction(w).limit_denominator(_FINEST_WEIGHT) for w in self.classes.values()]
        shares = [max(share, Fraction(1, _FINEST_WEIGHT)) for share in shares]
        common = reduce(lambda a, b: a * b // gcd(a, b), (s.denominator for s in shares))
        counts = [int(share * common) for share in shares]
        divisor = reduce(gcd, counts)
        return [number for number, count in enumerate(counts) for _ in range(count // divisor)]

    def as_dict(self) -> dict:
        """Plain values, as kept in a data set."""
        return {**asdict(self), "classes": dict(self.classes)}


def light_curve_class_or_error(name):
    """The class of this name, or a SimulationError with the nearest one."""
    try:
        return light_curve_class(name)
    except ValueError as error:
        raise SimulationError(str(error)) from None


def parse_classes(text: str) -> dict[str, float]:
    """Classes and weights of a text such as ``SN:2,RRL,NV``."""
    classes: dict[str, float] = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        name, _, weight = part.partition(":")
        name = name.strip().upper() if name.strip().upper() in class_names() else name.strip()
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
