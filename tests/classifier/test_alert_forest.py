"""Random forests on the metadata or the pixels of first alerts."""

import json
import shutil

import numpy as np
import pytest
import zarr

from classifier.dataset import DatasetSplit
from classifier.first_alerts import read_first_alerts
from classifier.models.forest.alert_forest import AlertForest
from classifier.models.registry import check_fit, open_model
from classifier.training.alert_forest_training import (
    INPUTS,
    AlertForestOptions,
    train_alert_forest,
)
from skyreel.errors import ClassifierError
from tests.helpers.damaged_models import edited, with_a_list_for_a_card
from tests.helpers.running import copy_of, run

MERGE = {"VS": ("RRL", "EB")}
QUICK = {"merge": MERGE, "crop_pix": 9, "trees": 10, "depth": 6, "seed": 2}


def trained(data, folder, inputs="metadata", **changes):
    options = AlertForestOptions(inputs=inputs, **{**QUICK, **changes})
    return train_alert_forest(data, folder, options)[0]


@pytest.fixture(scope="module", params=INPUTS.values())
def forest(request, planes_dataset, tmp_path_factory):
    return trained(planes_dataset, tmp_path_factory.mktemp("models") / "trees", request.param)


@pytest.fixture(scope="module")
def test_split(planes_dataset):
    return DatasetSplit(planes_dataset, "test")


def test_it_learns_its_training_set_and_predicts_others(forest, planes_dataset, test_split):
    train = DatasetSplit(planes_dataset, "train")
    known, found = forest.predict(train), forest.predict(test_split)
    assert (known.after(1).argmax(axis=1) == known.label)[known.n_images > 0].mean() > 0.8
    assert found.probabilities.shape == (28, 1, 3) and found.classes == ("SN", "VS", "AST")
    rows = read_first_alerts(test_split).rows
    np.testing.assert_array_equal(np.flatnonzero(found.n_images), rows)
    again = open_model(forest.folder)
    assert isinstance(again, AlertForest)
    np.testing.assert_array_equal(again.predict(test_split).probabilities, found.probabilities)
    embedded = forest.embedding(test_split, rows[:9])
    assert embedded.values.shape[0] == 9 and forest.card["inputs"] in embedded.description


def test_a_second_request_keeps_the_model_or_says_what_differs(forest, planes_dataset):
    written = (forest.folder / "forest.skops").stat().st_mtime_ns
    inputs = forest.card["inputs"]
    assert trained(planes_dataset, forest.folder, inputs).name == "trees"
    assert (forest.folder / "forest.skops").stat().st_mtime_ns == written
    with pytest.raises(ClassifierError, match=r"options.depth: 6 there, 7 now"):
        trained(planes_dataset, forest.folder, inputs, depth=7)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda folder: (folder / "forest.skops").unlink(), "missing or damaged"),
        (lambda folder: (folder / "forest.skops").write_bytes(b"PK"), "missing or damaged"),
        (with_a_list_for_a_card, "damaged"),
        (edited(inputs="colours"), r"damaged \(inputs: "),
        (edited(size_pix=0), r"damaged \(size_pix: "),
        (edited(classes=["SN"]), "its trees are broken, or of other features or classes"),
        (edited(format_version=99), "format 99"),
        (edited(kind="forest"), "is of a 'forest'; an? alert-forest is needed"),
        (edited(metadata={}), r"damaged \(metadata.columns: "),
    ],
)
def test_a_damaged_model_is_one_sentence(forest, tmp_path, damage, sentence):
    folder = shutil.copytree(forest.folder, tmp_path / "damaged")
    damage(folder)
    with pytest.raises(ClassifierError, match=sentence) as caught:
        AlertForest.open(folder)
    assert "\n" not in str(caught.value)


def test_stamps_of_nan_lose_no_other_object(forest, planes_dataset, tmp_path, test_split):
    data, rows = copy_of(planes_dataset, tmp_path), read_first_alerts(test_split).rows
    zarr.open_group(data)["test"]["template"][int(rows[1])] = np.nan
    found, before = forest.predict(DatasetSplit(data, "test")), forest.predict(test_split)
    assert found.n_images[rows[1]] == 0
    others = np.delete(rows, 1)
    np.testing.assert_array_equal(found.probabilities[others], before.probabilities[others])


def test_what_cannot_be_used_is_one_sentence(
    forest, planes_dataset, small_dataset, test_split, tmp_path, monkeypatch
):
    for changes, sentence in (
        ({"trees": 0}, "--trees 0: at least 1"),
        ({"crop_pix": 10}, "cannot be cut to 10"),
        ({"crop_pix": 5}, "--crop 5: at least 9"),
        ({"merge": {"VS": ("RLR",)}}, "has none of these classes"),
        ({"merge": {"X": ("SN", "RRL", "EB", "AST")}}, "needs at least two classes"),
    ):
        with pytest.raises(ClassifierError, match=sentence):
            trained(planes_dataset, tmp_path / "out", **changes)
    with pytest.raises(ClassifierError, match="has no difference images"):
        trained(small_dataset, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    monkeypatch.setattr(DatasetSplit, "size_pix", property(lambda self: 8))
    with pytest.raises(ClassifierError, match="stamps of 8 pixels cannot be cut to 9"):
        check_fit("trees", forest, test_split, any_survey=False)


def test_options_of_other_models_are_refused(planes_dataset, tmp_path, monkeypatch, capsys):
    asked = ["--model", "metadata-forest", "--data", planes_dataset, "--out", tmp_path / "m"]
    for wrong, sentence in (
        (["--iterations", 3], "--iterations: not an option of --model metadata-forest"),
        (["--balance", "none"], "--balance: not an option of --model metadata-forest"),
        (["--light-curves", "both"], "--light-curves: not an option of --model metadata-forest"),
        (["--images", 3], "--images, --band, --start: not options of --model metadata-forest"),
    ):
        assert run(monkeypatch, "train", *asked, *wrong) == 2
        assert sentence in " ".join(capsys.readouterr().err.split())


@pytest.mark.slow
def test_the_command_trains_and_evaluates(planes_dataset, tmp_path, monkeypatch, capsys):
    asked = ["--model", "pixel-forest", "--data", planes_dataset, "--out", tmp_path / "m"]
    asked += ["--merge", "VS=RRL+EB", "--trees", 10, "--crop", 9, "--threads", 1]
    assert run(monkeypatch, "train", *asked) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "10 trees on the pixels of first alerts" in said and "objects left out" in said
    scores = json.loads((tmp_path / "m" / "evaluation" / "evaluation.json").read_text())
    assert scores["classes"] == ["SN", "VS", "AST"]
