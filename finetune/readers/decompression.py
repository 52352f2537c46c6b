"""Files that may be gzipped, unpacked up to a size limit."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from skyreel.errors import SequenceError

GZIP = b"\x1f\x8b"
_CHUNK_BYTES = 2**18


def unpacked(file: BinaryIO, limit_bytes: int) -> bytes:
    """The contents of a seekable binary file, unpacked if it is a gzip file.

    Raises
    ------
    SequenceError
        Its compression is damaged, or it unpacks to more than ``limit_bytes``.
    OSError
    """
    packed = file.read(2) == GZIP
    file.seek(0)
    try:
        return _limited(gzip.GzipFile(fileobj=file) if packed else file, limit_bytes)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise SequenceError("its gzip compression is cut short or damaged.") from None


def _limited(file, limit_bytes):
    content = bytearray()
    while chunk := file.read(min(_CHUNK_BYTES, limit_bytes + 1)):
        content += chunk
        if len(content) > limit_bytes:
            mib = limit_bytes / 2**20
            raise SequenceError(f"it unpacks to more than the {mib:g} MiB allowed.")
    return bytes(content)


class Room:
    """How much files may unpack to: a fixed amount, and a multiple of the bytes read of them.

    Real alerts in Avro blocks unpack to less than ten times their size, because their cutouts are
    compressed already; files made to fill memory or disk, to a thousand times.
    """

    base_bytes = 32 * 2**20
    ratio = 32

    def __init__(self) -> None:
        self._file: BinaryIO | None = None
        self._read = 0
        self._taken = 0

    @contextmanager
    def reading(self, file: BinaryIO) -> Iterator[None]:
        """Count the bytes that are read of a file, too."""
        self._file = file
        try:
            yield
        finally:
            self._read += file.tell()
            self._file = None

    def take(self, n_bytes: int) -> None:
        """Count unpacked bytes.

        Raises
        ------
        SequenceError
            They are too many; they are not counted then.
        """
        read = self._read + (self._file.tell() if self._file is not None else 0)
        if self._taken + n_bytes > self.base_bytes + self.ratio * read:
            raise SequenceError(
                f"its packets unpack to more than {self.ratio} times the bytes of the file; pack "
                "it anew without compression if that is right."
            )
        self._taken += n_bytes
