"""Columns of exposure tables: values as numbers and indices, and which rows can be used.

A row with an unknown value (see `survey_profiles.physical_ranges`) is left out and counted. A
column without a known value is refused: it holds something else, or has another unit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from skyreel.errors import nearest
from survey_profiles.input_columns import Names
from survey_profiles.input_tables import InputTable, UsableRows

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
POSITIONS = {
    "ra_deg": ("fieldRA", "ra_deg", "ra", "_ra", "s_ra"),
    "dec_deg": ("fieldDec", "dec_deg", "dec", "decl", "_dec", "s_dec"),
}
_POSITION_DIGITS = 3  # of degrees or radians
REQUIRED = (*MEASURED, "band")
SHAPES = ("psf_beta", "psf_e1", "psf_e2")


def checked_columns(
    table: InputTable, profile: Profile
) -> tuple[dict[str, np.ndarray], UsableRows]:
    """Columns as arrays (row,), bands, CCDs and fields as indices, and the rows to use.

    Raises
    ------
    UserError
        Of the type of the table: a column has no known value.
    """
    rows = UsableRows(np.ones(table.n_rows, dtype=bool))
    if table.malformed_rows:
        rows.left_out["another number of fields than the header"] = table.malformed_rows
    columns = {"band": band_indices(table, profile, table.names["band"])}
    rows.leave_out(columns["band"] < 0, "band not in the profile")
    measured = (*MEASURED, *(n for n in SHAPES if n in table))
    columns |= {name: table.known(name, name) for name in measured}
    rows.leave_out_unknown(columns, measured)
    if "field" in table:
        columns["field"] = table.names["field"].codes
        rows.leave_out(columns["field"] < 0, "field unknown")
    elif (positions := _positions(table)) is not None:
        columns["field"] = positions
    if "ccd" in table:
        columns["ccd"] = _ccd_indices(table, profile)
        rows.leave_out(columns["ccd"] < 0, "ccd not in the profile")
    return columns, rows


def _positions(table):
    """Rows of one position have one number; None without positions."""
    names = [next((n for n in names if n in table.numbers), None) for names in POSITIONS.values()]
    if None in names:
        return None
    rounded = np.round([table.numbers[name] for name in names], _POSITION_DIGITS)
    return np.unique(rounded, axis=1, return_inverse=True)[1].reshape(-1)


def row_list(rows: np.ndarray, most: int = 5) -> str:
    """Rows by number, counted from 1: the first few."""
    named = ", ".join(str(r + 1) for r in rows[:most])
    return f"row{'s' if len(rows) > 1 else ''} {named}{', ...' if len(rows) > most else ''}"


def band_indices(table: InputTable, profile: Profile, names: Names) -> NDArray[np.int64]:
    """Index into the bands of the profile, -1 where a row has none of them."""
    known = profile.band_names
    index = names.places_in({name: k for k, name in enumerate(known)})
    if (index < 0).all():
        found = f"{str(names.values[0])[:20]!r}" if names.values.size else "none"
        raise table.error(
            f"{table.path}: band {found} in {row_list(np.arange(len(index)))} is not one of the "
            f"profile {profile.name!r}; allowed: {', '.join(known)}."
        )
    return index


def _ccd_indices(table, profile):
    names = [ccd.name for ccd in profile.camera.ccds]
    if not names:
        raise table.error(
            f"{table.path}: it has a column ccd, but the profile {profile.name!r} lists no CCDs; "
            "remove the column or add camera.ccds."
        )
    numbered = {f"{k + 1}{end}": k for k in range(len(names)) for end in ("", ".0")}
    given = table.names["ccd"]
    index = given.places_in({**numbered, **{name: k for k, name in enumerate(names)}})
    if (index < 0).all():
        found = str(given.values[0])[:20] if given.values.size else ""
        raise table.error(
            f"{table.path}: ccd {found!r} in {row_list(np.arange(len(index)))} is not one of the "
            f"profile {profile.name!r}; allowed: 1 to {len(names)}, or a name. "
            f"{nearest(found, names)}"
        )
    return index
