"""Where a result comes from: package versions, digests of input files, the command line."""

from __future__ import annotations

import hashlib
import shlex
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_DIGEST_LETTERS = 16
_BLOCK_BYTES = 1 << 20


def versions(*packages: str) -> dict[str, str]:
    """Versions of packages by name; "not installed" where there is none."""
    return {name: _version(name) for name in packages}


def _version(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def file_digest(path: str | Path) -> str:
    """First 16 hexadecimal digits of the SHA-256 of a file."""
    total = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            total.update(block)
    return total.hexdigest()[:_DIGEST_LETTERS]


def folder_digest(path: str | Path) -> str:
    """First 16 hexadecimal digits of a SHA-256 over names and contents of a folder's files."""
    total = hashlib.sha256()
    for file in sorted(f for f in Path(path).rglob("*") if f.is_file()):
        total.update(str(file.relative_to(path)).encode() + file_digest(file).encode())
    return total.hexdigest()[:_DIGEST_LETTERS]


def command_line(name: str) -> str:
    """The command that is running, as one line for a shell."""
    arguments = sys.argv[1:]
    if arguments[:1] == [name]:  # of ``skyreel NAME``
        arguments = arguments[1:]
    return shlex.join([name, *arguments])
