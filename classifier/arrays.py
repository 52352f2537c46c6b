"""Files of plain arrays: nothing in them is ever run."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from classifier.errors import ClassifierError
from classifier.files import whole_file

_DAMAGE = (
    OSError,
    ValueError,
    KeyError,
    EOFError,
    TypeError,
    RuntimeError,
    zlib.error,
    zipfile.BadZipFile,
)


def write_arrays(path, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays by their names, whole or not at all.

    Raises
    ------
    OutputError
    """
    with whole_file(path) as unfinished, unfinished.open("wb") as file:
        np.savez(file, **arrays)


def read_arrays(path, otherwise: str) -> dict[str, np.ndarray]:
    """Read what ``write_arrays`` wrote.

    Raises
    ------
    ClassifierError
        The file is missing, damaged, or holds anything but arrays; ``otherwise`` says what to do.
    """
    try:
        with Path(path).open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except _DAMAGE as error:
        raise ClassifierError(f"{path} is missing or damaged ({error}). {otherwise}") from None
