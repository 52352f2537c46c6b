"""A user's table of exposures, turned into the same sequences that a profile draws.

Rows that share ``field`` and ``ccd`` (where the table has these columns) are one pointing;
sequences longer than ``cadence.max_epochs`` are cut into consecutive windows of nearly equal
length. Row numbers in messages count data rows from 1.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from skyreel.errors import ExposureTableError, nearest
from survey_profiles.conditions import random_stream
from survey_profiles.pointings import Pointings, as_pointings, draw_shapes

MEASURED = (
    "mjd",
    "exposure_time_s",
    "airmass",
    "seeing_fwhm_arcsec",
    "sky_adu",
    "zero_point_mag",
    "limiting_mag",
)
REQUIRED = (*MEASURED, "band")
SHAPES = ("psf_beta", "psf_e1", "psf_e2")
ALLOWED = {
    "mjd": (15020, 88069, "d"),
    "exposure_time_s": (0.001, 86400, "s"),
    "airmass": (1, 10, ""),
    "seeing_fwhm_arcsec": (0.01, 60, "arcsec"),
    "sky_adu": (0, 1e7, "ADU"),
    "zero_point_mag": (5, 40, "mag"),
    "limiting_mag": (0, 40, "mag"),
    "psf_beta": (1.01, 100, ""),
    "psf_e1": (-0.95, 0.95, ""),
    "psf_e2": (-0.95, 0.95, ""),
}
_SHAPE_STREAM = 1000  # away from the rounds of ``draw_pointings``
_SQLITE = (".db", ".sqlite", ".sqlite3")


def read_exposures(path, profile, seed: int) -> Pointings:
    """The exposure sequences of a table.

    Parameters
    ----------
    path : str or Path
        ECSV, CSV or Parquet with the columns ``mjd, band, exposure_time_s, airmass,
        seeing_fwhm_arcsec, sky_adu, zero_point_mag, limiting_mag`` and, where known,
        ``field, ccd, psf_beta, psf_e1, psf_e2``; or a Rubin OpSim SQLite file. ``ccd`` is a
        CCD's name or its number, counted from 1 in the order of the profile.
    profile : Profile
        Rows in bands it has but does not use are left out, and so are rows wider than its
        ``seeing.max_fwhm_arcsec``.
    seed : int
        For what the table does not hold: PSF shapes, positions in an OpSim file.

    Raises
    ------
    ExposureTableError
    """
    path = Path(path)
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "does not exist"
        raise ExposureTableError(f"{path}: the exposure table {found}; give a file.")
    if path.suffix.lower() in _SQLITE:
        from survey_profiles.exposure_tables.opsim import read_opsim

        return read_opsim(path, profile, seed)
    table = load_table(path)
    require_columns(path, table, REQUIRED)
    columns = checked_columns(path, table, profile)
    return group_exposures(path, columns, profile, seed)


def load_table(path):
    """A file as a dict of NumPy arrays, masked entries as NaN."""
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


def require_columns(path, table, required):
    """Refuse a table without rows or columns it must have."""
    missing = [name for name in required if name not in table]
    if missing:
        spare = [name for name in table if name not in required]
        hints = [f"{name} ({nearest(name, spare)})" if spare else name for name in missing]
        plural = "s" if len(missing) > 1 else ""
        raise ExposureTableError(f"{path}: no column{plural} {'; '.join(hints)}")
    if not len(table[required[0]]):
        raise ExposureTableError(f"{path}: the table has no rows; give at least one exposure.")


def checked_columns(path, table, profile):
    """Columns as arrays, every value finite and physical, bands as indices."""
    columns = {"band": _band_indices(path, table["band"], profile)}
    for name in (*MEASURED, *(n for n in SHAPES if n in table)):
        columns[name] = _numbers(path, name, table[name])
    if "field" in table:
        columns["field"] = np.unique(np.asarray(table["field"]).astype(str), return_inverse=True)[1]
    if "ccd" in table:
        columns["ccd"] = _ccd_indices(path, np.asarray(table["ccd"]), profile)
    return columns


def _row_list(rows, most=5):
    shown = ", ".join(str(r + 1) for r in rows[:most])
    return f"row{'s' if len(rows) > 1 else ''} {shown}{', ...' if len(rows) > most else ''}"


def _numbers(path, name, values):
    try:
        values = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ExposureTableError(
            f"{path}: column {name} holds text; allowed: numbers only."
        ) from None
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        raise ExposureTableError(
            f"{path}: column {name} is NaN, infinite or empty in {_row_list(bad)}; "
            "fill or remove these rows."
        )
    low, high, unit = ALLOWED[name]
    bad = np.flatnonzero((values < low) | (values > high))
    if bad.size:
        raise ExposureTableError(
            f"{path}: column {name} = {values[bad[0]]:g} in {_row_list(bad)}; "
            f"allowed: {low:g} to {high:g} {unit}".rstrip()
            + "."
        )
    return values


def _band_indices(path, values, profile):
    names = [str(v).strip() for v in values]
    known = profile.band_names
    unknown = sorted(set(names) - set(known))
    if unknown:
        rows = np.flatnonzero(np.isin(names, unknown))
        raise ExposureTableError(
            f"{path}: band {unknown[0]!r} in {_row_list(rows)} is not one of the profile "
            f"{profile.name!r}; allowed: {', '.join(known)}."
        )
    return np.array([known.index(name) for name in names])


def _ccd_indices(path, values, profile):
    names = [ccd.name for ccd in profile.camera.ccds]
    if not names:
        raise ExposureTableError(
            f"{path}: it has a column ccd, but the profile {profile.name!r} lists no CCDs; "
            "remove the column or add camera.ccds."
        )
    numbered = {str(k + 1): k for k in range(len(names))}
    index = {**numbered, **{name: k for k, name in enumerate(names)}}
    labels = [_label(value) for value in values]
    unknown = [label for label in labels if label not in index]
    if unknown:
        raise ExposureTableError(
            f"{path}: ccd {unknown[0]!r} in {_row_list([labels.index(unknown[0])])} is not one "
            f"of the profile {profile.name!r}; allowed: 1 to {len(names)}, or a name. "
            f"{nearest(unknown[0], names)}"
        )
    return np.array([index[label] for label in labels])


def _label(value):
    return str(int(value)) if isinstance(value, float) and value == int(value) else str(value)


def group_exposures(path, columns, profile, seed) -> Pointings:
    """Checked columns as pointings: grouped, in order, cut, in use."""
    groups = list(_groups(columns))
    for rows in groups:
        _require_order(path, columns["mjd"], rows)
    usable = _usable_rows(path, columns, profile)
    limit = profile.cadence.max_epochs
    windows = [w for rows in groups for w in _windows(rows[usable[rows]], limit)]
    ccd = [columns["ccd"][w[0]] if "ccd" in columns else -1 for w in windows]
    return pack_windows(columns, windows, ccd, profile, seed)


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
            "pointing; sort by mjd, one row per exposure (fields told apart by column 'field')."
        )


def _usable_rows(path, columns, profile):
    used = [profile.band_names.index(name) for name in profile.cadence.bands]
    absent = [profile.band_names[b] for b in used if not (columns["band"] == b).any()]
    if absent:
        raise ExposureTableError(
            f"{path}: no exposure in band {', '.join(absent)}, which the profile {profile.name!r} "
            "uses; add some, or set cadence.bands to the bands of the table."
        )
    sharp = columns["seeing_fwhm_arcsec"] <= profile.seeing.max_fwhm_arcsec
    usable = np.isin(columns["band"], used) & sharp
    if not usable.any():
        raise ExposureTableError(
            f"{path}: every exposure in use is wider than seeing.max_fwhm_arcsec = "
            f"{profile.seeing.max_fwhm_arcsec:g} arcsec; raise that limit."
        )
    return usable


def _windows(rows, limit):
    """Consecutive windows of nearly equal length, none longer than ``limit``."""
    if not len(rows):
        return []
    return np.array_split(rows, -(-len(rows) // limit))


def pack_windows(columns, windows, ccd, profile, seed) -> Pointings:
    """Pointings of given rows of the columns; missing PSF shapes are drawn."""
    length = np.array([len(w) for w in windows])
    taken = np.arange(length.max()) < length[:, None]
    rows = np.zeros(taken.shape, dtype=np.int64)
    rows[taken] = np.concatenate(windows)
    packed = {name: np.where(taken, columns[name][rows], np.nan) for name in MEASURED}
    packed["band"] = np.where(taken, columns["band"][rows], 0)
    rng = random_stream(seed, _SHAPE_STREAM)
    drawn = draw_shapes(profile.psf, rng, packed["seeing_fwhm_arcsec"])
    for name, shape in zip(SHAPES, drawn, strict=True):
        given = name in columns
        packed[name] = np.where(taken, columns[name][rows], np.nan) if given else shape
    return as_pointings(packed, length, ccd)


def unused_rows(path, profile) -> dict[str, int]:
    """How many rows of a text or Parquet table ``read_exposures`` leaves out, and why."""
    table = load_table(Path(path))
    require_columns(path, table, REQUIRED)
    columns = checked_columns(path, table, profile)
    unused = ~np.isin(columns["band"], [profile.band_names.index(b) for b in profile.cadence.bands])
    wide = ~unused & (columns["seeing_fwhm_arcsec"] > profile.seeing.max_fwhm_arcsec)
    return {"band not in use": int(unused.sum()), "seeing too wide": int(wide.sum())}
