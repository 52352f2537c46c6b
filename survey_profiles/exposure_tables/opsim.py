"""Rubin OpSim schedules (SQLite, table ``observations``) as sequences at random positions.

Positions are drawn around visits, in proportion to how often the sky there is observed. A
sequence is what falls on a position within one season window.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from skyreel.errors import ExposureTableError
from survey_profiles import depth as depths
from survey_profiles.exposure_tables.columns import band_indices, n_julian
from survey_profiles.exposure_tables.windows import leave_out_unused, pack_windows
from survey_profiles.input_columns import as_names, parsed_numbers
from survey_profiles.input_tables import InputTable, UsableRows
from survey_profiles.observing_conditions import BandValues, model_m5_mag, random_stream
from survey_profiles.physical_ranges import known as known_values

if TYPE_CHECKING:
    from survey_profiles.pointings import Pointings
    from survey_profiles.profile import Profile

_QUANTITIES = {
    "fieldRA": "ra_deg",
    "fieldDec": "dec_deg",
    "observationStartMJD": "mjd",
    "visitExposureTime": "exposure_time_s",
    "airmass": "airmass",
    "seeingFwhmEff": "seeing_fwhm_arcsec",
    "skyBrightness": "sky_mag_per_arcsec2",
    "fiveSigmaDepth": "limiting_mag",
}
OPSIM_COLUMNS = tuple(_QUANTITIES)
MOST_ROWS = 20_000_000  # ten times the visits of ten years
_ROWS_AT_A_TIME = 100_000
POSITIONS = 512
MAX_ROUNDS = 20
DEFAULT_WINDOW_DAY = 150.0  # for profiles with a fixed list of nights
_POSITION_STREAM = 1001


def read_opsim(path: Path, profile: Profile, seed: int, positions: int = POSITIONS) -> Pointings:
    """Sequences at ``positions`` random places of a schedule.

    Fields within ``cadence.field_radius_deg`` cover a position. ``sky_adu`` follows from
    ``skyBrightness`` and the band's zero point; the zero point of a visit is lowered by what
    ``fiveSigmaDepth`` falls short of Ivezic et al. 2019, equation 6 (clouds), where the
    profile's depth follows that formula. Positions with fewer than ``cadence.min_epochs``
    exposures are drawn again.

    Raises
    ------
    ExposureTableError
    """
    table = _load_observations(path)
    table.require((*OPSIM_COLUMNS, "band"))
    columns, rows = _conditions(table, profile)
    leave_out_unused(path, columns, rows, profile)
    used = np.flatnonzero(rows.mask)
    used = used[np.argsort(columns["mjd"][used], kind="stable")]
    windows = _windows(path, columns, used, profile, seed, positions)
    ccd = [-1] * len(windows)
    julian = n_julian(table, "observationStartMJD")
    return pack_windows(columns, windows, ccd, profile, seed, rows.left_out, julian)


def _load_observations(path) -> InputTable:
    try:
        database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            database.text_factory = lambda text: text.decode("utf-8", "replace")
            return _query(path, database)
        finally:
            database.close()
    except sqlite3.Error as error:
        raise ExposureTableError(
            f"{path}: cannot be read as an OpSim schedule ({error}); allowed: SQLite with a "
            "table 'observations'."
        ) from error


def _query(path, database):
    present = [row[1] for row in database.execute("PRAGMA table_info(observations)")]
    if not present:
        raise ExposureTableError(f"{path}: no table 'observations'; give a Rubin OpSim file.")
    lower = {name.lower(): name for name in present}
    band = "band" if "band" in lower else "filter"
    wanted = {name: lower[name.lower()] for name in OPSIM_COLUMNS if name.lower() in lower}
    if band in lower:
        wanted["band"] = lower[band]
    columns = _fetched(path, database, wanted) if wanted else {}
    names = {}
    if "band" in wanted:
        text = pa.chunked_array([_band_letters(part) for part in columns.pop("band")], pa.string())
        names = {"band": as_names("band", text)}
    numbers = {name: np.concatenate([np.empty(0), *parts]) for name, parts in columns.items()}
    n_rows = max((len(values) for values in numbers.values()), default=0)
    return InputTable(path, numbers, names, tuple(present), n_rows, 0, ExposureTableError)


def _fetched(path, database, wanted):
    """Parts of every column: numbers as float64 arrays, bands as they are."""
    quoted = ", ".join('"' + name.replace('"', '""') + '"' for name in wanted.values())
    cursor = database.execute(f"SELECT {quoted} FROM observations")
    parts = {name: [] for name in wanted}
    n_rows = 0
    while rows := cursor.fetchmany(_ROWS_AT_A_TIME):
        n_rows += len(rows)
        if n_rows > MOST_ROWS:
            raise ExposureTableError(
                f"{path}: more than {MOST_ROWS:,} visits; write the ones you need to another file."
            )
        for name, values in zip(wanted, zip(*rows, strict=True), strict=True):
            parts[name].append(list(values) if name == "band" else _as_floats(values))
    return parts


def _as_floats(values):
    """Numbers of SQLite cells; NaN for NULL and for what is no number."""
    try:
        return np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        return parsed_numbers("" if v is None else v for v in values)


def _band_letters(values):
    """Bands of SQLite cells: "r_57" is r in newer files."""
    return pa.array([v[:1] if isinstance(v, str) else None for v in values], pa.string())


def _conditions(table, profile):
    """Columns (visit,) by the names of `columns.MEASURED`, positions, and the rows to use."""
    known = {name: table.known(name, _QUANTITIES[name]) for name in OPSIM_COLUMNS}
    rows = UsableRows(np.ones(table.n_rows, dtype=bool))
    band = band_indices(table, profile, table.names["band"])
    rows.leave_out(band < 0, "band not in the profile")
    rows.leave_out_unknown(known, OPSIM_COLUMNS)
    columns = {
        "band": np.maximum(band, 0),
        "mjd": known["observationStartMJD"],
        "exposure_time_s": known["visitExposureTime"],
        "airmass": known["airmass"],
        "seeing_fwhm_arcsec": depths.geometric_fwhm_arcsec(known["seeingFwhmEff"]),
        "limiting_mag": known["fiveSigmaDepth"],
        "ra_deg": known["fieldRA"],
        "dec_deg": known["fieldDec"],
    }
    sky, zero_point = _sky_and_zero_point(profile, columns, known["skyBrightness"])
    sky += depths.dark_adu(profile.camera, columns["exposure_time_s"])
    columns["sky_adu"] = known_values("sky_adu", sky)
    columns["zero_point_mag"] = known_values("zero_point_mag", zero_point)
    rows.leave_out(np.isnan(columns["sky_adu"]), "skyBrightness impossible")
    rows.leave_out(np.isnan(columns["zero_point_mag"]), "fiveSigmaDepth impossible")
    columns["band"] = band
    return columns, rows


def _sky_and_zero_point(profile, columns, sky_mag):
    bands = BandValues(profile, columns["band"])
    sky = depths.sky_adu(
        profile.camera, sky_mag, columns["exposure_time_s"], bands["zero_point_mag"]
    )
    clear = bands["zero_point_mag"] - bands["extinction_mag_per_airmass"] * (columns["airmass"] - 1)
    if profile.depth.model != "m5":
        return sky, clear
    expected = model_m5_mag(profile, {**columns, "sky_adu": sky}, bands)
    return sky, clear + (columns["limiting_mag"] - expected)


def _directions(ra_deg, dec_deg):
    ra, dec = np.radians(ra_deg), np.radians(dec_deg)
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)


def _windows(path, columns, usable, profile, seed, positions):
    """Rows of each position's sequence; ``usable`` rows are in order of time."""
    from scipy.spatial import KDTree

    times = columns["mjd"][usable]
    where = _directions(columns["ra_deg"][usable], columns["dec_deg"][usable])
    tree, rng = KDTree(where), random_stream(seed, _POSITION_STREAM)
    reach = 2.0 * np.sin(np.radians(profile.cadence.field_radius_deg) / 2.0)
    found = []
    for _ in range(MAX_ROUNDS):
        anchors = rng.integers(len(usable), size=positions)
        places = _scattered(rng, where[anchors], profile.cadence.field_radius_deg)
        shares = rng.random(positions)
        covering = tree.query_ball_point(places, reach)
        for anchor, visits, share in zip(anchors, covering, shares, strict=True):
            rows = _one_window(times, np.sort(visits), anchor, share, profile.cadence)
            if len(rows) >= profile.cadence.min_epochs:
                found.append(usable[rows])
        if len(found) >= positions:
            return found[:positions]
    if found:
        return found
    raise ExposureTableError(
        f"{path}: no position with cadence.min_epochs = {profile.cadence.min_epochs} visits in one "
        "season; lower that number."
    )


def _scattered(rng, directions, radius_deg):
    """Directions moved by up to a field radius, even over the field."""
    sideways = rng.normal(size=directions.shape)
    sideways -= directions * (sideways * directions).sum(axis=1, keepdims=True)
    sideways /= np.linalg.norm(sideways, axis=1, keepdims=True)
    angle = np.radians(radius_deg) * np.sqrt(rng.random((len(directions), 1)))
    return directions * np.cos(angle) + sideways * np.sin(angle)


def _one_window(mjd, visits, anchor, share, cadence):
    """Rows of ``visits`` in one season window around the anchor visit, times increasing."""
    length = cadence.season.window_day if cadence.season else DEFAULT_WINDOW_DAY
    start = mjd[anchor] - share * length
    rows = visits[(mjd[visits] >= start) & (mjd[visits] < start + length)]
    rows = rows[np.diff(mjd[rows], prepend=-np.inf) > 0]
    return rows[: cadence.max_epochs]
