"""Tables of any format whose cells are read as text, to the last digit.

Identifiers have up to 19 digits, leading zeros or dots: what takes them for numbers changes them.
"""

from __future__ import annotations

import csv
import io
import json
import warnings
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from finetune.readers.decompression import unpacked
from finetune.readers.fits_headers import check_headers
from skyreel.errors import IngestError, SequenceError

MOST_ROWS = 2_000_000
_MOST_BYTES = 256 * 2**20
_MOST_JSON_BYTES = 32 * 2**20  # not of JSON lines, which are read one by one
_MOST_EXTENSIONS = 16
_MOST_COLUMN_BYTES = 2**30  # of one column of a Parquet file
_BATCH_ROWS = 2**16
_EXACT = 2**53  # whole numbers of this size are exact in floating point
_DELIMITERS = (",", "\t", ";", "|")
Rows = Iterator[tuple[int, list[str]]]


class TextTable(NamedTuple):
    """Names of the columns, and the function that gives (number from 1, texts) of some of them."""

    names: list[str]
    rows: Callable[[Sequence[str]], Rows]


def read_text_table(path: Path) -> TextTable:
    """A table in CSV, ECSV, FITS, Parquet, JSON or JSON lines; the content decides.

    Absent cells are empty texts.

    Raises
    ------
    IngestError
        It cannot be read or is too large. So do the rows.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(6)
            file.seek(0)
            content = b"" if head[:4] == b"PAR1" else unpacked(file, _MOST_BYTES)
    except OSError as error:
        raise IngestError(f"{path}: labels cannot be read ({error.strerror}).") from None
    except SequenceError as error:
        raise IngestError(f"{path}: labels cannot be read: {error}") from None
    if head[:4] == b"PAR1":
        return _parquet(path)
    if content.startswith(b"SIMPLE"):
        return _fits(path, content)
    if content[:100].lstrip(b"\xef\xbb\xbf \r\n\t")[:1] in (b"[", b"{"):
        return _json(path, content)
    return _delimited(path, content)


def _bounded(path, rows):
    yield from islice(rows, MOST_ROWS)
    if next(rows, None) is not None:
        raise IngestError(f"{path} has more than {MOST_ROWS:,} rows; give those of your objects.")


def _delimited(path, content):
    """CSV, or the lines of ECSV below its header, which state the delimiter."""
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"

    def lines():
        return io.TextIOWrapper(io.BytesIO(content), encoding=encoding, newline="")

    try:
        begin, n_comments = _first_line(lines())
        delimiter = _delimiter(content, begin)
        reader = csv.reader(islice(lines(), n_comments, None), delimiter=delimiter)
        names = next(reader, [])
    except (csv.Error, UnicodeError) as error:
        raise _not_csv(path, error) from None

    def rows(wanted):
        places = [names.index(name) for name in wanted]
        try:
            for cells in reader:
                if cells:
                    line = n_comments + reader.line_num
                    yield line, [cells[i] if i < len(cells) else "" for i in places]
        except (csv.Error, UnicodeError) as error:
            raise _not_csv(path, error) from None

    return TextTable(names, lambda wanted: _bounded(path, rows(wanted)))


def _not_csv(path, error):
    return IngestError(f"{path} is not a CSV table that can be read ({error}).")


def _first_line(lines):
    """The first line that is no comment, and how many comments come before it."""
    for number, line in enumerate(lines):
        if not line.startswith("#"):
            return line, number
    return "", 0


def _delimiter(content, line):
    if content.startswith(b"# %ECSV"):
        return "," if b"# delimiter: ','" in content[:100_000] else " "
    return max(_DELIMITERS, key=line.count)


def _json(path, content):
    try:
        found = _json_rows(content)
    except (ValueError, RecursionError, AttributeError, TypeError, IndexError) as error:
        raise IngestError(
            f"{path} is no table in JSON ({type(error).__name__}): needed is a list of objects "
            "with equal keys, or one list for each column."
        ) from None
    if not found or not all(isinstance(row, dict) for row in found):
        raise IngestError(f"{path} is no table in JSON: it has no rows.")
    names = list(dict.fromkeys(name for row in found[:1000] for name in row))

    def rows(wanted):
        for number, row in enumerate(found, start=1):
            yield number, [_plain(row.get(name)) for name in wanted]

    return TextTable(names, lambda wanted: _bounded(path, rows(wanted)))


def _json_rows(content):
    """Rows as dictionaries; numbers are the texts that are written."""
    text = content.decode("utf-8-sig")
    first, _, more = text.lstrip().partition("\n")
    if first.rstrip().endswith("}") and more.lstrip().startswith("{"):  # JSON lines
        return [_loaded(line) for line in text.splitlines() if line.strip()]
    if len(content) > _MOST_JSON_BYTES:
        raise ValueError("size")
    found = _loaded(text)
    if isinstance(found, dict):
        nested = found.get("data")
        if isinstance(nested, list):
            return nested
        if not any(isinstance(values, list | dict) for values in found.values()):
            return [found]
        columns = [c.values() if isinstance(c, dict) else c for c in found.values()]
        return [dict(zip(found, row, strict=True)) for row in zip(*columns, strict=True)]
    return found


def _loaded(text):
    return json.loads(text, parse_int=str, parse_float=str, parse_constant=str)


def _plain(value):
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else ""


def _fits(path, content):
    from astropy.io import fits

    try:
        check_headers(content, _MOST_EXTENSIONS)
        with (
            warnings.catch_warnings(action="ignore"),
            fits.open(io.BytesIO(content), memmap=False, disable_image_compression=True) as hdus,
        ):
            tables = [h for h in islice(hdus, _MOST_EXTENSIONS) if isinstance(h, fits.BinTableHDU)]
            if not tables:
                raise SequenceError("it has no table extension.")
            header = tables[0].header
            n_bytes = header["NAXIS1"] * header["NAXIS2"]
            if not (0 <= n_bytes <= len(content) and 0 <= header["TFIELDS"] < 1000):
                raise SequenceError("its header claims more than the file holds.")
            columns, data = tables[0].columns, tables[0].data
    except SequenceError as error:
        raise IngestError(f"{path}: labels cannot be read: {error}") from None
    except Exception as error:  # damage raises errors of every kind
        raise IngestError(
            f"{path} is not a FITS table that can be read ({type(error).__name__})."
        ) from None

    def rows(wanted):
        texts = [_texts(path, name, data[name], columns[name].null) for name in wanted]
        for number, row in enumerate(zip(*texts, strict=True), start=1):
            yield number, list(row)

    return TextTable(list(columns.names), lambda wanted: _bounded(path, rows(wanted)))


def _texts(path, name, values, null=None):
    """An array as texts; numbers in floating point only where they are exact."""
    values = np.asarray(values)
    if values.ndim != 1 or values.dtype.kind not in "USiufb":
        raise IngestError(f"{path}: column {name} must hold one text or whole number a row.")
    if values.dtype.kind == "b":
        return [str(value).lower() for value in values.tolist()]
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8", "replace")
    if values.dtype.kind == "f":
        known = np.isfinite(values)
        exact = min(_EXACT, 2 ** (np.finfo(values.dtype).nmant + 1))
        if (np.abs(values[known]) >= exact).any() or (values[known] % 1 != 0).any():
            raise IngestError(
                f"{path}: column {name} holds numbers in floating point, which drop digits of "
                "identifiers; write it as text or as whole numbers."
            )
        values = np.where(known, values, 0).astype(np.int64)
        return ["" if not k else str(v) for k, v in zip(known, values.tolist(), strict=True)]
    return ["" if value == null else str(value).strip() for value in values.tolist()]


def _parquet(path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with open(path, "rb") as file:
            metadata = pq.read_metadata(file)
            names = metadata.schema.to_arrow_schema().names
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _not_parquet(path, error) from None
    if metadata.num_rows > MOST_ROWS:
        raise IngestError(
            f"{path} has {metadata.num_rows:,} rows; at most {MOST_ROWS:,} labels are read. Give "
            "those of your objects."
        )

    def rows(wanted):
        try:
            with pq.ParquetFile(path, read_dictionary=_text_columns(metadata, wanted)) as file:
                number = 0
                for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=list(wanted)):
                    texts = [_arrow_texts(path, name, batch.column(name)) for name in wanted]
                    for row in zip(*texts, strict=True):
                        number += 1
                        yield number, list(row)
        except (pa.ArrowException, OSError) as error:
            raise _not_parquet(path, error) from None

    if len(set(names)) < len(names):
        raise IngestError(f"{path} has two columns of one name.")
    return TextTable(names, lambda wanted: _bounded(path, rows(wanted)))


def _not_parquet(path, error):
    return IngestError(f"{path} is not a Parquet table that can be read ({type(error).__name__}).")


def _text_columns(metadata, wanted):
    """Columns of text, kept as dictionaries; IngestError if one of ``wanted`` is too large."""
    texts = []
    groups = [metadata.row_group(g) for g in range(metadata.num_row_groups)]
    # Arrow 26 ends the process at damaged metadata of a column, so they are read only if needed.
    is_large = sum(group.total_byte_size for group in groups) > _MOST_COLUMN_BYTES
    for i in range(metadata.num_columns):
        column = metadata.schema.column(i)
        if column.path not in wanted:
            continue
        sizes = (group.column(i).total_uncompressed_size for group in groups if is_large)
        if sum(sizes) > _MOST_COLUMN_BYTES:
            raise IngestError(f"column {column.path} has more than {_MOST_COLUMN_BYTES:,} bytes.")
        if column.physical_type == "BYTE_ARRAY":
            texts.append(column.path)
    return texts


def _arrow_texts(path, name, column):
    """An Arrow array as texts."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        values = _arrow_texts(path, name, column.dictionary)
        indices = column.indices.to_pylist()
        return ["" if i is None else values[i] for i in indices]
    if pa.types.is_floating(kind):
        return _texts(path, name, column.to_numpy(zero_copy_only=False))
    if pa.types.is_boolean(kind):
        return ["" if value is None else str(value).lower() for value in column.to_pylist()]
    whole = pa.types.is_integer(kind) or (pa.types.is_decimal(kind) and kind.scale == 0)
    binary = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if not (whole or text or binary or pa.types.is_null(kind)):
        raise IngestError(
            f"{path}: column {name} is of type {kind}; needed are texts or whole numbers."
        )
    try:
        values = column.to_pylist()
        if binary:
            values = [v if v is None else v.decode() for v in values]
    except UnicodeDecodeError:
        raise IngestError(f"{path}: column {name} holds bytes that are no text.") from None
    return ["" if value is None else str(value) for value in values]
