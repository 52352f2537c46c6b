"""Scores agree with scikit-learn, errors with theory; the order of objects is irrelevant."""

from dataclasses import fields, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from classifier.evaluation import EvaluationError, Predictions, evaluate, over_runs
from classifier.evaluation.bootstrap import resampling_weights, spread
from classifier.evaluation.metrics import (
    CALIBRATION_BINS,
    SCALARS,
    contributions,
    scores_of,
    weighted_sums,
)
from tests.helpers.made_up_predictions import CLASSES, certain, made_up, random_probabilities

EXACT = 1e-12  # sums of a few thousand float64 numbers


def assert_same(a, b, **tolerance):
    """Two evaluations, or parts of them, hold the same."""
    for field in fields(a):
        one, other = getattr(a, field.name), getattr(b, field.name)
        if hasattr(one, "__dataclass_fields__"):
            assert_same(one, other, **tolerance)
        elif isinstance(one, np.ndarray) or (isinstance(one, float) and tolerance):
            np.testing.assert_allclose(one, other, err_msg=field.name, **tolerance or {"rtol": 0})
        else:
            assert one == other, field.name


def slow_calibration_error(p, label):
    top, predicted = p.max(axis=1), p.argmax(axis=1)
    total = 0.0
    for k in range(CALIBRATION_BINS):
        last = k == CALIBRATION_BINS - 1
        inside = (top >= k / CALIBRATION_BINS) & ((top < (k + 1) / CALIBRATION_BINS) | last)
        if inside.any():
            gap = top[inside].mean() - (predicted[inside] == label[inside]).mean()
            total += inside.mean() * abs(gap)
    return total


def check_with_sklearn(scores, p, label):
    """Every score of probabilities (object, class) against its judge."""
    n_classes = p.shape[1]
    every, predicted = np.arange(n_classes), p.argmax(axis=1)
    present, onto = np.unique(label), {"rtol": EXACT, "atol": EXACT}
    confusion = metrics.confusion_matrix(label, predicted, labels=every)
    np.testing.assert_array_equal(scores.confusion, confusion)
    judge = metrics.precision_recall_fscore_support(
        label, predicted, labels=every, zero_division=np.nan
    )
    np.testing.assert_allclose(scores.precision, judge[0], **onto)
    np.testing.assert_allclose(scores.recall, judge[1], **onto)
    np.testing.assert_allclose(scores.f1, judge[2], **onto)
    recall = metrics.recall_score(
        label, predicted, labels=present, average="macro", zero_division=0
    )
    half_brier = metrics.brier_score_loss(label, p, labels=every, scale_by_half=True)
    expected = {
        "accuracy": metrics.accuracy_score(label, predicted),
        "mean_recall": recall,
        "log_loss": metrics.log_loss(label, p, labels=every),
        "brier": 2 * half_brier,
        "calibration_error": slow_calibration_error(p, label),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(getattr(scores, name), value, err_msg=name, **onto)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32), n=st.integers(1, 60), n_classes=st.integers(2, 7))
def test_every_score_equals_that_of_scikit_learn(seed, n, n_classes):
    rng = np.random.default_rng(seed)
    p, label = random_probabilities(rng, (n,), n_classes), rng.integers(n_classes, size=n)
    names = tuple("ABCDEFG"[:n_classes])
    ones = np.ones(n, dtype=int)
    predictions = Predictions(names, p[:, None], label, ones, ones, np.arange(n))
    check_with_sklearn(evaluate(predictions, n_bootstrap=0).final, p, label)


def test_scores_after_k_images_use_the_last_image_of_shorter_sequences():
    predictions = made_up()
    evaluation = evaluate(predictions, n_bootstrap=0)
    order = np.argsort(predictions.object_id)
    for k in evaluation.images:
        used = np.minimum(k, predictions.n_images)
        p = np.stack([predictions.probabilities[i, used[i] - 1] for i in order]).astype(float)
        check_with_sklearn(evaluation.by_images.at(k - 1), p, predictions.label[order])
        assert evaluation.n_with_k[k - 1] == (predictions.n_images >= k).sum()


def test_a_resample_has_the_scores_of_its_objects_written_out():
    rng = np.random.default_rng(3)
    p, label = random_probabilities(rng, (200,), 4), rng.integers(4, size=200)
    weights = resampling_weights(np.zeros(200), n_bootstrap=4, seed=0)
    scores = scores_of(weighted_sums(contributions(p, label), weights, 4), 4)
    np.testing.assert_array_equal(weights.sum(axis=0), 200)
    for column in range(5):
        drawn = np.repeat(np.arange(200), weights[:, column].astype(int))
        check_with_sklearn(scores.at((column, 0)), p[drawn], label[drawn])


def test_a_perfect_model_scores_perfectly():
    label = np.arange(40) % 4
    summary = evaluate(certain(label, label)).summary()
    for name in ("accuracy", "mean_recall", "recall_SN"):
        assert summary[name] == (1.0, 0.0)
    for name in ("log_loss", "brier", "calibration_error"):
        assert summary[name] == (0.0, 0.0)


def test_a_constant_prediction_has_the_mean_recall_of_chance():
    label = np.repeat(np.arange(4), [70, 10, 10, 10])
    final = evaluate(certain(label, np.zeros(100, dtype=int))).final
    assert final.accuracy == 0.7
    assert final.mean_recall == 0.25
    assert final.calibration_error == pytest.approx(0.3, rel=EXACT)
    assert final.log_loss == pytest.approx(0.3 * np.log(1e15), rel=EXACT)
    assert np.isnan(final.precision[1:]).all()
    np.testing.assert_array_equal(final.f1[1:], 0)


def test_uniform_probabilities_have_the_log_loss_of_chance():
    label = np.arange(40) % 4
    even = replace(certain(label, label), probabilities=np.full((40, 1, 4), 0.25))
    final = evaluate(even).final
    assert final.log_loss == pytest.approx(np.log(4), rel=EXACT)
    assert final.brier == pytest.approx(0.75, rel=EXACT)
    assert final.calibration_error == pytest.approx(0, abs=EXACT)


def test_the_order_of_objects_changes_no_bit():
    predictions = made_up()
    shuffled = predictions.of(np.random.default_rng(5).permutation(len(predictions)))
    assert_same(evaluate(predictions), evaluate(shuffled))


def test_the_order_of_classes_only_permutes_columns():
    predictions, order = made_up(), np.array([2, 0, 3, 1])
    moved = replace(
        predictions,
        classes=tuple(CLASSES[k] for k in order),
        probabilities=predictions.probabilities[:, :, order],
        label=np.argsort(order)[predictions.label],
    )
    a, b = evaluate(_without_ties(predictions)), evaluate(_without_ties(moved))
    for name, estimate in a.summary().items():
        np.testing.assert_allclose(estimate, b.summary()[name], rtol=1e-9, err_msg=name)
    np.testing.assert_array_equal(a.final.confusion[order][:, order], b.final.confusion)


def _without_ties(predictions):
    top = np.sort(np.nan_to_num(predictions.probabilities), axis=2)
    tied = ((top[:, :, -1] == top[:, :, -2]) & (top[:, :, -1] > 0)).any(axis=1)
    return predictions.of(np.flatnonzero(~tied))


def test_classes_without_objects_are_in_no_mean():
    label, predicted = [0, 0, 1, 1], [0, 2, 1, 1]
    final = evaluate(certain(label, predicted)).final
    assert final.mean_recall == 0.75
    np.testing.assert_array_equal(final.recall, [0.5, 1.0, np.nan, np.nan])
    np.testing.assert_array_equal(final.precision, [1.0, 1.0, 0.0, np.nan])
    np.testing.assert_array_equal(final.f1, [2 / 3, 1.0, 0.0, np.nan])


def test_objects_without_a_label_or_an_image_are_left_out_and_counted():
    predictions = made_up(n=100)
    label, n_images = predictions.label.copy(), predictions.n_images.copy()
    probabilities = predictions.probabilities.copy()
    label[:7], n_images[5:12], probabilities[5:12] = -1, 0, np.nan
    evaluation = evaluate(
        replace(predictions, label=label, n_images=n_images, probabilities=probabilities)
    )
    counted = (evaluation.n_objects, evaluation.n_unlabelled, evaluation.n_without_images)
    assert counted == (88, 7, 5)
    alone = evaluate(predictions.of(np.arange(12, 100)))
    np.testing.assert_array_equal(evaluation.final.confusion, alone.final.confusion)


def test_one_object_is_enough():
    evaluation = evaluate(certain([1], [1]))
    assert evaluation.summary()["accuracy"] == (1.0, 0.0)
    assert evaluation.matched is None
    assert len(evaluation.magnitude_bins) == 0


@pytest.mark.parametrize("label", [[], [-1, -1]])
def test_without_labels_there_is_a_clear_error(label):
    nothing = certain(np.array(label, dtype=int), np.zeros(len(label), dtype=int))
    with pytest.raises(EvaluationError, match=rf"none of {len(label)} objects has both a label"):
        evaluate(nothing)


def test_the_error_of_accuracy_is_binomial():
    n, p, n_bootstrap = 2000, 0.8, 1000
    label = np.zeros(n, dtype=int)
    predictions = certain(label, (np.arange(n) >= p * n).astype(int))
    error = evaluate(predictions, n_bootstrap=n_bootstrap).summary()["accuracy"].error
    five_sigma = 5 / np.sqrt(2 * n_bootstrap)  # relative scatter of a standard deviation
    assert error == pytest.approx(np.sqrt(p * (1 - p) / n), rel=five_sigma)


def test_stratified_resamples_keep_the_number_of_every_class():
    predictions = made_up()
    evaluation = evaluate(predictions, stratified=True)
    weights = resampling_weights(predictions.label, n_bootstrap=5, seed=0)
    for k in range(len(CLASSES)):
        members = predictions.label == k
        np.testing.assert_array_equal(weights[members].sum(axis=0), members.sum())
    n, recall = evaluation.final.n_by_class, evaluation.final.recall
    five_sigma = 5 / np.sqrt(2 * evaluation.n_bootstrap)
    np.testing.assert_allclose(
        evaluation.final_error.recall, np.sqrt(recall * (1 - recall) / n), rtol=five_sigma
    )


def test_the_spread_leaves_out_resamples_without_the_class():
    values = np.array([[9.0, 9.0], [1.0, np.nan], [3.0, np.nan], [np.nan, 2.0]])
    np.testing.assert_allclose(spread(values), [np.sqrt(2), np.nan])


def test_the_same_objects_have_the_same_resamples():
    a, b = made_up(), made_up()
    b = replace(b, probabilities=np.roll(b.probabilities, 1, axis=2), label=(b.label + 1) % 4)
    assert evaluate(a).final_error.accuracy == evaluate(b).final_error.accuracy
    assert evaluate(a).final_error.accuracy != evaluate(a, seed=1).final_error.accuracy


def test_no_resamples_give_no_errors():
    errors = evaluate(made_up(), n_bootstrap=0).by_images_error
    assert all(np.isnan(getattr(errors, name)).all() for name in SCALARS)


def test_calibrated_probabilities_have_a_calibration_error_of_noise_alone():
    rng = np.random.default_rng(8)
    n = 20_000
    p = random_probabilities(rng, (n,), 4)
    label = (rng.random(n)[:, None] > np.cumsum(p, axis=1)[:, :-1]).sum(axis=1)
    ones = np.ones(n, dtype=int)
    evaluation = evaluate(Predictions(CLASSES, p[:, None], label, ones, ones, np.arange(n)))
    top = p.max(axis=1)
    where = np.minimum((top * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    variance = np.bincount(where, top * (1 - top)) / n**2  # of the gap of every bin
    expected = np.sqrt(variance * 2 / np.pi).sum()  # mean of |normal|
    five_sigma = 5 * np.sqrt((variance * (1 - 2 / np.pi)).sum())
    assert abs(evaluation.final.calibration_error - expected) < five_sigma
    bins, seen = evaluation.calibration, evaluation.calibration.n_objects > 0
    gap = np.abs(bins.accuracy - bins.mean_probability)[seen]
    assert (gap < 5 * bins.accuracy_error[seen]).all()
    error = (
        np.where(seen, np.abs(bins.accuracy - bins.mean_probability), 0) * bins.n_objects
    ).sum()
    assert evaluation.final.calibration_error == pytest.approx(np.nansum(error) / n, rel=1e-9)


def test_scores_of_a_magnitude_bin_are_those_of_its_objects():
    predictions, edges = made_up(n=500), [19.5, 20.5, 21.25, 22]
    evaluation = evaluate(predictions, magnitude_edges=edges, n_bootstrap=20)
    for k, (low, high) in enumerate(evaluation.magnitude_bins):
        inside = (predictions.magnitude >= low) & (predictions.magnitude < high)
        alone = evaluate(predictions.of(inside), n_bootstrap=0)
        inside_scores = evaluation.by_magnitude.at(k)
        np.testing.assert_array_equal(inside_scores.confusion, alone.final.confusion)
        for name in SCALARS:
            expected = pytest.approx(getattr(alone.final, name), rel=EXACT)
            assert getattr(inside_scores, name) == expected
    np.testing.assert_array_equal(evaluation.magnitude_bins, list(pairwise(edges)))


def test_whole_magnitudes_are_bins_if_they_hold_twenty_objects():
    magnitude = np.repeat([17.0, 18.5, 20.999, np.nan], [20, 19, 25, 6])
    label = np.zeros(70, dtype=int)
    evaluation = evaluate(certain(label, label, magnitude=magnitude))
    np.testing.assert_array_equal(evaluation.magnitude_bins, [[17, 18], [20, 21]])
    np.testing.assert_array_equal(evaluation.by_magnitude.n_objects, [20, 25])
    assert evaluation.n_without_magnitude == 6


def test_a_bin_includes_its_lower_edge_and_not_its_upper():
    label, magnitude = np.zeros(3, dtype=int), np.array([17.0, 18.0, 19.0])
    predictions = certain(label, label, magnitude=magnitude)
    evaluation = evaluate(predictions, magnitude_edges=[17, 18, 19])
    np.testing.assert_array_equal(evaluation.by_magnitude.n_objects, [1, 1])


def test_matched_recall_removes_the_effect_of_magnitude():
    # Both classes have recall 0.9 when bright and 0.5 when faint, but one is mostly bright.
    label, right, magnitude = [], [], []
    for k, n_bright, n_faint in ((0, 30, 10), (1, 10, 30)):
        label += [k] * (n_bright + n_faint)
        magnitude += [18.5] * n_bright + [21.5] * n_faint
        for n, recall in ((n_bright, 0.9), (n_faint, 0.5)):
            right += [j < recall * n for j in range(n)]
    label = np.array(label)
    predictions = certain(label, np.where(right, label, 3), magnitude=np.array(magnitude))
    evaluation = evaluate(predictions)
    np.testing.assert_allclose(evaluation.final.recall[:2], [0.8, 0.6], rtol=EXACT)
    np.testing.assert_allclose(evaluation.matched.recall[:2], 0.7, rtol=EXACT)
    np.testing.assert_allclose(evaluation.matched.weight, 0.5, rtol=EXACT)
    assert evaluation.matched.mean_recall == pytest.approx(0.7, rel=EXACT)
    assert np.isnan(evaluation.matched.recall[2:]).all()
    variance = [0.25 * (0.09 / n + 0.25 / m) for n, m in ((30, 10), (10, 30))]
    # The number of objects in a cell varies among resamples, so that 1/n is somewhat larger.
    assert evaluation.matched.mean_recall_error == pytest.approx(
        np.sqrt(sum(variance)) / 2, rel=5 / np.sqrt(2 * 200) + 0.1
    )


def test_bins_where_a_class_is_rare_are_not_matched():
    label = np.repeat([0, 1, 0, 1], [20, 20, 36, 4])
    magnitude = np.repeat([18.5, 21.5], 40)
    evaluation = evaluate(certain(label, label, magnitude=magnitude))
    np.testing.assert_array_equal(evaluation.matched.bins, [True, False])
    np.testing.assert_array_equal(evaluation.matched.weight, [1, 0])
    faint = evaluate(certain(label[40:], label[40:], magnitude=magnitude[40:]))
    assert faint.matched is None
    assert np.isnan(faint.summary()["matched_mean_recall"].value)


@pytest.mark.parametrize("edges", [[20], [21, 20], [20, 20], [20, np.nan], [20, np.inf]])
def test_invalid_edges_are_refused(edges):
    with pytest.raises(EvaluationError, match="magnitude_edges"):
        evaluate(made_up(), magnitude_edges=edges)


@pytest.mark.parametrize("wrong", [{"n_bootstrap": -1}, {"seed": -1}])
def test_negative_numbers_are_refused(wrong):
    with pytest.raises(EvaluationError, match="neither may be negative"):
        evaluate(made_up(), **wrong)


def test_runs_are_averaged():
    runs = [evaluate(made_up(seed), n_bootstrap=0) for seed in (1, 2, 3)]
    mean = over_runs(runs)
    curves = np.array([run.by_images.accuracy for run in runs])
    np.testing.assert_allclose(mean.accuracy, curves.mean(axis=0), rtol=EXACT)
    np.testing.assert_allclose(mean.accuracy_deviation, curves.std(axis=0, ddof=1), rtol=EXACT)
    values = [run.summary()["brier"].value for run in runs]
    assert mean.scalars["brier"] == pytest.approx((np.mean(values), np.std(values, ddof=1)))
    assert mean.n_runs == 3
    assert np.isnan(over_runs(runs[:1]).scalars["accuracy"].error)


def test_shorter_runs_are_carried_forward_in_averages():
    short, long = made_up(1, longest=3), made_up(2, longest=5)
    runs = [evaluate(predictions, n_bootstrap=0) for predictions in (short, long)]
    last = [run.by_images.accuracy[-1] for run in runs]
    assert over_runs(runs).accuracy[-1] == pytest.approx(np.mean(last), rel=EXACT)


def test_runs_that_cannot_be_averaged_are_refused():
    with pytest.raises(EvaluationError, match="no evaluations"):
        over_runs([])
    other = made_up(classes=("A", "B", "C", "D"))
    with pytest.raises(EvaluationError, match=r"classes .*A.* beside .*SN"):
        over_runs([evaluate(made_up()), evaluate(other)])
