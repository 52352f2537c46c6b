"""Predictions on disk: whole or absent, readable by others, refused when damaged."""

import json
from dataclasses import fields

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from classifier.evaluation import (
    EvaluationError,
    Predictions,
    read_attributes,
    read_predictions,
    write_predictions,
)
from skyreel.errors import OutputError
from tests.helpers.made_up_predictions import CLASSES, certain, made_up, with_gaps


def assert_equal(a, b):
    for field in fields(Predictions):
        np.testing.assert_array_equal(getattr(a, field.name), getattr(b, field.name))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "predictions.parquet"


def test_predictions_are_read_as_written(path):
    predictions = with_gaps()
    write_predictions(path, predictions, {"model": "forest", "versions": {"numpy": "2"}})
    assert_equal(read_predictions(path), predictions)
    assert read_attributes(path) == {"model": "forest", "versions": {"numpy": "2"}}


def test_integer_object_names_are_read_as_written(path):
    write_predictions(path, certain([0, 1, 2], [0, 1, 1]), {})
    assert read_predictions(path).object_id.dtype.kind == "i"


def test_an_empty_table_is_read_as_empty(path):
    write_predictions(path, made_up(n=10).of([]), {})
    assert len(read_predictions(path)) == 0


def test_the_table_has_a_row_for_every_object_and_number_of_images(path):
    predictions = with_gaps()
    write_predictions(path, predictions, {})
    table = pq.read_table(path).to_pylist()
    assert len(table) == np.maximum(predictions.n_images, 1).sum()
    place = {name: k for k, name in enumerate(predictions.object_id)}
    for row in table:
        k = place[row["object"]]
        label = predictions.label[k]
        assert row["label"] == (CLASSES[label] if label >= 0 else None)
        if row["n_images"] == 0:
            assert row["predicted"] is None
            assert row["p_SN"] is None
            continue
        values = predictions.probabilities[k, row["n_images"] - 1]
        assert [row[f"p_{name}"] for name in CLASSES] == values.tolist()
        assert row["predicted"] == CLASSES[values.argmax()]
    unknown = predictions.object_id[4]
    assert {row["magnitude"] for row in table if row["object"] == unknown} == {None}


def test_the_order_of_rows_does_not_matter(path):
    predictions = with_gaps()
    write_predictions(path, predictions, {})
    table = pq.read_table(path)
    pq.write_table(table.take(np.random.default_rng(0).permutation(len(table))), path)
    again = read_predictions(path)
    order = np.argsort(predictions.object_id)
    assert_equal(again.of(np.argsort(again.object_id)), predictions.of(order))


def changed_column(path, name, change):
    table = pq.read_table(path)
    column = table[name].to_pylist()
    k = table.column_names.index(name)
    pq.write_table(table.set_column(k, name, [change(column)]), path)


def cut(path, keep):
    path.write_bytes(path.read_bytes()[:keep])


def other_table(path):
    pq.write_table(pa.table({"a": [1]}), path)


def without(path, *names):
    pq.write_table(pq.read_table(path).drop_columns(list(names)), path)


def without_first_row(path):
    pq.write_table(pq.read_table(path).slice(1), path)


def another_format(path):
    table = pq.read_table(path)
    about = json.loads(table.schema.metadata[b"skyreel_predictions"]) | {"format_version": 99}
    pq.write_table(table.replace_schema_metadata({"skyreel_predictions": json.dumps(about)}), path)


def flipped_byte(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 0xFF
    path.write_bytes(data)


ABOUT = {"format_version": 1, "classes": list(CLASSES), "attributes": {}}


def with_column(path, name, values):
    pq.write_table(pq.read_table(path).append_column(name, values), path)


def described(path, text):
    metadata = {"skyreel_predictions": text}
    pq.write_table(pq.read_table(path).replace_schema_metadata(metadata), path)


def other_than(label):
    return next(name for name in CLASSES if name != label)


def a_hundred_million_rows(path):
    """One row group of a million rows that are all the same, a hundred times."""
    metadata = {"skyreel_predictions": json.dumps(ABOUT)}
    row = pq.read_table(path).slice(0, 1)
    many = row.take(np.zeros(10**6, dtype=int)).replace_schema_metadata(metadata)
    with pq.ParquetWriter(path, many.schema, compression="zstd") as writer:
        for _ in range(100):
            writer.write_table(many, row_group_size=10**6)


DAMAGE = {
    "removed": (lambda p: p.unlink(), "there is no such file"),
    "a folder": (lambda p: (p.unlink(), p.mkdir()), "there is no such file"),
    "empty": (lambda p: cut(p, 0), "damaged or not a Parquet file"),
    "cut to half": (lambda p: cut(p, 2000), "damaged or not a Parquet file"),
    "without its last byte": (lambda p: cut(p, -1), "damaged or not a Parquet file"),
    "text": (lambda p: p.write_text("object,label\n"), "damaged or not a Parquet file"),
    "one byte changed": (flipped_byte, "damaged or not a Parquet file"),
    "another table": (other_table, "not one of predictions"),
    "a later format": (another_format, "has format 99"),
    "columns missing": (lambda p: without(p, "p_RRL", "label"), "lacks the columns label, p_RRL"),
    "a row missing": (without_first_row, "rows, not one for each of 1 to"),
    "a probability of 2": (
        lambda p: changed_column(p, "p_SN", lambda c: [2.0, *c[1:]]),
        "within .0, 1.",
    ),
    "a probability missing": (
        lambda p: changed_column(p, "p_SN", lambda c: [None, *c[1:]]),
        "must be known",
    ),
    "text for a probability": (
        lambda p: changed_column(p, "p_SN", lambda c: ["much"] * len(c)),
        "column 'p_SN' holds string; numbers are needed",
    ),
    "two columns of one name": (
        lambda p: with_column(p, "p_SN", pq.read_table(p)["p_EB"]),
        "has 2 columns 'p_SN'",
    ),
    "an object without a name": (
        lambda p: changed_column(p, "object", lambda c: [None, *c[1:]]),
        "column 'object' has empty cells",
    ),
    "an object of two classes": (
        lambda p: changed_column(p, "label", lambda c: [*c[:-1], other_than(c[-1])]),
        "has more than one label",
    ),
    "an object of two magnitudes": (
        lambda p: changed_column(p, "magnitude", lambda c: [99.0, *c[1:]]),
        "has more than one magnitude",
    ),
    "a negative number of images": (
        lambda p: changed_column(p, "n_images", lambda c: [-5, *c[1:]]),
        "n_images -5; allowed",
    ),
    "two billion images": (
        lambda p: changed_column(p, "n_images", lambda c: [2**31 - 1, *c[1:]]),
        "n_images 2147483647; allowed",
    ),
    "metadata that are no JSON": (lambda p: described(p, b"\xff{"), "metadata are damaged"),
    "metadata that are a list": (lambda p: described(p, b"[1]"), "metadata are damaged"),
    "deep metadata": (lambda p: described(p, b"[" * 100_000), "metadata are damaged"),
    "two classes of one name": (
        lambda p: described(p, json.dumps({**ABOUT, "classes": ["SN", "SN"]})),
        "two classes have one name",
    ),
    "no classes": (lambda p: described(p, json.dumps({**ABOUT, "classes": []})), "classes: "),
    "a format beyond 64 bits": (
        lambda p: described(p, json.dumps({**ABOUT, "format_version": 10**30})),
        "has format 1000",
    ),
    "an unknown label": (
        lambda p: changed_column(p, "label", lambda c: ["QSO", *c[1:]]),
        "label 'QSO'; the classes",
    ),
}


SLOW = pytest.param(
    a_hundred_million_rows,
    "claims 100,000,000 rows",
    id="a hundred million rows",
    marks=pytest.mark.slow,
)


@pytest.mark.parametrize(
    "damage, message", [*(pytest.param(*case, id=name) for name, case in DAMAGE.items()), SLOW]
)
def test_a_damaged_file_is_refused_in_one_sentence_that_names_it(path, damage, message):
    write_predictions(path, made_up(n=40), {})
    damage(path)
    with pytest.raises(EvaluationError, match=message) as caught:
        read_predictions(path)
    assert str(path) in str(caught.value)


def test_a_write_that_fails_leaves_the_old_file(path, monkeypatch):
    write_predictions(path, made_up(n=10), {})
    before = path.read_bytes()

    def full_disk(table, place, **_):
        place.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("classifier.evaluation.prediction_table.pq.write_table", full_disk)
    with pytest.raises(OutputError, match="No space left"):
        write_predictions(path, made_up(n=20), {})
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
