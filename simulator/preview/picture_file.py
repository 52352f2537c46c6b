"""The file that a picture is written to."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path

from skyreel.errors import SimulationError


def check_writable(path: str | Path) -> None:
    """Refuse, before any work, a path that cannot become a file.

    Raises
    ------
    SimulationError
    """
    path = Path(path)
    if not path.absolute().parent.is_dir():
        raise SimulationError(f"{path}: there is no folder {path.parent}; make it first.")
    if path.is_dir():
        raise SimulationError(f"{path} is a folder; give the path of a file.")
    if not os.access(path if path.exists() else path.absolute().parent, os.W_OK):
        raise SimulationError(f"{path}: cannot be written (permission denied).")


def write_picture(path: str | Path, image: BytesIO) -> None:
    """Write an encoded picture.

    Raises
    ------
    SimulationError
    """
    try:
        Path(path).write_bytes(image.getvalue())
    except OSError as error:
        raise SimulationError(f"{path}: cannot be written ({error.strerror}).") from error
