"""Compression of the blocks of Avro container files, each unpacked up to a size limit."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable

from skyreel.errors import SequenceError

MAX_BLOCK_BYTES = 8 * 2**20  # packed or unpacked; a block holds one alert of 30 to 350 kB
_DAMAGE = (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, RuntimeError)


def codec_names() -> tuple[str, ...]:
    """Compressions that are read, as ``avro.codec`` names them."""
    return tuple(_UNPACKING)


def unpacker(codec: str) -> Callable[[bytes], bytes]:
    """The function that unpacks a block; its SequenceError says what is wrong with one."""
    unpack = _UNPACKING[codec]

    def checked(packed: bytes) -> bytes:
        try:
            content = unpack(packed)
        except _DAMAGE:  # pyarrow's errors among them
            raise SequenceError("a block of it cannot be unpacked.") from None
        if len(content) > MAX_BLOCK_BYTES:
            limit = f"{MAX_BLOCK_BYTES // 2**20} MiB"
            raise SequenceError(f"a block of it unpacks to more than the {limit} allowed.")
        return content

    return checked


def _snappy(packed):
    """Raw snappy, and the CRC-32 of what it unpacks to."""
    import pyarrow

    size = _size_in_snappy(packed)
    if size > MAX_BLOCK_BYTES or len(packed) < 5:
        return bytes(min(size, MAX_BLOCK_BYTES + 1))
    content = pyarrow.decompress(packed[:-4], size, codec="snappy", asbytes=True)
    if zlib.crc32(content) != int.from_bytes(packed[-4:], "big"):
        raise ValueError("checksum")
    return content


def _size_in_snappy(packed):
    """The size that a snappy block begins with: a number of up to five bytes."""
    size = 0
    for i, byte in enumerate(packed[:5]):
        size |= (byte & 0x7F) << 7 * i
        if byte < 0x80:
            return size
    raise ValueError("size")


def _zstandard(packed):
    import pyarrow

    with pyarrow.CompressedInputStream(pyarrow.BufferReader(packed), "zstd") as stream:
        return stream.read(MAX_BLOCK_BYTES + 1)


def _by(make):
    return lambda packed: make().decompress(packed, MAX_BLOCK_BYTES + 1)


_UNPACKING = {
    "null": bytes,
    "deflate": _by(lambda: zlib.decompressobj(-zlib.MAX_WBITS)),
    "bzip2": _by(bz2.BZ2Decompressor),
    "xz": _by(lzma.LZMADecompressor),
    "snappy": _snappy,
    "zstandard": _zstandard,
}
