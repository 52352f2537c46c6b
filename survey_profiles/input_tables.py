"""Columns of a user's table (CSV, ECSV or Parquet): numbers as float64, names as text.

A number that is masked, empty or no number is NaN. A name keeps every digit and leading zero of
the file; spaces around it do not count. Row numbers in messages count from 1.
"""

from __future__ import annotations

import warnings
from codecs import getincrementaldecoder
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from skyreel.errors import UserError, nearest
from survey_profiles.input_columns import Names, as_names, as_numbers, is_text
from survey_profiles.physical_ranges import PHYSICAL_RANGES, as_mjd, known

PARQUET_SUFFIXES = (".parquet", ".pq")
_FREE_ROWS = 1_000_000  # a larger Parquet file needs a byte for every row
_MOST_COLUMN_BYTES = 2**31
_MOST_HEADER_BYTES = 2**22
_ECSV_BYTES = 2**31
_OTHER_FORMATS = (b"SIMPLE", b"<?xml ", b"SQLite")  # FITS, VOTable, SQLite


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
            hints = [f"{name} ({nearest(name, spare)})" if spare else name for name in missing]
            plural = "s" if len(missing) > 1 else ""
            raise self.error(f"{self.path}: no column{plural} {'; '.join(hints)}")
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
    path: Path, quantities: Mapping[str, str], names: Iterable[str], error: type[UserError]
) -> InputTable:
    """Read the wanted columns of a table, those of them that it has.

    Parameters
    ----------
    path : Path
        Parquet or ECSV by the suffix; any other is CSV.
    quantities : mapping of str to str
        Columns of numbers, each with its quantity in `PHYSICAL_RANGES`. Columns of an ECSV table
        that state another unit are converted; times are converted to MJD.
    names : iterable of str
        Columns of names. All columns are found in upper and lower case.
    error : type of UserError
        Raised for a table that cannot be read.
    """
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "does not exist"
        raise error(f"{path}: the table {found}; give a file.")
    suffix = path.suffix.lower()
    kinds = {**dict.fromkeys(PARQUET_SUFFIXES, _read_parquet), ".ecsv": _read_ecsv}
    try:
        raw = kinds.get(suffix, _read_csv)(path, tuple(quantities), tuple(names))
        numbers = {n: as_numbers(n, raw.columns[n], q) for n, q in quantities.items() if n in raw}
        texts = {n: as_names(n, raw.columns[n]) for n in names if n in raw}
    except UserError as problem:
        raise error(f"{path}: {problem}") from None
    return InputTable(path, numbers, texts, raw.present, raw.n_rows, raw.malformed_rows, error)


class _Raw(NamedTuple):
    """Columns as the file holds them, by the names that were asked for."""

    columns: dict[str, Any]
    present: tuple[str, ...]
    n_rows: int
    malformed_rows: int = 0

    def __contains__(self, name):
        return name in self.columns


def _places(present, wanted):
    """Position of every wanted column, by its name or else by its name in another case."""
    found = {}
    for name in wanted:
        exact = [k for k, other in enumerate(present) if other == name]
        alike = [k for k, other in enumerate(present) if other.strip().lower() == name.lower()]
        places = exact or alike
        if len(places) > 1:
            raise UserError(f"column {name} is there {len(places)} times; keep one.")
        if places:
            found[name] = places[0]
    return found


def _unreadable(error) -> UserError:
    reason = str(error).strip().split("\n")[0] or type(error).__name__
    return UserError(f"cannot be read as a table ({reason[:200]}); allowed: ECSV, CSV, Parquet.")


# --- CSV ----------------------------------------------------------------------------------------


def _read_csv(path, numbers, names):
    from pyarrow import csv

    malformed = []
    parsing = csv.ParseOptions(
        newlines_in_values=True,
        invalid_row_handler=lambda row: malformed.append(row.number) or "skip",
    )
    reading = csv.ReadOptions(block_size=_MOST_HEADER_BYTES)
    _require_utf8(path)
    with path.open("rb") as file:
        if file.read(6) in _OTHER_FORMATS:
            raise UserError("neither ECSV, CSV nor Parquet; convert it with astropy.table.")
    try:
        with csv.open_csv(path, read_options=reading, parse_options=parsing) as opened:
            present = tuple(opened.schema.names)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _unreadable(error) from None
    places = _places(present, (*numbers, *names))
    malformed.clear()

    def read(number_type):
        types = {present[places[n]]: number_type for n in numbers if n in places}
        types |= {present[places[n]]: _TEXT for n in names if n in places}
        converting = csv.ConvertOptions(column_types=types, include_columns=list(types))
        return csv.read_csv(path, reading, parsing, converting)

    try:
        table = read(pa.float64())
    except pa.ArrowInvalid:  # some cell is no number
        malformed.clear()
        table = _read_or_explain(read)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _unreadable(error) from None
    columns = {name: table[present[k]] for name, k in places.items()}
    return _Raw(columns, present, table.num_rows, len(malformed))


_TEXT = pa.dictionary(pa.int32(), pa.string())


def _require_utf8(path):
    """Refuse text in another encoding before Arrow hands parts of it to Python."""
    decoder = getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as file:
            while block := file.read(_MOST_HEADER_BYTES):
                decoder.decode(block)
        decoder.decode(b"", final=True)
    except OSError as error:
        raise _unreadable(error.strerror or error) from None
    except UnicodeDecodeError:
        raise UserError("bytes that are not UTF-8; save the table as UTF-8 text.") from None


def _read_or_explain(read):
    try:
        return read(pa.string())
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _unreadable(error) from None


# --- Parquet ------------------------------------------------------------------------------------


def _read_parquet(path, numbers, names):
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            present = tuple(file.schema_arrow.names)
            places = _places(present, (*numbers, *names))
            _check_size(file.metadata, path.stat().st_size)
        wanted = [present[k] for k in places.values()]
        texts = [present[places[n]] for n in names if n in places]
        schema = {f.name: f.type for f in file.schema_arrow}
        dictionaries = [n for n in texts if is_text(schema[n])]
        table = parquet.read_table(path, columns=wanted, read_dictionary=dictionaries)
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise _unreadable(error) from None
    return _Raw({n: table[present[k]] for n, k in places.items()}, present, table.num_rows)


def _check_size(metadata, file_bytes):
    """Refuse a small file that becomes large in memory."""
    rows = metadata.num_rows
    if rows > max(file_bytes, _FREE_ROWS):
        raise UserError(
            f"it says that it has {rows:,} rows in {file_bytes:,} bytes; allowed: a row a byte. "
            "It is damaged, or write its rows without repeating them."
        )
    groups = [metadata.row_group(k) for k in range(metadata.num_row_groups)]
    sizes = [
        group.column(k).total_uncompressed_size
        for group in groups
        for k in range(metadata.num_columns)
    ]
    if max(sizes, default=0) > min(_MOST_COLUMN_BYTES, 1000 * max(file_bytes, 10_000)):
        raise UserError(
            f"a column has {max(sizes):,} bytes uncompressed, of a file of {file_bytes:,}; it is "
            "damaged, or write it in smaller row groups."
        )


# --- ECSV ---------------------------------------------------------------------------------------


def _read_ecsv(path, numbers, names):
    from astropy.table import Table

    try:
        if path.stat().st_size > _ECSV_BYTES:
            raise UserError("an ECSV table of more than 2 GB; write it as Parquet or CSV.")
        lines = path.read_text(encoding="utf-8-sig").split("\n")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = Table.read(lines, format="ascii.ecsv")
    except UserError:
        raise
    except Exception as error:  # the parser raises many kinds
        raise _unreadable(error) from None
    places = _places(table.colnames, (*numbers, *names))
    columns = {name: table.columns[k] for name, k in places.items()}
    return _Raw(columns, tuple(table.colnames), len(table))
