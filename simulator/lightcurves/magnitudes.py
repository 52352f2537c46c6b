"""The distributions that objects' mean magnitudes are drawn from, in the reference band."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import erf

from simulator.lightcurves import class_names
from simulator.rng import Draws
from skyreel.errors import SimulationError
from survey_profiles.input_tables import read_table

if TYPE_CHECKING:
    from survey_profiles import Profile

THESIS_EXPONENT = 12.11  # p(m) ~ m^a, fitted to HiTS stars in g (Carrasco-Davis 2019)
THESIS_BRIGHT_MAG = 14.5  # Carrasco-Davis 2019
THESIS_CUTOFF_MAG = 22.8  # of every class that states no `thesis_cutoff_mag` of its own
_GRID_STEPS = 2001


@dataclass(frozen=True)
class MagnitudeLaw:
    """A density over magnitudes, one for all classes or one per class.

    Parameters
    ----------
    grid_mag : array, shape (step,)
        Increasing AB magnitudes.
    density : array, shape (step,)
        Relative density for every class that ``by_class`` does not name.
    by_class : mapping of class name to array, shape (step,)
    """

    grid_mag: np.ndarray
    density: np.ndarray
    by_class: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def limits_mag(self) -> tuple[float, float]:
        """The bright and the faint end."""
        return float(self.grid_mag[0]), float(self.grid_mag[-1])

    def draw(self, draws: Draws, class_name: str) -> np.ndarray:
        """Magnitudes of a batch, shape (object,)."""
        return draws.from_table(self.grid_mag, self.by_class.get(class_name, self.density))


def star_counts(bright_mag: float, faint_mag: float, slope_per_mag: float) -> MagnitudeLaw:
    """Counts that grow as 10^(slope m) between two magnitudes, the same for every class."""
    grid = np.linspace(bright_mag, faint_mag, _GRID_STEPS)
    return MagnitudeLaw(grid, 10.0 ** (slope_per_mag * (grid - faint_mag)))


def thesis(
    bright_mag: float, faint_mag: float, cutoffs_mag: Mapping[str, float] | None = None
) -> MagnitudeLaw:
    """The law of the thesis: m^12.11 with an erf cut-off (its section 3.1.2 and figure 3.2).

    ``cutoffs_mag`` gives the cut-off of classes that do not follow the common one.
    """
    grid = np.linspace(bright_mag, faint_mag, _GRID_STEPS)

    def density(cutoff_mag):
        return (grid / faint_mag) ** THESIS_EXPONENT * (1 - erf(grid - cutoff_mag)) / 2

    by_class = {name: density(cutoff) for name, cutoff in (cutoffs_mag or {}).items()}
    return MagnitudeLaw(grid, density(THESIS_CUTOFF_MAG), by_class)


@dataclass(frozen=True)
class ObservedMagnitudes:
    """Magnitudes of real objects, drawn with replacement.

    Parameters
    ----------
    magnitudes : array, shape (row,)
        For every class that ``by_class`` does not name.
    by_class : mapping of class name to array, shape (row,)
    """

    magnitudes: np.ndarray
    by_class: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def limits_mag(self) -> tuple[float, float]:
        """The brightest and the faintest of all."""
        return float(self.magnitudes.min()), float(self.magnitudes.max())

    def draw(self, draws: Draws, class_name: str) -> np.ndarray:
        """Magnitudes of a batch, shape (object,)."""
        rows = self.by_class.get(class_name, self.magnitudes)
        return rows[draws.integers(rows.size)]


def from_sample(magnitudes: ArrayLike, classes: Sequence[str] | None = None) -> ObservedMagnitudes:
    """The law of observed magnitudes; a class named in ``classes`` follows its own rows."""
    magnitudes = np.asarray(magnitudes, dtype=float)
    names = [] if classes is None else sorted(set(classes))
    return ObservedMagnitudes(
        magnitudes, {name: magnitudes[np.asarray(classes) == name] for name in names}
    )


def magnitude_law(
    choice: str, profile: Profile, models: Iterable[type] = ()
) -> MagnitudeLaw | ObservedMagnitudes:
    """The law that a user chose, for the classes of a simulation.

    Parameters
    ----------
    choice : str
        ``survey``, ``flat`` (as many stars at every magnitude; asteroids by their own counts),
        ``thesis``, or the path of a table with ``magnitude`` and maybe ``class``.

    Raises
    ------
    SimulationError
        The table cannot be read, or it names an unknown class.
    """
    field = profile.field
    limits = field.bright_mag, field.faint_mag
    if choice == "survey":
        return star_counts(*limits, field.star_counts_slope_per_mag)
    if choice == "flat":
        slopes = {m.name: m.counts_slope_per_mag for m in models}
        steep = {k: star_counts(*limits, v).density for k, v in slopes.items() if v is not None}
        return replace(star_counts(*limits, 0.0), by_class=steep)
    if choice == "thesis":
        cutoffs = {m.name: m.thesis_cutoff_mag for m in models if m.thesis_cutoff_mag is not None}
        return thesis(THESIS_BRIGHT_MAG, field.faint_mag, cutoffs)
    return _from_table(choice)


def _from_table(path) -> ObservedMagnitudes:
    """The law of a table; rows of unknown magnitude are not used."""
    table = read_table(Path(path), {"magnitude": "magnitude"}, ("class",), SimulationError)
    table.require(["magnitude"])
    magnitudes = table.known("magnitude", "magnitude")
    used = ~np.isnan(magnitudes)
    if "class" not in table:
        return from_sample(magnitudes[used])
    names = table.names["class"]
    unknown = [name for name in names.values if name not in class_names()]
    if unknown:
        raise SimulationError(
            f"{path}: column 'class' names {unknown[0][:40]!r}; known are "
            f"{', '.join(class_names())}."
        )
    used &= names.codes >= 0
    if not used.any():
        raise SimulationError(f"{path}: no row has both a magnitude and a class.")
    return from_sample(magnitudes[used], names.values[names.codes[used]].astype(str))
