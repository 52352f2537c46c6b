"""Rubin OpSim schedules (SQLite, table ``observations``) as sequences at random positions.

Positions are drawn around visits, in proportion to how often the sky there is observed. A
sequence is what falls on a position within one season window.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from skyreel.errors import ExposureTableError
from survey_profiles import depth as depths
from survey_profiles.exposure_tables.columns import MEASURED, checked_columns, require_columns
from survey_profiles.exposure_tables.windows import pack_windows, usable_rows
from survey_profiles.observing_conditions import BandValues, model_m5_mag, random_stream

if TYPE_CHECKING:
    from survey_profiles.pointings import Pointings
    from survey_profiles.profile import Profile

OPSIM_COLUMNS = (
    "fieldRA",
    "fieldDec",
    "observationStartMJD",
    "visitExposureTime",
    "airmass",
    "seeingFwhmEff",
    "skyBrightness",
    "fiveSigmaDepth",
)
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
    raw = _load_observations(path)
    columns = _conditions(path, raw, profile)
    usable, unused = usable_rows(path, columns, profile)
    rows = np.flatnonzero(usable)
    rows = rows[np.argsort(columns["mjd"][rows], kind="stable")]
    windows = _windows(path, raw, columns["mjd"], rows, profile, seed, positions)
    return pack_windows(columns, windows, [-1] * len(windows), profile, seed, unused)


def _load_observations(path):
    try:
        database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
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
    names = dict.fromkeys(present)
    band = "band" if "band" in names else "filter"
    require = (*OPSIM_COLUMNS, band)
    if missing := [name for name in require if name not in names]:
        require_columns(path, names, tuple(missing))
    rows = database.execute(f"SELECT {', '.join(require)} FROM observations").fetchall()
    values = list(zip(*rows, strict=True)) or [[]] * len(require)
    table = {name: np.array(column) for name, column in zip(require, values, strict=True)}
    require_columns(path, table, OPSIM_COLUMNS)
    table["band"] = np.array([str(b)[:1] for b in table[band]])  # "r_57" is r in newer files
    return table


def _conditions(path, raw, profile):
    """Checked columns (visit,) by the names of `columns.MEASURED`, and band indices."""
    finite = {name: np.asarray(raw[name], dtype=float) for name in OPSIM_COLUMNS}
    if not all(np.isfinite(values).all() for values in finite.values()):
        name = next(n for n, v in finite.items() if not np.isfinite(v).all())
        row = int(np.flatnonzero(~np.isfinite(finite[name]))[0]) + 1
        raise ExposureTableError(f"{path}: {name} is empty in row {row}; remove this visit.")
    table = {
        "mjd": finite["observationStartMJD"],
        "band": raw["band"],
        "exposure_time_s": finite["visitExposureTime"],
        "airmass": finite["airmass"],
        "seeing_fwhm_arcsec": depths.geometric_fwhm_arcsec(finite["seeingFwhmEff"]),
        "limiting_mag": finite["fiveSigmaDepth"],
        "sky_adu": np.ones(len(raw["band"])),
        "zero_point_mag": np.full(len(raw["band"]), 25.0),
    }
    columns = checked_columns(path, table, profile)
    columns["sky_adu"], columns["zero_point_mag"] = _sky_and_zero_point(
        profile, columns, finite["skyBrightness"]
    )
    columns["sky_adu"] += depths.dark_adu(profile.camera, columns["exposure_time_s"])
    return {name: columns[name] for name in (*MEASURED, "band")}


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


def _windows(path, raw, mjd, usable, profile, seed, positions):
    """Rows of each position's sequence; ``usable`` rows are in order of time."""
    from scipy.spatial import KDTree

    times = mjd[usable]
    where = _directions(*(np.asarray(raw[n], float)[usable] for n in ("fieldRA", "fieldDec")))
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
