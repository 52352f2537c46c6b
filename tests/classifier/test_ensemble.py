"""A network and trees as one model: what they say together, kept and opened again."""

import json

import numpy as np
import pytest

from classifier.dataset import DatasetSplit
from classifier.features.handcrafted_features import feature_names, handcrafted_features
from classifier.models.ensemble import (
    FLOOR,
    NETWORK,
    TREE_FILE,
    joined,
    save_ensemble,
)
from classifier.models.forest.extra_trees import TreeTrainingSet
from classifier.models.model_card import CARD
from classifier.models.registry import open_model
from classifier.training.options import NetworkOptions
from classifier.training.train import NetworkTraining
from skyreel.errors import ClassifierError

CHOICES = {"filters": [4, 6, 6, 8], "embedding": 8, "units": 12}


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


def test_trees_that_know_nothing_change_nothing():
    network = scores(np.random.default_rng(1), (5, 4, 7))
    even = np.full_like(network, 1 / 7)
    np.testing.assert_allclose(joined(network, even, 1.0), network, rtol=1e-5)
    np.testing.assert_allclose(joined(network, even**2, 0.0), network, rtol=1e-5)


def test_images_that_are_not_there_stay_so():
    network = scores(np.random.default_rng(2), (3, 4, 7))
    network[1, 2:] = np.nan
    found = joined(network, np.nan_to_num(network), 1.0)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(network))


@pytest.fixture(scope="module")
def ensemble(small_dataset, tmp_path_factory):
    """A committee of a hardly trained network and trees on the validation split."""
    folder = tmp_path_factory.mktemp("models") / "committee"
    options = NetworkOptions(
        choices=CHOICES, iterations=2, batch=32, images=6, validate_every=2, precision="float32"
    )
    network = NetworkTraining(small_dataset, folder / NETWORK, options, "train").run()
    split = DatasetSplit(small_dataset, "validation")
    shown = network.shown(split)
    features = handcrafted_features(shown)
    taught = TreeTrainingSet(
        features, shown.stamps(0, len(split)).n_epochs.astype(int), split.labels, 3
    )
    save_ensemble(folder, network.card, taught, 1.0)
    return folder


def test_a_committee_is_opened_like_any_model_and_says_what_both_say(ensemble, small_dataset):
    model, split = open_model(ensemble), DatasetSplit(small_dataset, "test")
    found, network = model.predict(split), model.network.predict(split)
    trees = model.taught.scores(
        handcrafted_features(model.network.shown(split)), network.n_images, model.classes
    )
    np.testing.assert_allclose(
        found.probabilities, joined(network.probabilities, trees, 1.0), rtol=1e-5
    )
    assert (found.probabilities.argmax(-1) != network.probabilities.argmax(-1)).any()
    assert model.name == "committee" and model.classes == split.classes


def test_what_an_object_is_given_does_not_depend_on_the_others(ensemble, small_dataset):
    model, split = open_model(ensemble), DatasetSplit(small_dataset, "test")
    features = handcrafted_features(model.network.shown(split))
    n_images = np.isfinite(features[..., 0]).sum(axis=1)
    every = model.taught.scores(features, n_images, model.classes)
    some = model.taught.scores(features[10:20], n_images[10:20], model.classes)
    np.testing.assert_array_equal(every[10:20, : some.shape[1]], some)


def damaged_card(folder):
    card = json.loads((folder / CARD).read_text())
    (folder / CARD).write_text(json.dumps({**card, "weight": "much"}))


def other_features(folder):
    n = len(feature_names())
    np.savez(
        folder / TREE_FILE,
        features=np.zeros((3, 2, n + 1)),
        n_images=np.ones(3),
        labels=np.zeros(3),
    )


def no_trees(folder):
    (folder / TREE_FILE).unlink()


def no_network(folder):
    (folder / NETWORK / "weights.npz").unlink()


@pytest.mark.parametrize("damage", [damaged_card, other_features, no_trees, no_network])
def test_a_damaged_committee_is_one_sentence(ensemble, tmp_path, damage):
    import shutil

    copy = shutil.copytree(ensemble, tmp_path / "copy")
    damage(copy)
    with pytest.raises(ClassifierError, match=r"gain|missing|damaged"):
        open_model(copy)
