"""Regenerate objects of a data set, bit for bit, from what the data set holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from simulator.dataset.reader import open_dataset, stored_input, stored_profile
from simulator.options import Options
from simulator.plugins import check_plugins
from simulator.simulator import Sequences, Simulator
from skyreel.errors import SimulationError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_FILES = ("exposures", "magnitudes", "templates")


def simulator_of(path: str | Path) -> Simulator:
    """A simulator whose ``sequence(index, split)`` is object ``index`` of the data set.

    Raises
    ------
    SimulationError
        No data set there, real sequences, or an input file that is missing or has changed.
    """
    root = open_dataset(path)
    if "options" not in root.attrs:
        raise SimulationError(f"{path} was not simulated; real sequences cannot be regenerated.")
    check_plugins(path, root.attrs["settings"].get("plugins", ()))
    options = dict(root.attrs["options"])
    options |= {role: str(stored_input(root, role)) for role in _FILES if options[role]}
    return Simulator(stored_profile(root), Options(**options))


def regenerate(path: str | Path, indices: ArrayLike, split: str = "train") -> Sequences:
    """Objects ``indices`` of one split of a data set, the same to the last bit.

    Parameters
    ----------
    path : str or Path
        A simulated data set.
    indices : array_like of int, shape (object,)
        Positions in the split, in any order; also beyond its end.
    split : str
        "train", "validation" or "test".

    Returns
    -------
    Sequences

    Raises
    ------
    SimulationError
        As for `simulator_of`; also an unknown split or an index below 0.

    Examples
    --------
    >>> again = regenerate("hits.zarr", [3], "train").images[0]
    >>> bool((again == open_dataset("hits.zarr")["train"]["images"][3]).all())
    True
    """
    return simulator_of(path).batch(split, indices)
