"""Files of tables: CSV, ECSV, Parquet, JSON and SQLite, as columns of Arrow or astropy."""

from __future__ import annotations

import gzip
import json
import sqlite3
import warnings
import zlib
from codecs import getincrementaldecoder
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from skyreel.errors import UserError
from survey_profiles.input_columns import is_text

PARQUET_SUFFIXES = (".parquet", ".pq", ".parq")
SQLITE_SUFFIXES = (".db", ".sqlite", ".sqlite3")
JSON_SUFFIXES = (".json", ".jsonl", ".ndjson")
FORMATS = "ECSV, CSV, Parquet, JSON, SQLite"
_FREE_ROWS = 1_000_000  # a larger Parquet file needs a byte for every row
_MOST_COLUMN_BYTES = 2**31
_MOST_HEADER_BYTES = 2**22
_MOST_TEXT_BYTES = 2**31
_MOST_JSON_BYTES = 500_000_000
_MOST_ROWS = 20_000_000  # of SQLite: ten times the visits of ten years of LSST
_ROWS_AT_A_TIME = 100_000
_OTHER_FORMATS = (b"SIMPLE", b"<?xml ", b"SQLite")  # FITS, VOTable, SQLite


class RawTable(NamedTuple):
    """Columns as the file holds them, by the names that were asked for."""

    columns: dict[str, Any]
    present: tuple[str, ...]
    n_rows: int
    malformed_rows: int = 0

    def __contains__(self, name):
        return name in self.columns


def read_columns(path: Path, numbers: tuple[str, ...], names: tuple[str, ...]) -> RawTable:
    """The wanted columns of a table, those of them that it has, in upper or lower case.

    Raises
    ------
    UserError
        The file cannot be read, or is larger than a table can be.
    """
    readers = {
        **dict.fromkeys(PARQUET_SUFFIXES, _read_parquet),
        **dict.fromkeys(SQLITE_SUFFIXES, _read_sqlite),
        **dict.fromkeys(JSON_SUFFIXES, _read_json),
        ".ecsv": _read_ecsv,
    }
    return readers.get(path.suffix.lower(), _read_csv)(path, numbers, names)


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
    return UserError(f"cannot be read as a table ({reason[:200]}); allowed: {FORMATS}.")


# --- CSV ----------------------------------------------------------------------------------------


def _read_csv(path, numbers, names):
    from pyarrow import csv

    malformed = []
    parsing = csv.ParseOptions(
        delimiter=_separator(_header_of_utf8(path)),
        newlines_in_values=True,
        invalid_row_handler=lambda row: malformed.append(row.number) or "skip",
    )
    reading = csv.ReadOptions(block_size=_MOST_HEADER_BYTES)
    with path.open("rb") as file:
        if file.read(6) in _OTHER_FORMATS:
            raise UserError(
                f"the file is not what its suffix says; allowed: {FORMATS}. FITS and VOTable are "
                "converted with astropy.table."
            )
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
    return RawTable(columns, present, table.num_rows, len(malformed))


_TEXT = pa.dictionary(pa.int32(), pa.string())


def _separator(header):
    """The comma, or where the header has none, what else is between its columns."""
    return next((mark for mark in ",\t;|" if mark in header), ",")


def _header_of_utf8(path):
    """First line of a text; another encoding is refused before Arrow hands parts of it on."""
    decoder, n_bytes, start = getincrementaldecoder("utf-8")(), 0, ""
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
            while block := file.read(_MOST_HEADER_BYTES):
                text = decoder.decode(block)
                start = start or text
                n_bytes += len(block)
                if n_bytes > _MOST_TEXT_BYTES:
                    raise UserError("more than 2 GB of text; write the table as Parquet.")
        decoder.decode(b"", final=True)
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(getattr(error, "strerror", None) or error) from None
    except UnicodeDecodeError:
        raise UserError("bytes that are not UTF-8; save the table as UTF-8 text.") from None
    return start.lstrip("\ufeff\r\n").partition("\n")[0]


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
    return RawTable({n: table[present[k]] for n, k in places.items()}, present, table.num_rows)


def _check_size(metadata, file_bytes):
    """Refuse a small file that becomes large in memory."""
    rows = metadata.num_rows
    if rows > max(file_bytes, _FREE_ROWS):
        raise UserError(
            f"it says that it has {rows:,} rows in {file_bytes:,} bytes; allowed: a row a byte. "
            "It is damaged, or write its rows without repeating them."
        )
    limit = min(_MOST_COLUMN_BYTES, 1000 * max(file_bytes, 10_000))
    groups = [metadata.row_group(k) for k in range(metadata.num_row_groups)]
    # Arrow 26 ends the process at damaged metadata of a column, so they are read only if needed.
    large = [group for group in groups if group.total_byte_size > limit]
    columns = range(metadata.num_columns)
    sizes = [group.column(k).total_uncompressed_size for group in large for k in columns]
    if max(sizes, default=0) > limit:
        raise UserError(
            f"a column has {max(sizes):,} bytes uncompressed, of a file of {file_bytes:,}; it is "
            "damaged, or write it in smaller row groups."
        )


# --- ECSV ---------------------------------------------------------------------------------------


def _read_ecsv(path, numbers, names):
    from astropy.table import Table

    try:
        if path.stat().st_size > _MOST_TEXT_BYTES:
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
    return RawTable(columns, tuple(table.colnames), len(table))


# --- JSON ---------------------------------------------------------------------------------------


def _read_json(path, numbers, names):
    try:
        if path.stat().st_size > _MOST_JSON_BYTES:
            raise UserError("a JSON table of more than 500 MB; write it as Parquet or CSV.")
        records = _json_records(path.read_text(encoding="utf-8-sig"))
    except UserError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise _unreadable(error) from None
    rows = [record for record in records if isinstance(record, dict)]
    present = tuple(dict.fromkeys(key for row in rows for key in row))
    places = _places(present, (*numbers, *names))
    cells = {name: [row.get(present[k]) for row in rows] for name, k in places.items()}
    columns = {name: _arrow_column(values, name in numbers) for name, values in cells.items()}
    return RawTable(columns, present, len(rows), len(records) - len(rows))


def _json_records(text):
    """Rows of a list of objects, of an object of columns (pandas), or of one object a line."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    if isinstance(value, list):
        return value
    columns = value if isinstance(value, dict) else {}
    columns = {k: list(c.values()) if isinstance(c, dict) else c for k, c in columns.items()}
    if not columns or not all(isinstance(column, list) for column in columns.values()):
        raise ValueError("neither a list of rows nor an object of columns")
    if len({len(column) for column in columns.values()}) > 1:
        raise ValueError("columns of different length")
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _arrow_column(cells, is_number):
    """Cells of any type as numbers, NaN for none; as text where one is neither."""
    if is_number:
        with suppress(TypeError, ValueError, OverflowError):
            found = np.array(cells, dtype=np.float64)
            if found.ndim == 1:
                return pa.chunked_array([found])
    return pa.chunked_array([[_cell_text(cell) for cell in cells]], pa.string())


def _cell_text(cell):
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else repr(cell)
    if isinstance(cell, bytes):
        with suppress(UnicodeDecodeError):
            return cell.decode()
    return str(cell) if isinstance(cell, str | int) else None


# --- SQLite -------------------------------------------------------------------------------------


def _read_sqlite(path, numbers, names):
    try:
        database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            database.text_factory = lambda text: text.decode("utf-8", "replace")
            return _fullest_table(database, numbers, names)
        finally:
            database.close()
    except (sqlite3.Error, OSError, UnicodeError) as error:
        raise _unreadable(error) from None


def _fullest_table(database, numbers, names):
    """The table with most of the wanted columns; of equal ones, the first."""
    query = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY rowid"
    tables = [row[0] for row in database.execute(query)]
    if not tables:
        raise UserError("a database without a table.")
    columns = {t: _sqlite_columns(database, t) for t in tables}
    wanted = {name.lower() for name in (*numbers, *names)}
    table = max(tables, key=lambda t: len(wanted & {name.lower() for name in columns[t]}))
    places = _places(columns[table], (*numbers, *names))
    stored = {name: columns[table][k] for name, k in places.items()}
    chunks = _sqlite_chunks(database, table, stored, numbers)
    arrays = {name: _joined(parts) for name, parts in chunks.items()}
    n_rows = max(map(len, arrays.values()), default=0)
    return RawTable(arrays, tuple(columns[table]), n_rows)


def _joined(chunks):
    """Chunks as one column: of text where one of them is."""
    types = {chunk.type for chunk in chunks} or {pa.string()}
    joined = types.pop() if len(types) == 1 else pa.string()
    return pa.chunked_array([chunk.cast(joined) for chunk in chunks], joined)


def _quoted(name):
    return '"' + name.replace('"', '""') + '"'


def _sqlite_columns(database, table):
    return [row[1] for row in database.execute(f"PRAGMA table_info({_quoted(table)})")]


def _sqlite_chunks(database, table, columns, numbers):
    """Chunks of every column."""
    chunks = {name: [] for name in columns}
    if not columns:
        return chunks
    selected = ", ".join(_quoted(column) for column in columns.values())
    cursor = database.execute(f"SELECT {selected} FROM {_quoted(table)}")
    n_rows = 0
    while rows := cursor.fetchmany(_ROWS_AT_A_TIME):
        n_rows += len(rows)
        if n_rows > _MOST_ROWS:
            raise UserError(
                f"more than {_MOST_ROWS:,} rows; write the ones you need to another file."
            )
        for name, cells in zip(columns, zip(*rows, strict=True), strict=True):
            chunks[name].extend(_arrow_column(cells, name in numbers).chunks)
    return chunks
