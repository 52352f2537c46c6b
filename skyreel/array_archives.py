"""Archives of arrays (``.npz``, ``.skops``) checked by their headers, before anything is allocated.

An array must have as many bytes in the archive as its header claims, and all arrays together must
not be much larger than the file: a few bytes cannot ask for terabytes.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

from numpy.lib import format as npy

from skyreel.errors import ClassifierError

MOST_MEMBERS = 100_000
MOST_EXPANSION = 50
"""Largest size of an archive unpacked, over that of its file; trees shrink by a factor of 10."""
_ALWAYS_ALLOWED = 2**26  # bytes unpacked
_LONGEST_HEADER = 10_000
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def check_archive(path: str | Path, otherwise: str) -> dict[str, tuple[int, ...]]:
    """Shapes of the arrays of an archive, by their names without the suffix ``.npy``.

    Parameters
    ----------
    path : path
    otherwise : str
        What to do with a damaged file, the end of the message.

    Raises
    ------
    ClassifierError
        The file is missing or no archive, or an array is not what its header claims.
    """
    try:
        size = Path(path).stat().st_size
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _check_sizes(members, size)
            arrays = [member for member in members if member.filename.endswith(".npy")]
            return {each.filename[: -len(".npy")]: _shape(archive, each) for each in arrays}
    except (OSError, RuntimeError, ValueError, zipfile.BadZipFile) as error:
        raise ClassifierError(f"{path} is missing or damaged ({error}). {otherwise}") from None


def _check_sizes(members, size):
    if len(members) > MOST_MEMBERS:
        raise ValueError(f"{len(members):,} members; at most {MOST_MEMBERS:,} are read")
    if len({member.filename for member in members}) < len(members):
        raise ValueError("two members have one name")
    unpacked = sum(member.file_size for member in members)
    if unpacked > max(_ALWAYS_ALLOWED, MOST_EXPANSION * size):
        raise ValueError(
            f"its members are {unpacked / 1e6:,.0f} MB, of a file of {size / 1e6:,.1f} MB; at most "
            f"{MOST_EXPANSION} times as much is read"
        )


def _shape(archive, member):
    with archive.open(member) as file:
        try:
            version = npy.read_magic(file)
            shape, _, dtype = _HEADERS[version](file, max_header_size=_LONGEST_HEADER)
        except Exception:  # Python's parser fails on malformed text in many ways
            raise ValueError(f"{member.filename!r:.80} has no header of an array") from None
        if dtype.hasobject or any(length < 0 for length in shape):
            raise ValueError(f"{member.filename!r:.80} is no plain array")
        claimed, held = _product(shape) * dtype.itemsize, member.file_size - file.tell()
        if claimed != held:
            raise ValueError(
                f"{member.filename!r:.80} claims the shape {shape!r:.80}, {claimed:,} bytes, and "
                f"has {held:,}"
            )
    return shape


def _product(shape):
    """Without overflow, unlike NumPy's."""
    total = 1
    for length in shape:
        total *= int(length)
    return total


def n_values(shapes: dict[str, tuple[int, ...]]) -> int:
    """Numbers in all arrays together."""
    return sum(_product(shape) for shape in shapes.values())
