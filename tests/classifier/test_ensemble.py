"""A network and trees as one model: joined, kept, opened again, and one image at a time."""

import json
import shutil

import numpy as np
import pytest

from classifier.dataset import DatasetSplit
from classifier.evaluation.compared_models import ComparedModel, predictions_of
from classifier.evaluation.embedding import map_of
from classifier.features.handcrafted_features import feature_names, handcrafted_features
from classifier.models.ensemble import FLOOR, NETWORK, TREE_FILE, joined, save_ensemble
from classifier.models.forest import extra_trees
from classifier.models.forest.extra_trees import TreeTrainingSet
from classifier.models.model_card import CARD
from classifier.models.registry import open_model
from classifier.stream import Conditions, Stream
from skyreel.errors import ClassifierError

CHOICES = {"filters": [4, 6, 6, 8], "embedding": 8, "units": 12}
IMAGES = 6


def scores(draws, shape):
    values = draws.random(shape)
    return (values / values.sum(axis=-1, keepdims=True)).astype(np.float32)


def test_logarithms_of_both_add():
    draws = np.random.default_rng(0)
    network, trees = scores(draws, (5, 4, 7)), scores(draws, (5, 4, 7))
    found = np.log(joined(network, trees, 0.7))
    expected = np.log(network) + 0.7 * np.log(trees + FLOOR)
    found, expected = (x - x.mean(axis=-1, keepdims=True) for x in (found, expected))
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_trees_without_preference_change_nothing():
    network = scores(np.random.default_rng(1), (5, 4, 7))
    even = np.full_like(network, 1 / 7)
    np.testing.assert_allclose(joined(network, even, 1.0), network, rtol=1e-5)
    np.testing.assert_allclose(joined(network, even**2, 0.0), network, rtol=1e-5)


def test_images_that_are_not_there_stay_so():
    network = scores(np.random.default_rng(2), (3, 4, 7))
    network[1, 2:] = np.nan
    found = joined(network, np.nan_to_num(network), 1.0)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(network))


@pytest.fixture(scope="module", autouse=True)
def few_trees():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(extra_trees, "N_TREES", 20)
        yield


@pytest.fixture(scope="module")
def folder(small_dataset, trained_network, tmp_path_factory):
    """An ensemble of a small network and trees on the validation split."""
    folder, network = tmp_path_factory.mktemp("models") / "adapted", trained_network
    shutil.copytree(network.folder, folder / NETWORK)
    split = DatasetSplit(small_dataset, "validation")
    selected = network.selected(split)
    features = handcrafted_features(selected, beta=network.assumed_psf.beta)
    n_images = selected.stamps(0, len(split)).n_epochs.astype(int)
    training = TreeTrainingSet(features, n_images, split.labels, 3)
    save_ensemble(folder, network.card, training, 1.0, split.profile)
    return folder


@pytest.fixture(scope="module")
def ensemble(folder):
    return open_model(folder)


@pytest.fixture(scope="module")
def split(small_dataset):
    return DatasetSplit(small_dataset, "test")


@pytest.fixture(scope="module")
def predictions(ensemble, split):
    return ensemble.predict(split)


def test_an_ensemble_is_opened_like_any_model_and_joins_both(ensemble, split, predictions):
    network = ensemble.network.predict(split)
    features = handcrafted_features(ensemble.selected(split), beta=ensemble.assumed_psf.beta)
    measured = np.minimum(network.n_images, IMAGES)
    trees = ensemble.training.scores(features, measured, ensemble.classes)
    last = np.minimum(np.arange(split.longest), IMAGES - 1)  # further images leave the trees
    np.testing.assert_allclose(
        predictions.probabilities, joined(network.probabilities, trees[:, last], 1.0), rtol=1e-5
    )
    np.testing.assert_array_equal(predictions.n_images, network.n_images)
    assert (predictions.probabilities.argmax(-1) != network.probabilities.argmax(-1)).any()
    assert ensemble.name == "adapted" and ensemble.classes == split.classes
    assert ensemble.card["kind"] == "ensemble" and ensemble.bands == ("g",)


def test_a_prediction_does_not_depend_on_the_other_objects(ensemble, split):
    features = handcrafted_features(ensemble.selected(split))
    n_images = np.isfinite(features[..., 0]).sum(axis=1)
    every = ensemble.training.scores(features, n_images, ensemble.classes)
    some = ensemble.training.scores(features[10:20], n_images[10:20], ensemble.classes)
    np.testing.assert_array_equal(every[10:20, : some.shape[1]], some)


def alerts(split, stamps, epoch, **changes):
    names = ("mjd", "zero_point_mag", "exposure_time_s", "seeing_fwhm_pix")
    for row in range(len(split)):
        known = {name: getattr(stamps, name)[row, epoch] for name in names}
        known |= {name: getattr(stamps, name)[row] for name in ("gain_e_per_adu", "read_noise_e")}
        yield Conditions(**{**known, **changes})


def test_a_stream_predicts_as_the_ensemble_does_for_the_split(
    ensemble, split, predictions, tmp_path
):
    stamps, stream = split.stamps(0, len(split)), Stream(ensemble)
    for epoch in range(IMAGES + 4):
        conditions = list(alerts(split, stamps, epoch))
        found = stream.update_many(split.object_ids, stamps.images_adu[:, epoch], conditions)
        np.testing.assert_allclose(found, predictions.probabilities[:, epoch], atol=1e-6, rtol=0)
        stream.save(tmp_path / "stream.npz")
        stream = Stream.load(tmp_path / "stream.npz", ensemble)


def test_an_image_that_photometry_cannot_measure_counts_as_in_the_split(
    ensemble, small_dataset, monkeypatch
):
    """Unknown seeing, and pixels that are masked around the source."""
    split = DatasetSplit(small_dataset, "test")
    images = split.stamps(0, 8).images_adu

    def damaged(self, first, end):
        stamps = whole(self, first, end)
        stamps.images_adu[:, 2, 7:14, 7:14] = np.nan
        stamps.seeing_fwhm_pix[:, :2] = np.nan
        return stamps

    whole = DatasetSplit.stamps
    monkeypatch.setattr(DatasetSplit, "stamps", damaged)
    expected, stamps, stream = ensemble.predict(split), split.stamps(0, 70), Stream(ensemble)
    assert not np.array_equal(stamps.images_adu[:8], images, equal_nan=True)
    for epoch in range(IMAGES):
        conditions = list(alerts(split, stamps, epoch))
        found = stream.update_many(split.object_ids, stamps.images_adu[:, epoch], conditions)
        np.testing.assert_allclose(found, expected.probabilities[:, epoch], atol=1e-6, rtol=0)


def test_what_a_stream_keeps_of_an_object_stays_small_and_predictions_go_on(ensemble, split):
    stamps, stream = split.stamps(0, len(split)), Stream(ensemble)
    n_bytes = stream.bytes_per_object
    for epoch in range(2 * IMAGES):
        conditions = list(alerts(split, stamps, epoch))
        found = stream.update_many(split.object_ids, stamps.images_adu[:, epoch], conditions)
        np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    assert stream.bytes_per_object == n_bytes < 6000
    assert stream.n_images(0) == 2 * IMAGES


def test_an_ensemble_has_the_map_of_its_network(ensemble, split):
    rows = np.arange(20)
    found, network = (
        map_of(model, split, rows, threads=1) for model in (ensemble, ensemble.network)
    )
    assert found.shows == network.shows
    np.testing.assert_array_equal(found.position, network.position)


def old_folder(folder, copy):
    """The same model as version 0.1 wrote it."""
    shutil.copytree(folder, copy)
    (copy / TREE_FILE).rename(copy / "taught.npz")
    for path in (copy, copy / NETWORK):
        card = json.loads((path / CARD).read_text())
        card["showing"] = card.pop("selection")
        for key in ("assumed_psf", "profile"):
            card.pop(key, None) if path == copy or key == "assumed_psf" else None
        if path == copy:
            card["kind"] = "committee"
        (path / CARD).write_text(json.dumps(card))
    return copy


def test_a_model_of_version_0_1_is_opened(folder, ensemble, predictions, split, tmp_path):
    old = open_model(old_folder(folder, tmp_path / "old"))
    assert old.card["kind"] == "ensemble" and old.selection == ensemble.selection
    assert (old.assumed_psf.fwhm_pix, old.assumed_psf.beta) == (4.0, ensemble.assumed_psf.beta)
    np.testing.assert_array_equal(old.predict(split).probabilities, predictions.probabilities)
    stamps = split.stamps(0, len(split))
    found = Stream(old).update_many(
        split.object_ids, stamps.images_adu[:, 0], list(alerts(split, stamps, 0))
    )
    np.testing.assert_allclose(found, predictions.probabilities[:, 0], atol=1e-6)


@pytest.mark.slow
def test_another_network_inside_an_ensemble_makes_another_model(folder, ensemble, split, tmp_path):
    compared = ComparedModel("a", ensemble)
    predictions_of(compared, split, tmp_path / "p.parquet", threads=1)
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "README.md").write_text("notes are no part of a model")
    assert ComparedModel("a", open_model(copy)).identity == compared.identity
    weights = copy / NETWORK / "weights.npz"
    with np.load(weights) as file:
        arrays = {name: file[name] for name in file.files}
    arrays["logits/bias"] = arrays["logits/bias"] + np.float32([3, 0, 0, 0, 0, 0, 0])
    np.savez(weights, **arrays)
    other = ComparedModel("a", open_model(copy))
    assert other.identity != compared.identity
    found = predictions_of(other, split, tmp_path / "p.parquet", threads=1)
    np.testing.assert_array_equal(found.probabilities, other.model.predict(split).probabilities)


def damaged_card(folder):
    card = json.loads((folder / CARD).read_text())
    (folder / CARD).write_text(json.dumps({**card, "weight": "much"}))


def other_features(folder):
    features = np.zeros((3, 2, len(feature_names()) + 1))
    np.savez(folder / TREE_FILE, features=features, n_images=np.ones(3), labels=np.zeros(3))


def no_trees(folder):
    (folder / TREE_FILE).unlink()


def no_network(folder):
    (folder / NETWORK / "weights.npz").unlink()


@pytest.mark.parametrize("damage", [damaged_card, other_features, no_trees, no_network])
def test_a_damaged_ensemble_is_one_sentence(folder, tmp_path, damage):
    copy = shutil.copytree(folder, tmp_path / "copy")
    damage(copy)
    with pytest.raises(ClassifierError, match=r"gain|missing|damaged"):
        open_model(copy)
