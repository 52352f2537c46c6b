"""Features of a user's own table of light curves."""

import json
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import Table
from astropy.time import Time

from classifier.features import features_of
from classifier.features.curve_table import curve_features, read_curves, write_curve_features
from skyreel.errors import ClassifierError
from tests.helpers.running import run


@pytest.fixture
def curves():
    """Five light curves of 3 to 40 points, rows shuffled."""
    rng = np.random.default_rng(4)
    rows = []
    for name, n in zip("cbade", (40, 12, 3, 25, 8), strict=True):
        time = np.sort(rng.uniform(57000, 57030, n))
        rows += [(name, t, 20 + rng.normal(0, 0.2), 0.05) for t in time]
    rng.shuffle(rows)
    names = [row[0] for row in rows]
    numbers = np.array([[float(v) for v in row[1:]] for row in rows])
    return Table([names, *numbers.T], names=("object", "mjd", "magnitude", "error"))


@pytest.mark.parametrize("form", ["csv", "ecsv", "parquet"])
def test_rows_are_the_features_of_each_object(curves, tmp_path, form):
    path = tmp_path / f"curves.{form}"
    if form == "parquet":
        pq.write_table(pa.table({name: np.asarray(curves[name]) for name in curves.colnames}), path)
    else:
        curves.write(path, format=f"ascii.{form}")
    found = curve_features(path, threads=1)
    seen = list(dict.fromkeys(curves["object"]))
    assert found["object"].to_pylist() == seen
    for i, name in enumerate(seen):
        one = curves[curves["object"] == name]
        one.sort("mjd")
        expected = features_of(one["mjd"], one["magnitude"], one["error"])
        row = {key: found[key][i].as_py() for key in expected}
        np.testing.assert_equal(row, expected)
    assert sum(found["n_points"].to_pylist()) == len(curves)


def test_batches_and_threads_change_nothing(curves, tmp_path, monkeypatch):
    path = tmp_path / "curves.csv"
    curves.write(path, format="ascii.csv")
    whole = curve_features(path, threads=1)
    monkeypatch.setattr("classifier.features.curve_table.BATCH_CURVES", 2)
    cut = curve_features(path, threads=2)
    for name in whole.column_names:
        np.testing.assert_array_equal(cut[name].to_numpy(), whole[name].to_numpy())


def test_the_file_is_written_whole(curves, tmp_path):
    curves.write(tmp_path / "curves.csv", format="ascii.csv")
    out = tmp_path / "features.parquet"
    assert write_curve_features(tmp_path / "curves.csv", out, threads=1) == 5
    assert pq.read_table(out).num_rows == 5
    assert {file.name for file in tmp_path.iterdir()} == {"curves.csv", "features.parquet"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("object,mjd,mag,error\n1,2,3,4\n", "lacks the columns magnitude"),
        ("object,mjd,magnitude,error\n", "has no rows"),
        ("object,mjd,magnitude,error\na,5,bright,0.1\n", "column magnitude has no known value"),
        ("object,mjd,magnitude,error\na,5,2345,0.1\n", "found 2345 .* allowed: -30 to 40 mag"),
        ("object,mjd,magnitude,error\n,5,20,0.1\n", "no row can be used: 1 without the name"),
        ("object,mjd,magnitude,error\na,5,20,0\n", "no row can be used: 1 with an error of zero"),
        ("object,mjd,magnitude,Error,ERROR\na,5,20,1,1\n", "column error is there 2 times"),
        ("", "cannot be read as a table"),
    ],
)
def test_an_unusable_table_gets_one_sentence(tmp_path, text, sentence):
    path = tmp_path / "curves.csv"
    path.write_text(text)
    with pytest.raises(ClassifierError, match=sentence) as caught:
        curve_features(path, threads=1)
    assert "\n" not in str(caught.value)


def test_unusable_points_are_not_counted(tmp_path):
    text = "object,mjd,magnitude,error\na,1,20,0.1\na,2,nan,0.1\nb,nan,20,0.1\na,3,21,0\n"
    (tmp_path / "curves.csv").write_text(text)
    found = curve_features(tmp_path / "curves.csv", threads=1)
    assert found["object"].to_pylist() == ["a", "b"]
    assert found["n_points"].to_pylist() == [1, 0]
    assert found["Mean"].to_pylist()[0] == 20 and np.isnan(found["Mean"].to_pylist()[1])


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(ClassifierError, match="there is no such file"):
        curve_features(tmp_path / "nowhere.csv", threads=1)
    with pytest.raises(ClassifierError, match="for a data set give --data"):
        curve_features(tmp_path, threads=1)


HEADER = "object,mjd,magnitude,error\n"
LONG = ("169830580431093801", "169830580431093809", "007", "7", "7.0", "1e3", "0x1F", "nan", "NA")


def curves_of(folder, text, name="curves.csv"):
    path = folder / name
    path.write_text(text)
    return read_curves(path)


def test_names_of_csv_keep_every_letter_beside_empty_cells(tmp_path):
    rows = "".join(f"{name},5700{k},20,0.1\n{name},57100,,0.1\n" for k, name in enumerate(LONG))
    found = curves_of(tmp_path, HEADER + rows)
    assert found.names.tolist() == list(LONG) and found.n_points.tolist() == [1] * len(LONG)
    assert found.left_out == {"of unknown magnitude": len(LONG)}


WHOLE = [17, 169830580431093801, 2**63 - 1]


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (pa.array([*WHOLE, None]), [str(v) for v in WHOLE]),
        (pa.array([*map(str, WHOLE), " "]), [str(v) for v in WHOLE]),
        (pa.array(["007", "7", "7", None]).dictionary_encode(), ["007", "7"]),
        (pa.array([17.0, None, 18.5, 17.0]), ["17", "18.5"]),
        (pa.array([b"a", b"b", b"a", None]), ["a", "b"]),
        (pa.array(["a", "b", "a", None], pa.large_string()), ["a", "b"]),
        (pa.array(["a", "b", "a", None], pa.string_view()), ["a", "b"]),
    ],
)
def test_names_of_parquet_keep_every_digit(tmp_path, values, names):
    columns = {"object": values, "mjd": [57000.0, 57001, 57002, 57003]}
    columns |= {"magnitude": [20.0] * 4, "error": [0.1] * 4}
    pq.write_table(pa.table(columns), tmp_path / "curves.parquet")
    found = read_curves(tmp_path / "curves.parquet")
    assert found.names.tolist() == names
    assert sum(found.left_out.values()) == values.null_count + (values[3].as_py() == " ")


@pytest.mark.parametrize("values", [[[1]], [True], [{"a": 1}], [datetime(2026, 1, 1)]])
def test_names_of_other_types_are_refused(tmp_path, values):
    columns = {"object": values, "mjd": [57000.0], "magnitude": [20.0], "error": [0.1]}
    pq.write_table(pa.table(columns), tmp_path / "curves.parquet")
    with pytest.raises(ClassifierError, match=r"column object holds .*; allowed: text or whole"):
        read_curves(tmp_path / "curves.parquet")


def test_names_whose_digits_are_lost_are_refused(tmp_path):
    columns = {"object": [1.698305804310938e17], "mjd": [57000.0], "magnitude": [20.0]}
    pq.write_table(pa.table({**columns, "error": [0.1]}), tmp_path / "curves.parquet")
    with pytest.raises(ClassifierError, match="whose last digits are lost; write it as text"):
        read_curves(tmp_path / "curves.parquet")


@pytest.mark.parametrize("kind", [str, np.int64, float])
def test_names_of_ecsv_keep_every_digit(tmp_path, kind):
    names = ["17", "18", "4503599627370497"]
    columns = [np.array(names).astype(kind), 57000.0 + np.arange(3), [20.0] * 3, [0.1] * 3]
    table = Table(columns, names=("object", "mjd", "magnitude", "error"), masked=True)
    table["error"].mask[1] = True
    table.write(tmp_path / "curves.ecsv", format="ascii.ecsv")
    found = read_curves(tmp_path / "curves.ecsv")
    assert found.names.tolist() == names and found.n_points.tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("magnitude", "error"),
    [(99.0, 99.0), (99.999, 9.999), (-999, -999), (-9999, 0.1), (99, 0.1), ("", ""), ("inf", 0.1)],
)
def test_sentinels_are_no_points(tmp_path, magnitude, error):
    rows = f"a,57000,20,0.1\na,57001,{magnitude},{error}\na,57002,21,0.1\n"
    found = curve_features(curves_of(tmp_path, HEADER + rows), threads=1)
    assert found["n_points"].to_pylist() == [2] and found["Mean"].to_pylist() == [20.5]


def test_julian_dates_are_converted(tmp_path):
    rows = "a,57000,20,0.1\na,2457001.5,21,0.1\na,-99,21,0.1\n"
    found = curves_of(tmp_path, HEADER + rows)
    assert found.points[:, 0].tolist() == [57000, 57001]
    assert found.left_out == {"of unknown time": 1}
    assert found.notes == ("1 times are Julian dates and were converted to MJD.",)


def test_times_from_another_origin_are_kept(tmp_path):
    found = curves_of(tmp_path, HEADER + "a,1325.5,20,0.1\na,1326,21,0.1\n")
    assert found.points[:, 0].tolist() == [1325.5, 1326]
    assert "taken as days from another origin" in found.summary()


def test_days_from_another_origin_that_reach_the_range_of_mjd_are_kept(tmp_path):
    days = [14990, 15000, 15010, 15030, 15040]
    found = curves_of(tmp_path, HEADER + "".join(f"a,{day},20,0.1\n" for day in days))
    assert found.points[:, 0].tolist() == days


def test_of_points_at_one_time_the_most_precise_is_used(tmp_path):
    rows = "a,57000,20,0.1\na,57000,21,0.05\na,57000,22,0.1\nb,57000,23,0.1\n"
    found = curves_of(tmp_path, HEADER + rows)
    assert found.points[:, 1].tolist() == [21, 23]
    assert found.left_out == {"of a time that its object has twice (a)": 2}


def test_an_object_of_impossible_length_costs_no_other(tmp_path):
    found = curves_of(tmp_path, HEADER + "a,5,20,1\nb,1,20,1\nb,3e6,20,1\n")
    assert found.n_points.tolist() == [1, 0]
    assert "No point to use: b" in found.summary() and "100,000 d: b." in found.summary()


def test_rows_of_other_lengths_are_counted(tmp_path):
    found = curves_of(tmp_path, HEADER + "a,57000,20,0.1\na,57001,20\na,57002,20,0.1,x\n")
    assert found.left_out == {"with another number of fields than the header": 2}
    assert found.n_rows == 3 and found.n_points.tolist() == [1]


def test_a_byte_order_mark_and_capitals_change_nothing(tmp_path):
    text = "\ufeffObject,MJD,Magnitude,ERROR\na,57000,20,0.1\n"
    assert curves_of(tmp_path, text).names.tolist() == ["a"]


def test_units_of_ecsv_are_converted(tmp_path):
    names = ("object", "mjd", "magnitude", "error")
    table = Table([["a"], Time([57000.5], format="mjd"), [20.0], [50.0]], names=names)
    table["error"].unit = "mmag"
    table.write(tmp_path / "curves.ecsv", format="ascii.ecsv")
    found = read_curves(tmp_path / "curves.ecsv")
    np.testing.assert_allclose(found.points, [[57000.5, 20, 0.05]], rtol=1e-12)


def test_names_are_printed_without_control_characters(tmp_path):
    found = curves_of(tmp_path, HEADER + '"\x1b[31m[b]\nx",57000,,0.1\na,57000,20,0.1\n')
    assert r"\x1b[31m[b]\nx" in found.summary()


@pytest.mark.parametrize("given", ["csv", "ecsv", "parquet"])
@pytest.mark.parametrize("out", ["csv", "ecsv", "parquet", "fits"])
def test_every_format_works_from_the_command(monkeypatch, tmp_path, capsys, given, out):
    path, written = tmp_path / f"[a] #%41.{given}", tmp_path / f"f.{out}"
    columns = [["007", "8"], [57000.0, 57001.0], [20.0, 99.0], [0.1, 0.1]]
    table = Table(columns, names=("object", "mjd", "magnitude", "error"))
    if given == "parquet":
        pq.write_table(pa.table({name: table[name].tolist() for name in table.colnames}), path)
    else:
        table.write(path, format=f"ascii.{given}")
    assert run(monkeypatch, "features", "--curves", path, "--out", written) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "1 of 2 rows are left out: 1 of unknown magnitude." in said
    assert "No point to use: 8; their features are NaN." in said
    record = json.loads((tmp_path / f"f.{out}.json").read_text())
    assert record["left_out"] == {"of unknown magnitude": 1}
    assert record["objects_without_points"] == ["8"] and record["objects"] == 2
    if out == "parquet":
        names = pq.read_table(written)["object"].to_pylist()
    else:
        kinds = {"csv": "ascii.csv", "ecsv": "ascii.ecsv", "fits": "fits"}
        text = {"converters": {"object": str}} if out == "csv" else {}
        names = list(Table.read(written, format=kinds[out], **text)["object"])
    assert names == ["007", "8"]


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (np.array([169830580, 169830581], dtype=np.float32), "last digits are lost"),
        (np.array([1.1, 2.0], dtype=np.float32), "last digits are lost"),
        (np.array([3000, 3001], dtype=np.float16), "last digits are lost"),
        (np.array([2.0**53 + 2, 1]), "last digits are lost"),
        (pa.array([b"\xff", b"\xfe"], pa.binary()), "bytes that are not UTF-8"),
    ],
)
def test_names_that_lost_digits_or_are_no_text_are_refused(tmp_path, names, sentence):
    numbers = {"mjd": [57000.0, 57001.0], "magnitude": [20.0, 20.1], "error": [0.1, 0.1]}
    pq.write_table(pa.table({"object": names, **numbers}), tmp_path / "curves.parquet")
    with pytest.raises(ClassifierError, match=sentence):
        read_curves(tmp_path / "curves.parquet")


def test_whole_names_in_floating_point_are_integers(tmp_path):
    names = np.array([16_777_215, 7], dtype=np.float32)
    numbers = {"mjd": [57000.0, 57001.0], "magnitude": [20.0, 20.1], "error": [0.1, 0.1]}
    pq.write_table(pa.table({"object": names, **numbers}), tmp_path / "curves.parquet")
    assert read_curves(tmp_path / "curves.parquet").names.tolist() == ["16777215", "7"]


def test_times_too_far_from_any_origin_are_unknown(tmp_path):
    rows = "a,1e300,20,0.1\na,1325,20,0.1\na,1326,21,0.1\nb,-1e17,20,0.1\n"
    found = curves_of(tmp_path, HEADER + rows)
    assert found.left_out == {"of unknown time": 2}
    assert found.points[:, 0].tolist() == [1325, 1326]
    with pytest.raises(ClassifierError, match="has the time 1e"):
        features_of([1e300], [20.0], [0.1])
