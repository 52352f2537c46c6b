"""What is said of objects without a prediction, and of models that were trained on the data."""

from types import SimpleNamespace

import numpy as np
import pytest

from classifier.dataset import DatasetSplit
from classifier.evaluation.predictions import sound_only
from classifier.features.feature_table import dataset_identity
from classifier.image_selection import ImageSelection
from classifier.prediction_notes import beyond_the_longest, trained_on_these


def model_of(**card):
    return SimpleNamespace(name="net", card=card)


@pytest.mark.parametrize("way", ["trained_on", "adapted"])
def test_a_model_says_that_it_was_trained_on_these_objects(small_dataset, way):
    splits = {name: DatasetSplit(small_dataset, name) for name in ("train", "test")}
    identity = {**dataset_identity(splits["test"]), "command": "simulate elsewhere", "epochs": 99}
    model = model_of(**{way: {"real": identity} if way == "adapted" else identity})
    (note,) = trained_on_these(model, splits["test"])
    words = {"trained_on": "was trained on the objects of", "adapted": "was adapted to the objects"}
    assert words[way] in note and str(small_dataset) in note and "training objects" in note
    assert trained_on_these(model, splits["train"]) == []


@pytest.mark.parametrize(
    "card", [{}, {"trained_on": None}, {"adapted": "x"}, {"adapted": {"real": []}}]
)
def test_a_card_that_does_not_say_it_gives_no_note(small_dataset, card):
    assert trained_on_these(model_of(**card), DatasetSplit(small_dataset, "test")) == []


def test_an_object_with_a_probability_that_is_no_number_has_no_images():
    probabilities = np.full((3, 4, 2), 0.5, dtype=np.float32)
    probabilities[0, 3] = probabilities[1, 2:] = probabilities[2, 1] = np.nan
    found, n_images = sound_only(probabilities, np.array([3, 2, 3]))
    assert n_images.tolist() == [3, 2, 0]
    np.testing.assert_array_equal(found[:2], probabilities[:2])
    assert np.isnan(found[2]).all()


def test_sequences_longer_than_those_of_the_training_are_counted(small_dataset):
    split = DatasetSplit(small_dataset, "test")
    counts = split.n_images(("g",))
    limit = int(np.median(counts)) - 1
    trained, all_images = ImageSelection(images=limit), ImageSelection(images=limit).without_limit()
    model = SimpleNamespace(name="short", bands=("g",), selection=trained)
    for used, words in ((trained, f"is given the first {limit}"), (all_images, "reads them all")):
        model.prediction_selection = used
        (note,) = beyond_the_longest(model, split)
        assert note.startswith(f"{(counts > limit).sum()} of {len(split)} objects have more than")
        assert f"up to {counts.max()}" in note and words in note
    model.selection = ImageSelection(images=int(counts.max()))
    assert beyond_the_longest(model, split) == []
