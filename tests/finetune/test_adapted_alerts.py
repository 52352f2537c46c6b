"""Classifiers of first alerts adapted to a few alerts with labels; judge: scikit-learn."""

import json
import shutil

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from classifier.dataset import DatasetSplit
from classifier.evaluation import read_predictions
from classifier.evaluation.metadata_importance import check_metadata_model
from classifier.features.alert_features import FEATURES, first_alert_features
from classifier.features.first_alert_planes import Planes, first_planes
from classifier.first_alerts import alert_epochs
from classifier.models.registry import open_model
from finetune.compared_alert_methods import (
    PENALTIES,
    ComparedAlertMethods,
    balanced_head,
    chosen_penalty,
)
from finetune.experiment import Experiment
from finetune.few_shot import Draw
from finetune.options import Options
from finetune.real_alerts import RealAlerts
from skyreel.errors import ClassifierError, FinetuneError
from tests.helpers.running import run

CLASSES = ("SN", "VS", "AST")


@pytest.fixture(scope="module")
def real(planes_dataset, stamp_model):
    return RealAlerts.read(planes_dataset, "test", stamp_model)


def options(stamp_model, planes_dataset, **changes):
    chosen = {"per_class": (1, 2), "trials": 2, "disjoint": "object", **changes}
    return Options(model=str(stamp_model.folder), real=planes_dataset, **chosen)


def gaussian_classes(per_class, *, shift, seed=0):
    """Features (object, 3) about three corners of a triangle, moved by ``shift``, and labels."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(3), per_class)
    return np.eye(3)[labels] * 3 + shift + rng.normal(size=(labels.size, 3)), labels


def test_objects_have_merged_labels_and_the_features_of_their_alerts(real, stamp_model):
    split = DatasetSplit(real.split.path, "test")
    alerts = stamp_model.alerts_of(split)
    assert real.classes == CLASSES and set(np.flatnonzero(real.labels >= 0)) == set(alerts.rows)
    kernel, bias = stamp_model.last_layer
    found = softmax(real.features[alerts.rows] @ kernel + bias, axis=1)
    np.testing.assert_allclose(found, stamp_model.probabilities(alerts), rtol=1e-4, atol=1e-6)
    names = np.array(split.classes)[split.labels[alerts.rows]]
    merged = ["VS" if name in ("RRL", "EB") else name for name in names]
    assert [CLASSES[k] for k in real.labels[alerts.rows]] == merged
    reasons = " ".join(map(str, real.left_out))
    assert "without the first alert that tiny can use" in reasons


def test_a_loose_head_is_a_logistic_regression():
    features, labels = gaussian_classes(200, shift=0.0)
    kernel, bias = balanced_head(features, labels, np.zeros((3, 3)), np.zeros(3), 1e-9)
    judge = LogisticRegression(C=1e6, max_iter=1000).fit(features, labels)
    ours = softmax(features @ kernel + bias, axis=1)
    np.testing.assert_allclose(ours, judge.predict_proba(features), atol=5e-3)


def test_classes_weigh_the_same_whatever_their_numbers():
    features, labels = gaussian_classes(50, shift=0.0)
    often = np.concatenate([np.flatnonzero(labels == 0)] * 9 + [np.flatnonzero(labels > 0)])
    start = np.zeros((3, 3)), np.zeros(3)
    scale = np.mean(features**2) / np.mean(features[often] ** 2)
    once = balanced_head(features, labels, *start, 0.1)
    repeated = balanced_head(features[often], labels[often], *start, 0.1 * scale)
    np.testing.assert_allclose(once[0], repeated[0], atol=1e-4)


def test_the_penalty_is_loose_where_the_trained_layer_is_wrong_and_stiff_where_it_is_right():
    features, labels = gaussian_classes(6, shift=0.0)
    noise = np.random.default_rng(7).normal(size=(labels.size, 20))
    features = np.concatenate([features, noise], axis=1)
    best = np.concatenate([3 * np.eye(3), np.zeros((20, 3))])  # of classes of unit variance
    bias = np.zeros(3)
    stiff = chosen_penalty(features, labels, best, bias, seed=1)
    loose = chosen_penalty(features, labels, np.roll(best, 1, axis=1), bias, seed=1)
    assert loose < stiff and {stiff, loose} <= set(PENALTIES)
    one_each = chosen_penalty(features[::6], labels[::6], best, bias, seed=1)
    assert one_each == PENALTIES[0]


def test_without_a_label_the_network_is_as_it_was(real, stamp_model, planes_dataset):
    methods = ComparedAlertMethods(stamp_model, real, options(stamp_model, planes_dataset))
    before = methods.adapted(Draw(0, 0, np.zeros(0, dtype=int), np.arange(3)))
    rows = np.flatnonzero(real.labels >= 0)
    after = methods.adapted(Draw(1, 0, rows, rows))
    assert not np.allclose(before[rows], after[rows])
    kernel, bias = stamp_model.last_layer
    np.testing.assert_allclose(before, softmax(real.features @ kernel + bias, axis=1))
    true = real.labels[rows]
    assert after[rows, true].mean() > before[rows, true].mean()


def test_the_ensemble_is_the_product_of_the_adapted_network_and_the_real_only_trees(
    real, stamp_model, planes_dataset
):
    methods = ComparedAlertMethods(stamp_model, real, options(stamp_model, planes_dataset))
    draw = Draw(1, 0, np.flatnonzero(real.labels >= 0)[::2], np.zeros(0, dtype=int))
    network, trees = methods.adapted(draw), methods.real_only(draw)
    known = np.isfinite(trees).all(axis=1)
    product = network * (trees + 0.01)
    expected = np.where(known[:, None], product / product.sum(axis=1, keepdims=True), network)
    found = methods.scores_of("ensemble")(draw)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert known.any() and not np.allclose(found[known], network[known])
    np.testing.assert_array_equal(methods.scores_of("head")(draw), network)


@pytest.fixture(scope="module")
def ensemble(real, stamp_model, planes_dataset, tmp_path_factory):
    """An ensemble adapted to all labelled objects, opened from its folder."""
    folder = tmp_path_factory.mktemp("models") / "ensemble"
    methods = ComparedAlertMethods(stamp_model, real, options(stamp_model, planes_dataset))
    methods.save(folder, {"objects": int((real.labels >= 0).sum())})
    return open_model(folder)


def test_a_saved_ensemble_predicts_as_it_was_compared(ensemble, real, stamp_model, planes_dataset):
    split = DatasetSplit(planes_dataset, "test")
    methods = ComparedAlertMethods(stamp_model, real, options(stamp_model, planes_dataset))
    everything = np.flatnonzero(real.labels >= 0)
    expected = methods.scores_of("ensemble")(Draw(1, 0, everything, everything))
    found = ensemble.predict(split)
    rows = np.flatnonzero(found.n_images)
    np.testing.assert_allclose(found.probabilities[rows, 0], expected[rows], rtol=1e-4, atol=1e-6)
    assert found.classes == stamp_model.classes and ensemble.n_alerts == 1


def test_without_its_features_an_alert_has_the_probabilities_of_the_network(
    ensemble, planes_dataset, monkeypatch
):
    split = DatasetSplit(planes_dataset, "test")
    features = first_alert_features(split)
    row = np.flatnonzero(np.isfinite(features[:, 0]))[0]
    features[row] = np.nan
    name = "classifier.models.alert_ensemble.first_alert_features"
    monkeypatch.setattr(name, lambda _: features)
    found, network = (m.predict(split).probabilities for m in (ensemble, ensemble.network))
    np.testing.assert_array_equal(found[row], network[row])
    assert not np.array_equal(found, network, equal_nan=True)


def test_the_importance_of_metadata_is_measured_on_the_network_of_an_ensemble(ensemble):
    with pytest.raises(ClassifierError, match="give its network"):
        check_metadata_model(ensemble)
    assert check_metadata_model(ensemble.network) is ensemble.network


@pytest.mark.parametrize(
    "changed",
    [
        {"features": np.zeros((4, 3))},
        {"features": np.full((4, len(FEATURES)), np.nan)},
        {"labels": np.array([0, 1, 2, 9])},
        {"labels": np.array([0.0, 1.0, 2.0, 1.0])},
        {"labels": np.zeros(4, dtype=int)},
        {"features": None},
    ],
)
def test_a_damaged_ensemble_is_refused(ensemble, tmp_path, changed):
    folder = shutil.copytree(ensemble.folder, tmp_path / "copy")
    arrays = {"features": np.zeros((4, len(FEATURES))), "labels": np.array([0, 1, 2, 1])} | changed
    np.savez(folder / "trees.npz", **{k: v for k, v in arrays.items() if v is not None})
    with pytest.raises(ClassifierError, match="damaged"):
        open_model(folder)


def test_the_real_only_baseline_sees_the_first_alert_not_the_first_image(planes_dataset):
    split = DatasetSplit(planes_dataset, "test")
    planes = first_planes(split)
    epochs, has = alert_epochs(split, 1)
    assert [found is not None for found in planes] == has.tolist()
    later = next(row for row in np.flatnonzero(has) if epochs[row, 0] > 0)
    images, mask, values = (
        split.part(name, slice(later, later + 1))[0, epochs[later, 0]]
        for name in ("images", "mask", "difference")
    )
    template, of_template, of_difference = (
        split.part(name, slice(later, later + 1))[0, epochs[later, 0]]
        for name in ("template", "template_mask", "difference_mask")
    )
    expected = Planes.of(
        [
            images,
            np.where(of_template == 0, template, np.nan),
            np.where(of_difference == 0, values, np.nan),
        ],
        mask,
    )
    np.testing.assert_array_equal(planes[later].difference, expected.difference)
    np.testing.assert_array_equal(planes[later].science, expected.science)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "mixed"}, "--method mixed"),
        ({"also": ("head", "plain")}, "--also head,plain"),
        ({"scratch": True}, "--scratch"),
    ],
)
def test_what_only_sequences_have_is_refused(
    stamp_model, planes_dataset, tmp_path, changes, message
):
    chosen = options(stamp_model, planes_dataset, **changes)
    with pytest.raises(FinetuneError, match=f"{message}.*only the last layer"):
        Experiment(chosen, tmp_path / "out", 1)


@pytest.mark.slow
def test_the_command_adapts_reports_and_continues(
    stamp_model, planes_dataset, tmp_path, monkeypatch, capsys
):
    out = tmp_path / "tuned"
    asked = ["--model", stamp_model.folder, "--real", planes_dataset, "--per-class", "1"]
    asked += ["--trials", "2", "--disjoint", "object", "--out", out, "--threads", "1"]
    assert run(monkeypatch, "finetune", *asked) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "the first alert of each" in said and "real-only" in said
    found = json.loads((out / "run.json").read_text())
    assert found["method"] == "ensemble" and found["first_alerts"] == 1 and not found["homogenised"]
    assert (out / "report.html").is_file() and not (out / "states.npz").exists()
    tuned, before = open_model(out / "model"), open_model(stamp_model.folder)
    assert tuned.card["adapted"]["objects"] == found_labels(planes_dataset, before)
    kernels = [model.last_layer[0] for model in (tuned.network, before)]
    assert not np.array_equal(*kernels)
    predicted = tuned.predict(DatasetSplit(planes_dataset, "test"))
    assert np.isfinite(predicted.probabilities[predicted.n_images > 0]).all()
    path = out / "predictions" / "network" / "k1_t0.parquet"
    first = read_predictions(path).probabilities
    path.unlink()
    assert run(monkeypatch, "finetune", *asked) == 0
    np.testing.assert_array_equal(read_predictions(path).probabilities, first)


def found_labels(path, model):
    return int((RealAlerts.read(path, "test", model).labels >= 0).sum())
