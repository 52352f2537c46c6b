"""Blocks of a forecast on disk: each is simulated and predicted once, then kept.

A forecast is made in a folder beside its own, OUT.partial, which is renamed when it is complete.
One that was stopped continues there after the last finished block.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from skyreel.atomic_files import (
    folder_lock,
    new_folder_lock,
    read_arrays,
    whole_file,
    write_arrays,
)
from skyreel.errors import ClassifierError, OutputError, StoreError
from skyreel.json_io import plain

SETTINGS = "settings.json"
_BLOCKS = "blocks"


@contextmanager
def unfinished_folder(out: Path, settings: Mapping[str, Any]) -> Iterator[Path]:
    """A folder to write a forecast to, renamed to ``out`` at the end of the block.

    It holds the blocks of an earlier run with the same settings; else it is empty. After an error
    it stays if there is a block to continue with.

    Raises
    ------
    ClassifierError
        ``out`` is there and not empty.
    OutputError
        The folder cannot be written, or another process is writing it.
    """
    refuse_filled(out)
    folder, text = out.with_name(f"{out.name}.partial"), json.dumps(plain(settings), sort_keys=True)
    try:
        descriptor = _continued(folder, text) or _begun(folder, text)
    except StoreError as error:
        raise OutputError(str(error)) from None
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror or error}).") from None
    try:
        yield folder
        shutil.rmtree(folder / _BLOCKS, ignore_errors=True)
        (folder / SETTINGS).unlink()
        folder.replace(out)
    except OSError as error:
        raise OutputError(f"{out}: cannot be written ({error.strerror or error}).") from None
    finally:
        if folder.is_dir() and not (folder / _BLOCKS).is_dir():
            shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def refuse_filled(out: Path) -> None:
    """Check that a folder is not there, or empty.

    Raises
    ------
    ClassifierError
    """
    if out.is_dir() and any(out.iterdir()):
        raise ClassifierError(f"--out {out} is not empty. Give another folder, or remove it first.")


def _continued(folder, text):
    """The lock of a folder with the same settings, None where there is none."""
    if not (folder / SETTINGS).is_file():
        return None
    descriptor = folder_lock(folder)
    try:
        if (folder / SETTINGS).read_text(encoding="utf-8") == text:
            return descriptor
    except (OSError, ValueError):
        pass
    os.close(descriptor)
    return None


def _begun(folder, text):
    descriptor = new_folder_lock(folder)
    with whole_file(folder / SETTINGS) as path:
        path.write_text(text, encoding="utf-8")
    return descriptor


def kept_block(
    folder: Path, name: str, make: Callable[[], dict[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    """The arrays of a block: those of an earlier run, or new ones, which are kept."""
    path = folder / _BLOCKS / f"{name}.npz"
    if path.is_file():
        try:
            return read_arrays(path, "It is made again.")
        except ClassifierError:
            path.unlink()
    arrays = make()
    write_arrays(path, arrays)
    return arrays
