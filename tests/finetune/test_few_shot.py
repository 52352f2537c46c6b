"""Draws: as many training objects of every class, none of them among the test objects."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from finetune.few_shot import MODES, drawn
from skyreel.errors import FinetuneError

N = 120
DRAW = {"per_class": 3, "trial": 0, "seed": 0, "disjoint": "object"}


@st.composite
def real_sets(draw):
    """Labels, some unknown and of some numbers none, and fields, some unknown."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    classes = rng.permutation(6)[: draw(st.integers(2, 4))]
    labels = rng.choice([*classes, -1], N)
    return labels, rng.integers(-1, draw(st.integers(10, 40)), N)


@settings(deadline=None, max_examples=60)
@given(
    real=real_sets(),
    per_class=st.integers(1, 6),
    trial=st.integers(0, 50),
    disjoint=st.sampled_from(MODES),
    known_fields=st.booleans(),
)
def test_a_draw_is_stratified_and_disjoint(real, per_class, trial, disjoint, known_fields):
    labels, fields = real[0], real[1] if known_fields else None
    try:
        draw = drawn(labels, fields, per_class=per_class, trial=trial, seed=1, disjoint=disjoint)
    except FinetuneError:
        # of 10 fields or more, some classes may need all
        assume(not (disjoint == "field" and known_fields))
        raise
    classes = np.unique(labels[labels >= 0])
    counts = np.bincount(labels[draw.training], minlength=6)
    np.testing.assert_array_equal(np.flatnonzero(counts), classes)
    assert (counts[classes] == per_class).all()
    assert set(labels[draw.test]) == set(classes)
    assert not np.intersect1d(draw.training, draw.test).size
    for rows in (draw.training, draw.test):
        assert (np.diff(rows) > 0).all()
    labelled = np.flatnonzero(labels >= 0)
    closed = np.isin(labelled, draw.training)
    if disjoint == "field" and known_fields:
        closed |= np.isin(fields[labelled], fields[draw.training][fields[draw.training] >= 0])
    np.testing.assert_array_equal(draw.test, labelled[~closed])


@settings(deadline=None, max_examples=20)
@given(real=real_sets(), trial=st.integers(0, 1000), seed=st.integers(0, 2**31 - 1))
def test_the_seed_and_the_trial_fix_a_draw(real, trial, seed):
    labels, fields = real
    wanted = {**DRAW, "trial": trial, "seed": seed}
    one, again = (drawn(labels, fields, **wanted) for _ in range(2))
    np.testing.assert_array_equal(one.training, again.training)
    np.testing.assert_array_equal(one.test, again.test)
    assert one.name == f"k3_t{trial}"


def test_trials_and_seeds_differ():
    labels = np.repeat(np.arange(4), 100)
    draws = [
        drawn(labels, None, **{**DRAW, "trial": trial, "seed": seed}).training
        for seed in range(3)
        for trial in range(20)
    ]
    assert len({rows.tobytes() for rows in draws}) == 60


def test_every_object_is_as_likely_as_any_other_of_its_class():
    labels, trials = np.array([0] * 10 + [1] * 30), 600
    training = [drawn(labels, None, **{**DRAW, "trial": t}).training for t in range(trials)]
    times = np.bincount(np.concatenate(training), minlength=labels.size)
    share = np.where(labels == 0, 3 / 10, 3 / 30)
    five_sigma = 5 * np.sqrt(trials * share * (1 - share))
    assert (abs(times - trials * share) < five_sigma).all()


def test_without_training_objects_all_labelled_objects_are_tested():
    labels = np.array([2, -1, 0, 0, 2, -1])
    draw = drawn(labels, None, **{**DRAW, "per_class": 0})
    assert draw.training.size == 0 and draw.training.dtype.kind == "i"
    np.testing.assert_array_equal(draw.test, [0, 2, 3, 4])


def test_an_object_without_a_field_is_a_field_of_its_own():
    labels, fields = np.array([0, 0, 1, 1]), np.full(4, -1)
    draw = drawn(labels, fields, **{**DRAW, "per_class": 1, "disjoint": "field"})
    assert draw.training.size == draw.test.size == 2


def test_all_but_one_can_be_training_objects_and_no_more():
    labels = np.array([0] * 4 + [1] * 9)
    draw = drawn(labels, None, **DRAW)
    assert (labels[draw.test] == 0).sum() == 1
    with pytest.raises(
        FinetuneError, match=r"--per-class 4: there are not enough .* Give fewer\.$"
    ) as caught:
        drawn(labels, None, **{**DRAW, "per_class": 4})
    assert "\n" not in str(caught.value)


def test_fields_that_leave_no_test_object_are_refused():
    labels, fields = np.tile([0, 1], 5), np.ones(10, dtype=int)
    with pytest.raises(FinetuneError, match=r"other fields\. Give fewer, or --disjoint object\.$"):
        drawn(labels, fields, **{**DRAW, "disjoint": "field"})
    assert drawn(labels, fields, **DRAW).test.size == 4
