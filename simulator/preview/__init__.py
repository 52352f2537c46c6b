"""A look at simulated sequences: a contact sheet (PNG) or a movie (animated GIF)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from simulator.preview.animation import movie
from simulator.preview.contact_sheet import contact_sheet
from simulator.preview.picture_file import check_place
from skyreel.errors import SimulationError

SUFFIXES = (".png", ".gif")
_OBJECTS_PER_CLASS = 20  # made by ``preview``, of which it shows one


def preview(simulator, path):
    """Simulate a few objects of every class and write one of each as ``.png`` or ``.gif``.

    Parameters
    ----------
    simulator : simulator.simulator.Simulator
    path : path
        Its suffix decides: ``.png`` is a contact sheet, ``.gif`` a movie.

    Raises
    ------
    SimulationError
        Another suffix, or a place that cannot be written.
    """
    check_preview(path)
    draw = contact_sheet if Path(path).suffix.lower() == ".png" else movie
    labels = simulator.labels(
        "train", np.arange(_OBJECTS_PER_CLASS * len(simulator.options.cycle()))
    )
    first = [np.flatnonzero(labels == k)[:_OBJECTS_PER_CLASS] for k in np.unique(labels)]
    sequences = simulator.batch("train", np.sort(np.concatenate(first)))
    draw(sequences, simulator.classes, simulator.band_names, path, title=simulator.profile.title)


def check_preview(path) -> None:
    """Refuse, before any work, a path that cannot become a preview.

    Raises
    ------
    SimulationError
    """
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        found = f"the suffix {suffix!r}" if suffix else "no suffix"
        raise SimulationError(f"preview {path} has {found}; allowed are {' and '.join(SUFFIXES)}.")
    check_place(path)
