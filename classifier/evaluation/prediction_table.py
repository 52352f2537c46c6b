"""Predictions as a Parquet table: one row per object and number of images.

An object without images has one row, with ``n_images`` 0 and no probabilities.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, Field, StringConstraints, TypeAdapter, ValidationError

from classifier.evaluation.predictions import Predictions, refuse_outside
from skyreel.atomic_files import whole_file
from skyreel.errors import EvaluationError

FORMAT_VERSION = 1
_ROWS_ALWAYS, _ROWS_PER_BYTE = 100_000, 4  # probabilities that differ from row to row need bytes
_DAMAGE = (pa.ArrowException, OSError, ValueError, KeyError, OverflowError, MemoryError)
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
    with _opened(path) as (file, about):
        classes = tuple(about.classes)
        _check_columns(path, file, classes)
        return _checked_predictions(path, _read(path, file.read, file.schema_arrow.names), classes)


def row_groups(path: str | Path, groups: Iterable[int] | None = None) -> Iterator[Predictions]:
    """The predictions of each row group of a file, or of some ``groups``.

    Raises
    ------
    EvaluationError
        As `read_predictions`.
    """
    with _opened(path) as (file, about):
        classes = tuple(about.classes)
        _check_columns(path, file, classes)
        for k in range(file.num_row_groups) if groups is None else groups:
            table = _read(path, partial(file.read_row_group, k), file.schema_arrow.names)
            yield _checked_predictions(path, table, classes)


def _checked_predictions(path, table, classes):
    try:
        return _predictions(table, classes)
    except EvaluationError as error:
        raise EvaluationError(f"{path}: {error}") from None


def read_attributes(path: str | Path) -> dict:
    """The ``attributes`` given to ``write_predictions``.

    Raises
    ------
    EvaluationError
        The file does not exist, has another format, or is damaged.
    """
    with _opened(path) as (_, about):
        return about.attributes


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


class _About(BaseModel):
    """The metadata of a table of predictions."""

    format_version: int = Field(strict=True)
    classes: list[Annotated[str, StringConstraints(min_length=1)]] = Field(
        min_length=1, max_length=1000
    )
    attributes: dict[str, Any]


@contextmanager
def _opened(path) -> Iterator[tuple[pq.ParquetFile, _About]]:
    """The file and its metadata, checked."""
    if not Path(path).is_file():
        raise EvaluationError(f"{path}: there is no such file.")
    try:
        file = pq.ParquetFile(path, page_checksum_verification=True)
        metadata = file.metadata.metadata or {}
    except _DAMAGE as error:
        raise EvaluationError(f"{path} is damaged or not a Parquet file ({error}).") from error
    with file:
        about = _about(path, metadata.get(_METADATA))
        if NOTES in metadata:
            about.attributes["notes"] = _notes(path, metadata[NOTES])
        yield file, about


def _notes(path, text):
    try:
        return TypeAdapter(list[str]).validate_json(text)
    except ValidationError:
        raise EvaluationError(f"{path}: its metadata are damaged (notes).") from None


def _about(path, text):
    if text is None:
        raise EvaluationError(f"{path} is a Parquet file, but not one of predictions.")
    try:
        found = _About.model_validate(json.loads(text))
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, problem["loc"]))
        raise EvaluationError(
            f"{path}: its metadata are damaged ({where}: {problem['msg']})."
        ) from None
    except (ValueError, RecursionError):
        raise EvaluationError(f"{path}: its metadata are damaged.") from None
    if found.format_version != FORMAT_VERSION:
        raise EvaluationError(
            f"{path} has format {found.format_version}; this version reads {FORMAT_VERSION}."
        )
    if len(set(found.classes)) < len(found.classes):
        raise EvaluationError(f"{path}: its metadata are damaged (two classes have one name).")
    return found


def _is_text(kind):
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


_TYPES = {
    "object": (lambda kind: _is_text(kind) or pa.types.is_integer(kind), "text or whole numbers"),
    "n_images": (pa.types.is_integer, "whole numbers"),
    "label": (lambda kind: _is_text(kind) or pa.types.is_null(kind), "text"),
    "magnitude": (pa.types.is_floating, "numbers"),
}
_PROBABILITY = (pa.types.is_floating, "numbers")
_NEVER_NULL = ("object", "n_images")


def _check_columns(path, file, classes):
    """Check names and types of the columns, and that the file can hold so many rows."""
    schema, wanted = file.schema_arrow, (*_TYPES, *(_PREFIX + name for name in classes))
    missing = [name for name in wanted if name not in schema.names]
    if missing:
        raise EvaluationError(f"{path} lacks the columns {', '.join(missing)}.")
    for name in wanted:
        if schema.names.count(name) > 1:
            raise EvaluationError(f"{path} has {schema.names.count(name)} columns {name!r}.")
        fits, needed = _TYPES.get(name, _PROBABILITY)
        if not fits(schema.field(name).type):
            raise EvaluationError(
                f"{path}: the column {name!r} holds {schema.field(name).type}; {needed} are needed."
            )
    rows, most = file.metadata.num_rows, _ROWS_ALWAYS + _ROWS_PER_BYTE * Path(path).stat().st_size
    if rows > most:
        raise EvaluationError(
            f"{path} claims {rows:,} rows, more than predictions in a file of its size can have "
            f"({most:,})."
        )


def _read(path, read, names):
    """The columns that are needed."""
    try:
        table = read(columns=[name for name in names if name != "predicted"])
        table.validate(full=True)
    except _DAMAGE as error:
        raise EvaluationError(f"{path} is damaged or not a Parquet file ({error}).") from error
    for name in _NEVER_NULL:
        if table[name].null_count:
            raise EvaluationError(f"{path}: the column {name!r} has empty cells.")
    return table


def _predictions(table, classes):
    names, row, first, count = _objects(_numpy(table, "object"))
    n_images = _numpy(table, "n_images").astype(int)
    refuse_outside("n_images", n_images, 0, len(n_images))
    n_of_object = np.zeros(names.size, dtype=int)
    np.maximum.at(n_of_object, row, n_images)
    _check_rows(names, count, n_of_object)
    longest = max(1, int(n_of_object.max(initial=0)))
    values = np.full((names.size, longest, len(classes)), np.nan, dtype=np.float32)
    classified = n_images > 0
    read = np.stack([_numpy(table, _PREFIX + name) for name in classes], axis=1)
    values[row[classified], n_images[classified] - 1] = read[classified]
    label = _of_objects("label", _labels(_numpy(table, "label"), classes), row, first, names)
    magnitude = _of_objects("magnitude", _numpy(table, "magnitude"), row, first, names)
    return Predictions(classes, values, label, n_of_object, magnitude, names)


def _of_objects(name, values, row, first, names):
    """The value of every object, which all of its rows have."""
    one = values[first]
    differs = ~((values == one[row]) | (np.isnan(values) & np.isnan(one[row])))
    if differs.any():
        k = np.flatnonzero(differs)[0]
        raise EvaluationError(
            f"predictions: object {names[row[k]]!r} has more than one {name} "
            f"({int(differs.sum())} rows differ)."
        )
    return one


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
    texts = [None if text != text else text for text in texts]  # a column of nulls holds NaN
    unknown = set(texts) - set(known)
    if unknown:
        raise EvaluationError(
            f"predictions: label {sorted(unknown, key=str)[0]!r:.80}; the classes are "
            f"{', '.join(classes)}."
        )
    return np.array([known[text] for text in texts], dtype=int)
