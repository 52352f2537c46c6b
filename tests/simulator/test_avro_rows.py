"""Rows that are encoded column by column, read by fastavro."""

import io

import fastavro
import numpy as np
import pytest

from simulator.alerts.avro_rows import RowEncoder
from simulator.alerts.record_schema import record

SCHEMA = record("row", "a:d b:d? c:f d:f? e:i f:i? g:l h:l? i:s j:s? k:b l:b? m:y? n:f? o:l?")
N = 300


def read(rows):
    parsed = fastavro.parse_schema(SCHEMA)
    found = []
    for row in rows:
        file = io.BytesIO(row)
        found.append(fastavro.schemaless_reader(file, parsed, None))
        assert file.read() == b""
    return found


def columns_of(rng):
    some = rng.random(N) < 0.5
    near_powers = 2 ** rng.integers(0, 62, N) + rng.integers(-2, 3, N)
    return {
        "a": rng.normal(size=N),
        "b": np.where(some, np.nan, rng.normal(size=N)),
        "c": rng.normal(size=N).astype(np.float32),
        "d": np.where(rng.random(N) < 0.1, np.nan, 1e30 * rng.normal(size=N)),
        "e": rng.integers(-(2**31), 2**31, N).astype(np.int32),
        "f": rng.integers(0, 256, N).astype(np.uint8),
        "g": np.concatenate([[-(2**63), 2**63 - 1, 0, -1], near_powers[4:]]),
        "h": np.where(some, (-near_powers).astype(object), None),
        "i": np.array([f"é{k}\0"[: k % 4] + "x" * (k % 130) for k in range(N)]),
        "j": np.where(some, "t", "f"),
        "k": some,
        "l": ~some,
        "m": b"\0\1" * 100,
        "n": rng.integers(-5, 5, N),
        "other": rng.normal(size=N),
    }


def test_rows_are_what_fastavro_reads():
    columns = columns_of(np.random.default_rng(4))
    found = read(RowEncoder(SCHEMA).rows(columns, N))
    assert len(found) == N
    for field in SCHEMA["fields"]:
        name = field["name"]
        values = columns.get(name)
        is_float = "float" in field["type"]
        values = values.tolist() if isinstance(values, np.ndarray) else [values] * N
        for row, value in zip(found, values, strict=True):
            missing = value is None or value != value
            expected = np.float32(value) if is_float and not missing else value
            assert row[name] is None if missing else row[name] == expected, name


def test_no_rows_and_equal_rows():
    columns = {
        name: value for name, value in zip("acegik", (1.5, 2.5, 3, 4, "s", True), strict=True)
    }
    assert RowEncoder(SCHEMA).rows(columns, 0) == []
    rows = RowEncoder(SCHEMA).rows(columns, 3)
    assert len(set(rows)) == 1 and read(rows)[0]["g"] == 4 and read(rows)[0]["m"] is None


@pytest.mark.parametrize("change", [{"a": None}, {"a": np.array([1.0, np.nan])}, {"e": None}])
def test_a_field_that_may_not_be_null_is_refused(change):
    columns = {"a": 1.0, "c": 1.0, "e": 1, "g": 1, "i": "", "k": True} | change
    with pytest.raises(ValueError, match="which its type does not allow"):
        RowEncoder(SCHEMA).rows(columns, 2)
