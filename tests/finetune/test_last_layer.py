"""The last layer fitted to a few sequences: its minimum and penalty, beside scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import approx_fprime, minimize
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression

from finetune.adaptation.head import fitted_head
from finetune.adaptation.methods import HeadMethod

SEEDS = st.integers(0, 10_000)
N_FEATURES, N_CLASSES = 5, 4


def problem(seed, n=60):
    """Rows of features, labels of overlapping classes, weights, kernel and bias."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, N_CLASSES, n)
    features = rng.normal(size=(n, N_FEATURES)) + 0.7 * rng.normal(size=(N_CLASSES, 5))[labels]
    start = rng.normal(size=(N_FEATURES, N_CLASSES)), rng.normal(size=N_CLASSES)
    return features, labels, rng.uniform(0.2, 2, n), *start


def loss_of(values, features, labels, weights, kernel, bias, penalty):
    """What is minimised, as the module says it; for tests only."""
    both = values.reshape(N_FEATURES + 1, N_CLASSES)
    logits = features @ both[:-1] + both[-1]
    entropy = -log_softmax(logits, axis=1)[np.arange(len(labels)), labels]
    change = ((both[:-1] - kernel) ** 2).sum() + ((both[-1] - bias) ** 2).sum()
    return np.average(entropy, weights=weights) + penalty * change


def flat(kernel, bias):
    return np.concatenate([kernel.ravel(), bias])


@settings(deadline=None, max_examples=15)
@given(seed=SEEDS, penalty=st.floats(0.003, 3))
def test_the_head_is_where_the_slope_of_its_loss_is_zero(seed, penalty):
    task = problem(seed)
    found = flat(*fitted_head(*task, penalty=penalty))
    slope = approx_fprime(found, loss_of, 1e-6, *task, penalty)
    at_start = approx_fprime(flat(*task[3:]), loss_of, 1e-6, *task, penalty)
    assert abs(slope).max() < 1e-4 < 0.01 * abs(at_start).max()


@pytest.mark.parametrize("penalty", [0.001, 0.1])
def test_there_is_one_answer_wherever_the_search_begins(penalty):
    task = problem(1)
    found = flat(*fitted_head(*task, penalty=penalty))
    far = 3 * np.random.default_rng(0).normal(size=found.size)
    judge = minimize(loss_of, far, (*task, penalty), method="BFGS", options={"gtol": 1e-7})
    np.testing.assert_allclose(found, judge.x, atol=5e-4 / np.sqrt(penalty))


@pytest.mark.parametrize("penalty", [0.001, 0.01, 0.3])
def test_held_at_zero_the_head_is_the_logistic_regression_of_scikit_learn(penalty):
    features, labels, weights, *_ = problem(2)
    zero = np.zeros((N_FEATURES, N_CLASSES)), np.zeros(N_CLASSES)
    kernel, bias = fitted_head(features, labels, weights, *zero, penalty=penalty)
    with_ones = np.column_stack([features, np.ones(len(labels))])  # so that the bias is held, too
    judge = LogisticRegression(C=1 / (2 * penalty * weights.sum()), fit_intercept=False, tol=1e-8)
    judge.fit(with_ones, labels, sample_weight=weights)
    atol = 1e-4 / np.sqrt(penalty)
    np.testing.assert_allclose(kernel, judge.coef_.T[:-1], atol=atol)
    np.testing.assert_allclose(bias, judge.coef_.T[-1], atol=atol)


@settings(deadline=None, max_examples=15)
@given(seed=SEEDS)
def test_a_row_of_weight_three_is_three_rows(seed):
    features, labels, _, *start = problem(seed)
    times = np.random.default_rng(seed).integers(1, 4, len(labels))
    weighted = fitted_head(features, labels, times, *start, penalty=0.05)
    many = np.repeat(features, times, axis=0), np.repeat(labels, times)
    repeated = fitted_head(*many, np.ones(times.sum()), *start, penalty=0.05)
    np.testing.assert_allclose(flat(*weighted), flat(*repeated), atol=1e-3)


def test_a_huge_penalty_changes_nothing_and_a_small_one_much():
    task = problem(3)
    kernel, bias = task[3:]
    held = fitted_head(*task, penalty=1e6)
    np.testing.assert_allclose(flat(*held), flat(kernel, bias), atol=1e-6)
    free = fitted_head(*task, penalty=1e-3)
    assert abs(flat(*free) - flat(kernel, bias)).max() > 0.5
    changes = [
        np.linalg.norm(flat(*fitted_head(*task, penalty=p)) - flat(kernel, bias))
        for p in (0.001, 0.01, 0.1, 1.0)
    ]
    assert changes == sorted(changes, reverse=True)


def test_huge_features_and_what_is_the_same_for_all_classes_do_no_harm():
    features, labels, weights, kernel, bias = problem(4)
    plain = fitted_head(features, labels, weights, kernel, bias, penalty=0.1)
    shifted = fitted_head(features, labels, weights, kernel + 7, bias - 5, penalty=0.1)
    np.testing.assert_allclose(shifted[0] - 7, plain[0], atol=2e-3)
    np.testing.assert_allclose(shifted[1] + 5, plain[1], atol=2e-3)
    assert np.isfinite(
        flat(*fitted_head(1e4 * features, labels, weights, kernel, bias, penalty=0.1))
    ).all()


def test_the_penalty_falls_with_the_number_of_objects():
    method = HeadMethod(penalty=3.0, penalty_exponent=1.5)
    assert method.penalty_for(1) == 3.0 and method.penalty_for(0) == 3.0
    assert method.penalty_for(4) == pytest.approx(3 / 8)
