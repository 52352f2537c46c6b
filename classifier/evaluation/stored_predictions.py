"""Predictions whose probabilities stay in their file and are read block by block.

A file of a million objects can so be scored in little memory. What there is once per object
(label, number of images, magnitude, name) is kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq

from classifier.dataset import DatasetSplit
from classifier.evaluation.prediction_table import (
    NOTES,
    metadata_of,
    read_predictions,
    row_groups,
    table_of,
)
from classifier.evaluation.predictions import Predictions, after
from classifier.models.protocol import Model
from skyreel.atomic_files import whole_file
from skyreel.errors import EvaluationError

BLOCK_OBJECTS = 1024


@dataclass(frozen=True)
class StoredPredictions:
    """Some of the predictions of a file, with the attributes and methods of `Predictions`.

    Attributes
    ----------
    path : pathlib.Path
        Not to be changed.
    classes, label, n_images, magnitude, object_id
        As in `Predictions`.
    ends : int (row group,)
        Number of objects of the file up to the end of each of its row groups.
    row : int (object of the file,)
        Which of these predictions it is; -1: none.
    class_order : int (class,)
        Place of each of ``classes`` in the file.
    """

    path: Path
    classes: tuple[str, ...]
    label: np.ndarray
    n_images: np.ndarray
    magnitude: np.ndarray
    object_id: np.ndarray
    ends: np.ndarray
    row: np.ndarray
    class_order: tuple[int, ...]

    @classmethod
    def open(cls, path: str | Path) -> StoredPredictions | Predictions:
        """Predictions of a file, all checked; whole ones if its row groups divide objects.

        Raises
        ------
        EvaluationError
            As `classifier.evaluation.read_predictions`.
        """
        path, parts, ends = Path(path), [], []
        try:
            for part in row_groups(path):
                parts.append((part.label, part.n_images, part.magnitude, part.object_id))
                ends.append(len(part))
        except EvaluationError:
            return read_predictions(path)  # says what is wrong, or reads rows in any order
        if not parts:
            return read_predictions(path)
        label, n_images, magnitude, object_id = map(np.concatenate, zip(*parts, strict=True))
        if np.unique(object_id).size < object_id.size:
            return read_predictions(path)
        classes, n = part.classes, len(label)
        row = np.arange(n, dtype=np.int32)
        order = tuple(range(len(classes)))
        arrays = label, n_images, magnitude, object_id
        return cls(path, classes, *arrays, np.cumsum(ends), row, order)

    def __len__(self) -> int:
        return len(self.label)

    @property
    def longest(self) -> int:
        """Largest number of images of an object."""
        return int(self.n_images.max(initial=0))

    @property
    def probabilities(self) -> np.ndarray:
        """Probabilities (object, image, class), read as a whole."""
        shape = (len(self), max(1, self.longest), len(self.classes))
        found = np.full(shape, np.nan, dtype=np.float32)
        for rows, probabilities in self.blocks():
            longest = min(shape[1], probabilities.shape[1])
            found[rows, :longest] = probabilities[:, :longest]
        return found

    def blocks(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Rows (object,) of these predictions and their probabilities (object, image, class)."""
        order, starts = list(self.class_order), [0, *self.ends[:-1]]
        rows = [self.row[first:end] for first, end in zip(starts, self.ends, strict=True)]
        needed = [k for k, of_group in enumerate(rows) if (of_group >= 0).any()]
        for k, part in zip(needed, row_groups(self.path, needed), strict=True):
            used = rows[k] >= 0
            yield rows[k][used], part.probabilities[used][..., order]

    def loaded(self) -> Predictions:
        """The same with all probabilities in memory."""
        arrays = self.label, self.n_images, self.magnitude, self.object_id
        return Predictions(self.classes, self.probabilities, *arrays)

    def after(self, k: int) -> np.ndarray:
        """As `Predictions.after`."""
        found = np.full((len(self), len(self.classes)), np.nan, dtype=np.float32)
        for rows, probabilities in self.blocks():
            found[rows] = after(probabilities, self.n_images[rows], k)
        return found

    def of(self, objects: np.ndarray | slice) -> StoredPredictions:
        """Predictions of some of the objects, in the order given, none twice."""
        chosen = np.arange(len(self))[objects]
        place = np.full(len(self) + 1, -1, dtype=np.int32)  # its last entry is that of no row
        place[chosen] = np.arange(chosen.size)
        return replace(
            self,
            label=self.label[chosen],
            n_images=self.n_images[chosen],
            magnitude=self.magnitude[chosen],
            object_id=self.object_id[chosen],
            row=place[self.row],
        )

    def with_classes(self, classes: tuple[str, ...]) -> StoredPredictions:
        """As `Predictions.with_classes`."""
        order = [self.classes.index(name) for name in classes]
        place = np.append(np.argsort(order), -1)
        class_order = tuple(self.class_order[k] for k in order)
        return replace(self, classes=classes, class_order=class_order, label=place[self.label])

    def with_magnitudes(self, magnitude: np.ndarray) -> StoredPredictions:
        """As `Predictions.with_magnitudes`."""
        return replace(self, magnitude=magnitude)


class Written(NamedTuple):
    """What is known of predictions once they are written: of all objects, (object,)."""

    n_images: np.ndarray
    object_id: np.ndarray


def write_blocks(
    path: str | Path,
    blocks: Iterable[Predictions],
    attributes: dict,
    notes: Callable[[Written], list[str]] = lambda written: [],
) -> None:
    """Write predictions block by block as `classifier.evaluation.write_predictions` does.

    What ``notes`` gives after the last block is kept as the attribute "notes"; if it raises an
    error nothing is written.

    Raises
    ------
    OutputError
    """
    blocks = iter(blocks)
    first = next(blocks)
    kept = [Written(first.n_images, first.object_id)]
    schema = table_of(first).schema.with_metadata(metadata_of(first.classes, attributes))
    with (
        whole_file(path) as unfinished,
        pq.ParquetWriter(
            unfinished, schema, compression="zstd", write_page_checksum=True
        ) as writer,
    ):
        writer.write_table(table_of(first).cast(schema))
        for block in blocks:
            writer.write_table(table_of(block).cast(schema))
            kept.append(Written(block.n_images, block.object_id))
        if found := notes(Written(*map(np.concatenate, zip(*kept, strict=True)))):
            writer.add_key_value_metadata({NOTES: json.dumps(found)})


def predict_to_file(
    path: str | Path,
    model: Model,
    split: DatasetSplit,
    attributes: dict,
    *,
    threads: int,
    on_progress: Callable[[int], None] = lambda _: None,
    notes: Callable[[Written], list[str]] = lambda written: [],
) -> StoredPredictions | Predictions:
    """Predictions of a model for a split, written to a file as they are made.

    ``attributes`` are those of `write_predictions`, and ``notes`` as in `write_blocks`.

    Raises
    ------
    ClassifierError, OutputError
    """
    made = getattr(model, "predict_blocks", None)
    options = {"threads": threads, "on_progress": on_progress}
    blocks = made(split, **options) if made else [model.predict(split, **options)]
    write_blocks(path, blocks, attributes, notes)
    return StoredPredictions.open(path)
