"""Forests of simulated and a few real objects: what the real ones change, and their copies."""

from dataclasses import replace

import numpy as np
import pytest

from classifier.dataset import DatasetSplit
from classifier.features.pipeline import FeatureConfig, FeaturePipeline
from classifier.models.forest.growing import Shape
from finetune.adaptation.augmented_forest import (
    AugmentedForest,
    MeasuredFeatures,
    measured_features,
    with_noise,
)

CLASSES, AFTER = ("A", "B", "C"), (1, 3, 6)


def clouds(seed, n, centres, *, longest=6, copies=0):
    """Objects of classes about ``centres`` in both features, of 0 to ``longest`` images."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % len(centres)
    features = np.array(centres)[labels][None, :, None] + rng.normal(size=(len(AFTER), n, 2))
    features = features.astype(np.float32)
    noisy = np.repeat(features[:, :, None], copies, axis=2)
    return MeasuredFeatures(AFTER, features, np.arange(n) % (longest + 1), labels, noisy)


@pytest.fixture(scope="module")
def forest():
    """The real class A lies elsewhere than the simulated one."""
    return AugmentedForest(
        clouds(0, 300, (0, 6, 12)), clouds(1, 90, (20, 6, 12), copies=3), CLASSES, Shape(30, 10)
    )


def test_a_forest_recovers_a_class_where_its_training_object_is(forest):
    labels, there = forest.real.labels, forest.real.n_images > 0
    training = [np.flatnonzero(there & (labels == c))[0] for c in range(3)]
    others = there & ~np.isin(np.arange(labels.size), training)
    before, after = (forest.scores(rows, seed=0, threads=1) for rows in ([], training))
    recall = {}
    for name, scores in (("before", before), ("after", after)):
        predicted = scores[others, 0].argmax(axis=1)
        recall[name] = [np.mean(predicted[labels[others] == c] == c) for c in range(3)]
    assert recall["before"][0] == 0 and recall["after"][0] > 0.9
    assert min(recall["before"][1:] + recall["after"][1:]) > 0.9


def test_a_forest_has_probabilities_after_every_image(forest):
    scores = forest.scores([0, 1, 2], seed=0, threads=1)
    real = forest.real
    assert scores.shape == (90, 6, 3) and scores.dtype == np.float32
    there = np.arange(6) < real.n_images[:, None]
    np.testing.assert_array_equal(np.isfinite(scores), np.repeat(there[..., None], 3, axis=2))
    np.testing.assert_allclose(scores[there].sum(axis=1), 1, rtol=1e-5)
    full = real.n_images == 6
    for k, same in ((1, 2), (3, 4), (3, 5)):  # of the largest number measured below it
        np.testing.assert_array_equal(scores[full, k - 1], scores[full, same - 1])
    assert not np.array_equal(scores[full, 0], scores[full, 2])
    np.testing.assert_array_equal(forest.scores([0, 1, 2], seed=0, threads=2), scores)


def test_copies_have_noise_of_their_own_errors(small_dataset):
    split = DatasetSplit(small_dataset, "test")
    curves = FeaturePipeline(split, FeatureConfig(images=6)).light_curves(0, len(split))
    noisy = with_noise(curves, 0)
    pull = (noisy.flux_njy - curves.flux_njy) / curves.flux_error_njy
    pull = pull[np.isfinite(pull)]
    assert abs(pull.mean()) < 4 / np.sqrt(pull.size)
    assert abs(pull.std() - 1) < 4 / np.sqrt(2 * pull.size)
    found = measured_features(split, FeatureConfig(images=6), split.classes, most=20, copies=2)
    assert found.noisy.shape == (*found.features.shape[:2], 2, found.features.shape[2])
    assert not np.array_equal(found.noisy[:, :, 0], found.noisy[:, :, 1], equal_nan=True)


def test_sequences_without_labels_are_not_used_for_training(forest):
    labels = np.where(forest.simulated.labels == 2, -1, forest.simulated.labels)
    other = replace(forest, simulated=replace(forest.simulated, labels=labels))
    scores = other.scores([], seed=0, threads=1)
    assert not np.nan_to_num(scores[..., 2]).any()
