"""Rows of an array read straight from the files of its chunks.

Zarr takes milliseconds for a chunk and copies it three times. The chunks that this program writes
are Blosc with a checksum, cut along the first axis alone, some of them in shards (Zarr's
"sharding_indexed"). Such chunks are read here; of all others, and of every file that is not as it
should be, the caller asks Zarr.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import google_crc32c
import numpy as np
from numcodecs import Blosc
from zarr import codecs
from zarr.codecs.sharding import ShardingCodecIndexLocation

_CHECKSUM = struct.Struct("<I")
_PLACE = struct.Struct("<QQ")
_SIZE_AT = slice(4, 8)  # where Blosc writes the number of bytes that it holds
_DAMAGE = (OSError, ValueError, RuntimeError, struct.error)


class UnreadableChunkError(Exception):
    """A chunk that is not as it should be; Zarr says what is wrong."""


class _Form(NamedTuple):
    """Objects of a file and of a chunk in it; they differ where files are shards."""

    per_file: int
    per_chunk: int
    is_shard: bool


class ChunkFiles:
    """The chunks of one array.

    Parameters
    ----------
    folder : Path
        Of the array.
    metadata : zarr.core.metadata.ArrayV3Metadata
    form : tuple
        As `of` finds it.
    """

    def __init__(self, folder: Path, metadata: Any, form: _Form) -> None:
        self._folder, self._form = folder, form
        self._dtype = metadata.dtype.to_native_dtype()
        self._inner = tuple(metadata.shape[1:])
        self._n = metadata.shape[0]
        self._suffix = "/".join(["0"] * len(self._inner))
        self._n_bytes = math.prod((form.per_chunk, *self._inner)) * self._dtype.itemsize
        self._blosc = Blosc()

    @classmethod
    def of(cls, folder: Path, metadata: Any) -> ChunkFiles | None:
        """The chunks of an array; None if they are of another form."""
        form = _form(metadata)
        return None if form is None else cls(folder, metadata, form)

    def chunks(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """First and last object (exclusive) of every chunk with an object of first to last."""
        step = self._form.per_chunk
        for start in range(first // step * step, last, step):
            yield start, min(start + step, self._n)

    def rows(self, first: int, last: int) -> np.ndarray:
        """Objects ``first`` to ``last`` (exclusive).

        Raises
        ------
        UnreadableChunkError
        """
        out = np.empty((last - first, *self._inner), self._dtype)
        for start, end in self.chunks(first, last):
            chunk = self.chunk(start)
            low, high = max(start, first), min(end, last)
            if (low, high) == (first, last) and (low, high) == (start, end):
                return chunk[: end - start]
            out[low - first : high - first] = chunk[low - start : high - start]
        return out

    def chunk(self, start: int) -> np.ndarray:
        """The whole chunk that begins with object ``start``, padded beyond the last object.

        Raises
        ------
        UnreadableChunkError
        """
        try:
            content = _checked(self._stored(start))
            if content[_SIZE_AT] != self._n_bytes.to_bytes(4, "little"):
                raise UnreadableChunkError("it is of another size")
            out = np.empty((self._form.per_chunk, *self._inner), self._dtype)
            return self._blosc.decode(content, out)
        except _DAMAGE as error:
            raise UnreadableChunkError(str(error)) from None

    def _stored(self, start):
        """The bytes of a chunk, with its checksum."""
        number, within = divmod(start, self._form.per_file)
        content = (self._folder / f"c/{number}/{self._suffix}".rstrip("/")).read_bytes()
        if not self._form.is_shard:
            return content
        n = self._form.per_file // self._form.per_chunk
        index = _checked(content[-(n * _PLACE.size + _CHECKSUM.size) :])
        at, size = _PLACE.unpack_from(index, within // self._form.per_chunk * _PLACE.size)
        return content[at : at + size]


def _checked(content):
    """Content without the checksum at its end."""
    body = content[: -_CHECKSUM.size]
    if google_crc32c.value(body) != _CHECKSUM.unpack(content[-_CHECKSUM.size :])[0]:
        raise ValueError("its checksum differs")
    return body


def _form(metadata) -> _Form | None:
    outer = metadata.chunk_grid.chunk_shape
    if outer[1:] != metadata.shape[1:] or 0 in metadata.shape or 0 in outer:
        return None
    if metadata.chunk_key_encoding.to_dict() != {
        "name": "default",
        "configuration": {"separator": "/"},
    }:
        return None
    dtype = metadata.dtype.to_native_dtype()
    if dtype.kind not in "biuf" or dtype != dtype.newbyteorder("<"):
        return None
    chain = metadata.codecs
    if _is_blosc(chain):
        return _Form(outer[0], outer[0], is_shard=False)
    (shard, *others) = chain
    if others or not isinstance(shard, codecs.ShardingCodec):
        return None
    inner = shard.chunk_shape
    fits = inner[1:] == outer[1:] and inner[0] and outer[0] % inner[0] == 0
    at_end = shard.index_location == ShardingCodecIndexLocation.end
    if not (fits and at_end and _is_blosc(shard.codecs) and _is_index(shard.index_codecs)):
        return None
    return _Form(outer[0], inner[0], is_shard=True)


def _is_blosc(chain):
    kinds = (codecs.BytesCodec, codecs.BloscCodec, codecs.Crc32cCodec)
    return _are(chain, kinds) and _is_little(chain[0])


def _is_index(chain):
    return _are(chain, (codecs.BytesCodec, codecs.Crc32cCodec)) and _is_little(chain[0])


def _are(chain, kinds):
    return len(chain) == len(kinds) and all(map(isinstance, chain, kinds))


def _is_little(codec):
    return codec.endian is None or codec.endian.value == "little"
