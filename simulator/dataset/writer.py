"""Writing a data set: Zarr v3, shard by shard, each there whole or not at all.

Every chunk has a file, also where it holds nothing but the fill value, and carries a checksum: a
reader knows which files must be there, and whether their bytes are those that were written.

A data set is created in a locked folder of another name, which is renamed once its arrays are laid
out; the lock goes with it. A creation that was killed leaves that folder unlocked, and the next run
empties it. An interrupted run leaves one of four states, which the next run repairs:

A. temporary files of an unfinished write (removed when the data set is opened again);
B. some arrays of a shard written, others not (the shard has no mark and is made once more);
C. all arrays written but no mark (likewise; the same bytes are written once more);
D. everything marked (nothing to do).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numcodecs import Blosc
from zarr.codecs import BloscCodec, Crc32cCodec

from simulator.dataset.inputs import FOLDER, InputFile, copy_inputs, described
from simulator.dataset.reader import incomplete_shards, is_free, open_root
from simulator.dataset.schema import FORMAT_VERSION, MARKS, PIXELS, SHARDS, ArraySpec
from simulator.dataset.settings import refuse_other_settings
from skyreel.atomic_files import folder_lock, interrupts_deferred, new_folder_lock
from skyreel.errors import StoreError

CHUNK_OBJECTS = 64
_SHARD_BYTES = 96 * 2**20  # images of one shard, before compression
_PLANES_SHARD_BYTES = 128 * 2**20  # all arrays of pixels of one, where there are planes
_MAX_SHARD_OBJECTS = 4096
_UNFINISHED = ".creating"
_AFTER_FAILURE = "Finished shards are kept: make room and run the same command again to go on."
_WHOLE = {"write_empty_chunks": True}
COUNTS_CODEC = {"cname": "lz4", "clevel": 5}
"""How images of whole counts are compressed after a bit-shuffle: as small as Zstandard, faster."""
_BLOCK_BYTES = 2**18  # of other arrays; Blosc takes smaller blocks by itself, which is slower


def shard_objects(n_epochs: int, size_pix: int, pixel_bytes: int = 2) -> int:
    """Objects per shard: a multiple of the chunk whose images stay below 96 MiB."""
    fitting = _SHARD_BYTES // (pixel_bytes * n_epochs * size_pix**2)
    return int(np.clip(fitting // CHUNK_OBJECTS, 1, _MAX_SHARD_OBJECTS // CHUNK_OBJECTS)) * (
        CHUNK_OBJECTS
    )


def shard_shape(specs: Sequence[ArraySpec], n_epochs: int, size_pix: int) -> tuple[int, int]:
    """Objects per shard and per chunk of pixels, for data sets with these arrays.

    With planes a shard has few objects, so that its arrays stay below 128 MiB where a single
    object allows it; chunks are then smaller as well.
    """
    pixel_bytes = {s.name: np.dtype(s.dtype).itemsize for s in specs if s.dimensions == PIXELS}
    if pixel_bytes.keys() <= {"images", "mask"}:
        return shard_objects(n_epochs, size_pix, pixel_bytes["images"]), CHUNK_OBJECTS
    fitting = _PLANES_SHARD_BYTES // (sum(pixel_bytes.values()) * n_epochs * size_pix**2)
    chunk = 1
    while 2 * chunk <= min(fitting, CHUNK_OBJECTS):
        chunk *= 2
    return min(max(fitting // chunk, 1) * chunk, _MAX_SHARD_OBJECTS), chunk


class DatasetWriter:
    """The data set of one run, made if it is not there and continued if it is.

    Parameters
    ----------
    path : str or Path
    settings : mapping
        Everything the data depend on. A data set made with others is refused.
    attributes : mapping
        What else describes the data.
    specs : sequence of ArraySpec
    counts : mapping of split to number of objects
    n_epochs, size_pix : int
        Epochs of the longest sequence; rows and columns of a stamp.
    inputs : mapping of role to InputFile, optional
        Files to keep inside the data set.
    after_failure : str
        What the user should do after a write that failed.

    Raises
    ------
    SimulationError
        The path holds something else, or a data set made with other settings.
    StoreError
        The data set cannot be written, or another process is writing it.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        settings: Mapping[str, Any],
        attributes: Mapping[str, Any],
        specs: Sequence[ArraySpec],
        counts: Mapping[str, int],
        n_epochs: int,
        size_pix: int,
        inputs: Mapping[str, InputFile] | None = None,
        after_failure: str = _AFTER_FAILURE,
    ) -> None:
        self.path = Path(path)
        self._after_failure = after_failure
        self.specs = tuple(specs)
        self.counts = dict(counts)
        self.shape = {"epoch": n_epochs, "y": size_pix, "x": size_pix}
        self.per_shard, self._per_chunk = shard_shape(self.specs, n_epochs, size_pix)
        self._lock: int | None = None
        self._arrays: dict[str, dict[str, zarr.Array]] = {}
        try:
            self._open({**attributes, "settings": settings}, inputs or {})
        except BaseException:
            self.close()
            raise

    def _open(self, attributes, inputs):
        if is_free(self.path):
            kept = {"inputs": described(inputs)} if inputs else {}
            self._create({**attributes, **kept, "format_version": FORMAT_VERSION}, inputs)
        refuse_other_settings(self.path, attributes["settings"])
        self._lock = folder_lock(self.path) if self._lock is None else self._lock
        for leftover in self.path.rglob("*.partial"):
            if leftover.relative_to(self.path).parts[0] != FOLDER:
                leftover.unlink(missing_ok=True)
        self._root = open_root(self.path)

    def __enter__(self) -> DatasetWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let another process write."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _create(self, attributes, inputs):
        unfinished = self.path.with_name(f"{self.path.name}{_UNFINISHED}")
        lock = None
        try:
            lock = new_folder_lock(unfinished)
            if not is_free(self.path):  # another process has made it meanwhile
                return
            copy_inputs(unfinished, inputs)
            with interrupts_deferred():
                self._lay_out(unfinished, attributes)
                unfinished.rename(self.path)
                self._lock, lock = lock, None
        except OSError as error:
            raise StoreError(
                f"{self.path}: cannot be written ({error.strerror or error}). Make room or write "
                "elsewhere, and run the command again."
            ) from error
        finally:
            if lock is not None:
                shutil.rmtree(unfinished, ignore_errors=True)
                os.close(lock)

    def _lay_out(self, folder, attributes):
        root = zarr.create_group(folder, attributes=attributes)
        names = {key: attributes[key] for key in ("classes", "bands")}
        for split, count in self.counts.items():
            self._create_split(root.create_group(split, attributes=names), count)

    def _create_split(self, group, count):
        for spec in self.specs:
            _create_array(group, spec, count, self.shape, self.per_shard, self._per_chunk)
        n_shards = -(-count // self.per_shard)
        group.create_array(
            MARKS,
            shape=(n_shards,),
            chunks=(1,),
            dtype="bool",
            compressors=Crc32cCodec(),
            dimension_names=SHARDS,
            attributes={"description": "shards that are complete"},
        )

    def pending(self) -> list[tuple[str, int, int, int]]:
        """(split, shard, first object, end) of every shard without a mark or without all files."""
        todo = []
        for split, count in self.counts.items():
            for shard in incomplete_shards(self._root, split) if count else ():
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
                f"{self.path}: writing stopped ({error.strerror or error}). {self._after_failure}"
            ) from error

    def _write(self, group, shard, arrays):
        first = shard * self.per_shard
        rows = slice(first, first + len(arrays["label"]))
        with interrupts_deferred():
            self._remove_shard(group, shard)
            opened = self._opened(group)
            for spec in self.specs:
                opened[spec.name][rows] = arrays[spec.name]
            opened[MARKS][shard] = True

    def _opened(self, group):
        """The arrays of a split: their metadata are read once for all shards."""
        if group.basename not in self._arrays:
            names = (*(spec.name for spec in self.specs), MARKS)
            self._arrays[group.basename] = {name: group[name].with_config(_WHOLE) for name in names}
        return self._arrays[group.basename]

    def _remove_shard(self, group, shard):
        """Remove what is left of a shard: Zarr reads a file before it writes a part of it."""
        for name, array in self._root.store.layout.splits[group.basename].items():
            if name != MARKS:
                (self.path / group.basename / name / array.chunk(shard)).unlink(missing_ok=True)


def _create_array(group, spec: ArraySpec, count, sizes, per_shard, per_chunk):
    shape = tuple(count if d == "object" else sizes[d] for d in spec.dimensions)
    inner = shape[1:]
    if spec.dimensions == PIXELS:
        blocks = {"chunks": (per_chunk, *inner), "shards": (per_shard, *inner)}
    else:
        blocks = {"chunks": (per_shard, *inner)}
    attributes = {"description": spec.description, **({"units": spec.unit} if spec.unit else {})}
    group.create_array(
        spec.name,
        shape=shape,
        dtype=spec.dtype,
        fill_value=spec.fill_value,
        compressors=(_compressor(spec), Crc32cCodec()),
        dimension_names=spec.dimensions,
        attributes=attributes,
        **blocks,
    )


def _compressor(spec):
    if spec.dimensions == PIXELS and spec.dtype == "uint16":
        return BloscCodec(**COUNTS_CODEC, shuffle="bitshuffle")
    return BloscCodec(cname="zstd", clevel=1, shuffle="shuffle", blocksize=_BLOCK_BYTES)


def codec_options(spec: ArraySpec) -> dict[str, Any]:
    """How Blosc compresses an array, as arguments of `numcodecs.Blosc`."""
    if spec.dimensions == PIXELS and spec.dtype == "uint16":
        return {**COUNTS_CODEC, "shuffle": Blosc.BITSHUFFLE}
    return {"cname": "zstd", "clevel": 1, "shuffle": Blosc.SHUFFLE}
