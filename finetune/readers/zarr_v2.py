"""Zarr v2 stores, as xarray writes them, copied into the layout of data sets.

Only the codecs named here are run: the metadata of a v2 store may name any codec that is installed,
one that executes what it decodes among them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import zarr
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from zarr.storage import LocalStore

from simulator.dataset.bounded_codecs import check_text_count, chunk_bytes, decoded
from simulator.dataset.metadata import MAX_PIXEL_CHUNK_BYTES, NEEDED
from simulator.dataset.metadata_files import read_json
from simulator.dataset.schema import MARKS, PIXELS, ArraySpec
from simulator.dataset.writer import DatasetWriter
from simulator.options import SPLITS
from skyreel.errors import IngestError, SimulationError

COMPRESSORS = ("blosc", "zlib", "gzip", "zstd", "lz4", "bz2")
_MOST_CHUNKS = 10**7
TEXT_FILTER = "vlen-utf8"
_FIRST_EPOCHS = ("images", "mjd", "n_epochs")  # never empty
_PACKED = ("scale_factor", "add_offset")
_DAMAGE = (OSError, ValueError, TypeError, LookupError, ArithmeticError, RuntimeError, MemoryError)

_Steps = Annotated[list[Annotated[int, Field(ge=1)]], Field(max_length=4)]
_Lengths = Annotated[list[Annotated[int, Field(ge=0, le=2**40)]], Field(max_length=4)]


class _Codec(BaseModel):
    id: str


class _Array(BaseModel):
    model_config = ConfigDict(strict=True)
    zarr_format: Literal[2]
    shape: _Lengths
    chunks: _Steps
    dtype: Annotated[str, Field(pattern=r"^([<>|][biuf][1248]|[<>]U[0-9]{1,4}|\|O)$")]
    compressor: _Codec | None = None
    filters: list[_Codec] | None = None
    dimension_separator: Literal[".", "/"] = "."

    @property
    def n_chunks(self) -> int:
        """Number of its chunks."""
        return math.prod(-(-n // step) for n, step in zip(self.shape, self.chunks, strict=True))

    def chunk_keys(self) -> Iterator[str]:
        """Names of the chunks that hold the first epoch."""
        grid = [range(-(-n // step)) for n, step in zip(self.shape, self.chunks, strict=True)]
        grid[1:2] = [range(1)] if len(grid) > 1 else []
        for place in product(*grid):
            yield self.dimension_separator.join(map(str, place))


class _BoundedStore(LocalStore):
    """A folder of arrays whose chunks are refused where they decode to more than they hold."""

    arrays: dict[str, _Array]

    async def get(self, key: str, *arguments: Any, **named: Any) -> Any:
        """The bytes of a key."""
        return self._checked(key, await super().get(key, *arguments, **named))

    def get_sync(self, key: str, *arguments: Any, **named: Any) -> Any:
        """As `get`."""
        return self._checked(key, super().get_sync(key, *arguments, **named))

    def _checked(self, key, content):
        name, _, chunk = key.partition("/")
        array = self.arrays.get(name)
        if content is not None and array is not None and not chunk.startswith("."):
            plain = content.to_bytes()
            if array.compressor is not None:
                most = chunk_bytes(array.chunks, np.dtype(array.dtype))
                plain = decoded(array.compressor.id, plain, most)
            if array.dtype == "|O":
                check_text_count(plain, array.chunks)
        return content


def is_v2(path: Path) -> bool:
    """Whether a folder is a Zarr v2 store."""
    return (path / ".zgroup").is_file() and not (path / "zarr.json").exists()


def converted(path: Path, out: Path) -> Path:
    """Copy a v2 store of the arrays of a data set to ``out``, as such a data set.

    Raises
    ------
    IngestError, SimulationError
        It is damaged, names other codecs, or lacks arrays.
    """
    splits = {name: _arrays(path / name) for name in SPLITS if (path / name / ".zgroup").is_file()}
    if not splits:
        raise IngestError(f"{path} is a Zarr v2 store without a split {', '.join(SPLITS)}.")
    first = next(iter(splits))
    opened = {name: _opened(path, name, arrays) for name, arrays in splits.items()}
    shape = splits[first]["images"].shape
    try:
        with DatasetWriter(
            out,
            settings={},
            attributes=_attributes(path, first),
            specs=_specs(path / first, opened[first]),
            counts={name: arrays["images"].shape[0] for name, arrays in splits.items()},
            n_epochs=shape[1],
            size_pix=shape[2],
        ) as writer:
            for split, shard, start, end in writer.pending():
                rows = {s.name: opened[split][s.name][start:end] for s in writer.specs}
                writer.write_shard(split, shard, rows)
    except _DAMAGE as error:
        raise IngestError(f"{path} is damaged ({str(error)[:160]}).") from None
    return out


def _attributes(path, split):
    found = {**_attributes_of(path / split), **_attributes_of(path)}
    missing = [name for name in ("classes", "bands") if name not in found]
    if missing:
        raise IngestError(f"{path} has no attribute {' and no '.join(missing)}.")
    kept = ("classes", "bands", "survey", "kind", "profile", "source", "command", "versions")
    return {name: found[name] for name in kept if name in found}


def _attributes_of(folder):
    return read_json(folder / ".zattrs") if (folder / ".zattrs").is_file() else {}


def _arrays(folder) -> dict[str, _Array]:
    found = {}
    for place in sorted(folder.iterdir()):
        if (place / ".zarray").is_file() and place.name != MARKS:
            found[place.name] = _checked(place)
    missing = [name for name in NEEDED if name not in found]
    if missing:
        raise IngestError(f"{folder} lacks the arrays {', '.join(missing)}.")
    return found


def _checked(folder):
    content = read_json(folder / ".zarray")
    try:
        array = _Array.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise IngestError(f"{folder / '.zarray'}: {where}: {first['msg'][:120]}.") from None
    _check_codecs(folder, array)
    itemsize = 16 if array.dtype == "|O" else np.dtype(array.dtype).itemsize
    if len(array.shape) != len(array.chunks) or not array.shape:
        raise IngestError(f"{folder / '.zarray'} is damaged: shape and chunks do not fit.")
    if itemsize * math.prod(array.chunks) > MAX_PIXEL_CHUNK_BYTES:
        raise IngestError(f"{folder / '.zarray'} claims chunks that are too large.")
    if array.n_chunks > _MOST_CHUNKS:
        raise IngestError(f"{folder / '.zarray'} claims {array.n_chunks:,} chunks.")
    packed = [name for name in _PACKED if name in _attributes_of(folder)]
    if packed:
        raise IngestError(f"{folder}: values are packed ({packed[0]}); write them unpacked.")
    if folder.name in _FIRST_EPOCHS:
        missing = next((k for k in array.chunk_keys() if not (folder / k).is_file()), None)
        if missing is not None:
            raise IngestError(f"{folder / missing} is missing; the store is incomplete.")
    return array


def _check_codecs(folder, array):
    allowed = {TEXT_FILTER} if array.dtype == "|O" else set()
    filters = [codec.id for codec in array.filters or ()]
    refused = [name for name in filters if name not in allowed]
    if array.compressor is not None and array.compressor.id not in COMPRESSORS:
        refused.append(array.compressor.id)
    if refused or (array.dtype == "|O" and filters != [TEXT_FILTER]):
        named = ", ".join(repr(name[:40]) for name in refused) or "none"
        raise IngestError(
            f"{folder} is encoded with {named}; allowed are the compressors "
            f"{', '.join(COMPRESSORS)}, and {TEXT_FILTER} for text. Write it anew with one of them."
        )


def _opened(path, split, arrays):
    try:
        store = _BoundedStore(path / split, read_only=True)
        store.arrays = arrays
        group = zarr.open_group(store, mode="r", zarr_format=2, use_consolidated=False)
        return {name: group[name] for name in arrays}
    except _DAMAGE as error:
        raise IngestError(f"{path / split} is damaged ({str(error)[:160]}).") from None


def _specs(folder, arrays):
    sizes = dict(zip(PIXELS, arrays["images"].shape, strict=False))
    found = []
    for name, array in arrays.items():
        attributes = _attributes_of(folder / name)
        dimensions = tuple(attributes.get("_ARRAY_DIMENSIONS", ()))
        kind = array.dtype.kind
        if dimensions != PIXELS[: len(dimensions)] or len(dimensions) != len(array.shape):
            continue
        if array.shape != tuple(sizes.get(d) for d in dimensions):
            raise SimulationError(f"{folder / name} has another shape than the images.")
        dtype = "string" if kind in "OUT" else array.dtype.newbyteorder("=").name
        texts = (str(attributes.get(key, "")) for key in ("units", "description"))
        found.append(ArraySpec(name, dimensions, dtype, *texts))
    lacking = [name for name in NEEDED if name not in {spec.name for spec in found}]
    if lacking:
        raise IngestError(
            f"{folder}: {', '.join(lacking)} lack the dimensions of a data set "
            "(_ARRAY_DIMENSIONS: object, epoch, y, x)."
        )
    return tuple(found)
