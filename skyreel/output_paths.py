"""Checks of output paths before any work: what cannot be written is refused at once."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile

from skyreel.errors import UserError

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")  # a path has one slash of two left


def check_folder(path: Path | None, flag: str = "--out", *, dataset: bool = False) -> None:
    """Refuse an output folder that cannot be written; None is no output.

    Raises
    ------
    UserError
    """
    if path is None:
        return
    _refuse_url(path, flag)
    _refuse_impossible(path, flag)
    if path.exists() and not path.is_dir():
        raise UserError(f"{flag} {path} is a file; give a folder.")
    if not dataset and (path / "zarr.json").exists():
        raise UserError(f"{flag} {path} is a data set; write elsewhere.")
    _check_writable(path, flag, path if path.is_dir() else path.absolute().parent)


def check_file(
    path: Path | None,
    flag: str = "--out",
    suffixes: Iterable[str] = (),
    *,
    in_folder: bool = False,
) -> None:
    """Refuse an output file that cannot be written or has another suffix; None is no output.

    With ``in_folder``, its folder must be there already.

    Raises
    ------
    UserError
    """
    if path is None:
        return
    _refuse_url(path, flag)
    _refuse_impossible(path, flag)
    allowed = tuple(suffixes)
    if path.is_dir():
        raise UserError(f"{flag} {path} is a folder; give a file.")
    if allowed and path.suffix.lower() not in allowed:
        raise UserError(f"{flag} {path}: allowed are files ending in {', '.join(allowed)}.")
    if path.exists() and not os.access(path, os.W_OK):
        raise UserError(f"{flag} {path}: it cannot be written to.")
    if in_folder and not path.absolute().parent.is_dir():
        raise UserError(f"{flag} {path}: there is no folder {path.parent}; make it first.")
    _check_writable(path, flag, path.absolute().parent)


def _refuse_url(path, flag):
    if _URL.match(str(path)):
        raise UserError(
            f"{flag} {path} is a URL; only local paths can be written. Give one, and copy the "
            "result to where it should be."
        )


def _refuse_impossible(path, flag):
    """Refuse a name that no file can have, or that is too long for an unfinished one."""
    try:
        for name in (path.name, f"{path.name}.partial"):
            with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
                os.lstat(path.absolute().parent / name)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(
            f"{flag} {str(path)[:80]!r}: no file can have this name ({reason})."
        ) from None


def _check_writable(path, flag, place):
    """Make a file in the nearest folder that is there: permissions alone do not say if it works."""
    while not (place.exists() or place.is_symlink()):
        place = place.parent
    try:
        with TemporaryFile(dir=place):
            pass
    except OSError as error:
        raise UserError(
            f"{flag} {path}: {place} is not a folder that can be written to "
            f"({error.strerror or error})."
        ) from None
