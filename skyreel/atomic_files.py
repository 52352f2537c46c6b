"""Files written whole or not at all, and folders used by one process at a time."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from skyreel.array_archives import check_archive
from skyreel.errors import ClassifierError, OutputError, StoreError

try:
    import fcntl
except ImportError:  # not a POSIX system: folders are not locked
    fcntl = None

SETTINGS = "training.json"


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Give another name to write to, renamed to ``path`` when the block ends without an error.

    Raises
    ------
    OutputError
        The path cannot be written, or another process is writing it; no unfinished file is left.
    """
    path = Path(path)
    unfinished = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = _file_lock(unfinished)
    except StoreError as error:
        raise OutputError(str(error)) from None
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error}).") from error
    try:
        yield unfinished
        unfinished.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error}).") from error
    finally:
        _discard(unfinished)
        if lock is not None:
            os.close(lock)


def _discard(unfinished):
    if unfinished.is_file():
        unfinished.unlink()


def _file_lock(path) -> int | None:
    """Make a file and lock it; StoreError if another process holds it."""
    if fcntl is None:  # an open file could not be renamed there
        return None
    return _lock_of(path, lambda: os.open(path, os.O_RDWR | os.O_CREAT, 0o666))


@contextmanager
def locked_folder(folder: str | Path) -> Iterator[None]:
    """Lock a folder against other processes of this program; make it if it is not there.

    Raises
    ------
    OutputError
        Another process holds the lock, or the folder cannot be made.
    """
    try:
        descriptor = _made_and_locked(Path(folder))
    except StoreError as error:
        raise OutputError(str(error)) from None
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror or error}).") from None
    try:
        yield
    finally:
        os.close(descriptor)


def claim_folder(
    folder: Path,
    settings: dict[str, Any],
    *,
    complete: bool,
    upgrade: Callable[[dict[str, Any]], dict[str, Any]] = lambda found: found,
) -> None:
    """Record the settings of the run a folder belongs to, or check that they are the same.

    Versions of packages may differ once the run is ``complete``. ``upgrade`` brings settings that
    an earlier version wrote to today's keys before they are compared.

    Raises
    ------
    ClassifierError
        The folder holds other files, or a run with other settings.
    OutputError
        It cannot be written.
    """
    marker = folder / SETTINGS
    if not marker.is_file() and _is_claimed_now(folder, marker, settings):
        return
    try:
        found = upgrade(json.loads(marker.read_text()))
    except (ValueError, RecursionError):
        raise ClassifierError(f"{marker} is damaged. Give another --out.") from None
    differing = [
        key
        for key in _differences(found, json.loads(json.dumps(settings)))
        if not (complete and key.startswith("versions"))
    ]
    if differing:
        raise ClassifierError(
            f"{folder} holds a model of other data or options ({'; '.join(differing[:3])}). "
            "Give another --out."
        )


def _is_claimed_now(folder, marker, settings):
    """Record the settings in a folder without any; False if another process does it meanwhile."""
    foreign = f"{folder} is not empty. Give another --out."
    if folder.exists() and not folder.is_dir():
        raise ClassifierError(foreign)
    with locked_folder(folder):
        if marker.is_file():
            return False
        if any(map(_is_foreign, folder.iterdir())):
            raise ClassifierError(foreign)
        with whole_file(marker) as path:
            path.write_text(json.dumps(settings))
    return True


def _is_foreign(path):
    return not path.name.endswith(".partial")  # left by a run that was killed at its start


def _differences(there, now, name=""):
    """Differences between two nested dictionaries, in words."""
    if isinstance(there, dict) and isinstance(now, dict):
        for key in sorted(there.keys() | now.keys()):
            yield from _differences(there.get(key), now.get(key), f"{name}.{key}".lstrip("."))
    elif there != now:
        yield f"{name}: {there!r} there, {now!r} now"


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


def write_arrays(path: str | Path, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays by their names, whole or not at all.

    Raises
    ------
    OutputError
    """
    with whole_file(path) as unfinished, unfinished.open("wb") as file:
        np.savez(file, **arrays)


def read_arrays(path: str | Path, otherwise: str) -> dict[str, np.ndarray]:
    """Read what ``write_arrays`` wrote.

    Raises
    ------
    ClassifierError
        The file is missing, damaged, or holds anything but arrays; ``otherwise`` says what to do.
    """
    check_archive(path, otherwise)
    try:
        with Path(path).open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except _DAMAGE as error:
        raise ClassifierError(f"{path} is missing or damaged ({error}). {otherwise}") from None
    if not all(isinstance(array, np.ndarray) for array in arrays.values()):
        raise ClassifierError(f"{path} is damaged: it holds more than arrays. {otherwise}")
    return arrays


@contextmanager
def interrupts_deferred(*, until_done: bool = False) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait until the block has ended.

    For writes that go on in a thread of their own after an interrupt: they would leave files.

    Parameters
    ----------
    until_done : bool
        The block is the end of a run: once it has ended without an error nothing is left to stop,
        and the interrupts are forgotten.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[tuple[int, Any]] = []
    earlier = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    for each, handler in earlier.items():
        if callable(handler):
            signal.signal(each, lambda *arguments: waiting.append(arguments))
    try:
        yield
        if until_done:
            waiting.clear()
    finally:
        for each, handler in earlier.items():
            if callable(handler):
                signal.signal(each, handler)
        for number, frame in waiting[:1]:
            earlier[number](number, frame)


def new_folder_lock(path: str | Path) -> int:
    """Make a folder, empty it and lock it, as `folder_lock` does.

    The lock is that of the folder, also after it has been renamed.

    Raises
    ------
    StoreError
        Another process holds it.
    """
    path = Path(path)
    descriptor = _made_and_locked(path)
    for each in path.iterdir():
        shutil.rmtree(each) if each.is_dir() and not each.is_symlink() else each.unlink()
    return descriptor


def _made_and_locked(folder):
    def opened():
        folder.mkdir(parents=True, exist_ok=True)
        return os.open(folder, os.O_RDONLY)

    return _lock_of(folder, opened)


def folder_lock(path: str | Path) -> int:
    """Lock a folder; the lock is held until the descriptor that is returned is closed.

    Raises
    ------
    StoreError
        Another process holds it.
    """
    return _lock_of(Path(path), lambda: os.open(path, os.O_RDONLY))


def _lock_of(path, opened) -> int:
    """The locked descriptor that ``opened`` gives of what lies at a path."""
    while True:
        descriptor = opened()
        if fcntl is None:
            return descriptor
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise StoreError(f"{path} is being written by another process.") from None
        except OSError:  # a file system without locks
            return descriptor
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor
        os.close(descriptor)  # another process has renamed or removed it meanwhile
