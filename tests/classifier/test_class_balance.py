"""Which objects of unequal classes are drawn, with which weights."""

import numpy as np
import pytest

from classifier.training.class_balance import BALANCES, balanced_draws, class_weights

COUNTS = (60, 25, 10, 5)
several = np.random.default_rng(1).permutation(np.repeat([0, 1, 2, 3, -1], [*COUNTS, 40]))
BATCH, STEPS = 32, 300
N = BATCH * STEPS


def drawn(balance, labels=several, batch=BATCH, steps=STEPS):
    draw = balanced_draws(labels, balance, batch, seed=3)
    found = [draw(np.random.default_rng([3, step])) for step in range(steps)]
    return (np.stack(arrays) for arrays in zip(*found, strict=True))


def five_sigma(share):
    return 5 * np.sqrt(share * (1 - share) / N)


@pytest.mark.parametrize("balance", BALANCES)
def test_classes_are_drawn_in_the_shares_that_the_choice_asks_for(balance):
    rows, weights = drawn(balance)
    assert rows.shape == weights.shape == (STEPS, BATCH) and weights.dtype == np.float32
    assert (several[rows] >= 0).all()
    asked = np.array(COUNTS) / sum(COUNTS) if balance in ("weights", "none") else np.full(4, 0.25)
    for k, share in enumerate(asked):
        assert (several[rows] == k).mean() == pytest.approx(share, abs=five_sigma(share))
        rows_of = np.flatnonzero(several == k)
        seen = np.unique(rows[several[rows] == k])
        assert set(seen) <= set(rows_of)
        kept = min(COUNTS) if balance == "undersample" else rows_of.size
        assert seen.size == kept  # of each at least 9600 / 4 / 60 draws are expected
    if balance == "weights":
        np.testing.assert_allclose(weights, 25 / np.array(COUNTS)[several[rows]], rtol=1e-6)
    else:
        assert (weights == 1).all()


@pytest.mark.parametrize("balance", BALANCES)
def test_objects_of_a_class_are_drawn_equally_often(balance):
    rows, _ = drawn(balance)
    for k in range(4):
        counts = np.bincount(rows.ravel(), minlength=several.size)[several == k]
        counts = counts[counts > 0]  # undersampled: the ones that are kept
        expected = counts.mean()
        assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)


def test_every_batch_has_as_many_objects_of_each_class():
    rows, _ = drawn("batches")
    for batch in several[rows]:
        assert np.bincount(batch).tolist() == [BATCH // 4] * 4
    rows, _ = drawn("batches", batch=6)  # two of two classes, and these change
    counts = np.array([np.bincount(batch, minlength=4) for batch in several[rows]])
    assert counts.min() == 1 and counts.max() == 2
    np.testing.assert_allclose(counts.mean(axis=0), 1.5, atol=5 * 0.5 / np.sqrt(STEPS))


def test_a_draw_depends_on_its_generator_alone():
    draw = balanced_draws(several, "batches", BATCH, seed=3)
    draw(np.random.default_rng(8))
    again = balanced_draws(several, "batches", BATCH, seed=3)
    for one, other in zip(
        draw(np.random.default_rng(9)), again(np.random.default_rng(9)), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_weights_of_all_classes_have_one_sum_and_the_mean_1():
    labels = several[several >= 0]
    weights = class_weights(labels)
    assert weights.mean() == pytest.approx(1, rel=1e-6)
    sums = [weights[labels == k].sum() for k in range(4)]
    np.testing.assert_allclose(sums, 25, rtol=1e-5)
