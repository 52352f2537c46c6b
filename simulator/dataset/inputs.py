"""Input files of a simulation, copied into its data set so that it regenerates anywhere.

A copy lies at ``inputs/ROLE/NAME`` inside the data set; the attribute ``inputs`` holds place,
digest and size of each. A folder of templates above ``MAX_FOLDER_BYTES`` is recorded by its
digest alone and has to stay where it is.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zarr

from skyreel.console import size_text
from skyreel.errors import SimulationError
from skyreel.provenance import file_digest, folder_digest

FOLDER = "inputs"
MAX_FILE_BYTES = 4 * 2**30  # a whole Rubin schedule has about 1 GB
MAX_FOLDER_BYTES = 2**30


@dataclass(frozen=True)
class InputFile:
    """A file, or a folder of files, that a simulation depends on."""

    path: Path
    digest: str
    size_bytes: int

    @property
    def label(self) -> str:
        """What the settings of a data set record: the name and the digest."""
        name = "" if self.path.is_dir() else f"{self.path.name} "
        return f"{name}sha256:{self.digest}"

    @property
    def is_copied(self) -> bool:
        """Whether data sets keep a copy; false for large folders."""
        return not self.path.is_dir() or self.size_bytes <= MAX_FOLDER_BYTES


def digest_of(path: Path) -> str:
    """Digest of a file, or of a folder with all its files."""
    return folder_digest(path) if path.is_dir() else file_digest(path)


def input_files(named: Mapping[str, str | Path | None]) -> dict[str, InputFile]:
    """Input files by role; roles without a file, or whose file is not there, are left out.

    Raises
    ------
    SimulationError
        A file is too large to be kept in a data set.
    """
    found = {}
    for role, path in named.items():
        if path is None or not Path(path).exists():
            continue
        path = Path(path).absolute()
        size = sum(file.stat().st_size for file in _files(path))
        if path.is_file() and size > MAX_FILE_BYTES:
            raise SimulationError(
                f"{path} ({role.replace('_', ' ')}) has {size_text(size)}; a data set keeps a "
                f"copy of it, which may have {size_text(MAX_FILE_BYTES)}. Cut it down to what "
                "the simulation needs."
            )
        found[role] = InputFile(path, digest_of(path), size)
    return found


def _files(path):
    return [f for f in path.rglob("*") if f.is_file()] if path.is_dir() else [path]


def described(inputs: Mapping[str, InputFile]) -> dict[str, Any]:
    """The attribute ``inputs`` of a data set."""
    return {
        role: {
            "file": f"{FOLDER}/{role}/{each.path.name}" if each.is_copied else None,
            "sha256": each.digest,
            "bytes": each.size_bytes,
        }
        for role, each in inputs.items()
    }


def copy_inputs(folder: Path, inputs: Mapping[str, InputFile]) -> None:
    """Copy input files into the data set at ``folder``.

    Raises
    ------
    SimulationError
        A file changed since its digest was taken.
    OSError
        It cannot be read or written.
    """
    places = {role: entry["file"] for role, entry in described(inputs).items()}
    if any(places.values()):
        zarr.create_group(folder / FOLDER)  # so that listing the data set gives no warning
    for role, place in places.items():
        if place is None:
            continue
        given, copy = inputs[role].path, folder / place
        for file in _files(given):  # contents alone: a copy of a read-only file can be removed
            target = copy / file.relative_to(given)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
        if digest_of(copy) != inputs[role].digest:
            raise SimulationError(f"{given} changed while it was copied. Run the command again.")
