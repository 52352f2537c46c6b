"""Stamps turned and mirrored at random, as the sky has no preferred orientation."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

ORIENTATIONS = 8


def rotate(arrays: Iterable[np.ndarray], orientations: np.ndarray) -> None:
    """Turn and mirror stamps (object, row, column, ...) in place; all arrays of an object alike.

    ``orientations`` (object,) are quarter turns, from 4 on of mirror images.
    """
    for values in arrays:
        for k in range(ORIENTATIONS):
            rows = orientations == k
            turned = np.rot90(values[rows], k % 4, axes=(1, 2))
            values[rows] = turned[:, :, ::-1] if k >= 4 else turned
