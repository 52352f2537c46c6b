"""Tables of predictions with damaged bytes, metadata, columns, rows or values."""

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from classifier.evaluation import EvaluationError, evaluate, read_predictions, write_predictions
from tests.helpers.fuzzing import ODD_NUMBERS, ODD_TEXTS, mutated
from tests.helpers.made_up_predictions import made_up

METADATA = b"skyreel_predictions"
TYPES = (
    *(pa.string(), pa.float64(), pa.int64(), pa.uint64(), pa.bool_(), pa.binary(), pa.null()),
    *(pa.list_(pa.int64()), pa.timestamp("us"), pa.dictionary(pa.int32(), pa.string())),
)


def prepare(folder):
    write_predictions(folder / "p.parquet", made_up(n=60), {"model": "none"})
    return pq.read_table(folder / "p.parquet")


def make(base, rng, folder):
    how = rng.choice(list(CHANGES))
    table = CHANGES[how](rng, base)
    out = io.BytesIO()
    pq.write_table(table, out)
    data = out.getvalue()
    if how == "bytes":
        data = mutated(rng, data)[1]
    (folder / "p.parquet").write_bytes(data)
    return how, folder / "p.parquet"


def check(base, case, folder):
    found = read_predictions(case)
    used = np.arange(found.probabilities.shape[1]) < found.n_images[:, None]
    if not np.isfinite(found.probabilities[used]).all():
        return "probabilities are NaN"
    try:
        scores = evaluate(found, n_bootstrap=2).summary()
    except EvaluationError:
        return None
    return None if 0 <= scores["accuracy"].value <= 1 else "an accuracy beyond 0 to 1"


def _metadata(rng, table):
    text = table.schema.metadata[METADATA]
    about = json.loads(text)
    if rng.random() < 0.3:
        text = rng.choice([mutated(rng, text)[1], b"[" * 10**5, b"null", b""])
    else:
        key = rng.choice(list(about))
        odd = [None, [], {}, ["SN"], ["SN"] * 4, [1, 2], *ODD_NUMBERS, *ODD_TEXTS]
        about[key] = rng.choice(odd)
        text = json.dumps(about)
    return table.replace_schema_metadata({METADATA: text})


def _column(rng, table):
    name, how = rng.choice(table.column_names), rng.choice(["gone", "twice", "renamed"])
    if how == "gone":
        return table.drop_columns([name])
    if how == "twice":
        return table.append_column(name, table[rng.choice(table.column_names)])
    return table.rename_columns(["x" if each == name else each for each in table.column_names])


def _type(rng, table):
    name, kind = rng.choice(table.column_names), rng.choice(TYPES)
    try:
        values = table[name].cast(kind)
    except pa.ArrowException:
        values = pa.nulls(len(table), kind)
    return table.set_column(table.column_names.index(name), name, values)


def _values(rng, table):
    name = rng.choice(table.column_names)
    values, kind = table[name].to_pylist(), table.schema.field(name).type
    odd = [None, *ODD_TEXTS, "SN"] if kind == pa.string() else [None, *ODD_NUMBERS]
    for _ in range(rng.choice([1, 3, len(values)])):
        values[rng.randrange(len(values))] = rng.choice(odd)
    try:
        column = pa.array(values, kind)
    except (pa.ArrowException, OverflowError):
        column = pa.array([None if value is None else str(value) for value in values])
    return table.set_column(table.column_names.index(name), name, column)


def _rows(rng, table):
    n = len(table)
    rows = rng.choice(
        [[], [0], range(n // 2), [*range(n), *range(n)], rng.sample(range(n), n), [0] * 10**6]
    )
    return table.take(pa.array(list(rows), pa.int64()))


CHANGES = {
    "bytes": lambda rng, table: table,
    "metadata": _metadata,
    "column": _column,
    "type": _type,
    "values": _values,
    "rows": _rows,
}
