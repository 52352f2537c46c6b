"""Training, classifying and comparing networks as a user does."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import zarr

from classifier.cli import training_run as training
from classifier.dataset import DatasetSplit
from classifier.models.recurrent.trained_network import Network
from tests.helpers.running import copy_of, run

QUICK = ["--images", 5, "--iterations", 4, "--batch", 32, "--validate-every", 2, "--quiet"]


@pytest.fixture(scope="module")
def model(small_dataset, tmp_path_factory):
    """A network made by the command."""
    folder = tmp_path_factory.mktemp("models") / "network"
    with pytest.MonkeyPatch.context() as patch:
        assert run(patch, "train", "--data", small_dataset, "--out", folder, *QUICK) == 0
    return folder


def test_train_makes_a_model_its_history_and_an_evaluation(model):
    names = {file.name for file in model.iterdir()}
    assert {"model.json", "weights.npz", "history.csv", "learning_curve.png"} <= names
    scores = json.loads((model / "evaluation" / "evaluation.json").read_text())
    assert 0 < scores["summary"]["accuracy"]["value"] < 1
    card = json.loads((model / "model.json").read_text())
    assert card["command"].startswith("train --data") and card["options"]["iterations"] == 4


@pytest.mark.slow
def test_training_again_only_tests_again(model, small_dataset, monkeypatch, capsys):
    written = (model / "weights.npz").stat().st_mtime_ns
    arguments = ["--data", small_dataset, "--out", model, *QUICK[:-1]]
    assert run(monkeypatch, "train", *arguments) == 0
    assert "is already trained" in " ".join(capsys.readouterr().out.split())
    assert (model / "weights.npz").stat().st_mtime_ns == written


@pytest.mark.slow
def test_classify_draws_the_objects_asked_for(model, small_dataset, monkeypatch, tmp_path):
    arguments = ["--model", model, "--data", small_dataset, "--out", tmp_path / "p.parquet"]
    assert run(monkeypatch, "classify", *arguments, "--plot", "3", "17", "--quiet") == 0
    pictures = sorted(file.name for file in tmp_path.glob("*.png"))
    assert pictures == ["p_17.png", "p_3.png"]
    table = pq.read_table(tmp_path / "p.parquet")
    n_images = DatasetSplit(small_dataset, "test").n_epochs  # all, whatever the training had
    assert table.num_rows == n_images.sum() and np.isfinite(table["p_AST"].to_numpy()).all()


def test_an_unknown_object_is_refused_before_anything_is_classified(
    model, small_dataset, monkeypatch, tmp_path, capsys
):
    arguments = ["--model", model, "--data", small_dataset, "--out", tmp_path / "p.parquet"]
    assert run(monkeypatch, "classify", *arguments, "--plot", "SN2015J") == 2
    error = capsys.readouterr().err
    assert "no object 'SN2015J'" in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_survey_is_enough_to_train_on(monkeypatch, tmp_path):
    monkeypatch.setattr(training, "VALIDATION", 35)
    monkeypatch.setattr(training, "TEST", 35)
    monkeypatch.setattr(training, "TRAIN", 64)
    out = tmp_path / "mine"
    assert run(monkeypatch, "train", "--survey", "hits", "--out", out, *QUICK) == 0
    assert zarr.open_group(tmp_path / "mine.zarr")["test"]["label"].shape == (35,)
    assert json.loads((out / "model.json").read_text())["options"]["on_the_fly"] is True
    assert run(monkeypatch, "train", "--survey", "htis", "--out", tmp_path / "no", "--quiet") == 2


def test_nan_images_are_left_out_and_objects_without_any_are_not_classified(
    model, small_dataset, monkeypatch, tmp_path
):
    data = copy_of(small_dataset, tmp_path)
    mask = zarr.open_group(data)["test"]["mask"]
    mask[0], mask[1, 0] = 2, 2
    arguments = ["--model", model, "--data", data, "--out", tmp_path / "p.parquet", "--quiet"]
    assert run(monkeypatch, "classify", *arguments) == 0
    table = pq.read_table(tmp_path / "p.parquet").to_pydict()
    seen = list(zip(map(str, table["object"]), table["n_images"], strict=True))
    assert [n for name, n in seen if name == "0"] == [0]
    split = DatasetSplit(small_dataset, "test")
    assert [n for name, n in seen if name == "1"] == list(range(1, split.n_epochs[1]))
    whole = Network.open(model).predict(split).probabilities
    p_first = [
        p for name, p in zip(table["object"], table["p_SN"], strict=True) if str(name) == "1"
    ]
    assert abs(p_first[0] - whole[1, 0, 0]) > 1e-6  # another image is the first now


def test_stamps_of_another_size_get_one_sentence(model, monkeypatch, tmp_path, capsys):
    from simulator.dataset.plan import make_plan
    from simulator.dataset.run import execute, writer_for
    from simulator.options import Options

    plan = make_plan("hits", Options(stamp_size_pix=15), tmp_path / "w.zarr", n=7, test=7)
    with writer_for(plan) as writer:
        execute(plan, writer, threads=1)
    arguments = ["--data", tmp_path / "w.zarr", "--out", tmp_path / "p.parquet"]
    assert run(monkeypatch, "classify", *arguments, "--model", model) == 2
    error = capsys.readouterr().err
    assert "stamps of 15 pixels" in error and "takes 21" in error and error.count("\n") == 1
