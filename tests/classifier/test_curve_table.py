"""Features of a user's own table of light curves."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import Table

from classifier.features import features_of
from classifier.features.curve_table import curve_features, write_curve_features
from skyreel.errors import ClassifierError


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
        ("object,mjd,magnitude,error\na,5,20,0.1\na,5,21,0.1\n", "object a has two points at 5"),
        ("object,mjd,magnitude,error\na,5,bright,0.1\n", "the column magnitude holds text"),
        ("object,mjd\n1,2,3\n4\n", "cannot be read as a table"),
        ("object,mjd,magnitude,error\na,5,20,1\nb,1,20,1\nb,3e6,20,1\n", "object b spans more"),
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
