"""A data set on disk: Zarr v3, written shard by shard, each there whole or not at all.

A data set comes into being under another name and is renamed once its arrays are laid out.
From then on a run that stops can leave four things behind, and each is put right by the next:

A. temporary files of an unfinished write (removed when the data set is opened again);
B. some arrays of a shard written, others not (the shard has no mark, and is made again);
C. all arrays written but no mark (likewise; the same bytes are written once more);
D. everything marked (nothing to do).
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import zarr
from zarr.codecs import BloscCodec

from simulator.dataset.schema import FORMAT_VERSION, PIXELS, ArraySpec
from skyreel.atomic_files import folder_lock
from skyreel.errors import SimulationError, StoreError

CHUNK_OBJECTS = 64
_SHARD_BYTES = 96 * 2**20  # images of one shard, before compression
_MAX_SHARD_OBJECTS = 4096
_MARKS = "shard_done"
_UNFINISHED = ".creating"


def shard_objects(n_epochs: int, size_pix: int, pixel_bytes: int = 2) -> int:
    """Objects per shard: a multiple of the chunk whose images stay below 96 MiB."""
    fitting = _SHARD_BYTES // (pixel_bytes * n_epochs * size_pix**2)
    return int(np.clip(fitting // CHUNK_OBJECTS, 1, _MAX_SHARD_OBJECTS // CHUNK_OBJECTS)) * (
        CHUNK_OBJECTS
    )


class DatasetWriter:
    """The data set of one run, made if it is not there and continued if it is.

    Parameters
    ----------
    path : path
    settings : dict
        Everything the data depends on. A data set made with others is refused.
    attributes : dict
        What else describes the data.
    specs : sequence of ArraySpec
    counts : dict of split to number of objects
    n_epochs, size_pix : int

    Raises
    ------
    SimulationError
        The path holds something else, or a data set made with other settings.
    """

    def __init__(self, path, *, settings, attributes, specs, counts, n_epochs, size_pix):
        self.path = Path(path)
        self.specs = tuple(specs)
        self.counts = dict(counts)
        self.shape = {"epoch": n_epochs, "y": size_pix, "x": size_pix}
        pixel_bytes = next(np.dtype(s.dtype).itemsize for s in self.specs if s.name == "images")
        self.per_shard = shard_objects(n_epochs, size_pix, pixel_bytes)
        attributes = {**attributes, "settings": settings, "format_version": FORMAT_VERSION}
        if _is_free(self.path):
            self._create(attributes)
        refuse_other_settings(self.path, settings)
        self._lock = folder_lock(self.path)
        for leftover in self.path.rglob("*.partial"):
            leftover.unlink(missing_ok=True)
        self._root = open_root(self.path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        """Let another process write."""
        os.close(self._lock)

    def _create(self, attributes):
        unfinished = self.path.with_name(f"{self.path.name}{_UNFINISHED}")
        try:
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.parent.mkdir(parents=True, exist_ok=True)
            root = zarr.create_group(unfinished, attributes=attributes)
            names = {key: attributes[key] for key in ("classes", "bands")}
            for split, count in self.counts.items():
                self._create_split(root.create_group(split, attributes=names), count)
            unfinished.rename(self.path)
        except OSError as error:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise StoreError(f"{self.path}: cannot be written ({error.strerror}).") from error

    def _create_split(self, group, count):
        for spec in self.specs:
            _create_array(group, spec, count, self.shape, self.per_shard)
        n_shards = -(-count // self.per_shard)
        group.create_array(
            _MARKS,
            shape=(n_shards,),
            chunks=(1,),
            dtype="bool",
            compressors=None,
            dimension_names=("shard",),
            attributes={"description": "shards that are complete"},
        )

    def pending(self) -> list[tuple[str, int, int, int]]:
        """(split, shard, first object, end) of every shard still to be made."""
        todo = []
        for split, count in self.counts.items():
            for shard in np.flatnonzero(~self._root[split][_MARKS][:]) if count else ():
                first = int(shard) * self.per_shard
                todo.append((split, int(shard), first, min(first + self.per_shard, count)))
        return todo

    def write_shard(self, split: str, shard: int, arrays: dict[str, np.ndarray]) -> None:
        """Write one shard; its mark comes last, so a stopped run leaves it pending."""
        group = self._root[split]
        try:
            self._write(group, shard, arrays)
        except OSError as error:
            raise StoreError(
                f"{self.path}: writing stopped ({error.strerror or error}). Finished shards are "
                "kept: make room and run the same command again to go on."
            ) from error

    def _write(self, group, shard, arrays):
        first = shard * self.per_shard
        rows = slice(first, first + len(arrays["label"]))
        for spec in self.specs:
            group[spec.name][rows] = arrays[spec.name]
        group[_MARKS][shard] = True


def refuse_other_settings(path, settings) -> None:
    """Check that a data set, where there is one at ``path``, was made with these settings.

    Raises
    ------
    SimulationError
        Something else is there, or it was made with others; it says which differ.
    """
    if _is_free(path):
        return
    found, asked = flat(open_root(path, "r").attrs.get("settings", {})), flat(settings)
    changed = sorted(key for key in {**found, **asked} if found.get(key) != asked.get(key))
    if not changed:
        return
    named = "; ".join(
        f"{key} is {_short(found.get(key))} there and {_short(asked.get(key))} here"
        for key in changed[:4]
    )
    more = f" (and {len(changed) - 4} more)" if len(changed) > 4 else ""
    raise SimulationError(
        f"{path} was made with other settings: {named}{more}. Give the same ones to finish it, "
        "or another --out."
    )


def _is_free(path) -> bool:
    """Nothing there, or an empty folder."""
    path = Path(path)
    return not path.exists() or (path.is_dir() and not any(path.iterdir()))


def _create_array(group, spec: ArraySpec, count, sizes, per_shard):
    shape = tuple(count if d == "object" else sizes[d] for d in spec.dimensions)
    inner = shape[1:]
    if spec.dimensions == PIXELS:
        blocks = {"chunks": (CHUNK_OBJECTS, *inner), "shards": (per_shard, *inner)}
    else:
        blocks = {"chunks": (per_shard, *inner)}
    attributes = {"description": spec.description, **({"units": spec.unit} if spec.unit else {})}
    group.create_array(
        spec.name,
        shape=shape,
        dtype=spec.dtype,
        fill_value=spec.fill_value,
        compressors=BloscCodec(cname="zstd", clevel=1, shuffle="shuffle"),
        dimension_names=spec.dimensions,
        attributes=attributes,
        **blocks,
    )


def open_root(path, mode="r+"):
    """The group of a data set; SimulationError where there is none."""
    path = Path(path)
    if not path.exists():
        raise SimulationError(f"{path}: there is no such data set.")
    if not path.is_dir():
        raise SimulationError(f"{path} is a file; a data set is a folder. Give another path.")
    try:
        root = zarr.open_group(path, mode=mode)
    except (FileNotFoundError, ValueError, KeyError):
        raise SimulationError(f"{path} is a folder, but no data set of this program.") from None
    if "format_version" not in root.attrs:
        raise SimulationError(f"{path} is a Zarr group, but no data set of this program.")
    if root.attrs["format_version"] != FORMAT_VERSION:
        raise SimulationError(
            f"{path} has data format {root.attrs['format_version']}; this version reads "
            f"{FORMAT_VERSION}."
        )
    return root


def open_dataset(path):
    """A data set for reading: a Zarr group of ``train``, ``validation`` and ``test``.

    Raises
    ------
    SimulationError
        No data set there, or one of another format.
    """
    return open_root(path, mode="r")


def flat(tree, prefix=""):
    """Nested dictionaries as one, with dotted keys; lists are values."""
    items = {}
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            items |= flat(value, f"{prefix}{key}.")
        else:
            items[f"{prefix}{key}"] = list(value) if isinstance(value, tuple) else value
    return items


def _short(value, longest=60):
    text = "absent" if value is None else str(value)
    return text if len(text) <= longest else text[: longest - 1] + "…"
