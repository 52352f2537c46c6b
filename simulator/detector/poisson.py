"""Poisson counts of small means, by adding up the terms of the distribution."""

from __future__ import annotations

from math import exp

from numba import njit


@njit(cache=True, nogil=True, error_model="numpy")
def small_poisson(mean, u):
    """Poisson count at cumulative probability ``u``; for means far below a hundred."""
    term = exp(-mean)
    total = term
    count = 0
    while u > total and count < 1000:
        count += 1
        term *= mean / count
        total += term
    return count
