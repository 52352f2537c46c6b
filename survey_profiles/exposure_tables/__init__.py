"""Tables of exposures and of visits, behind `read_exposures`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from skyreel.errors import ExposureTableError
from survey_profiles.cadence_schema import MOST_EPOCHS
from survey_profiles.exposure_tables.columns import MEASURED, SHAPES
from survey_profiles.exposure_tables.plain import plain_pointings
from survey_profiles.exposure_tables.sky_positions import (
    leave_out_unselected,
    sequences_at_positions,
)
from survey_profiles.exposure_tables.visits import (
    VISIT_NAMES,
    VISIT_QUANTITIES,
    Visits,
    as_visits,
    is_visit_table,
)
from survey_profiles.exposure_tables.windows import leave_out_unused, pack_windows
from survey_profiles.input_tables import InputTable, read_table
from survey_profiles.visit_selection import VisitSelection

if TYPE_CHECKING:
    from survey_profiles.pointings import Pointings
    from survey_profiles.profile import Profile

_QUANTITIES = {**VISIT_QUANTITIES, **{name: name for name in (*MEASURED, *SHAPES)}}
_NAMES = (*VISIT_NAMES, "field", "ccd")


def read_exposures(
    path: str | Path,
    profile: Profile,
    seed: int = 0,
    selection: VisitSelection | None = None,
) -> Pointings:
    """Read the exposure sequences of a table.

    Parameters
    ----------
    path : str or Path
        ECSV, CSV, Parquet, JSON or SQLite. Either exposures with the columns ``mjd, band,
        exposure_time_s, airmass, seeing_fwhm_arcsec, sky_adu, zero_point_mag, limiting_mag`` and,
        where known, ``field, ccd, psf_beta, psf_e1, psf_e2``; ``ccd`` is a CCD's name or its
        number, counted from 1 in the order of the profile. Or visits with positions: a schedule
        of Rubin's OpSim, visits of Rubin, or others (see `survey_profiles.exposure_tables.visits`).
    profile : Profile
        Rows in bands it has but does not use are left out, and so are rows wider than its
        ``seeing.max_fwhm_arcsec``.
    seed : int
        For what the table does not hold: PSF shapes, positions among visits.
    selection : VisitSelection, optional
        Of visits with positions; by default all visits, at positions drawn among them.

    Returns
    -------
    Pointings
        Its ``unused_rows`` counts the rows that are left out, by reason.

    Raises
    ------
    ExposureTableError
        The file cannot be read, or a column or value is missing or impossible.
    """
    table = _read(path)
    selection = selection or VisitSelection()
    if is_visit_table(table):
        return _visit_pointings(table, profile, seed, selection)
    if selection:
        raise ExposureTableError(
            f"{table.path}: visits are selected by position, programme, dates or season only in "
            "tables with positions (columns fieldRA, fieldDec)."
        )
    return plain_pointings(table, profile, seed)


def read_visits(
    path: str | Path, profile: Profile, selection: VisitSelection | None = None
) -> Visits:
    """Read the visits of a schedule or visit table, those not selected left out.

    Raises
    ------
    ExposureTableError
        It cannot be read, has no positions, or no visit can be used.
    """
    table = _read(path)
    visits = as_visits(table, profile)
    leave_out_unselected(visits, selection or VisitSelection())
    return visits


def _read(path) -> InputTable:
    path = Path(path)
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "does not exist"
        raise ExposureTableError(f"{path}: the exposure table {found}; give a file.")
    optional = {*VISIT_QUANTITIES, *VISIT_NAMES} - {*MEASURED, "band"}
    return read_table(path, _QUANTITIES, _NAMES, ExposureTableError, optional=optional)


def _visit_pointings(table, profile, seed, selection):
    visits = as_visits(table, profile)
    leave_out_unselected(visits, selection)
    notes = leave_out_unused(table.path, visits.columns, visits.rows, profile)
    sequences = sequences_at_positions(visits, profile, seed, selection)
    windows = [sequence.rows for sequence in sequences]
    pointings = pack_windows(visits.columns, windows, [-1] * len(windows), profile, seed)
    return replace(
        pointings,
        ra_deg=np.array([sequence.ra_deg for sequence in sequences]),
        dec_deg=np.array([sequence.dec_deg for sequence in sequences]),
        programme=_programmes(visits, windows),
        first_mjd=visits.first_mjd,
        unused_rows=visits.rows.left_out,
        notes=(*visits.notes, *notes, *_cut_short(sequences, profile.cadence.max_epochs)),
    )


def _cut_short(sequences, limit):
    """A sentence, where windows have more visits than sequences may have."""
    most = [sequence.n_visits for sequence in sequences if sequence.n_visits > limit]
    if not most:
        return []
    longer = f"for longer ones: --profile-set cadence.max_epochs={min(max(most), MOST_EPOCHS)}."
    return [
        f"{len(most):,} of {len(sequences):,} sequences are the first cadence.max_epochs = {limit} "
        f"of up to {max(most):,} visits in their window of cadence.season.window_day; "
        + (longer if limit < MOST_EPOCHS else "longer ones cannot be simulated.")
    ]


def _programmes(visits, windows):
    """The programme of most visits of every sequence."""
    deep = visits.in_deep_drilling
    if deep is None:
        return np.full(len(windows), "", dtype="<U3")
    return np.array(["ddf" if deep[w].mean() > 0.5 else "wfd" for w in windows], dtype="<U3")
