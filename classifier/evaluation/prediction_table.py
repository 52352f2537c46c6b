"""Predictions as a Parquet table: one row per object and number of images.

An object without images has one row, with ``n_images`` 0 and no probabilities.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from classifier.evaluation.predictions import Predictions
from skyreel.atomic_files import whole_file
from skyreel.errors import EvaluationError

FORMAT_VERSION = 1
_METADATA = b"skyreel_predictions"
NOTES = b"skyreel_notes"
_PREFIX = "p_"


def write_predictions(path: str | Path, predictions: Predictions, attributes: dict) -> None:
    """Write a Parquet table, whole or not at all.

    Columns: object, n_images, p_<CLASS> for every class, predicted, label, magnitude (null where
    unknown).

    Parameters
    ----------
    path : path
        Its folder is created if necessary.
    predictions : Predictions
    attributes : dict
        Their description (model, data, versions), stored in the metadata as JSON.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    table = table_of(predictions)
    table = table.replace_schema_metadata(metadata_of(predictions.classes, attributes))
    with whole_file(path) as unfinished:
        pq.write_table(table, unfinished, compression="zstd", write_page_checksum=True)


def metadata_of(classes: tuple[str, ...], attributes: dict) -> dict[bytes, str]:
    """Metadata of a table of predictions."""
    about = {"format_version": FORMAT_VERSION, "classes": classes, "attributes": attributes}
    return {_METADATA: json.dumps(about, default=str)}


def read_predictions(path: str | Path) -> Predictions:
    """Predictions written by ``write_predictions``, with rows in any order.

    Raises
    ------
    EvaluationError
        The file does not exist, has another format, is damaged, lacks columns or rows, or holds
        probabilities that are missing, outside [0, 1] or do not add up to 1.
    """
    table, about = _opened(path)
    return predictions_of_table(path, table, tuple(about["classes"]))


def predictions_of_table(
    path: str | Path, table: pa.Table, classes: tuple[str, ...]
) -> Predictions:
    """Predictions of rows in any order; ``path`` is named in messages.

    Raises
    ------
    EvaluationError
    """
    wanted = ["object", "n_images", "label", "magnitude", *(_PREFIX + name for name in classes)]
    missing = [name for name in wanted if name not in table.column_names]
    if missing:
        raise EvaluationError(f"{path} lacks the columns {', '.join(missing)}.")
    try:
        return _predictions(table, classes)
    except EvaluationError as error:
        raise EvaluationError(f"{path}: {error}") from None
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise EvaluationError(f"{path}: a column has an unexpected type ({error}).") from error


def read_attributes(path: str | Path) -> dict:
    """The ``attributes`` given to ``write_predictions``.

    Raises
    ------
    EvaluationError
        The file does not exist, has another format, or is damaged.
    """
    return _opened(path)[1]["attributes"]


def table_of(predictions: Predictions) -> pa.Table:
    """The rows of predictions, without metadata."""
    n_rows = np.maximum(predictions.n_images, 1)
    rows = np.repeat(np.arange(len(predictions)), n_rows)
    image = np.arange(rows.size) - np.repeat(np.cumsum(n_rows) - n_rows, n_rows)
    n_images = np.minimum(image + 1, predictions.n_images[rows])
    values = predictions.probabilities[rows, image]
    names = np.array([*predictions.classes, None], dtype=object)
    classified = n_images > 0
    predicted = np.where(classified, np.argmax(values, axis=1), -1)
    columns = {"object": predictions.object_id[rows], "n_images": n_images.astype(np.int32)}
    for k, name in enumerate(predictions.classes):
        columns[_PREFIX + name] = pa.array(values[:, k], mask=~classified)
    columns["predicted"] = pa.array(names[predicted], pa.string())
    columns["label"] = pa.array(names[predictions.label[rows]], pa.string())
    columns["magnitude"] = pa.array(predictions.magnitude[rows], from_pandas=True)
    return pa.table(columns)


def _opened(path):
    with opened_predictions(path) as (file, about):
        return file.read(), about


@contextmanager
def opened_predictions(path: str | Path) -> Iterator[tuple[pq.ParquetFile, dict]]:
    """A file of predictions, and what its metadata say.

    Raises
    ------
    EvaluationError
        The file does not exist, has another format, or is damaged; also in the block.
    """
    if not Path(path).is_file():
        raise EvaluationError(f"{path}: there is no such file.")
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            yield file, _about(path, file.metadata.metadata or {})
    except (pa.ArrowException, OSError) as error:
        raise EvaluationError(f"{path} is damaged or not a Parquet file ({error}).") from error


def _about(path, metadata):
    about = metadata.get(_METADATA)
    if about is None:
        raise EvaluationError(f"{path} is a Parquet file, but not one of predictions.")
    about = json.loads(about)
    if about["format_version"] != FORMAT_VERSION:
        raise EvaluationError(
            f"{path} has format {about['format_version']}; this version reads {FORMAT_VERSION}."
        )
    if NOTES in metadata:
        about["attributes"]["notes"] = json.loads(metadata[NOTES])
    return about


def _predictions(table, classes):
    names, row, first, count = _objects(_numpy(table, "object"))
    n_images = _numpy(table, "n_images").astype(int)
    n_of_object = np.zeros(names.size, dtype=int)
    np.maximum.at(n_of_object, row, n_images)
    _check_rows(names, count, n_of_object)
    longest = max(1, int(n_of_object.max(initial=0)))
    values = np.full((names.size, longest, len(classes)), np.nan, dtype=np.float32)
    classified = n_images > 0
    read = np.stack([_numpy(table, _PREFIX + name) for name in classes], axis=1)
    values[row[classified], n_images[classified] - 1] = read[classified]
    label = _labels(_numpy(table, "label")[first], classes)
    return Predictions(
        classes, values, label, n_of_object, _numpy(table, "magnitude")[first], names
    )


def _check_rows(names, count, n_images):
    wrong = np.flatnonzero(count != np.maximum(n_images, 1))
    if wrong.size:
        k = wrong[0]
        raise EvaluationError(
            f"predictions: object {names[k]} has {count[k]} rows, not one for each of 1 to "
            f"{n_images[k]} images."
        )


def _numpy(table, name):
    column = table[name].to_numpy(zero_copy_only=False)
    return column.astype(str) if name == "object" and column.dtype == object else column


def _objects(names):
    """Names in order of appearance; object of every row; first row and number of rows of each."""
    found, first, row, count = np.unique(
        names, return_index=True, return_inverse=True, return_counts=True
    )
    order = np.argsort(first)
    place = np.empty(order.size, dtype=int)
    place[order] = np.arange(order.size)
    return found[order], place[row], first[order], count[order]


def _labels(texts, classes):
    known = {name: k for k, name in enumerate(classes)} | {None: -1}
    unknown = set(texts) - set(known)
    if unknown:
        raise EvaluationError(
            f"predictions: label {sorted(unknown, key=str)[0]!r}; the classes are "
            f"{', '.join(classes)}."
        )
    return np.array([known[text] for text in texts], dtype=int)
