"""ECSV, CSV and Parquet tables of exposures, one row per exposure.

Rows that share ``field`` and ``ccd`` (where the table has these columns) are one pointing;
sequences longer than ``cadence.max_epochs`` are cut into consecutive windows of nearly equal
length.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from skyreel.errors import ExposureTableError
from survey_profiles.exposure_tables.columns import REQUIRED, checked_columns, require_columns
from survey_profiles.exposure_tables.windows import pack_windows, usable_rows

if TYPE_CHECKING:
    from survey_profiles.pointings import Pointings
    from survey_profiles.profile import Profile


def read_plain(path: Path, profile: Profile, seed: int) -> Pointings:
    """The pointings of a table with the columns `read_exposures` lists.

    Raises
    ------
    ExposureTableError
    """
    table = load_table(path)
    require_columns(path, table, REQUIRED)
    columns = checked_columns(path, table, profile)
    groups = list(_groups(columns))
    for rows in groups:
        _require_order(path, columns["mjd"], rows)
    usable, unused = usable_rows(path, columns, profile)
    limit = profile.cadence.max_epochs
    windows = [w for rows in groups for w in _windows(rows[usable[rows]], limit)]
    ccd = [columns["ccd"][w[0]] if "ccd" in columns else -1 for w in windows]
    return pack_windows(columns, windows, ccd, profile, seed, unused)


def load_table(path: Path) -> dict[str, np.ndarray]:
    """A file as a dictionary of NumPy arrays (row,); masked numbers become NaN.

    Raises
    ------
    ExposureTableError
        The file cannot be read as a table.
    """
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            from pyarrow import parquet

            table = parquet.read_table(path)
            return {name: table[name].to_numpy() for name in table.column_names}
        return _load_text(path)
    except Exception as error:
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise ExposureTableError(
            f"{path}: cannot be read as a table ({reason}); allowed: ECSV, CSV, Parquet, "
            "or OpSim SQLite (.db, .sqlite)."
        ) from error


def _load_text(path):
    from astropy.table import Table

    form = "ascii.ecsv" if path.suffix.lower() == ".ecsv" else "ascii.csv"
    table = Table.read(path, format=form)
    numeric = {name: np.issubdtype(table[name].dtype, np.number) for name in table.colnames}
    if table.has_masked_columns:
        table = table.copy()
        for name in table.colnames:
            if numeric[name] and table[name].dtype.kind != "f":
                table[name] = table[name].astype(float)
        table = table.filled(np.nan) if all(numeric.values()) else _filled(table, numeric)
    return {name: np.asarray(table[name]) for name in table.colnames}


def _filled(table, numeric):
    for name in table.colnames:
        if hasattr(table[name], "filled"):
            table[name] = table[name].filled(np.nan if numeric[name] else "")
    return table


def _groups(columns):
    """Row numbers of each pointing, in order of first appearance."""
    keys = [columns[n] for n in ("field", "ccd") if n in columns]
    if not keys:
        yield np.arange(len(columns["mjd"]))
        return
    _, first, group = np.unique(np.stack(keys), axis=1, return_index=True, return_inverse=True)
    group = group.reshape(-1)
    for k in np.argsort(first):
        yield np.flatnonzero(group == k)


def _require_order(path, mjd, rows):
    steps = np.diff(mjd[rows])
    bad = np.flatnonzero(steps <= 0)
    if bad.size:
        later = rows[bad[0] + 1]
        fault = "repeats the time of" if steps[bad[0]] == 0 else "is earlier than"
        raise ExposureTableError(
            f"{path}: row {later + 1} (mjd {mjd[later]:.6f}) {fault} row {rows[bad[0]] + 1} of its "
            "pointing; sort by mjd, one row per exposure (a column 'field' separates fields)."
        )


def _windows(rows, limit):
    """Consecutive windows of nearly equal length, none longer than ``limit``."""
    if not len(rows):
        return []
    return np.array_split(rows, -(-len(rows) // limit))
