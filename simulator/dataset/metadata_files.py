"""The files of metadata, ``zarr.json``: which form and size they may have.

Only the codecs named here are ever run.
"""

from __future__ import annotations

import json
from pathlib import Path
from stat import S_ISREG
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from simulator.dataset.schema import FORMAT_VERSION
from simulator.options import PLANES
from skyreel.errors import SimulationError

FILE = "zarr.json"
MAX_METADATA_BYTES = 16 * 2**20
MAX_OBJECTS = 2**40
CODECS = ("bytes", "vlen-utf8", "blosc", "zstd", "gzip", "crc32c")
TYPES = (
    "bool",
    *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)),
    "float16",
    "float32",
    "float64",
    "string",
)

Model = TypeVar("Model", bound=BaseModel)
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


class Sharded(_Part):
    """The codec of files that hold several chunks."""

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


class ArrayFile(_Part):
    """What the file of an array states."""

    zarr_format: Literal[3]
    node_type: Literal["array"]
    shape: _Axes
    data_type: Literal[*TYPES]
    chunk_grid: _Grid
    chunk_key_encoding: _Keys
    fill_value: bool | int | float | str
    codecs: Annotated[list[_Codec | Sharded], Field(min_length=1, max_length=4)]
    attributes: dict[str, Any] = {}
    dimension_names: list[str | None] | None = None
    storage_transformers: Annotated[list[Any], Field(max_length=0)] = []


class GroupFile(_Part):
    """What the file of a data set or of a split states."""

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


class Attributes(BaseModel):
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


def checked_file(model: type[Model], file: Path) -> Model:
    """The content of a metadata file.

    Raises
    ------
    SimulationError
        As `read_json`, or the content does not have the form of the model.
    """
    return validated(model, read_json(file), file)


def validated(model: type[Model], content: Any, file: Path) -> Model:
    """Content in the form of a model.

    Raises
    ------
    SimulationError
        It has another form; ``file`` is named.
    """
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
