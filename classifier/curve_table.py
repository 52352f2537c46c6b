"""A user's own light curves in one table, and their features in another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from classifier.errors import ClassifierError
from classifier.features import FEATURES, features_of_batch
from classifier.files import whole_file
from survey_profiles.errors import ExposureTableError
from survey_profiles.tables import load_table

COLUMNS = ("object", "mjd", "magnitude", "error")
BATCH_CURVES = 4096


def curve_features(path, *, threads: int, on_progress=lambda curves: None) -> pa.Table:
    """Features of every light curve of a table, one row per object in order of appearance.

    Parameters
    ----------
    path : path
        ECSV, CSV or Parquet with the columns ``object, mjd, magnitude, error``, in any order of
        rows.

    Raises
    ------
    ClassifierError
        It cannot be read, lacks columns or rows, or an object has two points at one time.
    """
    table = _read(Path(path))
    names, first, number = np.unique(table["object"], return_index=True, return_inverse=True)
    order = np.lexsort((table["mjd"], number))
    counts = np.bincount(number)
    _refuse_equal_times(path, table["mjd"][order], names[number[order]])
    starts = np.cumsum(counts) - counts
    found = np.empty((names.size, len(FEATURES)))
    by_length = np.argsort(counts, kind="stable")  # so that little of a batch is padding
    for cut in range(0, names.size, BATCH_CURVES):
        chosen = by_length[cut : cut + BATCH_CURVES]
        batch = _padded(table, order, starts[chosen], counts[chosen])
        found[chosen] = features_of_batch(*batch, counts[chosen], threads=threads)
        on_progress(chosen.size)
    appearance = np.argsort(first)
    columns = {"object": pa.array(names[appearance].astype(str))}
    columns["n_points"] = pa.array(counts[appearance].astype(np.int32))
    columns |= {name: found[appearance, j] for j, name in enumerate(FEATURES)}
    return pa.table(columns)


def write_curve_features(path, out, **options) -> int:
    """Write the features of a table of light curves; returns how many curves there were.

    Raises
    ------
    ClassifierError, OutputError
    """
    table = curve_features(path, **options)
    with whole_file(out) as unfinished:
        pq.write_table(table, unfinished)
    return table.num_rows


def _read(path):
    if not path.is_file():
        raise ClassifierError(f"{path}: there is no such file.")
    try:
        table = load_table(path)
    except ExposureTableError as error:
        raise ClassifierError(str(error).replace(", or OpSim SQLite (.db, .sqlite)", "")) from None
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        raise ClassifierError(
            f"{path} lacks the columns {', '.join(missing)}; light curves need "
            f"{', '.join(COLUMNS)}."
        )
    if not len(table["object"]):
        raise ClassifierError(f"{path} has no rows.")
    for name in COLUMNS[1:]:
        if not np.issubdtype(table[name].dtype, np.number):
            raise ClassifierError(f"{path}: the column {name} holds text; numbers are needed.")
        table[name] = table[name].astype(float)
    table["object"] = table["object"].astype(str)
    return _with_times(path, table)


def _with_times(path, table):
    known = np.isfinite(table["mjd"])
    if not known.any():
        raise ClassifierError(f"{path}: no row has a time.")
    return {name: table[name][known] for name in COLUMNS}


def _refuse_equal_times(path, mjd, names):
    twice = (np.diff(mjd) == 0) & (names[1:] == names[:-1])
    if twice.any():
        at = np.flatnonzero(twice)[0]
        raise ClassifierError(
            f"{path}: object {names[at]} has two points at {mjd[at]} d ({int(twice.sum())} such "
            "pairs). Merge them first."
        )


def _padded(table, order, starts, counts):
    point = np.arange(counts.max())
    used = point < counts[:, None]
    rows = order[np.where(used, starts[:, None] + point, 0)]
    return [np.where(used, table[name][rows], np.nan) for name in COLUMNS[1:]]
