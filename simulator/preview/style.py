"""Colours, markers, and writing of a picture."""

from __future__ import annotations

import os
from collections.abc import Sequence
from io import BytesIO
from itertools import cycle
from pathlib import Path

from skyreel.errors import SimulationError

# Colours that colour-blind readers can distinguish (Okabe & Ito 2008; wine: P. Tol's muted scheme).
BAND_STYLES = {
    "u": ("#0072B2", "s"),
    "g": ("#009E73", "o"),
    "r": ("#D55E00", "D"),
    "i": ("#E69F00", "^"),
    "z": ("#CC79A7", "P"),
    "y": ("#404040", "p"),
}
TINTS = {
    "saturated": "#E69F00",
    "bad_pixel": "#56B4E9",
    "cosmic_ray": "#FF5FB0",
    "outside_detector": "#009E73",
}
INK, FAINT, ALERT = "#1A1A1A", "#8A8A8A", "#882255"


def band_styles(bands: Sequence[str]) -> dict[str, tuple[str, str]]:
    """(colour, marker) of every band, by the last letter of its name where that is known."""
    spare = cycle(BAND_STYLES.values())
    return {b: BAND_STYLES.get(b[-1:].lower()) or next(spare) for b in bands}


def rgb_of(colour: str) -> tuple[int, int, int]:
    return tuple(int(colour[k : k + 2], 16) for k in (1, 3, 5))


def check_writable(path: str | Path) -> None:
    """Refuse, before any work, a path that cannot become a file."""
    path = Path(path)
    if not path.absolute().parent.is_dir():
        raise SimulationError(f"{path}: there is no folder {path.parent}; make it first.")
    if path.is_dir():
        raise SimulationError(f"{path} is a folder; give the path of a file.")
    if not os.access(path if path.exists() else path.absolute().parent, os.W_OK):
        raise SimulationError(f"{path}: cannot be written (permission denied).")


def write_picture(path: str | Path, image: BytesIO) -> None:
    try:
        Path(path).write_bytes(image.getvalue())
    except OSError as error:
        raise SimulationError(f"{path}: cannot be written ({error.strerror}).") from error
