"""Random forests for every number of images, kept without pickles."""

import json
import pickle
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import skops.io
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score

from classifier.dataset import DatasetSplit
from classifier.features.pipeline import FeaturePipeline
from classifier.image_selection import IMAGES_BEFORE_ALERT
from classifier.models.forest.forest import (
    Forest,
    forest_path,
    normal_ranks,
    read_forest,
    save_forest,
)
from classifier.models.forest.growing import (
    Sample,
    Shape,
    grown,
    probabilities,
    recalls,
    smallest_as_good,
)
from classifier.models.forest.training import ForestOptions, ForestTraining
from skyreel.errors import ClassifierError


@pytest.fixture(scope="module")
def blobs():
    """Two samples of three overlapping clouds with some values missing."""
    rng = np.random.default_rng(0)

    def sample(n):
        labels = rng.integers(0, 3, n)
        features = rng.normal(size=(n, 5)).astype(np.float32)
        features[:, 0] += 1.5 * labels
        features[rng.random(features.shape) < 0.05] = np.nan
        return Sample(features, labels)

    return sample(600), sample(300)


@pytest.fixture(scope="module")
def trained(small_dataset, tmp_path_factory):
    """A small forest trained on the small data set."""
    folder = tmp_path_factory.mktemp("models") / "forest"
    train_small(small_dataset, folder)
    return folder


SMALL = ForestOptions(images=6, trees=10, depth=6, light_curves="science")


def train_small(data, folder, **changes):
    options = replace(SMALL, **changes)
    return ForestTraining(data, folder, options, threads=2).run()


def test_part_of_a_large_forest_is_the_small_forest(blobs):
    train, check = blobs
    found = recalls(train, check, 6, (5, 20), seed=3, threads=1)
    for trees in (5, 20):
        small = grown(train, Shape(trees, 6), seed=3, threads=1)
        expected = recall_score(check.labels, small.predict(check.features), average="macro")
        assert found[Shape(trees, 6)] == pytest.approx(expected, rel=1e-12)


def test_the_smallest_forest_within_one_standard_error_is_chosen():
    scores = {Shape(25, 10): 0.900, Shape(25, 30): 0.905, Shape(200, 20): 0.91}
    # one standard error at n = 1000: 0.009; at n = 10000: 0.0029
    assert smallest_as_good(scores, 1000) == Shape(25, 30)
    assert smallest_as_good(scores, 10_000) == Shape(200, 20)


def test_classes_without_examples_get_probability_zero(blobs):
    train, check = blobs
    two = Sample(train.features[train.labels > 0], train.labels[train.labels > 0])
    scores = probabilities(grown(two, Shape(5, 4), seed=0, threads=1), check.features, 4)
    assert (scores[:, [0, 3]] == 0).all()
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-6)


def test_a_saved_forest_predicts_the_same(blobs, tmp_path):
    train, check = blobs
    forest = grown(train, Shape(10, 8), seed=1, threads=1)
    save_forest(forest, tmp_path / "f.skops")
    again = read_forest(tmp_path / "f.skops", 5, 3)
    np.testing.assert_array_equal(
        forest.predict_proba(check.features), again.predict_proba(check.features)
    )
    assert [file.name for file in tmp_path.iterdir()] == ["f.skops"]


def test_only_random_forests_are_loaded(blobs, tmp_path):
    train, _ = blobs
    path = tmp_path / "other.skops"
    other = LogisticRegression().fit(np.nan_to_num(train.features), train.labels)
    path.write_bytes(skops.io.dumps(other))
    with pytest.raises(ClassifierError, match="holds no random forest"):
        read_forest(path, 5, 3)


def test_code_in_a_model_file_is_never_run(tmp_path):
    marker = tmp_path / "ran"

    class Malice:
        def __reduce__(self):
            return (open, (str(marker), "w"))

    path = tmp_path / "f.skops"
    path.write_bytes(pickle.dumps(Malice()))
    with pytest.raises(ClassifierError, match="missing or damaged"):
        read_forest(path, 5, 3)
    with zipfile.ZipFile(path, "w") as file:
        schema = {
            "__class__": "system",
            "__module__": "os",
            "__loader__": "FunctionNode",
            "content": "os.system",
            "protocol": 2,
            "_skops_version": "0.16",
        }
        file.writestr("schema.json", json.dumps(schema))
    with pytest.raises(ClassifierError):
        read_forest(path, 5, 3)
    assert not marker.exists()


def test_broken_trees_are_not_used(blobs, tmp_path):
    forest = grown(blobs[0], Shape(3, 3), seed=1, threads=1)
    forest.estimators_[1].tree_.children_left[0] = 10**6
    save_forest(forest, tmp_path / "f.skops")
    with pytest.raises(ClassifierError, match="trees are broken"):
        read_forest(tmp_path / "f.skops", 5, 3)


def test_a_forest_of_other_features_or_classes_is_not_used(blobs, tmp_path):
    save_forest(grown(blobs[0], Shape(3, 3), seed=1, threads=1), tmp_path / "f.skops")
    for n_features, n_classes in ((4, 3), (5, 2)):
        with pytest.raises(ClassifierError, match="other features or classes"):
            read_forest(tmp_path / "f.skops", n_features, n_classes)


def test_a_forest_does_not_remember_the_threads_it_was_grown_on(blobs, tmp_path):
    for threads in (1, 2):
        save_forest(grown(blobs[0], Shape(4, 4), seed=1, threads=threads), tmp_path / f"{threads}")
    one, two = (read_forest(tmp_path / f"{threads}", 5, 3) for threads in (1, 2))
    assert one.n_jobs == two.n_jobs == 1
    features = blobs[1].features
    np.testing.assert_array_equal(one.predict_proba(features), two.predict_proba(features))


@pytest.mark.parametrize("length", [0, 100, -200])
def test_a_damaged_forest_is_named(blobs, tmp_path, length):
    path = tmp_path / "f.skops"
    save_forest(grown(blobs[0], Shape(3, 3), seed=1, threads=1), path)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ClassifierError, match=r"f\.skops is missing or damaged"):
        read_forest(path, 5, 3)


def test_a_trained_forest_classifies_after_every_image(trained, small_dataset):
    forest, split = Forest.open(trained), DatasetSplit(small_dataset, "test")
    found = forest.predict(split, threads=1)
    assert found.probabilities.shape == (70, 6, 7)
    seen = np.arange(6) < found.n_images[:, None]
    np.testing.assert_allclose(found.probabilities[seen].sum(axis=1), 1, rtol=1e-5)
    assert np.isnan(found.probabilities[~seen]).all()
    guess = found.after(6).argmax(axis=1)
    # chance is 1 in 7; 0.143 + 5 sigma of 70 objects is 0.35
    assert (guess == found.label).mean() > 0.35
    two = forest.predict(split, threads=2)
    np.testing.assert_array_equal(found.probabilities, two.probabilities)


def test_training_again_gives_the_same_forest(trained, small_dataset, tmp_path):
    again = train_small(small_dataset, tmp_path / "again")
    split = DatasetSplit(small_dataset, "test")
    one, two = (forest.predict(split, threads=1) for forest in (Forest.open(trained), again))
    np.testing.assert_array_equal(one.probabilities, two.probabilities)


def test_a_training_that_stopped_goes_on_where_it_was(trained, small_dataset, tmp_path):
    folder = tmp_path / "stopped"

    def stop(name, done, total):
        if len(list(folder.glob("forest_*.skops"))) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ForestTraining(small_dataset, folder, SMALL, threads=1).run(stop)
    kept = forest_path(folder, 1).stat().st_mtime_ns
    with pytest.raises(ClassifierError, match="no finished model"):
        Forest.open(folder)
    again = train_small(small_dataset, folder)
    assert forest_path(folder, 1).stat().st_mtime_ns == kept
    split = DatasetSplit(small_dataset, "test")
    np.testing.assert_array_equal(
        again.predict(split, threads=1).probabilities,
        Forest.open(trained).predict(split, threads=1).probabilities,
    )


def test_beyond_the_largest_number_of_images_nothing_changes(trained, small_dataset):
    forest, split = Forest.open(trained), DatasetSplit(small_dataset, "test")
    shorter = replace(forest, largest=4).predict(split, threads=1).probabilities
    np.testing.assert_array_equal(
        shorter[:, :4], forest.predict(split, threads=1).probabilities[:, :4]
    )
    np.testing.assert_array_equal(shorter[:, 4:], shorter[:, 3:4].repeat(2, axis=1))


def test_the_grid_is_searched_on_the_validation_set(small_dataset, tmp_path, monkeypatch):
    monkeypatch.setattr("classifier.models.forest.training.TREES", (2, 5))
    monkeypatch.setattr("classifier.models.forest.training.DEPTHS", (2, 8))
    forest = train_small(small_dataset, tmp_path / "grid", trees=None, depth=None)
    lines = (tmp_path / "grid" / "grid.csv").read_text().splitlines()
    assert lines[0] == "trees,depth,recall_after_3,recall_after_6,mean"
    assert len(lines) == 5
    assert forest.card["trees"] in (2, 5) and forest.card["depth"] in (2, 8)


def test_importances_are_written_with_a_plot(trained):
    rows = (trained / "importances.csv").read_text().splitlines()
    assert len(rows) == 7
    assert np.isclose(sum(map(float, rows[-1].split(",")[1:])), 1, atol=1e-3)
    assert (trained / "importances.png").stat().st_size > 10_000


def test_shown_from_the_alert_it_comes_in_the_sixth_image(small_dataset, tmp_path):
    split, forest = (
        DatasetSplit(small_dataset, "test"),
        train_small(small_dataset, tmp_path / "f", start="alert", images=22),
    )
    curves = FeaturePipeline(split, forest.config).light_curves(0, len(split))
    stamps = split.stamps(0, len(split))
    for row in np.flatnonzero(split.first_alert_epoch >= IMAGES_BEFORE_ALERT):
        alert_mjd = stamps.mjd[row, split.first_alert_epoch[row]]
        assert curves.mjd[row, IMAGES_BEFORE_ALERT] == alert_mjd


@pytest.mark.parametrize(
    "damage", ["missing", "half", "other format", "other features", "other kind", "feature config"]
)
def test_a_model_card_that_cannot_be_used_is_named(trained, tmp_path, damage):
    card = json.loads((trained / "model.json").read_text())
    folder = tmp_path / "model"
    folder.mkdir()
    if damage == "other format":
        card["format_version"] = 99
    if damage == "other features":
        card["features"] = ["Mean"]
    if damage == "other kind":
        card["kind"] = "network"
    if damage == "feature config":
        card["feature_config"]["images"] = "many"
    text = json.dumps(card)
    if damage != "missing":
        (folder / "model.json").write_text(text[: len(text) // 2] if damage == "half" else text)
    sentences = {
        "missing": "no finished model",
        "half": "damaged",
        "other format": "has format 99",
        "other features": "other features",
        "other kind": "of a 'network'",
        "feature config": "is damaged",
    }
    with pytest.raises(ClassifierError, match=sentences[damage]):
        Forest.open(folder)


def test_a_folder_of_something_else_is_left_alone(small_dataset, tmp_path):
    (tmp_path / "precious").write_text("precious")
    with pytest.raises(ClassifierError, match="is not empty"):
        ForestTraining(small_dataset, tmp_path, ForestOptions(), threads=1)
    assert [file.name for file in tmp_path.iterdir()] == ["precious"]


def test_other_options_do_not_mix_into_a_model(trained, small_dataset):
    with pytest.raises(ClassifierError, match="other data or options"):
        ForestTraining(small_dataset, trained, replace(SMALL, images=5), threads=1)


def test_too_few_objects_of_a_class_are_refused(small_dataset, tmp_path, monkeypatch):
    monkeypatch.setattr("classifier.models.forest.training.LEAST_OBJECTS", 31)
    with pytest.raises(ClassifierError, match="every class needs 31 objects or more"):
        train_small(small_dataset, tmp_path / "f")


@pytest.mark.parametrize("seed", [-1, 2**40])
def test_a_seed_that_no_forest_can_have_is_refused_at_once(seed):
    with pytest.raises(ClassifierError, match="--seed"):
        ForestOptions(seed=seed)


def test_random_forests_accept_what_features_may_be():
    features = np.array([[np.nan, 3e38], [1, -3e38], [np.nan, 0], [2, 1]], dtype=np.float32)
    forest = RandomForestClassifier(5, random_state=0).fit(features, [0, 1, 0, 1])
    assert np.isfinite(forest.predict_proba(features)).all()


def test_a_feature_that_is_never_known_is_not_used_and_makes_no_map():
    rng = np.random.default_rng(7)
    features = np.c_[np.full(30, np.nan), rng.normal(size=(30, 2))].astype(np.float32)
    forest = grown(Sample(features, np.repeat([0, 1, 2], 10)), Shape(5, 4), seed=0, threads=1)
    assert forest.feature_importances_[0] == 0
    found = probabilities(forest, np.full((2, 3), np.nan, dtype=np.float32), 4)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)
    ranks = normal_ranks(features)
    assert (ranks[:, 0] == 0).all() and np.isfinite(ranks).all()
    assert (normal_ranks(np.full((5, 3), np.nan)) == 0).all()


@pytest.mark.parametrize("damage", ["axis", "twice", "count", "tree count"])
def test_a_forest_of_other_classes_than_its_trees_is_refused(blobs, tmp_path, damage):
    forest = grown(blobs[0], Shape(2, 3), seed=0, threads=1)
    if damage == "axis":
        forest.classes_ = forest.classes_[:, None]
    elif damage == "twice":
        forest.classes_ = np.array([0, 0, 1])
    elif damage == "count":
        forest.n_classes_ = np.array([[3]])
    else:
        forest.estimators_[1].n_classes_ = np.array([3, 3])
    path = tmp_path / "f.skops"
    save_forest(forest, path)
    with pytest.raises(ClassifierError, match="broken, or of other features or classes"):
        read_forest(path, 5, 3)
