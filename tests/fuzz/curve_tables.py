"""Tables of light curves: the names are those of the file, and no feature is infinite."""

import csv
import io

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from classifier.features.curve_table import COLUMNS, curve_features, read_curves
from tests.helpers.fuzzing import ODD_NUMBERS, ODD_TEXTS, mutated

TEXTS = (pa.string(), pa.large_string(), pa.string_view())
NAMES = ("a", "007", "7", "7.0", "169830580431093801", "169830580431093809", "é", "[b]")


def prepare(folder):
    path = folder / "curves.csv"
    rows = "".join(f"a,{57000 + k},20.{k},0.1\n" for k in range(12))
    path.write_text(f"{','.join(COLUMNS)}\n{rows}")
    curve_features(path, threads=1)  # compiled here, not in the time of an input
    return None


def make(base, rng, folder):
    rows = [
        [rng.choice(NAMES), 57000 + 1.1 * k, 20 + rng.random(), 0.1]
        for k in range(rng.choice([0, 1, 2, 9, 40]))
    ]
    names = {row[0] for row in rows}
    for row in rows:
        if rng.random() < 0.2:
            column = rng.randrange(1, 4)
            row[column] = rng.choice([*ODD_NUMBERS, *ODD_TEXTS])
    kind = rng.choice(["csv", "csv", "parquet"])
    path = folder / f"curves.{kind}"
    how, data = "cells", as_csv(rows)
    if kind == "parquet":
        how = rng.choice(["cells", "cells", "types"])
        data = as_parquet(rng, rows, other=how == "types")
    if how == "types":
        names = None
    if rng.random() < 0.3:
        how, data = mutated(rng, data)
        names = None
    path.write_bytes(data)
    return f"{kind} {how}", (path, names)


def as_csv(rows):
    text = io.StringIO()
    csv.writer(text).writerows([COLUMNS, *rows])
    return text.getvalue().encode("utf-8", "replace")


def as_parquet(rng, rows, other):
    texts = pa.array([row[0] for row in rows], rng.choice(TEXTS))
    encoded = texts.type != pa.string_view() and rng.random() < 0.3
    columns = {"object": texts.dictionary_encode() if encoded else texts}
    for k, name in enumerate(COLUMNS[1:], 1):
        values = [row[k] for row in rows]
        if any(isinstance(value, str) for value in values):
            columns[name] = pa.array([str(value) for value in values], pa.string())
        else:
            numbers = np.array(values, dtype=np.float64)
            columns[name] = pa.array(numbers.astype(rng.choice([np.float32, np.float64])))
    if other:
        columns[rng.choice(COLUMNS)] = other_column(rng, len(rows))
    file = io.BytesIO()
    parquet.write_table(pa.table(columns), file)
    return file.getvalue()


def other_column(rng, n):
    """A column of a type that may be no number or name."""
    kinds = [
        pa.array([[1]] * n),
        pa.array([{"a": 1}] * n),
        pa.array([True] * n),
        pa.nulls(n),
        pa.array([2**63] * n, pa.uint64()),
        pa.array([1e18] * n),
        pa.array(np.arange(n).astype("datetime64[ns]")),
        pa.array(np.arange(n).astype("datetime64[D]")),
        pa.array(np.arange(n).astype("timedelta64[s]")),
        pa.array(np.arange(n)).cast(pa.decimal128(30, 3)),
    ]
    return rng.choice(kinds)


def check(base, case, folder):
    path, names = case
    curves = read_curves(path)
    if names is not None and set(curves.names) != names:
        return f"names {sorted(curves.names)[:5]}, not {sorted(names)[:5]}"
    if not np.isfinite(curves.points).all() or (curves.points[:, 1] > 40).any():
        return "a point that is none"
    table = curve_features(curves, threads=1)
    infinite = [n for n in table.column_names[2:] if np.isinf(table[n].to_numpy()).any()]
    return f"infinite {infinite}" if infinite else None
