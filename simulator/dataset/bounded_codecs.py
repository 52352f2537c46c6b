"""Codecs of Zarr that decode a chunk to no more bytes than it holds.

A few bytes can claim gigabytes, or be compressed from them. `bounded_codecs` puts these codecs in
the place of Zarr's own while arrays are opened.
"""

from __future__ import annotations

import asyncio
import bz2
import gzip
import math
import zlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from io import BytesIO
from typing import Any

import numcodecs
import numpy as np
import pyarrow as pa
import zarr
from zarr import codecs
from zarr.registry import register_codec

_TEXT_BYTES = 1024  # chosen: of a text, in the mean over a chunk
_SIZE_AT = {"blosc": 4, "lz4": 0}  # where they write the decoded size, in four bytes
_READ = {
    "zlib": lambda content, n: zlib.decompressobj().decompress(content, n),
    "gzip": lambda content, n: gzip.GzipFile(fileobj=BytesIO(content)).read(n),
    "bz2": lambda content, n: bz2.BZ2File(BytesIO(content)).read(n),
    "zstd": lambda content, n: pa.CompressedInputStream(pa.BufferReader(content), "zstd").read(n),
}


def chunk_bytes(shape: Sequence[int], dtype: np.dtype) -> int:
    """Bytes of a chunk before compression; of text, the most."""
    itemsize = _TEXT_BYTES if dtype.kind in "OT" else dtype.itemsize
    return max(math.prod(shape), 1) * itemsize


def decoded(codec: str, content: bytes, most_bytes: int) -> bytes:
    """Decode a compressed chunk.

    Raises
    ------
    ValueError
        It has more bytes than ``most_bytes``; also other errors, where it is damaged.
    """
    if codec in _SIZE_AT:
        check_size(codec, content[:8], most_bytes)
        return numcodecs.get_codec({"id": codec}).decode(content)
    found = _READ[codec](content, most_bytes + 1)
    _refuse_more(len(found), most_bytes)
    return found


def check_size(codec: str, header: bytes, most_bytes: int) -> None:
    """Refuse a chunk whose header claims more bytes than ``most_bytes``.

    Raises
    ------
    ValueError
    """
    at = _SIZE_AT[codec]
    _refuse_more(int.from_bytes(header[at : at + 4], "little"), most_bytes)


def check_text_count(content: bytes, shape: Sequence[int]) -> None:
    """Refuse encoded texts that claim to be more than a chunk holds.

    Raises
    ------
    ValueError
    """
    claimed = int.from_bytes(content[:4], "little")
    if claimed > math.prod(shape):
        raise ValueError(f"it claims {claimed:,} texts, more than a chunk holds")


def _refuse_more(n_bytes, most_bytes):
    if n_bytes > most_bytes:
        raise ValueError(f"more than the {most_bytes:,} bytes that a chunk holds")


def _most_bytes(chunk_spec):
    return chunk_bytes(chunk_spec.shape, chunk_spec.dtype.to_native_dtype())


class _Checked:
    """A codec that checks the first bytes of a chunk; Zarr calls one of two methods, or both."""

    async def _decode_single(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
        self._check(_header(chunk_bytes), chunk_spec)
        return await super()._decode_single(chunk_bytes, chunk_spec)

    def _decode_sync(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
        self._check(_header(chunk_bytes), chunk_spec)
        return super()._decode_sync(chunk_bytes, chunk_spec)


def _header(chunk_bytes):
    return chunk_bytes.as_numpy_array()[:8].tobytes()


class _Stream:
    """A codec whose decoded size is not in its header, or not always."""

    async def _decode_single(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
        return await asyncio.to_thread(self._decode_sync, chunk_bytes, chunk_spec)

    def _decode_sync(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
        found = decoded(self._id, chunk_bytes.to_bytes(), _most_bytes(chunk_spec))
        return chunk_spec.prototype.buffer.from_bytes(found)


# Zarr compares their names with those of its own.


class BloscCodec(_Checked, codecs.BloscCodec):
    """Blosc, whose header has the decoded size."""

    def _check(self, header, chunk_spec):
        check_size("blosc", header, _most_bytes(chunk_spec))


class GzipCodec(_Stream, codecs.GzipCodec):
    """Gzip."""

    _id = "gzip"


class ZstdCodec(_Stream, codecs.ZstdCodec):
    """Zstandard."""

    _id = "zstd"


class VLenUTF8Codec(_Checked, codecs.VLenUTF8Codec):
    """Texts, after their number."""

    def _check(self, header, chunk_spec):
        check_text_count(header, chunk_spec.shape)


_CODECS = {
    "blosc": BloscCodec,
    "gzip": GzipCodec,
    "zstd": ZstdCodec,
    "vlen-utf8": VLenUTF8Codec,
}
for _name, _codec in _CODECS.items():
    register_codec(_name, _codec, qualname=f"{__name__}.{_codec.__name__}")


def bounded_codecs() -> AbstractContextManager:
    """A context in which Zarr opens arrays with the codecs of this module."""
    chosen = {f"codecs.{name}": f"{__name__}.{codec.__name__}" for name, codec in _CODECS.items()}
    return zarr.config.set(chosen)
