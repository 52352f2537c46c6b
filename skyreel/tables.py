"""Tables as files: the suffix decides the format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from skyreel.atomic_files import whole_file

if TYPE_CHECKING:
    import pyarrow as pa

SUFFIXES = (".parquet", ".csv", ".ecsv", ".fits")


def export_table(parquet: str | Path, path: str | Path) -> None:
    r"""Write the rows of a Parquet file in the format of the suffix of ``path``.

    Absent text becomes an empty field of CSV and FITS, and a letter that FITS cannot hold becomes
    its escape (``\\xe9``); metadata stay in the Parquet file.

    Raises
    ------
    skyreel.errors.OutputError
    """
    import pyarrow.csv
    import pyarrow.parquet

    table, suffix = pyarrow.parquet.read_table(parquet), Path(path).suffix.lower()
    with whole_file(path) as unfinished:
        if suffix == ".csv":
            pyarrow.csv.write_csv(table, unfinished)
        elif suffix == ".parquet":
            pyarrow.parquet.write_table(table, unfinished, compression="zstd")
        else:
            kind = {".ecsv": "ascii.ecsv", ".fits": "fits"}[suffix]
            encoding = "ascii" if kind == "fits" else "utf-8"
            _astropy_table(table, encoding).write(unfinished, format=kind, overwrite=True)


def _astropy_table(table: pa.Table, encoding):
    from astropy.table import Table

    return Table({name: _column(table[name], encoding) for name in table.column_names})


def _column(column, encoding):
    values = column.to_numpy()
    if values.dtype != object:
        return values
    texts = ("" if value is None else str(value) for value in values)
    return [text.encode(encoding, "backslashreplace").decode(encoding) for text in texts]
