"""Features of the light curves of a user's own table.

A point is used if its time, magnitude and error are known (`survey_profiles.physical_ranges`) and
its error is above zero. Of the points of one object at one time, the one with the smallest error
is used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from classifier.features import FEATURES, features_of_batch
from classifier.features.extract import FARTHEST_DAY, LONGEST_DAY
from skyreel.atomic_files import whole_file
from skyreel.console import printable
from skyreel.errors import ClassifierError
from survey_profiles.input_tables import InputTable, UsableRows, read_table
from survey_profiles.physical_ranges import as_mjd

QUANTITIES = {"mjd": "mjd", "magnitude": "magnitude", "error": "magnitude_error"}
COLUMNS = ("object", *QUANTITIES)
BATCH_CURVES = 4096
_MOST_NAMED = 3


@dataclass(frozen=True)
class Curves:
    """The light curves of a table, and what of it is left out.

    Parameters
    ----------
    path : Path
    names : array of str, shape (object,)
        In order of appearance.
    points : array, shape (point, 3)
        Time [d], magnitude and error of the used points, object by object, at increasing times.
    n_points : array of int, shape (object,)
    n_rows : int
        Rows of the table.
    left_out : dict of str to int
        Rows that are not used, by reason.
    notes : tuple of str
        Other sentences about the table.
    """

    path: Path
    names: NDArray[np.object_]
    points: NDArray[np.float64]
    n_points: NDArray[np.int64]
    n_rows: int
    left_out: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def summary(self) -> str:
        """What is left out, in one line of text each; empty if all rows are used."""
        lines = list(self.notes)
        if self.left_out:
            reasons = "; ".join(f"{count:,} {reason}" for reason, count in self.left_out.items())
            total = sum(self.left_out.values())
            lines.insert(0, f"{total:,} of {self.n_rows:,} rows are left out: {reasons}.")
        empty = np.flatnonzero(self.n_points == 0)
        if empty.size:
            lines.append(f"No point to use: {_some(self.names[empty])}; their features are NaN.")
        return "\n".join(f"{self.path}: {line}" for line in lines)

    def record(self) -> dict[str, Any]:
        """The same as plain values, for JSON."""
        empty = self.names[self.n_points == 0].tolist()
        counts = {"rows": self.n_rows, "left_out": self.left_out, "objects": len(self.names)}
        return {**counts, "objects_without_points": empty, "notes": list(self.notes)}


def read_curves(path: str | Path) -> Curves:
    """Read a table of light curves.

    Parameters
    ----------
    path : path
        ECSV, CSV or Parquet with the columns ``object, mjd, magnitude, error``, in any order of
        rows. Objects are named by all their letters and digits. Julian dates are converted to
        MJD; a table without any MJD has times in days from another origin.

    Raises
    ------
    ClassifierError
        The table cannot be read, lacks columns or rows, or a column has no known value.
    """
    path = Path(path)
    _require_file(path)
    table = read_table(path, QUANTITIES, ("object",), ClassifierError)
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        raise ClassifierError(
            f"{path} lacks the columns {', '.join(missing)}; light curves need "
            f"{', '.join(COLUMNS)}."
        )
    table.require(COLUMNS)
    return _used(table)


def _require_file(path):
    if path.is_dir():
        raise ClassifierError(f"{path} is a folder, not a table; for a data set give --data.")
    if not path.is_file():
        raise ClassifierError(f"{path}: there is no such file.")


def _used(table: InputTable) -> Curves:
    """The points that can be used."""
    days, notes = _days(table)
    magnitude = table.known("magnitude", "magnitude")
    error = table.known("error", "magnitude_error")
    names, code = table.names["object"]
    used = UsableRows(np.ones(table.n_rows, dtype=bool))
    if table.malformed_rows:
        used.left_out["with another number of fields than the header"] = table.malformed_rows
    used.leave_out(code < 0, "without the name of an object")
    for values, what in ((days, "time"), (magnitude, "magnitude"), (error, "error")):
        used.leave_out(np.isnan(values), f"of unknown {what}")
    used.leave_out(error <= 0, "with an error of zero")
    rows = np.flatnonzero(used.mask)
    rows = rows[np.lexsort((error[rows], days[rows], code[rows]))]
    repeated = _repeated(code, days, rows)
    objects = _some(names[np.unique(code[repeated])])
    used.leave_out(repeated, f"of a time that its object has twice ({objects})")
    too_long = _too_long(code, days, used.mask, len(names))
    used.leave_out(np.append(too_long, False)[code], f"of objects longer than {LONGEST_DAY:,.0f} d")
    if too_long.any():
        notes += (f"Longer than {LONGEST_DAY:,.0f} d: {_some(names[too_long])}.",)
    if not used.mask.any():
        reasons = "; ".join(f"{count:,} {reason}" for reason, count in used.left_out.items())
        raise ClassifierError(f"{table.path}: no row can be used: {reasons}.")
    rows = rows[used.mask[rows]]
    n_points = np.bincount(code[rows], minlength=len(names))
    points = np.stack([values[rows] for values in (days, magnitude, error)], axis=1)
    n_rows = table.n_rows + table.malformed_rows
    return Curves(table.path, names, points, n_points, n_rows, used.left_out, notes)


def _days(table):
    """Times in days, NaN where unknown, and sentences about them."""
    given = table.numbers["mjd"]
    mjd, n_julian = as_mjd(given)
    if n_julian:
        return mjd, (f"{n_julian:,} times are Julian dates and were converted to MJD.",)
    days = np.where(np.abs(given) < FARTHEST_DAY, given, np.nan)
    if np.isnan(days).all():
        table.known("mjd", "mjd")  # raises
    if np.isnan(mjd[~np.isnan(days)]).mean() <= 0.5:
        return mjd, ()
    return days, ("Most times are no MJD; all are taken as days from another origin.",)


def _repeated(code, days, rows):
    """Rows (a mask) at a time at which their object has a better point; ``rows`` are in order."""
    again = (np.diff(code[rows]) == 0) & (np.diff(days[rows]) == 0)
    found = np.zeros(len(code), dtype=bool)
    found[rows[1:][again]] = True
    return found


def _too_long(code, days, used, n_objects):
    """Which objects span more time than any survey."""
    first, last = np.full(n_objects, np.inf), np.full(n_objects, -np.inf)
    np.minimum.at(first, code[used], days[used])
    np.maximum.at(last, code[used], days[used])
    return last - first > LONGEST_DAY


def _some(names):
    """The first few names, and how many more there are."""
    more = f" and {len(names) - _MOST_NAMED:,} more" if len(names) > _MOST_NAMED else ""
    shown = (printable(name[:80]).replace("\n", "\\n") for name in names[:_MOST_NAMED])
    return ", ".join(shown) + more


def curve_features(
    curves: str | Path | Curves,
    *,
    threads: int,
    on_progress: Callable[[int], None] = lambda curves: None,
) -> pa.Table:
    """Features of every light curve of a table, one row per object in order of appearance.

    ``n_points`` is the number of points used; objects without any have features of NaN.

    Parameters
    ----------
    curves : path or Curves
        As for `read_curves`.
    threads : int
    on_progress : callable
        Called with the number of curves of every finished batch.

    Raises
    ------
    ClassifierError
        As for `read_curves`.
    """
    curves = curves if isinstance(curves, Curves) else read_curves(curves)
    n_points, n_curves = curves.n_points, len(curves.names)
    starts = np.cumsum(n_points) - n_points
    found = np.empty((n_curves, len(FEATURES)))
    by_length = np.argsort(n_points, kind="stable")  # little of a batch is then padding
    for cut in range(0, n_curves, BATCH_CURVES):
        chosen = by_length[cut : cut + BATCH_CURVES]
        batch = _padded(curves.points, starts[chosen], n_points[chosen])
        found[chosen] = features_of_batch(*batch, n_points[chosen], threads=threads)
        on_progress(chosen.size)
    columns = {"object": pa.array(curves.names.tolist(), pa.string())}
    columns["n_points"] = pa.array(n_points.astype(np.int32))
    columns |= {name: found[:, j] for j, name in enumerate(FEATURES)}
    return pa.table(columns)


def write_curve_features(curves: str | Path | Curves, out: str | Path, **options: Any) -> int:
    """Write the features of a table of light curves to Parquet; returns the number of curves.

    ``options`` are those of `curve_features`.

    Raises
    ------
    ClassifierError, OutputError
    """
    table = curve_features(curves, **options)
    with whole_file(out) as unfinished:
        pq.write_table(table, unfinished)
    return table.num_rows


def _padded(points, starts, counts):
    place = np.arange(max(counts.max(initial=0), 1))
    used = place < counts[:, None]
    rows = np.where(used, starts[:, None] + place, 0)
    return [np.where(used, points[rows, column], np.nan) for column in range(3)]
