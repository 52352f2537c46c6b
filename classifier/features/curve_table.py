"""Features of the light curves of a user's own table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from classifier.features import FEATURES, features_of_batch
from classifier.features.extract import LONGEST_DAY
from skyreel.atomic_files import whole_file
from skyreel.errors import ClassifierError, ExposureTableError
from survey_profiles.exposure_tables.plain import load_table

COLUMNS = ("object", "mjd", "magnitude", "error")
BATCH_CURVES = 4096


def curve_features(
    path: str | Path, *, threads: int, on_progress: Callable[[int], None] = lambda curves: None
) -> pa.Table:
    """Features of every light curve of a table, one row per object in order of appearance.

    ``n_points`` is the number of points used: finite, with an error above zero.

    Parameters
    ----------
    path : path
        ECSV, CSV or Parquet with the columns ``object, mjd, magnitude, error``, in any order of
        rows.
    threads : int
    on_progress : callable
        Called with the number of curves of every finished batch.

    Raises
    ------
    ClassifierError
        The table cannot be read, lacks columns or rows, or an object has two points at one time
        or spans more than 100,000 days.
    """
    table = _read(Path(path))
    names, first, number = np.unique(table["object"], return_index=True, return_inverse=True)
    good = np.flatnonzero(_used_points(table))
    order = good[np.lexsort((table["mjd"][good], number[good]))]
    n_points = np.bincount(number[good], minlength=names.size)
    _check_times(path, table["mjd"][order], names[number[order]])
    starts = np.cumsum(n_points) - n_points
    found = np.empty((names.size, len(FEATURES)))
    by_length = np.argsort(n_points, kind="stable")  # little of a batch is then padding
    for cut in range(0, names.size, BATCH_CURVES):
        chosen = by_length[cut : cut + BATCH_CURVES]
        batch = _padded(table, order, starts[chosen], n_points[chosen])
        found[chosen] = features_of_batch(*batch, n_points[chosen], threads=threads)
        on_progress(chosen.size)
    appearance = np.argsort(first)
    columns = {"object": pa.array(names[appearance].astype(str))}
    columns["n_points"] = pa.array(n_points[appearance].astype(np.int32))
    columns |= {name: found[appearance, j] for j, name in enumerate(FEATURES)}
    return pa.table(columns)


def write_curve_features(path: str | Path, out: str | Path, **options: Any) -> int:
    """Write the features of a table of light curves to Parquet; returns the number of curves.

    ``options`` are those of `curve_features`.

    Raises
    ------
    ClassifierError, OutputError
    """
    table = curve_features(path, **options)
    with whole_file(out) as unfinished:
        pq.write_table(table, unfinished)
    return table.num_rows


def _read(path):
    if path.is_dir():
        raise ClassifierError(f"{path} is a folder, not a table; for a data set give --data.")
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
    return table


def _used_points(table):
    """Which rows are points of a light curve, as in `features_of`."""
    known = [np.isfinite(table[name]) for name in COLUMNS[1:]]
    return np.logical_and.reduce(known) & (table["error"] > 0)


def _check_times(path, mjd, names):
    """Refuse two points at one time and times that cannot be days; rows are sorted."""
    same = names[1:] == names[:-1]
    twice = np.flatnonzero((np.diff(mjd) == 0) & same)
    if twice.size:
        raise ClassifierError(
            f"{path}: object {names[twice[0]]} has two points at {mjd[twice[0]]} d ({twice.size} "
            "such pairs). Merge them first."
        )
    begins = np.flatnonzero(np.r_[True, ~same][: mjd.size])
    ends = np.r_[begins[1:] - 1, mjd.size - 1][: begins.size]
    long = np.flatnonzero(mjd[ends] - mjd[begins] > LONGEST_DAY)
    if long.size:
        raise ClassifierError(
            f"{path}: object {names[begins[long[0]]]} spans more than {LONGEST_DAY:.0f} d. Are "
            "the times in days?"
        )


def _padded(table, order, starts, counts):
    point = np.arange(max(counts.max(initial=0), 1))
    used = point < counts[:, None]
    rows = np.append(order, 0)[np.where(used, starts[:, None] + point, order.size)]
    return [np.where(used, table[name][rows], np.nan) for name in COLUMNS[1:]]
