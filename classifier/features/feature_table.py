"""Features of a split of a data set in one Parquet file, computed block by block.

Finished blocks are kept in a folder beside the file. When all are there they are merged into the
file, with one row group for each number of images, and the folder is deleted.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from importlib.metadata import version
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from classifier.dataset import DatasetSplit
from classifier.features.pipeline import FeatureConfig, FeaturePipeline, median_magnitudes
from skyreel.atomic_files import locked_folder, whole_file
from skyreel.errors import ClassifierError, OutputError

_SETTINGS = "settings.json"
_VALUES_VERSION = 2  # 1: images without a usable measurement counted
_METADATA = b"skyreel_features"
_GROUP_ROWS = 2**14


@dataclass(frozen=True)
class FeatureTable:
    """Features of one split, computed or read.

    Parameters
    ----------
    path : path
        The Parquet file.
    split : DatasetSplit
    config : FeatureConfig
    every : bool
        Features after 1, 2, ... images; otherwise of all selected images only.
    """

    path: Path
    split: DatasetSplit
    config: FeatureConfig
    every: bool

    @property
    def parts(self) -> Path:
        """Folder of the finished blocks of an unfinished file."""
        return self.path.with_name(self.path.name + ".parts")

    def settings(self) -> dict:
        """Everything the features depend on."""
        return {
            "data": dataset_identity(self.split),
            "feature_config": self.config.as_dict(),
            "every": self.every,
            "values": _VALUES_VERSION,
            "versions": {name: version(name) for name in ("skyreel", "numba", "numpy")},
        }

    def is_complete(self) -> bool:
        """Whether the file exists with these settings.

        Raises
        ------
        ClassifierError
            The file holds something else.
        """
        if not self.path.exists():
            return False
        if read_settings(self.path) != self.settings():
            raise ClassifierError(
                f"{self.path} holds features of other data or settings, or of an earlier version. "
                "Give another --out, or remove it."
            )
        shutil.rmtree(self.parts, ignore_errors=True)
        return True

    def n_finished(self) -> int:
        """Objects whose blocks are finished while the file is not."""
        return sum(
            end - first for first, end in self.split.blocks() if _is_whole(self._part(first))
        )

    def _part(self, first):
        return self.parts / f"{first:09d}.parquet"

    def make(
        self, *, threads: int, on_progress: Callable[[int], None] = lambda objects: None
    ) -> None:
        """Compute the blocks that are missing, and the file.

        Raises
        ------
        ClassifierError
            The folder holds blocks of other settings, or no object has a usable image.
        OutputError
            The disk is full or cannot be written; finished blocks are kept.
        """
        self.split.refuse_empty()
        if self.is_complete():
            on_progress(len(self.split))
            return
        with locked_folder(self.parts):
            try:
                self._prepare_parts()
                self._make_parts(threads, on_progress)
                self._merge()
            except OutputError as error:
                raise OutputError(
                    f"{error} Finished blocks are kept: make room and run the same command again."
                ) from error

    def _prepare_parts(self):
        marker = self.parts / _SETTINGS
        if not marker.exists():
            with whole_file(marker) as path:
                path.write_text(json.dumps(self.settings()))
        elif _read_marker(marker) != self.settings():
            raise ClassifierError(
                f"{self.parts} holds blocks of other data or settings, or of an earlier version. "
                "Give another --out, or remove it."
            )

    def _make_parts(self, threads, on_progress):
        pipeline, stop = FeaturePipeline(self.split, self.config), threading.Event()

        def make(first, end):
            part = self._part(first)
            if not stop.is_set() and not _is_whole(part):
                with whole_file(part) as path:
                    _write_groups(path, self._block(pipeline, first, end))
            on_progress(end - first)

        with ThreadPoolExecutor(threads) as pool:
            try:
                jobs = [pool.submit(make, *block) for block in self.split.blocks()]
                for job in as_completed(jobs):
                    job.result()
            except BaseException:
                stop.set()
                raise

    def _block(self, pipeline, first, end):
        """Tables of some objects: one, or one after every number of images."""
        curves = pipeline.light_curves(first, end)
        if not self.every:
            index = np.arange(first, end)
            yield self._rows(pipeline, curves, index, curves.n_epochs.astype(int))
            return
        longest = int(curves.n_epochs.max(initial=0))
        for k in range(1, max(longest, 1) + 1):
            rows = np.flatnonzero(curves.n_epochs >= k)
            yield self._rows(pipeline, curves.of(rows), first + rows, np.full(rows.size, k))

    def _rows(self, pipeline, curves, index, n_images):
        features = pipeline.features(curves, n_images)
        named = np.array([*self.split.classes, None], dtype=object)
        columns = {
            "object": pa.array(self.split.object_ids[index]),
            "index": pa.array(index, pa.int32()),
            "label": pa.array(named[self.split.labels[index]], pa.string()),
            "n_images": pa.array(n_images, pa.int16()),
            "magnitude": pa.array(median_magnitudes(curves, n_images), pa.float32()),
        }
        names = self.config.feature_names
        columns |= {name: features[:, j] for j, name in enumerate(names)}
        return pa.table(columns)

    def without_images(self) -> np.ndarray:
        """Rows of the split whose objects have no usable image; all their features are NaN."""
        found = pq.read_table(self.path, columns=["index", "n_images"])
        usable = found["index"].to_numpy()[found["n_images"].to_numpy() > 0]
        return np.setdiff1d(np.arange(len(self.split)), usable)

    def _refuse_unusable(self, files):
        if any(
            pq.read_table(file, columns=["n_images"])["n_images"].to_numpy().any() for file in files
        ):
            return
        shutil.rmtree(self.parts)
        raise ClassifierError(
            f"{self.split.path}/{self.split.name}: none of {len(self.split):,} objects has an "
            f"image in the band {self.config.band} that can be measured: with a zero point, an "
            "exposure time, and enough pixels that are neither masked nor all of one value."
            + "".join(f" {note}" for note in self.split.notes()[:1])
        )

    def _merge(self):
        files = sorted(self.parts.glob("*.parquet"))
        self._refuse_unusable(files)
        sizes = range(1, self.config.images + 1) if self.every else [None]
        schema = pq.read_schema(files[0]).with_metadata({_METADATA: json.dumps(self.settings())})
        with (
            whole_file(self.path) as path,
            pq.ParquetWriter(path, schema, compression="zstd") as writer,
        ):
            for k in sizes:
                for table in _joined(files, k):
                    writer.write_table(table, row_group_size=2**20)
        shutil.rmtree(self.parts)

    def read(self, n_images: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows after ``n_images`` images: features (row, feature) and index of objects (row,)."""
        table = pq.read_table(self.path, filters=[("n_images", "==", n_images)])
        columns = [table[name].to_numpy() for name in self.config.feature_names]
        return np.stack(columns, axis=1), table["index"].to_numpy()


def _write_groups(path, tables):
    """Write tables as row groups, so that one of them is read without the others."""
    first = next(tables)
    with pq.ParquetWriter(path, first.schema) as writer:
        for table in chain([first], tables):
            writer.write_table(table)


def _joined(files, n_images):
    """Tables of some 16,000 rows or more, of one number of images (None: all) in all files."""
    filters = None if n_images is None else [("n_images", "==", n_images)]
    waiting, n_rows = [], 0
    for file in files:
        waiting.append(pq.read_table(file, filters=filters))
        n_rows += waiting[-1].num_rows
        if n_rows >= _GROUP_ROWS or file == files[-1]:
            yield pa.concat_tables(waiting)
            waiting, n_rows = [], 0


def dataset_identity(split: DatasetSplit) -> dict:
    """What identifies a split of a data set: survey, seed, command, sizes, digest of settings."""
    chosen = ("survey", "seed", "command", "kind", "source")
    described = {key: split.attributes[key] for key in chosen if key in split.attributes}
    settings = json.dumps(split.attributes.get("settings", {}), sort_keys=True)
    digest = hashlib.sha256(settings.encode()).hexdigest()
    counts = {"split": split.name, "objects": len(split), "epochs": split.longest}
    return {**described, **counts, "settings_sha256": digest}


def read_settings(path: str | Path) -> dict:
    """Settings of a feature file.

    Raises
    ------
    ClassifierError
        The file is not a finished feature file.
    """
    try:
        metadata = pq.read_schema(path).metadata or {}
        return _renamed(json.loads(metadata[_METADATA]))
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError, RecursionError):
        raise ClassifierError(
            f"{path} is not a finished feature file of this program. Give another --out, or "
            "remove it."
        ) from None


def _read_marker(path):
    try:
        return _renamed(json.loads(path.read_text()))
    except (OSError, TypeError, ValueError, RecursionError):
        return None


def _renamed(settings):
    """Settings with today's keys: version 0.1 wrote "recipe" for "feature_config"."""
    return {"feature_config" if key == "recipe" else key: settings[key] for key in settings}


def _is_whole(part) -> bool:
    try:
        pq.read_schema(part)
    except (OSError, pa.ArrowException):
        return False
    return True
