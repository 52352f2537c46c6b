"""Files that are there whole, or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from classifier.errors import OutputError
from simulator.dataset.store import locked
from simulator.errors import StoreError


@contextmanager
def whole_file(path) -> Iterator[Path]:
    """Another name to write to, which becomes ``path`` once the block ends well.

    Raises
    ------
    OutputError
        The place cannot be written; nothing is left of the attempt.
    """
    path = Path(path)
    unfinished = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield unfinished
        unfinished.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error}).") from error
    finally:
        _discard(unfinished)


def _discard(unfinished):
    if unfinished.is_file():
        unfinished.unlink()


@contextmanager
def alone_in(folder) -> Iterator[None]:
    """Keep other processes of this program from writing in a folder, made if it is not there.

    Raises
    ------
    OutputError
        Another one is at it, or the folder cannot be made.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        descriptor = locked(folder)
    except StoreError as error:
        raise OutputError(str(error)) from None
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror or error}).") from None
    try:
        yield
    finally:
        os.close(descriptor)
