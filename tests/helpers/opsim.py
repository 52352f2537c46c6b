"""Small Rubin OpSim schedules and tables of visits."""

import json
import sqlite3

import numpy as np
from astropy.table import Table

from survey_profiles import load_profile
from survey_profiles.depth import m5_mag

OPSIM_TYPES = {
    "observationId": "INTEGER",
    "fieldRA": "REAL",
    "fieldDec": "REAL",
    "observationStartMJD": "REAL",
    "flush_by_mjd": "REAL",
    "visitExposureTime": "REAL",
    "band": "TEXT",
    "airmass": "REAL",
    "seeingFwhm500": "REAL",
    "seeingFwhmEff": "REAL",
    "skyBrightness": "REAL",
    "fiveSigmaDepth": "REAL",
}


def opsim(folder, visits, name="baseline.db", columns=OPSIM_TYPES):
    """An SQLite file with a table ``observations`` of these visits; returns its path."""
    path = folder / name
    with sqlite3.connect(path) as database:
        declared = ", ".join(f"{c} {t}" for c, t in columns.items())
        database.execute(f"CREATE TABLE observations ({declared})")
        marks = ", ".join("?" * len(columns))
        database.executemany(f"INSERT INTO observations VALUES ({marks})", visits)
    database.close()
    return path


def schedule(rng, nights=120, loss_mag=0.0):
    """Visits of three overlapping fields, all six bands, depths by the published formula.

    ``nights`` is a number of nights from the first on, or a sequence of whole nights.
    """
    profile, visits = load_profile("lsst"), []
    for night in range(nights) if isinstance(nights, int) else nights:
        for k, band in enumerate("ugrizy"):
            airmass, eff, sky = rng.uniform(1, 1.4), rng.uniform(0.7, 1.2), rng.uniform(19, 22)
            numbers = profile.bands[band]
            depth = m5_mag(
                numbers.m5_coefficient_mag,
                sky_mag_per_arcsec2=sky,
                effective_fwhm_arcsec=eff,
                exposure_time_s=30.0,
                extinction_mag_per_airmass=numbers.extinction_mag_per_airmass,
                airmass=airmass,
                noise_loss_mag=numbers.m5_noise_loss_mag,
                dark_sky_mag_per_arcsec2=numbers.dark_sky_mag_per_arcsec2,
            )
            mjd = 61000.2 + night + k * 0.005
            field = (150.0 + 0.8 * (night % 3), -20.0)
            rest = (mjd + 0.02, 30.0, band, airmass, eff, eff, sky, depth - loss_mag)
            visits.append((len(visits), *field, mjd, *rest))
    return visits


def schedule_columns(seed=0, **options):
    """The visits of `schedule` as columns by name."""
    visits = schedule(np.random.default_rng(seed), **options)
    return {n: np.array(v) for n, v in zip(OPSIM_TYPES, zip(*visits, strict=True), strict=True)}


def ten_years(folder):
    """A schedule of ten seasons of 13 nights, 16 d apart: 780 visits; its path."""
    nights = [365 * year + night for year in range(10) for night in range(0, 200, 16)]
    return opsim(folder, schedule(np.random.default_rng(3), nights))


def visit_table(folder, columns, name="visits.parquet"):
    """A file of visits of the kind of its suffix; returns its path."""
    path = folder / name
    plain = {key: np.asarray(values).tolist() for key, values in columns.items()}
    if path.suffix == ".json":
        rows = [dict(zip(plain, row, strict=True)) for row in zip(*plain.values(), strict=True)]
        path.write_text(json.dumps(rows))
    elif path.suffix == ".db":
        rows = list(zip(*plain.values(), strict=True))
        return opsim(folder, rows, name, dict.fromkeys(plain, ""))
    else:
        Table(columns).write(path, overwrite=True)
    return path
