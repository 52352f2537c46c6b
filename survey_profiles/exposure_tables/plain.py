"""Tables of exposures in our own columns, one row per exposure.

Rows that share ``field`` and ``ccd`` (where the table has these columns) are one pointing;
sequences longer than ``cadence.max_epochs`` are cut into consecutive windows of nearly equal
length.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from skyreel.errors import ExposureTableError
from survey_profiles.exposure_tables.columns import (
    REQUIRED,
    checked_columns,
)
from survey_profiles.exposure_tables.windows import leave_out_unused, pack_windows
from survey_profiles.input_tables import InputTable
from survey_profiles.physical_ranges import as_mjd

if TYPE_CHECKING:
    from survey_profiles.pointings import Pointings
    from survey_profiles.profile import Profile


def plain_pointings(table: InputTable, profile: Profile, seed: int) -> Pointings:
    """The pointings of a table with the columns `read_exposures` lists.

    Raises
    ------
    ExposureTableError
    """
    table.require(REQUIRED)
    columns, rows = checked_columns(table, profile)
    notes = leave_out_unused(table.path, columns, rows, profile)
    pointings = _pointings(table.path, columns, rows)
    windows = _windows(table.path, pointings, rows, profile.cadence)
    ccd = [columns["ccd"][w[0]] if "ccd" in columns else -1 for w in windows]
    n_julian = as_mjd(table.numbers["mjd"])[1]
    if n_julian:
        notes.append(f"{n_julian:,} times are Julian dates, converted to MJD.")
    long = sum(len(rows) > profile.cadence.max_epochs for rows in pointings)
    if long:
        notes.append(
            f"{long:,} of {len(pointings):,} pointings were cut into consecutive ones of at most "
            f"cadence.max_epochs = {profile.cadence.max_epochs}."
        )
    pointings = pack_windows(columns, windows, ccd, profile, seed)
    return replace(pointings, unused_rows=rows.left_out, notes=tuple(notes))


def _pointings(path, columns, rows):
    """Used rows of every pointing, at increasing times."""
    found, repeated = [], [np.empty(0, dtype=np.int64)]
    for group in _groups(columns):
        used = group[rows.mask[group]]
        step = np.diff(columns["mjd"][used], prepend=-np.inf)
        repeated.append(used[step == 0])
        found.append(used[step != 0])
        _require_order(path, columns["mjd"], found[-1])
    rows.leave_out(_mask(rows, np.concatenate(repeated)), "time repeated in its pointing")
    return found


def _mask(rows, chosen):
    mask = np.zeros(len(rows.mask), dtype=bool)
    mask[chosen] = True
    return mask


def _groups(columns):
    """Row numbers of each pointing, in order of first appearance."""
    keys = [columns[n] for n in ("field", "ccd") if n in columns]
    if not keys:
        yield np.arange(len(columns["mjd"]))
        return
    _, first, group = np.unique(np.stack(keys), axis=1, return_index=True, return_inverse=True)
    group = group.reshape(-1)
    in_order = np.argsort(group, kind="stable")
    parts = np.split(in_order, np.cumsum(np.bincount(group))[:-1])
    for k in np.argsort(first):
        yield parts[k]


def _require_order(path, mjd, rows):
    bad = np.flatnonzero(np.diff(mjd[rows]) < 0)
    if bad.size:
        later = rows[bad[0] + 1]
        raise ExposureTableError(
            f"{path}: row {later + 1} (mjd {mjd[later]:.6f}) is earlier than row "
            f"{rows[bad[0]] + 1} of its pointing; sort by mjd (a column 'field' separates fields)."
        )


def _windows(path, pointings, rows, cadence):
    """Consecutive windows of nearly equal length, within the limits of the cadence."""
    least, most = cadence.min_epochs, cadence.max_epochs
    cut = [w for p in pointings if len(p) for w in _cut(p, least, most)]
    short = [window for window in cut if len(window) < least]
    kept = [window for window in cut if len(window) >= least]
    if not kept:
        longest = max(map(len, pointings))
        raise ExposureTableError(
            f"{path}: the longest pointing has {longest} exposures in use, fewer than "
            f"cadence.min_epochs = {least}; lower that number (--profile-set)."
        )
    if short:
        reason = f"in a pointing of fewer exposures than cadence.min_epochs = {least}"
        rows.leave_out(_mask(rows, np.concatenate(short)), reason)
    return kept


def _cut(pointing, least, most):
    """Windows of nearly equal length; of the longest where equal ones would be too short."""
    equal = np.array_split(pointing, -(-len(pointing) // most))
    if len(equal[-1]) >= least or len(pointing) < least:
        return equal
    return [pointing[first : first + most] for first in range(0, len(pointing), most)]
