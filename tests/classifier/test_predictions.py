"""Predictions: what cannot be probabilities of classes is refused in one sentence."""

from dataclasses import replace

import numpy as np
import pytest

from classifier.evaluation import EvaluationError, evaluate
from skyreel.errors import ClassifierError
from tests.helpers.made_up_predictions import certain, made_up


def test_probabilities_after_k_images_are_carried_forward():
    predictions = made_up()
    for k in (1, 3, 6, 9):
        used = np.minimum(predictions.n_images, k) - 1
        expected = predictions.probabilities[np.arange(len(predictions)), used]
        np.testing.assert_array_equal(predictions.after(k), expected)
    with pytest.raises(EvaluationError, match="after 0 images"):
        predictions.after(0)


def with_probability(value, *, image=0):
    probabilities = made_up().probabilities.copy()
    probabilities[0, image, 0] = value
    return {"probabilities": probabilities}


WRONG = {
    "a probability above 1": (lambda: with_probability(1.2), "within .0, 1."),
    "a negative probability": (lambda: with_probability(-0.1), "within .0, 1."),
    "a missing probability": (lambda: with_probability(np.nan), "must be known"),
    "probabilities that do not add up": (lambda: with_probability(0.0), "add up to 1"),
    "a label that is no class": (lambda: {"label": np.full(300, 4)}, "label 4; allowed"),
    "too many images": (lambda: {"n_images": np.full(300, 7)}, "n_images 7; allowed"),
    "an object twice": (lambda: {"object_id": np.zeros(300, int)}, "occurs 300 times"),
    "a magnitude too few": (lambda: {"magnitude": np.zeros(299)}, "magnitude has shape"),
    "a class twice": (lambda: {"classes": ("A", "A", "B", "C")}, "its own name"),
    "a class too few": (lambda: {"classes": ("A", "B", "C")}, "for 3 classes"),
    "no images at all": (
        lambda: {"probabilities": np.zeros((300, 0, 4)), "n_images": np.zeros(300, int)},
        "object, image, class",
    ),
}


@pytest.mark.parametrize("change, message", WRONG.values(), ids=WRONG)
def test_invalid_predictions_are_refused(change, message):
    with pytest.raises(EvaluationError, match=message) as caught:
        replace(made_up(), **change())
    assert isinstance(caught.value, ClassifierError)


def test_probabilities_beyond_the_last_image_are_refused():
    predictions = made_up()
    short = int(np.argmin(predictions.n_images))
    probabilities = predictions.probabilities.copy()
    probabilities[short] = 0.25
    with pytest.raises(EvaluationError, match="beyond an object's images"):
        replace(predictions, probabilities=probabilities)


def test_masked_elements_of_predictions_are_unknown():
    known = made_up(n=40)
    label = np.ma.masked_array(known.label, np.arange(40) == 3)
    magnitude = np.ma.masked_array(np.where(np.arange(40) == 5, 99.0, known.magnitude))
    magnitude[5] = np.ma.masked
    used = np.arange(known.longest) < known.n_images[:, None]
    hidden = np.where(used[..., None], known.probabilities, 0.5)
    probabilities = np.ma.masked_array(hidden, np.broadcast_to(~used[..., None], hidden.shape))
    found = replace(known, label=label, magnitude=magnitude, probabilities=probabilities)
    assert found.label[3] == -1 and np.isnan(found.magnitude[5])
    assert np.array_equal(found.label[4:], known.label[4:])
    np.testing.assert_array_equal(found.probabilities, known.probabilities)
    with pytest.raises(EvaluationError, match=r"must be finite|in increasing order"):
        evaluate(known, magnitude_edges=np.ma.masked_array([18, 20, 22], [False, True, False]))


@pytest.mark.parametrize(
    "name, value",
    [
        ("n_images", np.ma.masked_array([1, 1], [False, True])),
        ("n_images", [1.5, 1.0]),
        ("label", ["SN", "EB"]),
        ("label", [10**30, 0]),
        ("magnitude", ["bright", "faint"]),
        ("object_id", np.ma.masked_array(["a", "b"], [True, False])),
    ],
)
def test_predictions_of_other_types_are_refused(name, value):
    with pytest.raises(EvaluationError, match=f"predictions: {name}"):
        replace(certain([0, 1], [0, 1]), **{name: value})
