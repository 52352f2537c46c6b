"""The baseline of one alert: draws that do not leak."""

import numpy as np
import pytest

from finetune.single_epoch import few_shot_scores
from skyreel.errors import FinetuneError
from tests.helpers.alert_stamps import CLASSES


def objects(n=40, apart=10.0, seed=0):
    """Features of four classes, labels, and fields of two objects each."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(4), n)
    values = rng.normal(size=(4 * n, 5))
    values += apart * labels[:, None]
    return values, labels, rng.permutation(4 * n) // 2


def test_separate_classes_are_classified_and_identical_ones_are_not():
    values, labels, fields = objects(apart=100)
    separate = few_shot_scores(values, labels, fields, CLASSES, per_class=5, trials=2)
    assert separate.mean_recall.min() > 0.97
    values, labels, fields = objects(apart=0)
    identical = few_shot_scores(values, labels, fields, CLASSES, per_class=10, trials=4)
    one_sigma = np.sqrt(0.25 * 0.75 / len(labels))  # draws share their objects
    assert abs(identical.mean_recall.mean() - 0.25) < 5 * one_sigma


@pytest.mark.parametrize("disjoint", ["field", "object"])
def test_a_feature_of_the_field_helps_only_where_fields_are_shared(disjoint):
    """A feature that identifies the field predicts the class within it, not in other fields."""
    rng = np.random.default_rng(1)
    fields = np.repeat(np.arange(40), 10)
    labels = np.repeat(rng.permutation(np.arange(40) % 4), 10)
    values = np.stack([10.0 * fields, rng.normal(size=400)], axis=1)
    found = few_shot_scores(
        values, labels, fields, CLASSES, per_class=20, trials=5, disjoint=disjoint
    )
    recall = found.mean_recall.mean()
    assert recall > 0.5 if disjoint == "object" else recall < 0.45


def test_confusion_counts_every_test_object_once():
    values, labels, _ = objects(n=12)
    labels[:3] = -1
    found = few_shot_scores(values, labels, None, CLASSES, per_class=2, trials=2, seed=3)
    np.testing.assert_array_equal(found.counts.sum(axis=2), [[7, 10, 10, 10]] * 2)
    np.testing.assert_allclose(found.confusion.sum(axis=1), 1)
    np.testing.assert_allclose(np.diagonal(found.confusion), found.recall.mean(axis=0))
    again = few_shot_scores(values, labels, None, CLASSES, per_class=2, trials=2, seed=3)
    np.testing.assert_array_equal(found.counts, again.counts)
    with pytest.raises(FinetuneError, match="Give fewer"):
        few_shot_scores(values, labels, None, CLASSES, per_class=12, trials=1)
