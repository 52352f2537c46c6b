"""The metadata of a data set, checked against the layout before Zarr reads any of them.

What the files claim is compared with limits, and with each other, before anything is allocated.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from simulator.dataset.layout import ArrayLayout, Layout
from simulator.dataset.metadata_files import (
    FILE,
    ArrayFile,
    Attributes,
    GroupFile,
    Sharded,
    checked_file,
    validated,
)
from simulator.dataset.schema import (
    ARTEFACT_SPEC,
    FORMAT_VERSION,
    MARKS,
    PIXELS,
    SHARDS,
    fixed_specs,
    plane_specs,
)
from simulator.options import PLANES, SPLITS
from skyreel.errors import SimulationError

MAX_EPOCHS = 2**15 - 1  # n_epochs is int16
MAX_CHUNK_OBJECTS = 2**16
MAX_CHUNK_BYTES = 2**29
MAX_PIXEL_CHUNK_BYTES = 2**31  # what Blosc can hold
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
_ALLOWED_KINDS = {"u": "ui", "i": "ui", "f": "f", "b": "b"}
_WIDE = ("mjd",)  # as float32 it would be rounded to minutes
_TEXT = ("object_id", "source_file")


def read_layout(path: Path) -> Layout:
    """Read and check all metadata of a data set.

    Raises
    ------
    SimulationError
        They are missing, damaged, or not those of a data set of this program.
    """
    attributes = checked_file(GroupFile, path / FILE).attributes
    if "format_version" not in attributes:
        raise SimulationError(f"{path} is a Zarr group, but no data set of this program.")
    if attributes["format_version"] != FORMAT_VERSION:
        raise SimulationError(
            f"{path} has data format {str(attributes['format_version'])[:40]!r}; this version "
            f"reads {FORMAT_VERSION}."
        )
    validated(Attributes, attributes, path / FILE)
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
    checked_file(GroupFile, folder / FILE)
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
    for spec in (*fixed_specs(), *plane_specs(PLANES), ARTEFACT_SPEC):
        if spec.name in arrays:
            _check_as_specified(folder, arrays[spec.name], spec)
    _check_text(folder, arrays)
    _check_sizes(folder, arrays)
    return arrays


def _array(folder) -> ArrayLayout:
    found = checked_file(ArrayFile, folder / FILE)
    chunk = found.chunk_grid.configuration.chunk_shape
    sharded = next((c.configuration for c in found.codecs if isinstance(c, Sharded)), None)
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
