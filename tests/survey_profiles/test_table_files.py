"""Files of tables as others write them: formats, separators, dates, damage."""

import json
import sqlite3

import numpy as np
import pytest
from astropy.time import Time

from skyreel.errors import ExposureTableError, UserError
from survey_profiles import load_profile, read_visits
from survey_profiles.input_tables import read_table
from tests.helpers.opsim import schedule_columns, visit_table

LSST = load_profile("lsst")
KINDS = ["visits.db", "visits.json", "visits.csv", "visits.ecsv", "visits.parquet"]


def visits_of(folder, columns, name="visits.parquet"):
    return read_visits(visit_table(folder, columns, name), LSST)


@pytest.mark.parametrize("name", KINDS)
def test_every_format_gives_the_same_visits(tmp_path, name):
    columns = schedule_columns()
    got, expected = visits_of(tmp_path, columns, name), visits_of(tmp_path, columns, "a.parquet")
    for column, values in expected.columns.items():
        np.testing.assert_allclose(got.columns[column], values, rtol=1e-12)


@pytest.mark.parametrize("name", ["visits.csv", "visits.db", "visits.ecsv"])
@pytest.mark.parametrize("end", ["", "Z", "+00:00"])
def test_times_may_be_dates(tmp_path, name, end):
    columns = schedule_columns()
    mjd = columns.pop("observationStartMJD")
    dates = [f"{date}{end}" for date in Time(mjd, format="mjd").isot]
    dates[3], dates[4] = "yesterday", str(mjd[4])
    got = visits_of(tmp_path, columns | {"obs_start": dates}, name)
    expected = np.where(np.arange(len(mjd)) == 3, np.nan, mjd)
    np.testing.assert_allclose(got.columns["mjd"], expected, atol=0.002 / 86400, rtol=0)
    assert got.rows.left_out == {"obs_start unknown": 1}


@pytest.mark.parametrize("mark", ["\t", ";", "|"])
def test_columns_of_a_text_may_have_other_marks_between_them(tmp_path, mark):
    columns = schedule_columns()
    path = visit_table(tmp_path, columns, "visits.csv")
    path.write_text("\ufeff" + path.read_text().replace(",", mark))
    got = read_visits(path, LSST)
    np.testing.assert_allclose(got.columns["mjd"], columns["observationStartMJD"], atol=1e-9)


def test_cells_that_are_lists_are_no_numbers(tmp_path):
    columns = schedule_columns(nights=30)
    path = visit_table(tmp_path, columns, "visits.json")
    rows = json.loads(path.read_text())
    path.write_text(json.dumps([row | {"airmass": [1.2, 1.3]} for row in rows]))
    assert "airmass follows from position, time and site." in read_visits(path, LSST).notes


@pytest.mark.parametrize("damage", [b"CREATE TABLE \x8a\xff", b"CREATE \x8aABLE ob"])
def test_a_database_with_damaged_names_is_refused_in_one_sentence(tmp_path, damage):
    path = visit_table(tmp_path, schedule_columns(nights=2), "visits.db")
    path.write_bytes(path.read_bytes().replace(b"CREATE TABLE ob", damage))
    with pytest.raises(ExposureTableError, match=r"cannot be read as a table|visits.db: "):
        read_visits(path, LSST)


@pytest.mark.parametrize(
    "text", ["[1, 2]", "{}", '{"a": 1}', '{"a": [1], "b": []}', "[", "[" * 9999]
)
def test_json_that_is_no_table_is_refused(tmp_path, text):
    path = tmp_path / "visits.json"
    path.write_text(text)
    with pytest.raises(ExposureTableError):
        read_visits(path, LSST)


def test_bytes_of_sqlite_that_are_no_text_are_no_name(tmp_path):
    """With other characters in their place, two names would become one."""
    path = tmp_path / "names.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE stars (object, mag)")
        rows = [(b"A\xff", b"18.5"), (b"A\xfe", 19), (b"B1", "x"), ("B1", None)]
        database.executemany("INSERT INTO stars VALUES (?, ?)", rows)
    database.close()
    table = read_table(path, {"mag": "magnitude"}, ["object"], UserError)
    assert table.names["object"].values.tolist() == ["B1"]
    assert table.names["object"].codes.tolist() == [-1, -1, 0, 0]
    np.testing.assert_array_equal(table.numbers["mag"], [18.5, 19, np.nan, np.nan])
