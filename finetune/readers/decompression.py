"""Files that may be gzipped, unpacked up to a size limit."""

from __future__ import annotations

import gzip
import zlib
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
