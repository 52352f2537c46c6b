"""Published photometry of alerts: a light curve of difference fluxes in nJy, as a Parquet table.

Fluxes are signed: science less template. A magnitude is that of a positive difference, else NaN.
Measurements at times without a stamp have no place among the arrays of a data set, so the table
lies beside it; ``features`` reads it too (columns object, mjd, magnitude, error).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import ArrayLike

from classifier.photometry.measurement import NJY_ZERO_POINT_MAG
from skyreel.errors import IngestError

if TYPE_CHECKING:
    from finetune.readers.protocol import RealSequence

COLUMNS = {
    "mjd": np.float64,
    "band": np.str_,
    "kind": np.str_,
    "flux_njy": np.float64,
    "flux_error_njy": np.float64,
    "limiting_mag": np.float64,
    "magnitude": np.float64,
    "error": np.float64,
}
SCHEMA = pa.schema(
    [("object", pa.string())]
    + [(name, pa.string() if kind is np.str_ else pa.float64()) for name, kind in COLUMNS.items()]
)
_ERROR_MAG = 2.5 / np.log(10)
_SAME_TIME_DAY = 1e-6


def photometry_path(dataset: Path) -> Path:
    """Path of the table of a data set."""
    return Path(dataset).with_name(Path(dataset).name + ".photometry.parquet")


def njy_of_mag(magnitude: ArrayLike) -> np.ndarray:
    """Flux [nJy] of an AB magnitude."""
    return 10 ** (0.4 * (NJY_ZERO_POINT_MAG - np.asarray(magnitude, dtype=float)))


def columns_of(rows: Iterable[tuple[Any, ...]]) -> dict[str, np.ndarray]:
    """Columns of rows (mjd, band, kind, flux_njy, flux_error_njy, limiting_mag).

    Rows without a time, without a band, or with neither flux nor limit are left out. The kind is
    "alert", "limit" or "forced".
    """
    rows = [row for row in rows if row[1] is not None]
    if not rows:
        return {}
    names = list(COLUMNS)[:6]
    columns = {
        n: np.array(v, COLUMNS[n]) for n, v in zip(names, zip(*rows, strict=True), strict=True)
    }
    flux, error = columns["flux_njy"], columns["flux_error_njy"]
    with np.errstate(divide="ignore", invalid="ignore"):
        columns["magnitude"] = np.where(flux > 0, NJY_ZERO_POINT_MAG - 2.5 * np.log10(flux), np.nan)
        columns["error"] = np.where(flux > 0, _ERROR_MAG * error / flux, np.nan)
    for name in ("flux_njy", "flux_error_njy", "magnitude", "error"):
        columns[name] = np.where(np.isfinite(columns[name]), columns[name], np.nan)
    known = np.isfinite(columns["flux_njy"]) | np.isfinite(columns["limiting_mag"])
    known &= np.isfinite(columns["mjd"])
    return {name: values[known] for name, values in columns.items()}


def joined_columns(parts: Iterable[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Several sets of columns as one, in order of time; of repeated measurements the last."""
    parts = [part for part in parts if part]
    if not parts:
        return {}
    columns = {name: np.concatenate([part[name] for part in parts]) for name in COLUMNS}
    when = np.round(columns["mjd"] / _SAME_TIME_DAY).astype(np.int64)
    last = {
        key: row for row, key in enumerate(zip(when, columns["band"], columns["kind"], strict=True))
    }
    rows = np.array(list(last.values()), dtype=np.intp)
    rows = rows[np.argsort(columns["mjd"][rows], kind="stable")]
    return {name: values[rows] for name, values in columns.items()}


def read_photometry(path: Path) -> dict[str, dict[str, np.ndarray]]:
    """Columns by object of the table of a data set.

    Raises
    ------
    IngestError
    """
    try:
        table = pq.read_table(path, columns=["object", *COLUMNS])
        table = table.sort_by([("object", "ascending"), ("mjd", "ascending")])
    except Exception as error:  # a file of unknown origin
        raise IngestError(f"{path} cannot be read ({type(error).__name__}).") from None
    columns = {
        name: np.array(table[name].to_pylist() if kind is np.str_ else table[name], dtype=kind)
        for name, kind in COLUMNS.items()
    }
    names = np.array(table["object"].to_pylist(), dtype=str)
    found, starts = np.unique(names, return_index=True)
    ends = [*starts[1:], len(names)]
    return {
        str(name): {key: values[start:end] for key, values in columns.items()}
        for name, start, end in zip(found, starts, ends, strict=True)
    }


class PhotometryFile:
    """The table of one data set, written only if there is any photometry."""

    def __init__(self, dataset: Path) -> None:
        self.path = photometry_path(dataset)
        self._unfinished = self.path.with_name(self.path.name + ".partial")
        self._writer = None

    def __enter__(self) -> PhotometryFile:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()
        self._unfinished.unlink(missing_ok=True)

    def add(self, sequences: Sequence[RealSequence]) -> None:
        """Write the photometry of some objects."""
        tables = [_table(s.object_id, s.photometry) for s in sequences if s.photometry]
        if not tables:
            return
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._unfinished, SCHEMA, compression="zstd")
        self._writer.write_table(pa.concat_tables(tables))

    def finish(self) -> None:
        """Rename the table; that of an earlier data set is removed."""
        if self._writer is None:
            self.path.unlink(missing_ok=True)
            return
        self._writer.close()
        self._unfinished.replace(self.path)


def _table(object_id, columns):
    n = len(columns["mjd"])
    return pa.table({"object": [object_id] * n, **columns}, schema=SCHEMA)
