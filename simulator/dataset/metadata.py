"""The metadata of a data set, checked against the layout before Zarr reads any of them.

What a file claims is compared with limits, and with the chunks that are there, before anything is
allocated. Only the codecs named here are ever run.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from stat import S_ISREG
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from simulator.dataset.schema import FORMAT_VERSION, MARKS, PIXELS, SHARDS, fixed_specs, plane_specs
from simulator.options import PLANES, SPLITS
from skyreel.errors import SimulationError

FILE = "zarr.json"
MAX_METADATA_BYTES = 16 * 2**20
MAX_OBJECTS = 2**40
MAX_EPOCHS = 2**15 - 1  # n_epochs is int16
MAX_CHUNK_OBJECTS = 2**16
MAX_CHUNK_BYTES = 2**29
MAX_PIXEL_CHUNK_BYTES = 2**31  # what Blosc can hold
CODECS = ("bytes", "vlen-utf8", "blosc", "zstd", "gzip", "crc32c")
TYPES = (
    "bool",
    *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)),
    "float16",
    "float32",
    "float64",
    "string",
)
NEEDED_BY_EPOCH = (
    "mjd",
    "band",
    "exposure_time_s",
    "seeing_fwhm_arcsec",
    "sky_adu",
    "zero_point_mag",
)
NEEDED_BY_OBJECT = ("label", "n_epochs", "first_alert_epoch", "gain_e_per_adu", "read_noise_e")
NEEDED = ("images", "mask", *NEEDED_BY_EPOCH, *NEEDED_BY_OBJECT)
_NEVER_EMPTY = ("images", "mjd", "n_epochs")
_ALLOWED_KINDS = {"u": "ui", "i": "ui", "f": "f", "b": "b"}
_WIDE = ("mjd",)  # as float32 it would be rounded to minutes
_TEXT = ("object_id", "source_file")

_Name = Annotated[str, Field(min_length=1, max_length=200)]
_Length = Annotated[int, Field(ge=0, le=MAX_OBJECTS)]
_Step = Annotated[int, Field(ge=1, le=MAX_OBJECTS)]
_Axes = Annotated[list[_Length], Field(max_length=8)]
_Steps = Annotated[list[_Step], Field(max_length=8)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class _Codec(_Part):
    name: Literal[*CODECS]
    configuration: dict[str, Any] = {}


class _Sharding(_Part):
    chunk_shape: _Steps
    codecs: Annotated[list[_Codec], Field(min_length=1, max_length=4)]
    index_codecs: Annotated[list[_Codec], Field(min_length=1, max_length=2)]
    index_location: Literal["start", "end"] = "end"


class _Sharded(_Part):
    name: Literal["sharding_indexed"]
    configuration: _Sharding


class _GridShape(_Part):
    chunk_shape: _Steps


class _Grid(_Part):
    name: Literal["regular"]
    configuration: _GridShape


class _Separator(_Part):
    separator: Literal["/"] = "/"


class _Keys(_Part):
    name: Literal["default"]
    configuration: _Separator = _Separator()


class _Array(_Part):
    zarr_format: Literal[3]
    node_type: Literal["array"]
    shape: _Axes
    data_type: Literal[*TYPES]
    chunk_grid: _Grid
    chunk_key_encoding: _Keys
    fill_value: bool | int | float | str
    codecs: Annotated[list[_Codec | _Sharded], Field(min_length=1, max_length=4)]
    attributes: dict[str, Any] = {}
    dimension_names: list[str | None] | None = None
    storage_transformers: Annotated[list[Any], Field(max_length=0)] = []


class _Group(_Part):
    zarr_format: Literal[3]
    node_type: Literal["group"]
    attributes: dict[str, Any] = {}
    consolidated_metadata: Any = None  # not read


class _Input(BaseModel):
    file: Annotated[str, Field(pattern=r"^inputs/[^/]+/[^/]+$")] | None = None
    sha256: str | None = None


class _Plugin(BaseModel):
    sha256: str
    classes: list[str]
    path: str = ""


class _Settings(BaseModel):
    plugins: list[_Plugin] = []
    profile: dict[str, Any] = {}
    options: dict[str, Any] = {}
    versions: dict[str, Any] = {}


class _Attributes(BaseModel):
    """What every data set states of itself."""

    model_config = ConfigDict(strict=True)
    format_version: Literal[FORMAT_VERSION]
    classes: Annotated[list[_Name], Field(max_length=255)]
    bands: Annotated[list[_Name], Field(min_length=1, max_length=255)]
    survey: str = "unknown"
    profile: dict[str, Any] = {}
    planes: list[Literal[*PLANES]] = [PLANES[0]]
    options: dict[str, Any] = {}
    settings: _Settings = _Settings()
    inputs: dict[str, _Input] = {}


@dataclass(frozen=True)
class ArrayLayout:
    """What the metadata of an array state.

    ``chunk_shape`` is that of its files, ``part_shape`` that of what is decoded at once.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    dimensions: tuple[str | None, ...] | None
    chunk_shape: tuple[int, ...]
    part_shape: tuple[int, ...]
    has_checksums: bool

    def chunks(self) -> Iterator[str]:
        """Places of its chunks, below the folder of the array."""
        for number in range(self.n_chunks):  # a claimed grid may be too large for a list
            place = []
            for count in reversed(self._grid):
                number, k = divmod(number, count)
                place.append(k)
            yield "/".join(map(str, ("c", *reversed(place))))

    @property
    def n_chunks(self) -> int:
        """Number of its chunks."""
        return math.prod(self._grid)

    @property
    def _grid(self):
        return [-(-n // step) for n, step in zip(self.shape, self.chunk_shape, strict=True)]

    def chunk(self, number: int) -> str:
        """Place of one chunk along the first axis, in an array that is cut along no other."""
        return "/".join(map(str, ("c", number, *[0] * (len(self.shape) - 1))))


@dataclass(frozen=True)
class Layout:
    """The splits of a data set and their arrays, as its metadata state them."""

    path: Path
    attributes: dict[str, Any]
    splits: dict[str, dict[str, ArrayLayout]]

    def must_be_whole(self, split: str, name: str) -> bool:
        """Whether every chunk of an array has a file once its shard is complete.

        Version 0.2 wrote no chunk of real sequences that held nothing but the fill value.
        """
        array = self.splits.get(split, {}).get(name)
        if array is None or name == MARKS:
            return False
        return array.has_checksums or "options" in self.attributes or name in _NEVER_EMPTY

    def missing_chunks(self, split: str) -> Iterator[Path]:
        """Files that a complete split must have and has not."""
        for name, array in self.splits[split].items():
            absent = (
                file
                for place in array.chunks()
                if not (file := self.path / split / name / place).is_file()
            )
            if self.must_be_whole(split, name):
                yield from absent
            elif name == "label" and len(self.attributes["classes"]) > 1:
                # left out where all are of the first class, which is not so for every chunk
                found = list(islice(absent, array.n_chunks))
                if found and len(found) == array.n_chunks:
                    yield found[0]

    def has_shard(self, split: str, shard: int) -> bool:
        """Whether every chunk of a shard is there."""
        return all(
            (self.path / split / name / array.chunk(shard)).is_file()
            for name, array in self.splits[split].items()
            if self.must_be_whole(split, name)
        )


def read_layout(path: Path) -> Layout:
    """Read and check all metadata of a data set.

    Raises
    ------
    SimulationError
        They are missing, damaged, or not those of a data set of this program.
    """
    attributes = _checked(_Group, path / FILE).attributes
    if "format_version" not in attributes:
        raise SimulationError(f"{path} is a Zarr group, but no data set of this program.")
    if attributes["format_version"] != FORMAT_VERSION:
        raise SimulationError(
            f"{path} has data format {str(attributes['format_version'])[:40]!r}; this version "
            f"reads {FORMAT_VERSION}."
        )
    _validated(_Attributes, attributes, path / FILE)
    for names in ("classes", "bands"):
        if len(set(attributes[names])) < len(attributes[names]):
            raise SimulationError(f"{path / FILE} is damaged: {names} has a name twice.")
    splits = {name: _split(path / name) for name in SPLITS if (path / name).is_dir()}
    _check_planes(path, attributes.get("planes", ()), splits)
    named = [name for name, arrays in splits.items() if "object_id" in arrays]
    if attributes.get("kind") == "real" and len(named) < len(splits):
        raise SimulationError(f"{path} lacks the array object_id, which real sequences have.")
    return Layout(path, attributes, splits)


def _check_planes(path, planes, splits):
    """Every array that the planes of a data set bring must be there."""
    needed = [spec.name for spec in plane_specs(planes)]
    for name, arrays in splits.items():
        if missing := [array for array in needed if array not in arrays]:
            raise SimulationError(
                f"{path / name} lacks the arrays {', '.join(missing)}, which a data set of the "
                f"planes {', '.join(planes)} holds. Copy it again, or make it again."
            )


def _split(folder):
    _checked(_Group, folder / FILE)
    arrays = {}
    for place in sorted(folder.iterdir()):
        if place.is_dir() and (place / FILE).exists():
            arrays[place.name] = _array(place)
    missing = [name for name in NEEDED if name not in arrays]
    if missing:
        raise SimulationError(
            f"{folder} lacks the arrays {', '.join(missing)}, which every data set holds. Copy "
            "it again, or make it again."
        )
    for spec in (*fixed_specs(), *plane_specs(PLANES)):
        if spec.name in arrays:
            _check_as_specified(folder, arrays[spec.name], spec)
    _check_text(folder, arrays)
    _check_sizes(folder, arrays)
    return arrays


def _array(folder) -> ArrayLayout:
    found = _checked(_Array, folder / FILE)
    chunk = found.chunk_grid.configuration.chunk_shape
    sharded = next((c.configuration for c in found.codecs if isinstance(c, _Sharded)), None)
    part = sharded.chunk_shape if sharded else chunk
    codecs = sharded.codecs if sharded else found.codecs
    names = found.dimension_names
    lengths = {len(found.shape), len(chunk), len(part), len(names or found.shape)}
    fits = len(lengths) == 1 and not any(n % step for n, step in zip(chunk, part, strict=True))
    if not fits or (sharded and len(found.codecs) > 1):
        raise SimulationError(f"{folder / FILE} is damaged: its shapes do not fit each other.")
    array = ArrayLayout(
        folder.name,
        tuple(found.shape),
        found.data_type,
        None if names is None else tuple(names),
        tuple(chunk),
        tuple(part),
        any(codec.name == "crc32c" for codec in codecs),
    )
    _check_chunk_size(folder, array)
    return array


def _check_chunk_size(folder, array):
    itemsize = 16 if array.dtype == "string" else np.dtype(array.dtype).itemsize
    size = itemsize * math.prod(array.part_shape)
    pixels = array.dimensions == PIXELS
    limit = MAX_PIXEL_CHUNK_BYTES if pixels else MAX_CHUNK_BYTES
    rows = max(array.part_shape[0] if pixels else array.chunk_shape[0], 1) if array.shape else 1
    if size > limit or rows > MAX_CHUNK_OBJECTS:
        raise SimulationError(
            f"{folder / FILE} claims chunks of {rows:,} objects and {size / 2**20:,.0f} MiB; "
            f"allowed are {MAX_CHUNK_OBJECTS:,} objects and {limit / 2**20:,.0f} MiB. The file is "
            "damaged, or no data set of this program."
        )


def _check_as_specified(folder, array, spec):
    expected = np.dtype(spec.dtype)
    allowed = "uif" if spec.name == "images" else _ALLOWED_KINDS[expected.kind]
    found = np.dtype("O" if array.dtype == "string" else array.dtype)
    narrow = found.itemsize < (8 if spec.name in _WIDE else 4) and found.kind == "f"
    if array.dimensions != spec.dimensions or found.kind not in allowed or narrow:
        raise SimulationError(
            f"{folder / array.name} is {array.dtype} with the dimensions "
            f"{_listed(array.dimensions)}; this array of a data set is {spec.dtype} with "
            f"{_listed(spec.dimensions)}."
        )


def _listed(names):
    return ", ".join(map(repr, names)) if names else "none"


def _check_text(folder, arrays):
    for name in _TEXT:
        if name in arrays and arrays[name].dtype != "string":
            raise SimulationError(
                f"{folder / name} is {arrays[name].dtype}; names are text (string)."
            )


def _check_sizes(folder, arrays):
    """One length per dimension, all shards of the same objects, one mark for each of them."""
    sizes = dict(zip(PIXELS, arrays["images"].shape, strict=True))
    per_shard = arrays["label"].chunk_shape[0]
    if MARKS in arrays:
        sizes[SHARDS[0]] = -(-sizes["object"] // per_shard)
    for array in arrays.values():
        for dimension, size in zip(array.dimensions or (), array.shape, strict=False):
            if sizes.get(dimension, size) != size:
                raise SimulationError(
                    f"{folder / array.name} has {size:,} along {dimension!r}, other arrays "
                    f"{sizes[dimension]:,}. The data set is damaged: copy it again, or make it "
                    "again."
                )
    if MARKS in arrays and (arrays[MARKS].dimensions, arrays[MARKS].dtype) != (SHARDS, "bool"):
        raise SimulationError(f"{folder / MARKS} is damaged: it is not one mark per shard.")
    epochs, rows, columns = arrays["images"].shape[1:]
    if not (1 <= epochs <= MAX_EPOCHS and rows == columns and rows >= 1):
        raise SimulationError(
            f"{folder / 'images'} has {epochs:,} epochs of {rows:,} x {columns:,} pixels; allowed "
            f"are 1 to {MAX_EPOCHS:,} epochs of square stamps."
        )


def _checked(model, file):
    """The content of a metadata file as a checked model."""
    return _validated(model, read_json(file), file)


def _validated(model, content, file):
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "content"
        raise SimulationError(
            f"{file} is damaged, or not of a data set of this program: {where[:80]}: "
            f"{first['msg'][:120]}."
        ) from None


def read_json(file: Path) -> dict[str, Any]:
    """The object in a JSON file of metadata.

    Raises
    ------
    SimulationError
        There is no such file, it is too large, or holds anything else.
    """
    try:
        status = file.stat()
        if not S_ISREG(status.st_mode) or status.st_size > MAX_METADATA_BYTES:
            raise SimulationError(
                f"{file} is damaged: no file of at most {MAX_METADATA_BYTES >> 20} MiB."
            )
        content = json.loads(file.read_bytes())
    except FileNotFoundError:
        raise SimulationError(
            f"{file.parent} is a folder, but no data set of this program."
        ) from None
    except OSError as error:
        raise SimulationError(f"{file} cannot be read ({error.strerror or error}).") from None
    except (ValueError, RecursionError):
        raise SimulationError(f"{file} is damaged: it is not JSON that can be read.") from None
    if not isinstance(content, dict):
        raise SimulationError(f"{file} is damaged: it is not a JSON object.")
    return content
