"""Visits of schedules and visit tables: where, when, and under which conditions.

Rubin's OpSim schedules, its nightly and science-validation visits, the CCD visits of its data
previews, and tables of other surveys have the same quantities under other names. What a table
lacks follows from the rest:

- airmass from position, time and site;
- the exposure time and the zero point from the band;
- the sky from the depth and the seeing, or, without one of them, from the profile;
- the seeing from the depth; the depth from all others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from survey_profiles import ephemeris
from survey_profiles.exposure_tables.columns import MEASURED, POSITIONS, band_indices
from survey_profiles.exposure_tables.visit_conditions import visit_conditions
from survey_profiles.input_columns import Names
from survey_profiles.input_tables import InputTable, UsableRows
from survey_profiles.observing_conditions import BandValues
from survey_profiles.physical_ranges import as_mjd
from survey_profiles.physical_ranges import known as known_values
from survey_profiles.visit_selection import is_deep_drilling

if TYPE_CHECKING:
    from survey_profiles.profile import Profile

_START = (
    *("observationStartMJD", "obsStartMJD", "obs_start_mjd", "expMJD", "mjd"),
    *("mjd_obs", "obsStart", "obs_start", "obsjd", "t_min"),
)
_MIDDLE = ("exp_midpt_mjd", "expMidptMJD", "observationMidpointMJD", "midMJD")
_COLUMNS = {  # quantity: names of columns, the first with a known value counts
    **POSITIONS,
    "exposure_time_s": (
        *("visitExposureTime", "exposure_time_s", "expTime", "exp_time"),
        *("exposureTime", "visitExpTime", "t_exptime"),
    ),
    "airmass": ("airmass",),
    "effective_fwhm_arcsec": ("seeingFwhmEff", "seeing_fwhm_eff", "FWHMeff"),
    "seeing_fwhm_arcsec": ("seeingFwhmGeom", "seeing_fwhm_arcsec", "FWHMgeom"),
    "gaussian_fwhm_arcsec": ("seeing",),
    "psf_sigma_pix": ("psf_sigma_median", "psf_sigma"),
    "sky_mag_per_arcsec2": ("skyBrightness", "filtSkyBrightness", "sky_mag_per_arcsec2"),
    "sky_e": ("sky_bg_median", "skyBg", "sky_bg"),
    "zero_point_mag": ("zero_point_mag",),
    "zero_point_of_exposure_mag": ("zero_point_median", "zeroPoint", "zero_point"),
    "limiting_mag": (
        *("fiveSigmaDepth", "magLim", "maglimit", "limiting_mag"),
        *("stats_mag_lim_median", "stats_mag_lim"),
    ),
}
_RANGES = {
    "effective_fwhm_arcsec": "seeing_fwhm_arcsec",
    "gaussian_fwhm_arcsec": "seeing_fwhm_arcsec",
    "psf_sigma_pix": "seeing_fwhm_pix",
    "zero_point_of_exposure_mag": "zero_point_mag",
}
_REPLACED_BY = {  # the first is not used where the table has one of the others
    "seeing_fwhm_arcsec": ("effective_fwhm_arcsec",),
    "gaussian_fwhm_arcsec": ("effective_fwhm_arcsec", "seeing_fwhm_arcsec"),
    "psf_sigma_pix": ("effective_fwhm_arcsec", "seeing_fwhm_arcsec", "gaussian_fwhm_arcsec"),
    "sky_mag_per_arcsec2": ("sky_e",),
    "zero_point_of_exposure_mag": ("zero_point_mag",),
}
_ZERO_POINTS = _COLUMNS["zero_point_of_exposure_mag"]
_BANDS = ("band", "filter", "physical_filter", "filtercode", "lsst_band", "ifilter")
_PROGRAMMES = (  # a target may be named for a deep field nearby, so notes count before it
    *("scheduler_note", "note", "observation_reason"),
    *("target_name", "target", "science_program"),
)
_DETECTORS = ("detector", "ccdVisitId")
VISIT_QUANTITIES = {
    **dict.fromkeys((*_START, *_MIDDLE), "mjd"),
    **{name: _RANGES.get(q, q) for q, names in _COLUMNS.items() for name in names},
}
VISIT_NAMES = (*_BANDS, *_PROGRAMMES, *_DETECTORS)
_S_PER_DAY = 86400.0
_AIRMASS_ERROR = 0.1  # chosen; 968 visits of a schedule and of a real night agree to 0.025
_CCD_PIX = 4000.0  # those of LSSTCam have 4072 x 4000; circles of this area cover a position


@dataclass(frozen=True)
class Visits:
    """The visits of a table; arrays are (visit,).

    Parameters
    ----------
    table : InputTable
    columns : mapping of str to array
        The columns of an exposure table (see `Pointings`), and ``ra_deg, dec_deg``.
    rows : UsableRows
    in_deep_drilling : bool array or None
        None where the table does not say it.
    radius_deg : float
        Within which of its position a visit covers the sky.
    first_mjd : float
        Of the table, whatever is selected: seasons are counted from it.
    notes : list of str
        What was converted, and what follows from other columns.
    """

    table: InputTable
    columns: Mapping[str, np.ndarray]
    rows: UsableRows
    in_deep_drilling: NDArray[np.bool_] | None
    radius_deg: float
    first_mjd: float
    notes: list[str] = field(default_factory=list)


def is_visit_table(table: InputTable) -> bool:
    """Whether a table has positions of visits, or other columns that only visits have."""
    own = {*VISIT_QUANTITIES} - {*MEASURED}
    return "sky_adu" not in table and any(name in own for name in table.numbers)


def as_visits(table: InputTable, profile: Profile) -> Visits:
    """The visits of a table.

    Raises
    ------
    ExposureTableError
        No column of bands, of seeing or of depth, or no known value where one is needed.
    """
    _require_columns(table)
    rows = UsableRows(np.ones(table.n_rows, dtype=bool))
    if table.malformed_rows:
        rows.left_out["another number of fields than the header"] = table.malformed_rows
    notes: list[str] = []
    columns = {"band": _bands(table, profile, rows)}
    band = np.maximum(columns["band"], 0)
    columns |= _times(table, BandValues(profile, band), notes)
    columns |= _positions(table, profile, columns["mjd"], notes)
    given = {q: _given(table, q) for q, names in _COLUMNS.items() if _first(table, names)}
    notes += [
        f"{_first(table, _COLUMNS[q])} has no known value." for q in given if given[q] is None
    ]
    given = {q: values for q, values in given.items() if values is not None}
    columns["airmass"] = _airmass(given, columns, profile, notes)
    for name, aliases in {"mjd": (*_START, *_MIDDLE), **POSITIONS}.items():
        rows.leave_out(np.isnan(columns[name]), f"{_first(table, aliases)} unknown")
    if "airmass" not in given:
        rows.leave_out(np.isnan(columns["airmass"]), "below the horizon, or airmass above 10")
    _leave_out_unknown(table, given, rows)
    _leave_out_repeated(columns, rows)
    columns |= visit_conditions(table, profile, band, {**given, **columns}, notes)
    rows.leave_out_unknown(columns, MEASURED)
    radius = profile.cadence.field_radius_deg
    if any(name in table for name in _DETECTORS):
        radius = _CCD_PIX / np.sqrt(np.pi) * profile.camera.pixel_scale_arcsec / 3600.0
        notes.append(f"rows are CCDs: each covers a circle of {radius:.3f} degrees.")
    first_mjd = float(columns["mjd"][rows.mask].min(initial=np.inf))
    return Visits(table, columns, rows, _in_deep_drilling(table), radius, first_mjd, notes)


def _require_columns(table):
    """Refuse a table without times, positions or bands, naming what it is likely to have."""
    needed = (_COLUMNS["ra_deg"], _COLUMNS["dec_deg"], (*_START, *_MIDDLE), _BANDS)
    table.require(names[0] for names in needed if not any(name in table for name in names))


def _first(table, names):
    """The first of these columns with a number, else the first that is there."""
    present = [name for name in names if name in table.numbers]
    with_number = (name for name in present if not np.isnan(table.numbers[name]).all())
    return next(with_number, present[0] if present else None)


def _given(table, quantity):
    """Known values of the column of a quantity; None where it has none."""
    name = _first(table, _COLUMNS[quantity])
    if name is None:
        return None
    values = known_values(_RANGES.get(quantity, quantity), table.numbers[name])
    return None if np.isnan(values).all() else values


def _leave_out_unknown(table, given, rows):
    """Leave out visits that lack a value which the table has for others."""
    for quantity, values in given.items():
        if not any(other in given for other in _REPLACED_BY.get(quantity, ())):
            rows.leave_out(np.isnan(values), f"{_first(table, _COLUMNS[quantity])} unknown")


def _leave_out_repeated(columns, rows):
    """Leave out all but the first of rows of one time, position and band."""
    keys = [columns[name] for name in ("band", "dec_deg", "ra_deg", "mjd")]
    order = np.lexsort((~rows.mask, *keys))
    repeated = np.zeros(len(order), dtype=bool)
    repeated[order[1:]] = np.all([key[order[1:]] == key[order[:-1]] for key in keys], axis=0)
    rows.leave_out(repeated, "visit repeated")


def _bands(table, profile, rows):
    """Index into the bands of the profile, -1 for others; ``r_57``, ``ztfr``, ``zr`` are r."""
    present = [name for name in _BANDS if name in table.names]
    column = next((name for name in present if table.names[name].values.size), present[0])
    prefix = "z" if column == "filtercode" else profile.name  # IRSA writes zg, zr and zi for ZTF
    values, codes = table.names[column]
    names = Names(np.array([_band(v, prefix, profile) for v in values], dtype=object), codes)
    band = band_indices(table, profile, names)
    rows.leave_out(band < 0, "band not in the profile")
    return band


def _band(text, prefix, profile):
    text = text.removeprefix(prefix).strip()
    first = re.split(r"[_ .]", text)[0]
    return next((name for name in (text, first) if name in profile.bands), text)


def _times(table, bands, notes):
    """Start of every exposure and its length."""
    length = _given(table, "exposure_time_s")
    if length is None and _given(table, "zero_point_of_exposure_mag") is not None:
        raise table.error(
            f"{table.path}: zero points of exposures ({', '.join(_ZERO_POINTS)}) need the exposure "
            "time (visitExposureTime)."
        )
    if length is None:
        length = bands["exposure_time_s"]
        notes.append("exposure times are those of the bands of the profile.")
    column = _first(table, (*_START, *_MIDDLE))
    mjd, n_julian = as_mjd(table.numbers[column])
    if np.isnan(mjd).all():
        table.known(column, "mjd")
    if n_julian:
        notes.append(f"{n_julian:,} times are Julian dates, converted to MJD.")
    if column in _MIDDLE:
        mjd = mjd - 0.5 * length / _S_PER_DAY
        notes.append(f"starts of exposures are {column} less half of the exposure time.")
    return {"mjd": mjd, "exposure_time_s": length}


def _positions(table, profile, mjd, notes):
    """Positions in degrees: those of radians where more of the visits are up that way."""
    names = [_first(table, POSITIONS[quantity]) for quantity in ("ra_deg", "dec_deg")]
    ra, dec = (np.where(np.isfinite(v), v, np.nan) for v in map(table.numbers.get, names))
    with np.errstate(invalid="ignore"):
        small = (np.abs(dec) <= 0.5 * np.pi) & (np.abs(ra) <= 2.0 * np.pi)
    if np.all(small | np.isnan(ra) | np.isnan(dec)):
        in_radians = np.degrees(ra), np.degrees(dec)
        up, up_in_radians = (
            np.count_nonzero(_altitude(mjd, *where, profile.site) > 0)
            for where in ((ra, dec), in_radians)
        )
        if up_in_radians > up:
            notes.append(f"{names[0]} and {names[1]} are in radians, converted to degrees.")
            ra, dec = in_radians
    ra, dec = known_values("ra_deg", ra), known_values("dec_deg", dec)
    for name, quantity, values in zip(names, ("ra_deg", "dec_deg"), (ra, dec), strict=True):
        if np.isnan(values).all():
            table.known(name, quantity)
    return {"ra_deg": ra % 360.0, "dec_deg": dec}


def _altitude(mjd, ra_deg, dec_deg, site):
    hour = ephemeris.hour_angle_h(mjd, ra_deg, site.longitude_deg)
    return ephemeris.altitude_deg(hour, dec_deg, site.latitude_deg)


def _airmass(given, columns, profile, notes):
    middle = columns["mjd"] + 0.5 * columns["exposure_time_s"] / _S_PER_DAY
    where = columns["ra_deg"], columns["dec_deg"]
    expected = known_values("airmass", ephemeris.airmass(_altitude(middle, *where, profile.site)))
    if "airmass" not in given:
        notes.append("airmass follows from position, time and site.")
        return expected
    known = ~np.isnan([given["airmass"], middle, *where]).any(axis=0)
    differs = ~(np.abs(given["airmass"] - expected)[known] < _AIRMASS_ERROR)
    if np.count_nonzero(differs) > 0.5 * differs.size:
        notes.append(
            f"airmasses are not those of positions and times at the site of {profile.name!r} "
            f"({np.count_nonzero(differs):,} of {differs.size:,}): check units, and the survey."
        )
    return given["airmass"]


def _in_deep_drilling(table):
    present = [table.names[name] for name in _PROGRAMMES if name in table.names]
    named = next((names for names in present if names.values.size), None)
    if named is None:
        return None
    return np.array([*map(is_deep_drilling, named.values), False], dtype=bool)[named.codes]
