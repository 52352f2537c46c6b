"""Previews of simulated sequences: a contact sheet (PNG) or an animation (GIF)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from simulator.preview.animation import animation
from simulator.preview.contact_sheet import contact_sheet
from simulator.preview.picture_file import check_writable
from simulator.preview.triplet_sheet import triplet_sheet
from skyreel.errors import SimulationError

if TYPE_CHECKING:
    from simulator.simulator import Simulator

SUFFIXES = (".png", ".gif")
_OBJECTS_PER_CLASS = 20  # simulated by ``preview``, which draws one of them
_WITH_PLANES_PER_CLASS = 6  # with templates and differences
_MOST_PIXELS = 2**24  # of their science images


def preview(simulator: Simulator, path: str | Path) -> None:
    """Simulate a few objects of every class and write one of each as ``.png`` or ``.gif``.

    Parameters
    ----------
    simulator : simulator.simulator.Simulator
    path : path
        Its suffix decides: ``.png`` is a contact sheet, ``.gif`` an animation. A sheet has all
        planes that are made, an animation the science images.

    Raises
    ------
    SimulationError
        Another suffix, or a path that cannot be written.
    """
    check_preview(path)
    draw = contact_sheet if Path(path).suffix.lower() == ".png" else animation
    if draw is contact_sheet and simulator.options.has_planes:
        draw = triplet_sheet
    labels = simulator.labels(
        "train", np.arange(_OBJECTS_PER_CLASS * len(simulator.options.cycle()))
    )
    count = _OBJECTS_PER_CLASS
    if simulator.options.has_planes:
        pixels = len(simulator.classes) * simulator.n_epochs * simulator.options.stamp_size_pix**2
        count = max(1, min(_WITH_PLANES_PER_CLASS, _MOST_PIXELS // pixels))
    first = [np.flatnonzero(labels == k)[:count] for k in np.unique(labels)]
    sequences = simulator.batch("train", np.sort(np.concatenate(first)))
    draw(sequences, simulator.classes, simulator.band_names, path, title=simulator.profile.title)


def check_preview(path: str | Path) -> None:
    """Refuse, before any work, a path that cannot become a preview.

    Raises
    ------
    SimulationError
    """
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        found = f"the suffix {suffix!r}" if suffix else "no suffix"
        raise SimulationError(f"preview {path} has {found}; allowed are {' and '.join(SUFFIXES)}.")
    check_writable(path)
