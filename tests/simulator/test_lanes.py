"""Rows of many Gaussians: the LLVM code against the same products in NumPy."""

import numpy as np
import pytest
from numba import njit

from simulator.lanes import BLOCK, LANES, N_STATE, add_row, sum_of_lanes

N_PIXELS = 11


@njit
def rows_of(state, n_rows, points):
    rows = np.empty((n_rows, N_PIXELS))
    sums = np.empty((N_PIXELS, LANES))
    for row in range(n_rows):
        sums[:] = 0.0
        add_row(sums, state, points)
        for pixel in range(N_PIXELS):
            rows[row, pixel] = sum_of_lanes(sums, pixel)
    return rows


def products(state, n_rows, points):
    """The same rows, one Gaussian and one point after another."""
    rows = np.zeros((n_rows, N_PIXELS))
    for value, ratio, ratio_factor, down, down_factor, ratio_down in state.T:
        for row in range(n_rows):
            v, r = value, ratio
            for point in range(N_PIXELS * points):
                rows[row, point // points] += v
                v, r = v * r, r * ratio_factor
            value, down, ratio = value * down, down * down_factor, ratio * ratio_down
    return rows


@pytest.mark.parametrize("blocks", [1, 3])
@pytest.mark.parametrize("points", [1, 2, 5])
def test_rows_are_the_sums_of_products(blocks, points):
    state = np.random.default_rng(blocks).uniform(0.8, 1.1, (N_STATE, blocks * BLOCK))
    expected = products(state, 4, points)
    np.testing.assert_allclose(rows_of(state.copy(), 4, points), expected, rtol=1e-12)


def test_a_row_without_gaussians_adds_nothing():
    assert not rows_of(np.zeros((N_STATE, 0)), 2, 1).any()


def test_memory_at_any_multiple_of_eight_bytes_is_read_and_written():
    memory = np.ones(N_STATE * BLOCK + 1)
    state = memory[1:].reshape(N_STATE, BLOCK)
    np.testing.assert_array_equal(rows_of(state, 3, 2), np.full((3, N_PIXELS), 2.0 * BLOCK))
