"""Random numbers are Philox's own, depend on their address alone, and follow their laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2, kstest

from simulator.rng import Draws, Purpose, key_words, philox
from tests.helpers.oracles import philox_words

N = 200_000
SIGMAS = 5.0
LEAST_P = 1e-4
WORDS = st.integers(0, 2**32 - 1)

# kat_vectors of Random123 (Salmon et al. 2011): counter, key, answer
KNOWN_ANSWERS = [
    (
        "00000000 00000000 00000000 00000000",
        "00000000 00000000",
        "6627e8d5 e169c58d bc57ac4c 9b00dbd8",
    ),
    (
        "ffffffff ffffffff ffffffff ffffffff",
        "ffffffff ffffffff",
        "408f276d 41c83b0e a20bc7c6 6d5451fd",
    ),
    (
        "243f6a88 85a308d3 13198a2e 03707344",
        "a4093822 299f31d0",
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]


def words(text):
    return tuple(int(word, 16) for word in text.split())


def kernel_words(counter, key):
    return tuple(int(w) for w in philox(*(np.uint32(c) for c in (*counter, *key))))


def draws(objects=N, purpose=Purpose.PHYSICS, seed=7, attempt=0):
    return Draws(seed, np.arange(objects), purpose, attempt)


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN_ANSWERS)
def test_philox_gives_the_known_answers_of_random123(counter, key, answer):
    assert kernel_words(words(counter), words(key)) == words(answer)
    assert philox_words(words(counter), words(key)) == words(answer)


@settings(deadline=None, max_examples=50, derandomize=True)
@given(st.tuples(WORDS, WORDS, WORDS, WORDS), st.tuples(WORDS, WORDS))
def test_philox_is_the_same_in_plain_integers(counter, key):
    assert kernel_words(counter, key) == philox_words(counter, key)


@settings(deadline=None, max_examples=30, derandomize=True)
@given(st.integers(0, 2**63 - 1), st.integers(0, 2**64 - 1), st.sampled_from(Purpose))
def test_every_number_is_addressed_by_object_purpose_attempt_and_draw(index, seed, purpose):
    stream = Draws(seed, [index], purpose)
    found = [stream.uniform()[0], stream.uniform()[0], stream.attempt(3).uniform()[0]]
    key = (seed % 2**32, seed >> 32)
    for number, (attempt, draw) in zip(found, [(0, 0), (0, 1), (3, 0)], strict=True):
        counter = (index % 2**32, index >> 32, purpose << 24 | attempt, draw)
        high, low, _, _ = philox_words(counter, key)
        assert number == ((high << 32 | low) >> 11) * 2.0**-53 + 2.0**-54


@settings(deadline=None, max_examples=30, derandomize=True)
@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=8, unique=True), st.randoms())
def test_draws_of_an_object_do_not_depend_on_the_batch(objects, shuffler):
    order = list(range(len(objects)))
    shuffler.shuffle(order)
    together = Draws(3, objects, Purpose.HOST)
    shuffled = Draws(3, np.array(objects)[order], Purpose.HOST)
    alone = Draws(3, objects[-1:], Purpose.HOST)
    for _ in range(3):
        all_of_them = together.normal()
        np.testing.assert_array_equal(all_of_them[order], shuffled.normal())
        assert alone.normal()[0] == all_of_them[-1]


def test_attempts_of_the_open_rows_are_those_of_the_same_objects():
    everyone = draws(50)
    open_rows = np.array([3, 17, 41])
    np.testing.assert_array_equal(
        everyone.attempt(2).uniform()[open_rows], everyone.attempt(2, open_rows).uniform()
    )


def test_other_seeds_purposes_attempts_and_objects_give_other_numbers():
    first = draws(1000).uniform()
    others = [
        draws(1000, seed=8).uniform(),
        draws(1000, seed=7 + 2**32).uniform(),
        draws(1000, purpose=Purpose.NOISE).uniform(),
        draws(1000).attempt(1).uniform(),
        Draws(7, np.arange(1000) + 2**32, Purpose.PHYSICS).uniform(),
    ]
    for other in others:
        assert not np.any(first == other)


def test_uniforms_are_successive_calls():
    stream = draws(20)
    np.testing.assert_array_equal(
        draws(20).uniforms(3), np.stack([stream.uniform() for _ in range(3)], axis=1)
    )


@pytest.mark.parametrize("seed", [0, 1, 2**64 - 1])
def test_uniform_numbers_are_uniform(seed):
    found = draws(seed=seed).uniform()
    assert 0.0 < found.min() < found.max() < 1.0
    assert kstest(found, "uniform").pvalue > LEAST_P


def test_bounds_of_uniform_numbers_may_be_arrays():
    low, high = np.array([0.0, 10.0, -5.0]), np.array([1.0, 11.0, -5.0])
    found = draws(3).uniform(low, high)
    assert np.all((found >= low) & (found <= high))
    np.testing.assert_allclose(found, low + (high - low) * draws(3).uniform())


@pytest.mark.parametrize("lag", [1, 2, 7])
def test_neighbouring_objects_are_uncorrelated(lag):
    found = draws().normal()
    assert abs(np.mean(found[lag:] * found[:-lag])) < SIGMAS / np.sqrt(N - lag)


def test_successive_draws_and_attempts_are_uncorrelated():
    stream = draws()
    columns = [stream.normal(), stream.normal(), stream.attempt(1).normal()]
    correlation = np.corrcoef(columns)[np.triu_indices(3, 1)]
    assert np.all(np.abs(correlation) < SIGMAS / np.sqrt(N))


def test_normal_numbers_are_normal():
    assert kstest(draws().normal(2.0, 3.0), "norm", args=(2.0, 3.0)).pvalue > LEAST_P


def test_integers_are_even_over_their_range():
    found = draws().integers(7)
    counts = np.bincount(found, minlength=7)
    assert counts.size == 7
    statistic = np.sum((counts - N / 7) ** 2) / (N / 7)
    assert chi2.sf(statistic, 6) > LEAST_P


def test_integers_take_a_range_per_object():
    highs = np.array([1, 2, 30])
    found = np.stack([draws(3, seed=seed).integers(highs) for seed in range(200)])
    assert np.all((found >= 0) & (found < highs))
    np.testing.assert_array_equal(found.max(axis=0), highs - 1)


def test_choices_follow_their_weights():
    weights = np.array([1.0, 0.0, 3.0, 6.0])
    counts = np.bincount(draws().choice(weights), minlength=4)
    expected = weights / weights.sum()
    error = np.sqrt(N * expected * (1 - expected))
    assert counts[1] == 0
    assert np.all(np.abs(counts - N * expected) <= SIGMAS * error)


def test_table_draws_follow_their_density():
    x = np.linspace(0.0, 2.0, 401)
    found = draws().from_table(x, x)  # density x / 2, so that P(< x) = x^2 / 4
    assert kstest(found, lambda v: v**2 / 4).pvalue > LEAST_P


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_out_of_range_is_refused(seed):
    with pytest.raises(ValueError, match=rf"seed = {seed}; allowed: 0 to 18446744073709551615"):
        key_words(seed)


@pytest.mark.parametrize("number", [0, 2**24])
def test_an_attempt_out_of_range_is_refused(number):
    with pytest.raises(ValueError, match=f"attempt {number}: allowed are 1 to 16777215"):
        draws(1).attempt(number)
