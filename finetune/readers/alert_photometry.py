"""Measurements that come with alerts, as columns: a light curve of differences in nJy.

Fluxes are signed: science less reference. A magnitude is that of a positive difference, NaN of
any other.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from classifier.photometry.measurement import NJY_ZERO_POINT_MAG

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
KINDS = ("alert", "limit", "forced")
_ERROR_MAG = 2.5 / np.log(10)
_SAME_TIME_DAY = 1e-6


def photometry_path(dataset: Path) -> Path:
    """Where the light curves of a data set are: in a table beside it."""
    return Path(dataset).with_name(Path(dataset).name + ".photometry.parquet")


def njy_of_mag(magnitude):
    """Flux of an AB magnitude."""
    return 10 ** (0.4 * (NJY_ZERO_POINT_MAG - np.asarray(magnitude, dtype=float)))


def columns_of(rows) -> dict[str, np.ndarray]:
    """Rows (mjd, band, kind, flux_njy, flux_error_njy, limiting_mag) as columns, usable ones only.

    A row needs a time, a band, and a flux or a limit.
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
    known = np.isfinite(flux) | np.isfinite(columns["limiting_mag"])
    known &= np.isfinite(columns["mjd"])
    return {name: values[known] for name, values in columns.items()}


def joined_columns(parts) -> dict[str, np.ndarray]:
    """Several sets of columns as one in order of time; of the same measurement the last stays."""
    parts = [part for part in parts if part]
    if not parts:
        return {}
    columns = {name: np.concatenate([part[name] for part in parts]) for name in COLUMNS}
    when = np.round(columns["mjd"] / _SAME_TIME_DAY).astype(np.int64)
    last = {
        key: row for row, key in enumerate(zip(when, columns["band"], columns["kind"], strict=True))
    }
    rows = np.array(list(last.values()))
    rows = rows[np.argsort(columns["mjd"][rows], kind="stable")]
    return {name: values[rows] for name, values in columns.items()}
