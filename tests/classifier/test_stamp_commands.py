"""Stamp classifiers trained, applied, compared and searched for as a user does."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from classifier import api
from classifier.dataset import DatasetSplit
from classifier.first_alerts import read_first_alerts
from classifier.image_selection import images_of
from classifier.models.registry import open_model
from classifier.reports.evaluation_page import PAGE
from classifier.stream import Stream
from skyreel.errors import ClassifierError
from tests.helpers.running import run
from tests.helpers.stamp_models import QUICK


def text(captured):
    return " ".join(captured.split())


@pytest.fixture(scope="module")
def trained(stamp_model):
    """Folder of the model."""
    return stamp_model.folder


@pytest.fixture(scope="module")
def n_alerts(planes_dataset):
    """Objects of the test split with an alert."""
    return len(read_first_alerts(DatasetSplit(planes_dataset, "test")))


@pytest.mark.slow
def test_train_makes_the_same_model_and_its_evaluation(
    trained, planes_dataset, n_alerts, tmp_path, monkeypatch, capsys
):
    asked = ["--model", "alerce-stamp", "--data", planes_dataset, "--out", tmp_path / "m"]
    asked += ["--crop", 9, "--choice", "rotations=none", "--iterations", 6, "--batch", 16]
    asked += ["--validate-every", 2, "--merge", "VS=RRL+EB", "--seed", 3, "--threads", 1]
    assert run(monkeypatch, "train", *asked) == 0
    said = text(capsys.readouterr().out)
    assert "objects left out: no alert." in said
    card, same = (json.loads((f / "model.json").read_text()) for f in (tmp_path / "m", trained))
    assert card["options"] == same["options"] and card["classes"] == ["SN", "VS", "AST"]
    split = DatasetSplit(planes_dataset, "test")
    found, expected = (open_model(f).predict(split) for f in (tmp_path / "m", trained))
    np.testing.assert_allclose(found.probabilities, expected.probabilities, rtol=1e-5, atol=1e-6)
    scores = json.loads((tmp_path / "m" / "evaluation" / "evaluation.json").read_text())
    assert scores["n_objects"] == n_alerts and scores["classes"] == card["classes"]
    page = (tmp_path / "m" / "evaluation" / PAGE).read_text()
    assert "lack the first alert" in page and "more than the 1 images" not in page


def test_classify_counts_what_it_leaves_out(
    trained, planes_dataset, n_alerts, monkeypatch, tmp_path, capsys
):
    split = DatasetSplit(planes_dataset, "test")
    row = int(read_first_alerts(split).rows[0])
    asked = ["--model", trained, "--data", planes_dataset, "--out", tmp_path / "p.parquet"]
    assert run(monkeypatch, "classify", *asked, "--plot", row) == 0
    said = text(capsys.readouterr().out)
    assert f"{28 - n_alerts} of 28 objects lack the first alert that tiny can use" in said
    assert "images in" not in said and f"of {n_alerts} objects" in said
    assert (tmp_path / f"p_{row}.png").stat().st_size > 10_000
    table = pq.read_table(tmp_path / "p.parquet").to_pandas()
    assert np.isfinite(table.loc[table.n_images > 0, ["p_SN", "p_VS", "p_AST"]]).all(axis=None)
    assert (table.n_images > 0).sum() == n_alerts


@pytest.mark.parametrize("alerts", [1, 2])
def test_pages_have_the_image_of_the_alert(trained, planes_dataset, monkeypatch, alerts):
    split, model = DatasetSplit(planes_dataset, "test"), open_model(trained)
    monkeypatch.setitem(model.card, "network", (None, "alerce-stamp", "two-stamp-stacked")[alerts])
    found = images_of(model, split).stamps(0, 28)
    expected = read_first_alerts(split, alerts=alerts)
    np.testing.assert_array_equal(np.flatnonzero(found.n_epochs), expected.rows)
    images = found.images_adu[expected.rows, 0]
    np.testing.assert_array_equal(images, expected.stamps[:, -1, 0])


def test_a_split_without_an_alert_is_one_sentence(trained, planes_dataset, monkeypatch):
    def values(self, name):
        found = self._group[name][:]
        return np.zeros_like(found) if name == "difference_detected" else found

    monkeypatch.setattr(DatasetSplit, "values", values)
    with pytest.raises(ClassifierError, match="none of 28 objects has an alert with science"):
        open_model(trained).predict(DatasetSplit(planes_dataset, "test"))


@pytest.mark.slow
def test_models_are_compared_and_predictions_used_again(
    trained, planes_dataset, n_alerts, monkeypatch, tmp_path, capsys
):
    asked = [trained, trained, "--data", planes_dataset, "--names", "a,b", "--out", tmp_path / "c"]
    assert run(monkeypatch, "compare", *asked) == 0
    said = text(capsys.readouterr().out)
    assert f"{n_alerts} objects" in said and "more than the 1 images" not in said
    made = (tmp_path / "c" / "predictions" / "a.parquet").stat().st_mtime_ns
    assert run(monkeypatch, "compare", *asked) == 0
    assert (tmp_path / "c" / "predictions" / "a.parquet").stat().st_mtime_ns == made


@pytest.mark.slow
def test_the_python_function_trains_what_the_command_trains(
    trained, planes_dataset, tmp_path, monkeypatch
):
    data = {"data": planes_dataset, "threads": 1, "quiet": True}
    model = api.train(tmp_path / "m", model="alerce-stamp", **data, **QUICK)
    split = DatasetSplit(planes_dataset, "test")
    np.testing.assert_allclose(
        model.predict(split).probabilities,
        open_model(trained).predict(split).probabilities,
        rtol=1e-5,
        atol=1e-6,
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"images": 3}, "--images, --band, --start: not options of --model alerce-stamp"),
        ({"band": "r"}, "--images, --band, --start: not options"),
        ({"balanced": "none"}, "Did you mean 'balance'"),
        ({"model": "alerce"}, "known models: compact"),
        ({"balance": "none", "model": "compact"}, "balance: not an option of the model 'compact'"),
        ({"survey": "ztf", "data": None}, "is trained on a data set; give --data"),
    ],
)
def test_the_python_function_refuses_other_options(planes_dataset, tmp_path, options, message):
    given = {"model": "alerce-stamp", "data": planes_dataset, "quiet": True, **options}
    with pytest.raises(ClassifierError, match=message):
        api.train(tmp_path / "m", **given)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "compact", "--merge", "VS=RRL"], "--merge: not an option of --model compact"),
        (["--model", "forest", "--crop", 9], "--crop: not an option of --model forest"),
        (["--start", "alert"], "--start: not options of --model alerce-stamp"),
        (["--planes", "template"], "planes: not an option of the model"),
        (["--trees", 3], "--trees: not an option of --model alerce-stamp"),
        (["--merge", "VS"], "write NEW=CLASS+CLASS"),
        (["--balance", "equal"], "--balance 'equal'; allowed: batches"),
        (["--crop", 10], "an odd number up to 21 is possible"),
    ],
)
def test_the_command_refuses_other_options(
    planes_dataset, tmp_path, monkeypatch, capsys, options, message
):
    asked = ["--model", "alerce-stamp", "--data", planes_dataset, "--out", tmp_path / "m"]
    assert run(monkeypatch, "train", *asked, *options, "--quiet") == 2
    error = capsys.readouterr().err
    assert message in text(error) and error.count("\n") == 1


def test_what_needs_sequences_refuses_a_stamp_classifier(
    trained, planes_dataset, tmp_path, monkeypatch, capsys
):
    with pytest.raises(ClassifierError, match="reads the first alert of an object alone"):
        Stream(open_model(trained))
    out = ["--out", tmp_path / "o", "--quiet"]
    assert run(monkeypatch, "forecast", "--survey", "ztf", "--model", trained, *out) == 2
    assert "images, which a forecast does not simulate" in capsys.readouterr().err


@pytest.mark.slow
def test_a_search_compares_stamp_classifiers(planes_dataset, tmp_path, monkeypatch, capsys):
    vary = ["rotations=none|average", "learning_rate=1e-4..1e-2", "crop=9|11", "metadata=true"]
    asked = ["--data", planes_dataset, "--out", tmp_path / "s", "--merge", "VS=RRL+CEP+EB"]
    asked += [part for each in vary for part in ("--vary", each)]
    asked += ["--combinations", 1, "--repeats", 2, "--iterations", 2, "--threads", 1, "--quiet"]
    assert run(monkeypatch, "search", *asked, "--model", "alerce-stamp,deep-hits") == 0
    found = json.loads((tmp_path / "s" / "search.json").read_text())
    assert [each["network"] for each in found["networks"]] == ["alerce-stamp", "deep-hits"]
    assert all(0 <= each["test_accuracy"]["mean"] <= 1 for each in found["networks"])
    cards = [
        json.loads(path.read_text()) for path in (tmp_path / "s").glob("*/best_seed_*/model.json")
    ]
    assert len(cards) == 4 and {card["size_pix"] for card in cards} <= {9, 11}
    assert all(card["classes"] == ["SN", "VS", "AST"] for card in cards)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--images", 3], "--planes: not options of --model alerce-stamp"),
        (["--vary", "units=8|16"], "units: not known"),
        (["--vary", "crop=9|10"], "cannot be cut to 10"),
        (["--model", "compact", "--merge", "VS=RRL"], "--merge: not an option of --model compact"),
    ],
)
def test_searches_of_other_options_are_refused(
    planes_dataset, tmp_path, monkeypatch, capsys, options, message
):
    asked = ["--data", planes_dataset, "--out", tmp_path / "s", "--model", "alerce-stamp"]
    asked += ["--vary", "batch=8|16", "--combinations", 8, "--quiet"]
    assert run(monkeypatch, "search", *asked, *options) == 2
    assert message in capsys.readouterr().err and not (tmp_path / "s").exists()
