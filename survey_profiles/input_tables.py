"""Columns of a user's table (see `table_files`): numbers as float64, names as text.

A number that is masked, empty or no number is NaN. A name keeps every digit and leading zero of
the file; spaces around it do not count. Row numbers in messages count from 1.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skyreel.errors import UserError, nearest
from survey_profiles.input_columns import Names, as_names, as_numbers
from survey_profiles.physical_ranges import PHYSICAL_RANGES, as_mjd, known
from survey_profiles.table_files import read_columns


@dataclass(frozen=True)
class InputTable:
    """The wanted columns of a table.

    Parameters
    ----------
    path : Path
    numbers : mapping of str to array
        NaN where there is no number.
    names : mapping of str to Names
    columns : tuple of str
        All columns of the file.
    n_rows : int
        Rows read.
    malformed_rows : int
        Rows of another number of fields than the header, which are not among them.
    error : type of UserError
        Raised for a table that cannot be used.
    """

    path: Path
    numbers: Mapping[str, NDArray[np.float64]]
    names: Mapping[str, Names]
    columns: tuple[str, ...]
    n_rows: int
    malformed_rows: int = 0
    error: type[UserError] = UserError

    def __contains__(self, column: str) -> bool:
        return column in self.numbers or column in self.names

    def require(self, columns: Iterable[str]) -> None:
        """Refuse a table without rows or that lacks one of these columns."""
        missing = [name for name in columns if name not in self]
        if missing:
            spare = [name for name in self.columns if name.strip() and name not in self]
            by_hint: dict[str, list[str]] = {}
            for name in missing:
                by_hint.setdefault(f" ({nearest(name, spare)})" if spare else "", []).append(name)
            named = "; ".join(f"{', '.join(names)}{hint}" for hint, names in by_hint.items())
            plural = "s" if len(missing) > 1 else ""
            raise self.error(f"{self.path}: no column{plural} {named}")
        if not self.n_rows:
            raise self.error(f"{self.path}: the table has no rows.")

    def known(self, column: str, quantity: str) -> NDArray[np.float64]:
        """A column with NaN where its value is unknown (see `survey_profiles.physical_ranges`).

        Raises
        ------
        UserError
            No value is known: then the column holds something else, or has another unit.
        """
        values = self.numbers[column]
        found = as_mjd(values)[0] if quantity == "mjd" else known(quantity, values)
        if np.isnan(found).all():
            raise self.error(self._unknown(column, quantity, values))
        return found

    def _unknown(self, column, quantity, values):
        allowed = PHYSICAL_RANGES[quantity]
        numbers = values[~np.isnan(values)]
        found = f"{numbers[0]:g} in its first row with a number" if numbers.size else "no number"
        return (
            f"{self.path}: column {column} has no known value; found {found}, allowed: {allowed}. "
            "Check its unit."
        )


@dataclass
class UsableRows:
    """Rows of a table that can be used, and how many are left out for each reason.

    Parameters
    ----------
    mask : bool array, shape (row,)
    left_out : dict of str to int
        By reason; a row counts once.
    """

    mask: NDArray[np.bool_]
    left_out: dict[str, int] = field(default_factory=dict)

    def leave_out(self, rows: NDArray[np.bool_], reason: str) -> None:
        """Leave out rows (a mask) that are still used."""
        count = int(np.count_nonzero(rows & self.mask))
        if count:
            self.left_out[reason] = self.left_out.get(reason, 0) + count
        self.mask &= ~rows

    def leave_out_unknown(self, columns: dict[str, np.ndarray], names: Iterable[str]) -> None:
        """Leave out rows that are NaN in one of these columns."""
        for name in names:
            self.leave_out(np.isnan(columns[name]), f"{name} unknown")


def read_table(
    path: Path,
    quantities: Mapping[str, str],
    names: Iterable[str],
    error: type[UserError],
    *,
    optional: Collection[str] = (),
) -> InputTable:
    """Read the wanted columns of a table, those of them that it has.

    Parameters
    ----------
    path : Path
        Parquet, ECSV, JSON or SQLite by the suffix; any other is CSV.
    quantities : mapping of str to str
        Columns of numbers, each with its quantity in `PHYSICAL_RANGES`. Columns of an ECSV table
        that state another unit are converted; times are converted to MJD.
    names : iterable of str
        Columns of names. All columns are found in upper and lower case.
    error : type of UserError
        Raised for a table that cannot be read.
    optional : collection of str
        Columns that count as absent where they hold something else.
    """
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "does not exist"
        raise error(f"{path}: the table {found}; give a file.")
    try:
        raw = read_columns(path, tuple(quantities), tuple(names))
        number = {n: partial(as_numbers, n, quantity=q) for n, q in quantities.items()}
        numbers = _converted(raw, number, optional)
        texts = _converted(raw, {n: partial(as_names, n) for n in names}, optional)
    except UserError as problem:
        raise error(f"{path}: {problem}") from None
    return InputTable(path, numbers, texts, raw.present, raw.n_rows, raw.malformed_rows, error)


def _converted(raw, conversions, optional):
    """The columns that are there, each by its conversion."""
    found = {}
    for name, convert in conversions.items():
        if name in raw:
            try:
                found[name] = convert(column=raw.columns[name])
            except UserError:
                if name not in optional:
                    raise
    return found
