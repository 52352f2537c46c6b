"""Exposure tables and Rubin schedules: what is read is finite, physical and in order of time."""

import json
import sqlite3

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from survey_profiles import load_profile, read_exposures
from survey_profiles.exposure_tables.columns import MEASURED, REQUIRED
from survey_profiles.physical_ranges import PHYSICAL_RANGES
from tests.helpers.fuzzing import ODD_NUMBERS, ODD_TEXTS, mutated

ODD_CELLS = (*ODD_NUMBERS, *ODD_TEXTS, "g", "r", "--", "1,5", "57070.5d", 1e-3, 86400, 40)
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
VISIT = (150.0, 2.0, 60000.0, 30.0, 1.2, 0.9, 21.5, 24.5)


def prepare(folder):
    return {name: load_profile(name, {"cadence.min_epochs": 1}) for name in ("hits", "lsst")}


def make(base, rng, folder):
    kind = rng.choice(["csv", "csv", "ecsv", "parquet", "parquet", "db", "db", "json"])
    is_visits = kind in ("db", "json") or rng.random() < 0.3
    path = folder / f"{'visits' if is_visits else 'table'}.{kind}"
    rows = [visit(rng, k) if is_visits else exposure(rng, k) for k in range(rng.randrange(1, 40))]
    for _ in range(rng.choice([0, 1, 1, 3])):
        row = rng.choice(rows)
        row[rng.randrange(len(row))] = rng.choice(ODD_CELLS)
    names = [*OPSIM_COLUMNS, "band"] if is_visits else [*REQUIRED, "field", "ccd"]
    if is_visits:
        for _ in range(rng.choice([0, 0, 1, 2, 4])):  # what a table lacks follows from the rest
            gone = rng.randrange(len(names))
            names, rows = without(names, gone), [without(row, gone) for row in rows]
    if rng.random() < 0.1:
        names[rng.randrange(len(names))] = rng.choice([" ", "x", "é", "f"])
    writers = {"csv": as_csv, "ecsv": as_ecsv, "parquet": as_parquet, "db": as_sqlite}
    {**writers, "json": as_json}[kind](path, names, rows)
    how = "cells"
    if rng.random() < 0.3:
        how, data = mutated(rng, path.read_bytes())
        path.write_bytes(data)
    return f"{kind} {how}", path


def without(values, place):
    return [value for k, value in enumerate(values) if k != place]


def exposure(rng, k):
    mjd = 57070 + 0.8 * k + 0.1 * rng.random()
    width = 0.9 + 0.3 * rng.random()
    return [mjd, 86.0, 1.2, width, 500.0, 25.1, 24.0, "g", rng.choice(["1", "2"]), "N1"]


def visit(rng, k):
    return [value + 0.3 * k * (i == 2) for i, value in enumerate(VISIT)] + [rng.choice("ugrizy")]


def text(cell, mark):
    shown = str(cell)
    return f'"{shown}"' if any(c in shown for c in f'{mark}\n"\r') or not shown else shown


def as_csv(path, names, rows, mark=","):
    lines = [mark.join(text(cell, mark) for cell in row) for row in [names, *rows]]
    path.write_text("\n".join(lines), encoding="utf-8", errors="replace")


def as_ecsv(path, names, rows):
    kinds = ["string" if name in ("band", "field", "ccd") else "float64" for name in names]
    header = [f"# - {{name: {n}, datatype: {k}}}" for n, k in zip(names, kinds, strict=True)]
    as_csv(path, names, rows, mark=" ")
    lines = ["# %ECSV 1.0", "# ---", "# datatype:", *header, path.read_text()]
    path.write_text("\n".join(lines))


def as_parquet(path, names, rows):
    columns = {}
    for name, values in zip(names, zip(*rows, strict=True), strict=True):
        try:
            columns[name] = pa.array(values)
        except (pa.ArrowException, OverflowError):
            columns[name] = pa.array([str(value) for value in values])
    parquet.write_table(pa.table(columns), path)


def as_json(path, names, rows):
    table = [dict(zip(names, row, strict=True)) for row in rows]
    path.write_text(json.dumps(table), encoding="utf-8", errors="replace")


def as_sqlite(path, names, rows):
    declared = ", ".join(f'"{name}"' for name in names)
    with sqlite3.connect(path) as database:
        database.execute(f"CREATE TABLE observations ({declared})")
        marks = ", ".join("?" * len(names))
        for row in rows:
            cells = [v if abs(v) < 2**63 else float(v) for v in row if isinstance(v, int)]
            whole = iter(cells)
            fitting = [next(whole) if isinstance(v, int) else v for v in row]
            database.execute(f"INSERT INTO observations VALUES ({marks})", fitting)
    database.close()


def check(base, path, folder):
    profile = base["lsst" if path.stem == "visits" else "hits"]
    found = read_exposures(path, profile, 1)
    used = np.arange(found.mjd.shape[1]) < found.n_epochs[:, None]
    if found.n_epochs.min() < 1 or (np.diff(found.mjd, axis=1)[used[:, 1:]] <= 0).any():
        return "an empty pointing, or times that do not increase"
    for name in MEASURED:
        low, high, _ = PHYSICAL_RANGES[name]
        values = getattr(found, name)[used]
        if not ((values >= low * 0.999) & (values <= high * 1.001)).all():
            return f"{name} from {values.min()} to {values.max()}"
    return None
