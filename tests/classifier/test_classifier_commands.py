"""The commands train, features and classify: what a user types, and what is said."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import zarr

from classifier.api import train
from classifier.cli.train_options import options_of
from classifier.evaluation import read_attributes, read_predictions
from simulator.dataset.plan import make_plan
from simulator.dataset.run import execute, writer_for
from simulator.options import Options
from skyreel.errors import UserError
from tests.helpers.running import copy_of, run


@pytest.fixture(scope="module")
def model(small_dataset, tmp_path_factory):
    """A forest made by the command."""
    folder = tmp_path_factory.mktemp("models") / "forest"
    with pytest.MonkeyPatch.context() as patch:
        arguments = ["--data", small_dataset, "--out", folder, "--images", 6, "--quiet"]
        arguments += ["--model", "forest"]
        assert run(patch, "train", *arguments, "--trees", 10, "--depth", 6) == 0
    return folder


def test_train_makes_a_model_predictions_and_an_evaluation(model):
    names = {file.name for file in model.iterdir()}
    assert {"model.json", "forest_06.skops", "importances.csv", "predictions.parquet"} <= names
    scores = json.loads((model / "evaluation" / "evaluation.json").read_text())
    assert 0 < scores["summary"]["accuracy"]["value"] < 1
    assert not list(model.glob("features_*"))


@pytest.mark.slow
def test_training_again_says_that_it_is_there(model, small_dataset, monkeypatch, capsys):
    written = (model / "model.json").stat().st_mtime_ns
    arguments = ["--data", small_dataset, "--out", model, "--images", 6, "--model", "forest"]
    assert run(monkeypatch, "train", *arguments, "--trees", 10, "--depth", 6) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "is already trained" in printed and "10 trees of depth 6" in printed
    assert (model / "model.json").stat().st_mtime_ns == written


@pytest.mark.slow
def test_classify_writes_probabilities_after_every_image(
    model, small_dataset, monkeypatch, tmp_path, capsys
):
    out = tmp_path / "p.parquet"
    arguments = ["--model", model, "--data", small_dataset, "--out", out]
    assert run(monkeypatch, "classify", *arguments, "--report", tmp_path / "report") == 0
    assert "accuracy" in capsys.readouterr().out.lower()
    rows = pq.read_table(out)
    names = ("SN", "RRL", "CEP", "EB", "NV", "GAL", "AST")
    total = sum(rows[f"p_{name}"].to_numpy() for name in names)
    np.testing.assert_allclose(total, 1, atol=1e-5)
    assert len(list((tmp_path / "report").glob("*.png"))) == 5


def test_features_makes_a_file_and_its_record(small_dataset, monkeypatch, tmp_path, capsys):
    out = tmp_path / "f.parquet"
    arguments = ["--data", small_dataset, "--split", "test", "--out", out]
    assert run(monkeypatch, "features", *arguments) == 0
    assert "59 features of 70 objects" in capsys.readouterr().out
    assert pq.read_table(out).num_rows == 70
    assert json.loads((tmp_path / "f.parquet.json").read_text())["command"].startswith("features")
    assert run(monkeypatch, "features", *arguments) == 0
    assert "is complete" in " ".join(capsys.readouterr().out.split())


def test_unlabelled_data_are_classified_without_scores(
    model, small_dataset, monkeypatch, tmp_path, capsys
):
    data = copy_of(small_dataset, tmp_path)
    zarr.open_group(data)["test"]["label"][:] = 255
    arguments = ["--model", model, "--data", data, "--out", tmp_path / "p.parquet"]
    assert run(monkeypatch, "classify", *arguments) == 0
    assert "accuracy" not in capsys.readouterr().out.lower()
    assert run(monkeypatch, "classify", *arguments, "--report", tmp_path / "report") == 2
    assert "nothing to report" in capsys.readouterr().err


def test_a_report_in_place_of_a_file_is_refused_at_once(
    model, small_dataset, monkeypatch, tmp_path, capsys
):
    (tmp_path / "precious").write_text("precious")
    arguments = ["--model", model, "--data", small_dataset, "--out", tmp_path / "p.parquet"]
    assert run(monkeypatch, "classify", *arguments, "--report", tmp_path / "precious") == 2
    assert "is a file; give a folder" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["precious"]


def test_other_classes_and_surveys_get_one_sentence(
    model, small_dataset, monkeypatch, tmp_path, capsys
):
    data = copy_of(small_dataset, tmp_path)
    root = zarr.open_group(data)
    root.attrs["classes"] = ["SN", "RRL", "TDE", "EB", "NV", "GAL", "AST"]
    arguments = ["--model", model, "--data", data, "--out", tmp_path / "p.parquet"]
    assert run(monkeypatch, "classify", *arguments) == 2
    error = capsys.readouterr().err
    assert "the class TDE; the classes of the model are SN, RRL, CEP" in error
    assert error.count("\n") == 1
    root.attrs["classes"] = list(root["test"].attrs["classes"])
    root.attrs["survey"] = "ztf"
    assert run(monkeypatch, "classify", *arguments) == 2
    assert "was trained on hits" in capsys.readouterr().err
    assert run(monkeypatch, "classify", *arguments, "--any-survey", "--quiet") == 0


@pytest.mark.parametrize(
    ("command", "arguments", "sentence"),
    [
        ("train", ["--model", "rnn"], "known models: compact, multiband, rcnn, forest"),
        ("train", ["--start", "later"], "allowed: first, alert"),
        ("train", ["--images", "0"], "--images 0"),
        (
            "train",
            ["--model", "forest", "--light-curves", "bright"],
            "allowed: science, difference, both",
        ),
        ("train", ["--model", "forest", "--trees", "0"], "--trees 0"),
        ("train", ["--seed", "-1"], "--seed -1"),
        ("train", ["--trees", "5"], "--trees: not an option of --model compact"),
        ("train", ["--survey", "hits"], "give --data or --survey"),
        ("train", ["--iterations", "0"], "--iterations 0"),
        ("train", ["--model", "forest", "--batch", "8"], "not an option of --model forest"),
        ("train", ["--precision", "int8"], "allowed: auto, float32, bfloat16"),
        ("train", ["--batch", "4096"], "fewer than one batch of 4096"),
        ("features", ["--curves", "mine.csv"], "give --data or --curves"),
        ("train", ["--threads", "0"], "--threads 0"),
        ("train", ["--band", "y"], "not 'y'"),
        ("features", ["--split", "all"], "no split 'all'"),
        ("classify", ["--model", "nowhere"], "neither a folder nor a model"),
    ],
)
def test_bad_requests_get_one_sentence_and_exit_code_2(
    small_dataset, monkeypatch, tmp_path, capsys, command, arguments, sentence
):
    monkeypatch.chdir(tmp_path)
    out = "out" if command == "train" else "out.parquet"
    asked = ["--data", small_dataset, "--out", out, "--quiet", *arguments]
    assert run(monkeypatch, command, *asked) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1 and "Traceback" not in error
    assert not list(tmp_path.iterdir())


def test_light_curves_of_ones_own_are_not_overwritten(monkeypatch, tmp_path, capsys):
    curves = tmp_path / "mine.csv"
    curves.write_text("object,mjd,magnitude,error\na,1,20,0.1\n")
    assert run(monkeypatch, "features", "--curves", curves, "--out", curves) == 2
    assert "exists already" in capsys.readouterr().err
    assert run(monkeypatch, "features", "--curves", curves, "--out", tmp_path / "f.parquet") == 0
    assert pq.read_table(tmp_path / "f.parquet").num_rows == 1


def test_a_stop_by_the_user_says_how_to_go_on(small_dataset, monkeypatch, tmp_path, capsys):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("classifier.features.feature_table.FeatureTable.make", stop)
    arguments = ["--data", small_dataset, "--out", tmp_path / "f.parquet", "--quiet"]
    assert run(monkeypatch, "features", *arguments) == 130
    sentence = "features: stopped. Run the same command again to finish.\n"
    assert capsys.readouterr().err == sentence


def test_an_empty_split_gets_one_sentence(model, monkeypatch, tmp_path, capsys):
    plan = make_plan(
        "hits", Options(stamp_size_pix=9), tmp_path / "e.zarr", n=7, validation=0, test=0
    )
    with writer_for(plan) as writer:
        execute(plan, writer, threads=1)
    arguments = ["--data", tmp_path / "e.zarr", "--out", tmp_path / "out.parquet", "--quiet"]
    assert run(monkeypatch, "features", *arguments, "--split", "test") == 2
    assert run(monkeypatch, "classify", *arguments, "--model", model) == 2
    assert run(monkeypatch, "train", *arguments) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 3 and all("no objects" in error for error in errors)


def test_a_missing_data_set_gets_one_sentence(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, "train", "--data", "nowhere.zarr", "--out", "x") == 2
    assert capsys.readouterr().err == "train: nowhere.zarr: there is no such data set.\n"


@pytest.mark.slow
def test_objects_without_a_usable_image_get_no_prediction_and_are_named(
    model, small_dataset, monkeypatch, tmp_path, capsys
):
    data = copy_of(small_dataset, tmp_path)
    zarr.open_group(data)["test"]["mask"][:7] = 2
    for name in (model, "hits-compact"):
        out, report = tmp_path / "p.parquet", tmp_path / f"report of {Path(name).name}"
        arguments = ["--model", name, "--data", data, "--out", out, "--report", report]
        assert run(monkeypatch, "classify", *arguments) == 0
        note = (
            f"7 of 70 objects have no image that {Path(name).name} can use, no prediction, and are "
            "left out of scores: 0, 1, 2, 3, 4, ..."
        )
        printed = " ".join(capsys.readouterr().out.split())
        assert note in printed and "63 objects, 7 without an image left out" in printed
        rows = pq.read_table(out).to_pandas().groupby("object", sort=False).last()
        assert rows["p_SN"].isna().tolist() == [True] * 7 + [False] * 63
        assert any(note in each for each in read_attributes(out)["notes"])
        scores = json.loads((report / "evaluation.json").read_text())
        assert scores["n_without_images"] == 7 and any(note in each for each in scores["notes"])
        assert "7 of 70 objects" in (report / "index.html").read_text()


@pytest.mark.parametrize("what", ["mask", "zero_point_mag", "images"])
def test_data_without_any_usable_image_are_refused(
    model, trained_network, small_dataset, monkeypatch, tmp_path, capsys, what
):
    data = copy_of(small_dataset, tmp_path)
    wrong = {"mask": 2, "zero_point_mag": 99.0, "images": 500}[what]
    zarr.open_group(data)["test"][what][:] = wrong
    out = tmp_path / "out.parquet"
    arguments = ["--data", data, "--out", out, "--quiet"]
    for each in (model, trained_network.folder):
        assert run(monkeypatch, "classify", *arguments, "--model", each) == 2
    assert run(monkeypatch, "features", *arguments, "--split", "test") == 2
    assert run(monkeypatch, "features", *arguments, "--split", "test", "--every") == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 4 and all("none of 70 objects has an image" in e for e in errors)
    assert not list(tmp_path.glob("out*"))


def test_objects_without_features_are_named(small_dataset, monkeypatch, tmp_path, capsys):
    data = copy_of(small_dataset, tmp_path)
    zarr.open_group(data)["test"]["mask"][3:5] = 2
    out = tmp_path / "f.parquet"
    arguments = ["--data", data, "--out", out, "--split", "test"]
    assert run(monkeypatch, "features", *arguments) == 0
    note = "2 of 70 objects have no image in the band g that can be measured, and no features"
    assert note in " ".join(capsys.readouterr().out.split())
    assert any(note in each for each in json.loads(Path(f"{out}.json").read_text())["notes"])
    table = pq.read_table(out)
    assert table["n_images"].to_numpy()[3:5].tolist() == [0, 0]
    assert np.isnan(table["Mean"].to_numpy()[3:5]).all()


def test_images_before_the_first_that_can_be_measured_do_not_count(
    model, small_dataset, monkeypatch, tmp_path
):
    data = copy_of(small_dataset, tmp_path)
    mask = zarr.open_group(data)["test"]["mask"]
    mask[0, :2, 6:15, 6:15] = 2  # the centre of the first two images: no flux, yet a sky
    arguments = ["--model", model, "--out", tmp_path / "p.parquet", "--quiet", "--data"]
    assert run(monkeypatch, "classify", *arguments, data) == 0
    found = read_predictions(tmp_path / "p.parquet")
    assert run(monkeypatch, "classify", *arguments, small_dataset) == 0
    before = read_predictions(tmp_path / "p.parquet")
    assert found.n_images[0] == before.n_images[0] - 2
    np.testing.assert_array_equal(found.probabilities[1:], before.probabilities[1:])


def test_alerts_of_real_data_say_where_sequences_start(small_dataset, monkeypatch, tmp_path):
    real = tmp_path / "real.zarr"
    arguments = [small_dataset, "--from", "zarr", "--out", real, "--quiet"]
    assert run(monkeypatch, "ingest", *arguments) == 0
    out = tmp_path / "f.parquet"
    arguments = ["--data", real, "--split", "test", "--start", "alert", "--out", out, "--quiet"]
    assert run(monkeypatch, "features", *arguments) == 0
    settings = json.loads(Path(f"{out}.json").read_text())
    assert settings["feature_config"]["start_fractions"]


@pytest.mark.slow
def test_records_of_equal_runs_are_equal(model, small_dataset, monkeypatch, tmp_path):
    found = []
    for _ in range(2):
        report, features = tmp_path / "report", tmp_path / "f.parquet"
        classify_it = ["--model", model, "--data", small_dataset, "--out", tmp_path / "p.parquet"]
        assert run(monkeypatch, "classify", *classify_it, "--report", report, "--quiet") == 0
        options = ["--data", small_dataset, "--split", "test", "--out", features, "--quiet"]
        assert run(monkeypatch, "features", *options) == 0
        paths = (report / "evaluation.json", Path(f"{features}.json"), tmp_path / "p.parquet")
        found.append([path.read_bytes() for path in paths])
        features.unlink()
    assert found[0] == found[1]


def test_an_exported_table_is_finished_where_its_parquet_file_is_complete(
    small_dataset, monkeypatch, tmp_path
):
    options = ["--data", small_dataset, "--split", "test", "--quiet", "--out"]
    assert run(monkeypatch, "features", *options, tmp_path / "t.csv.parquet") == 0
    (tmp_path / "t.csv.parquet.json").unlink()
    for _ in range(2):
        assert run(monkeypatch, "features", *options, tmp_path / "t.csv") == 0
        assert len((tmp_path / "t.csv").read_text().splitlines()) == 71
    assert not (tmp_path / "t.csv.parquet").exists()


def test_light_curves_beside_an_exported_table_are_kept(monkeypatch, tmp_path):
    curves = tmp_path / "stars.csv"
    rows = [f"a,{57000 + k},{18 + 0.1 * (k % 3)},0.01" for k in range(12)]
    curves.write_text("\n".join(["object,mjd,magnitude,error", *rows]))
    beside = tmp_path / "f.csv.parquet"
    beside.write_text("mine")
    options = ["--curves", curves, "--quiet", "--out", tmp_path / "f.csv"]
    assert run(monkeypatch, "features", *options) == 0
    assert beside.read_text() == "mine" and (tmp_path / "f.csv").is_file()


@pytest.mark.slow
def test_a_forest_of_given_size_needs_no_validation_split(small_dataset, monkeypatch, tmp_path):
    data = copy_of(small_dataset, tmp_path)
    shutil.rmtree(data / "validation")
    options = ["--model", "forest", "--trees", "3", "--depth", "3", "--quiet"]
    assert run(monkeypatch, "train", "--data", data, "--out", tmp_path / "m", *options) == 0


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"model": "forest", "iterations": 5}, "iterations: not an option of the model 'forest'"),
        ({"treees": 5}, "treees: not an option"),
        ({"profile_overrides": {"a": 1}}, "only with --survey"),
        ({"conditions": "delivered"}, "--conditions: only with --survey"),
    ],
)
def test_wrong_options_from_python_are_user_errors(options, sentence, small_dataset, tmp_path):
    with pytest.raises(UserError, match=sentence):
        train(tmp_path / "m", data=small_dataset, quiet=True, **options)


def test_a_survey_implies_simulation_on_the_fly():
    given = {"on_the_fly": True, "resampled": 0.5, "choices": {"beta": 3.0}}
    options = options_of("compact", given)
    assert options.resampled == 0.5 and options.choices == {"beta": 3.0}
