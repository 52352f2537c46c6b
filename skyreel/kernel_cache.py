"""The folder of compiled kernels: one per version of the package, in the user's cache.

Numba keeps machine code beside the sources by default. There it outlives an upgrade, and then names
modules that no longer exist; and an installation may be read-only.
"""

from __future__ import annotations

import os
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from stat import S_IWOTH
from tempfile import gettempdir, mkdtemp

VARIABLE = "NUMBA_CACHE_DIR"


def use_kernel_cache() -> None:
    """Make Numba keep its machine code in `kernel_cache`, unless the user chose a folder."""
    if VARIABLE in os.environ:
        return
    os.environ[VARIABLE] = str(kernel_cache())
    if "numba" in sys.modules:  # it read the variable when it was imported
        sys.modules["numba"].config.CACHE_DIR = os.environ[VARIABLE]


def kernel_cache() -> Path:
    """The first of the user's cache folder and the temporary folder that can be written.

    What lies in the folder is executed: one that others can write to is not used.
    """
    try:
        name = f"numba-{version('skyreel')}"
    except PackageNotFoundError:  # a checkout that is not installed
        name = "numba"
    base = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    for folder in (Path(base) / "skyreel" / name, Path(gettempdir()) / f"skyreel-{_user()}" / name):
        try:
            folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder.mkdir(exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK) and all(map(_is_own, (folder, folder.parent))):
            return folder
    return Path(mkdtemp(prefix="skyreel-"))


def _is_own(folder):
    if not hasattr(os, "getuid"):
        return True
    found = folder.stat()
    return found.st_uid == os.getuid() and not found.st_mode & S_IWOTH


def _user():
    return os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
