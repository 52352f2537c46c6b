"""Predictions in a file are scored block by block, with the same numbers as in memory."""

from dataclasses import replace

import numpy as np
import pytest

from classifier.evaluation import evaluate, read_attributes, read_predictions, write_predictions
from classifier.evaluation.bootstrap import PackedWeights, resampling_weights
from classifier.evaluation.comparison import compare
from classifier.evaluation.predictions import Predictions
from classifier.evaluation.stored_predictions import StoredPredictions, write_blocks
from skyreel.errors import EvaluationError
from tests.helpers.made_up_predictions import made_up

N, BLOCK = 700, 128


@pytest.fixture
def whole():
    made = made_up(n=N)
    label = np.where(np.arange(N) % 9, made.label, -1)
    return replace(made, label=label)


def blocks_of(predictions):
    return (predictions.of(slice(k, k + BLOCK)) for k in range(0, len(predictions), BLOCK))


@pytest.fixture
def stored(whole, tmp_path):
    write_blocks(tmp_path / "p.parquet", blocks_of(whole), {"model": "m"})
    return StoredPredictions.open(tmp_path / "p.parquet")


def assert_same(found, expected):
    assert found.classes == expected.classes and len(found) == len(expected)
    for name in ("label", "n_images", "magnitude", "object_id"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)
    longest = found.longest
    np.testing.assert_array_equal(
        found.probabilities[:, :longest], expected.probabilities[:, :longest]
    )


def test_blocks_written_one_by_one_are_read_as_a_whole(whole, stored):
    assert_same(read_predictions(stored.path), whole)
    assert_same(stored, whole)
    assert isinstance(stored.loaded(), Predictions)
    for k in (1, 3, 99):
        np.testing.assert_array_equal(stored.after(k), whole.after(k))


def test_some_of_the_predictions_keep_the_order_asked_for(whole, stored):
    rows = np.array([650, 3, 200, 4])
    assert_same(stored.of(rows).of(slice(1, 3)), whole.of(np.array([3, 200])))
    known = whole.label >= 0
    assert_same(stored.of(known), whole.of(known))


def test_classes_are_reordered_with_labels_and_probabilities(whole, stored):
    order = tuple(reversed(whole.classes))
    assert_same(stored.with_classes(order), whole.with_classes(order))
    assert_same(stored.with_classes(order).with_classes(whole.classes), whole)


def test_scores_of_a_file_are_those_of_memory(whole, stored):
    expected = evaluate(whole, n_bootstrap=20)
    found = evaluate(stored, n_bootstrap=20)
    for name in ("accuracy", "log_loss", "recall", "confusion"):
        for part in ("by_images", "by_images_error", "by_magnitude"):
            one, other = (getattr(getattr(e, part), name) for e in (found, expected))
            np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14, err_msg=name)
    assert found.n_unlabelled == expected.n_unlabelled > 0


def test_models_in_files_are_compared_as_in_memory(whole, stored):
    other = replace(made_up(2, n=N), label=whole.label, object_id=whole.object_id)
    expected = compare({"a": whole, "b": other}, n_bootstrap=20)
    found = compare({"a": stored, "b": other}, n_bootstrap=20)
    for pair, scores in expected.differences.items():
        for key, value in scores.items():
            np.testing.assert_allclose(found.differences[pair][key], value, rtol=1e-9, atol=1e-12)


def test_a_file_whose_row_groups_divide_objects_is_read_whole(whole, tmp_path):
    import pyarrow.parquet as pq

    write_predictions(tmp_path / "p.parquet", whole, {})
    table = pq.read_table(tmp_path / "p.parquet")
    pq.write_table(table, tmp_path / "divided.parquet", row_group_size=101)
    assert_same(StoredPredictions.open(tmp_path / "divided.parquet"), whole)


def test_notes_are_kept_and_an_error_in_them_leaves_no_file(whole, tmp_path):
    path = tmp_path / "p.parquet"
    write_blocks(path, blocks_of(whole), {"x": 1}, lambda written: [f"{len(written.n_images)}"])
    assert read_attributes(path) == {"x": 1, "notes": [f"{N}"]}

    def refuse(written):
        raise EvaluationError("none")

    with pytest.raises(EvaluationError, match="none"):
        write_blocks(tmp_path / "none.parquet", blocks_of(whole), {}, refuse)
    assert [file.name for file in tmp_path.iterdir()] == ["p.parquet"]


@pytest.mark.parametrize("strata", [np.zeros(50), np.arange(60) % 3, np.zeros(0)])
@pytest.mark.parametrize("n_bootstrap", [0, 7, 200])
def test_packed_weights_are_the_weights(strata, n_bootstrap):
    expected = resampling_weights(strata, n_bootstrap=n_bootstrap, seed=3)
    found = PackedWeights(strata, n_bootstrap=n_bootstrap, seed=3)
    rows = np.random.default_rng(1).permutation(strata.size)
    np.testing.assert_array_equal(found.of(rows), expected[rows])


def test_weights_beyond_four_bits_are_not_cut(monkeypatch):
    from classifier.evaluation import bootstrap

    monkeypatch.setattr(bootstrap, "_LARGEST", 2)
    expected = resampling_weights(np.zeros(300), n_bootstrap=9, seed=3)
    assert expected.max() > 2
    found = PackedWeights(np.zeros(300), n_bootstrap=9, seed=3)
    np.testing.assert_array_equal(found.of(np.arange(300)), expected)
