"""The fast elementary functions keep the accuracy they claim."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.fastmath import cos_sin_of_turn, exp2_of_negative, fast_exp, log_of

FEW_ULP = 4e-7  # "a few 1e-7": three units in the last place of a float32 of one
EXAMPLES = settings(deadline=None, max_examples=200, derandomize=True)


def floats(low, high):
    return st.floats(low, high, width=32)


@EXAMPLES
@given(floats(-125.96875, 0.0))
def test_exp2_is_the_power_of_two(x):
    truth = 2.0 ** float(np.float32(x))
    assert abs(exp2_of_negative(np.float32(x)) / truth - 1.0) < FEW_ULP


def test_exp2_is_exact_at_whole_numbers_and_flat_below_its_range():
    for power in range(-126, 1):
        assert exp2_of_negative(np.float32(power)) == 2.0**power
    assert exp2_of_negative(np.float32(-1e9)) == 2.0**-126


@EXAMPLES
@given(floats(2.0**-126, 2.0**100))
def test_log_is_the_natural_logarithm(x):
    truth = np.log(float(np.float32(x)))
    assert abs(log_of(np.float32(x)) - truth) < FEW_ULP * max(1.0, abs(truth))


def test_log_is_smooth_where_its_mantissa_wraps():
    around = np.sqrt(0.5) * 2.0 ** np.arange(-20, 20) * np.array([[1 - 1e-6], [1.0], [1 + 1e-6]])
    for x in around.ravel().astype(np.float32):
        truth = np.log(float(x))
        assert abs(log_of(x) - truth) < FEW_ULP * max(1.0, abs(truth))
    assert log_of(np.float32(1.0)) == 0.0


@EXAMPLES
@given(floats(-0.5, 0.5))
def test_cosine_and_sine_are_those_of_the_turn(turn):
    angle = 2 * np.pi * float(np.float32(turn))
    cosine, sine = cos_sin_of_turn(np.float32(turn))
    assert abs(cosine - np.cos(angle)) < FEW_ULP
    assert abs(sine - np.sin(angle)) < FEW_ULP


def test_cosine_and_sine_are_right_at_every_eighth_of_a_turn():
    for eighth in range(-4, 5):
        for nudge in (-1e-6, 0.0, 1e-6):
            turn = np.float32(min(max(eighth / 8 + nudge, -0.5), 0.5))
            cosine, sine = cos_sin_of_turn(turn)
            angle = 2 * np.pi * float(turn)
            np.testing.assert_allclose((cosine, sine), (np.cos(angle), np.sin(angle)), atol=FEW_ULP)


@EXAMPLES
@given(st.floats(-690.0, 690.0))
def test_fast_exp_is_the_exponential(x):
    # the product x log2(e) is rounded at 1e-16 of up to 1000 turns, the series ends at 2e-10
    assert abs(fast_exp(x) / np.exp(x) - 1.0) < 2e-10


def test_fast_exp_is_held_beyond_its_range():
    assert fast_exp(-1e5) == fast_exp(-690.0) > 0.0
    assert fast_exp(1e5) == fast_exp(690.0) < np.inf
