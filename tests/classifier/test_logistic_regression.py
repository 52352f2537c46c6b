"""Logistic regression on features of first alerts: fitted, kept, opened, refused."""

import json
import shutil

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression as Judge
from sklearn.preprocessing import StandardScaler

from classifier.dataset import DatasetSplit
from classifier.first_alerts import read_first_alerts
from classifier.models.registry import open_model
from classifier.models.stamp.logistic_regression import LogisticRegression
from classifier.models.stamp.stamp_features import NAMES
from classifier.training.alert_baseline_training import AlertBaselineOptions
from classifier.training.logistic_training import coefficients, train_logistic_regression
from skyreel.errors import ClassifierError
from tests.helpers.damaged_models import edited, with_a_list_for_a_card
from tests.helpers.running import run

MERGE = {"REAL": ("SN", "RRL"), "BOGUS": ("EB", "AST")}


def trained(data, folder, **changes):
    options = AlertBaselineOptions(**{"merge": MERGE, "crop_pix": 9, **changes})
    return train_logistic_regression(data, folder, options)[0]


@pytest.fixture(scope="module")
def model(planes_dataset, tmp_path_factory):
    return trained(planes_dataset, tmp_path_factory.mktemp("models") / "logistic")


@pytest.fixture(scope="module")
def test_split(planes_dataset):
    return DatasetSplit(planes_dataset, "test")


@pytest.mark.parametrize("present", [[0, 2], [0, 1, 3], [0, 1, 2, 3]])
def test_probabilities_are_those_of_scikit_learn(present):
    rng = np.random.default_rng(4)
    labels = rng.choice(present, size=300)
    features = rng.normal(labels[:, None] * [1, 0, -0.5], 1.5) * [1, 50, 0.1] + [0, 7, 0]
    found = coefficients(features, labels, 4)
    standard = StandardScaler().fit_transform(features)
    judge = Judge(class_weight="balanced", max_iter=1000).fit(standard, labels)
    expected = np.zeros((300, 4))
    expected[:, judge.classes_] = judge.predict_proba(standard)
    np.testing.assert_allclose(found.probabilities(features), expected, atol=1e-6)
    assert found.trained.tolist() == [k in present for k in range(4)]


def test_an_opened_model_predicts_the_same(model, test_split):
    again = open_model(model.folder)
    assert isinstance(again, LogisticRegression) and again.classes == ("REAL", "BOGUS")
    found, same = model.predict(test_split), again.predict(test_split)
    np.testing.assert_array_equal(found.probabilities, same.probabilities)
    rows = read_first_alerts(test_split).rows
    np.testing.assert_array_equal(np.flatnonzero(found.n_images), rows)
    embedded = model.embedding(test_split, rows[:5])
    assert embedded.values.shape == (5, len(NAMES)) and "19 features" in embedded.description
    logits = embedded.values @ model.coefficients.weights.T + model.coefficients.intercepts
    predicted = found.probabilities[rows[:5], 0]
    np.testing.assert_array_equal(logits.argmax(axis=1), predicted.argmax(axis=1))


def test_a_second_request_keeps_the_model_or_says_what_differs(model, planes_dataset):
    written = (model.folder / "model.json").stat().st_mtime_ns
    trained(planes_dataset, model.folder)
    assert (model.folder / "model.json").stat().st_mtime_ns == written
    with pytest.raises(ClassifierError, match=r"options.seed: 0 there, 1 now"):
        trained(planes_dataset, model.folder, seed=1)


def changed(name, value):
    """Damage: one of the coefficients replaced."""

    def damage(folder):
        card = json.loads((folder / "model.json").read_text())
        edited(coefficients={**card["coefficients"], name: value})(folder)

    return damage


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (with_a_list_for_a_card, "damaged"),
        (edited(kind="alert-forest"), "a logistic-regression is needed|damaged"),
        (edited(format_version=99), "format 99"),
        (edited(coefficients={}), r"damaged \(coefficients.mean: "),
        (changed("mean", [0.0]), "a number for every class and feature"),
        (changed("weights", [[0.0] * 19]), "a number for every class and feature"),
        (changed("deviation", [0.0] * 19), r"damaged \(coefficients.deviation.0: "),
        (changed("trained", [False, False]), "of no class were trained"),
        (changed("intercepts", [float("nan")] * 2), r"damaged \(coefficients.intercepts.0: "),
        (edited(size_pix=0), r"damaged \(size_pix: "),
        (
            edited(metadata={n: [] for n in ("columns", "low", "high", "median")}),
            "has other features than this version computes",
        ),
    ],
)
def test_a_damaged_model_is_one_sentence(model, tmp_path, damage, sentence):
    folder = shutil.copytree(model.folder, tmp_path / "damaged")
    damage(folder)
    with pytest.raises(ClassifierError, match=sentence) as caught:
        LogisticRegression.open(folder)
    assert "\n" not in str(caught.value)


def test_options_of_other_models_are_refused(planes_dataset, tmp_path, monkeypatch, capsys):
    asked = ["--model", "logistic-regression", "--data", planes_dataset, "--out", tmp_path / "m"]
    for wrong in (["--trees", 3], ["--iterations", 3], ["--balance", "none"]):
        assert run(monkeypatch, "train", *asked, *wrong) == 2
        sentence = f"{wrong[0]}: not an option of --model logistic-regression"
        assert sentence in " ".join(capsys.readouterr().err.split())


@pytest.mark.slow
def test_the_command_trains_and_scores_real_against_bogus(
    planes_dataset, tmp_path, monkeypatch, capsys
):
    asked = ["--model", "logistic-regression", "--data", planes_dataset, "--out", tmp_path / "m"]
    asked += ["--merge", "REAL=SN+RRL,BOGUS=EB+AST", "--crop", 9, "--threads", 1]
    assert run(monkeypatch, "train", *asked) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "logistic regression on 19 features" in said and "FNR at FPR 0.01" in said
    scores = json.loads((tmp_path / "m" / "evaluation" / "evaluation.json").read_text())
    found = scores["real_bogus"]
    assert found["n_real"] + found["n_bogus"] == scores["n_objects"]
    assert "Real or bogus" in (tmp_path / "m" / "evaluation" / "index.html").read_text()
