"""Columns of exposure tables and their checks. Row numbers in messages count from 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from skyreel.errors import ExposureTableError, nearest

if TYPE_CHECKING:
    from survey_profiles.profile import Profile

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


def require_columns(path: Path, table: Mapping, required: Sequence[str]) -> None:
    """Refuse a table that lacks required columns or has no rows.

    Raises
    ------
    ExposureTableError
    """
    missing = [name for name in required if name not in table]
    if missing:
        spare = [name for name in table if name not in required]
        hints = [f"{name} ({nearest(name, spare)})" if spare else name for name in missing]
        plural = "s" if len(missing) > 1 else ""
        raise ExposureTableError(f"{path}: no column{plural} {'; '.join(hints)}")
    if not len(table[required[0]]):
        raise ExposureTableError(f"{path}: the table has no rows; give at least one exposure.")


def checked_columns(
    path: Path, table: Mapping[str, np.ndarray], profile: Profile
) -> dict[str, np.ndarray]:
    """Columns as arrays (row,): every value finite and physical, bands and CCDs as indices.

    Raises
    ------
    ExposureTableError
    """
    columns = {"band": _band_indices(path, table["band"], profile)}
    for name in (*MEASURED, *(n for n in SHAPES if n in table)):
        columns[name] = _numbers(path, name, table[name])
    if "field" in table:
        columns["field"] = np.unique(np.asarray(table["field"]).astype(str), return_inverse=True)[1]
    if "ccd" in table:
        columns["ccd"] = _ccd_indices(path, np.asarray(table["ccd"]), profile)
    return columns


def _row_list(rows, most=5):
    named = ", ".join(str(r + 1) for r in rows[:most])
    return f"row{'s' if len(rows) > 1 else ''} {named}{', ...' if len(rows) > most else ''}"


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
        allowed = f"{low:g} to {high:g} {unit}".rstrip()
        raise ExposureTableError(
            f"{path}: column {name} = {values[bad[0]]:g} in {_row_list(bad)}; allowed: {allowed}."
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
