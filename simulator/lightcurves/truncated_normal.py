"""Normal laws that are cut on both sides, drawn from one uniform number each."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri


def truncated_normal(
    quantile: np.ndarray,
    mean: np.ndarray | float,
    sigma: np.ndarray | float,
    limits_sigma: tuple[ArrayLike, ArrayLike],
) -> np.ndarray:
    """Values at cumulative probabilities of a normal law between two limits.

    Parameters
    ----------
    quantile : array
        From 0 to 1, of the truncated law.
    mean, sigma : float or array
        Of the whole law; they broadcast with ``quantile``.
    limits_sigma : (low, high)
        Where it is cut, in units of sigma from the mean.
    """
    low, high = (ndtr(limit) for limit in limits_sigma)
    return mean + sigma * ndtri(low + quantile * (high - low))
