"""Lanczos resampling of a stamp, as in surveys that register their images on a common grid."""

from __future__ import annotations

from math import pi, sin

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, error_model="numpy")
def lanczos_weights(shift_pix: float, order: int) -> np.ndarray:
    """The 2 ``order`` weights that read a row at ``shift_pix`` (0 to 1) right of a pixel.

    They apply to the pixels 1 - order to order and add up to one.
    """
    weights = np.empty(2 * order)
    for i in range(2 * order):
        d = shift_pix - (i + 1 - order)
        if abs(d) < 1e-9:
            weights[i] = 1.0
        else:
            weights[i] = order * sin(pi * d) * sin(pi * d / order) / (pi * pi * d * d)
    return weights / weights.sum()


@njit(cache=True, nogil=True, error_model="numpy")
def shift_stamp(
    out: np.ndarray, wide: np.ndarray, x_shift_pix: float, y_shift_pix: float, order: int
) -> None:
    """Read ``wide`` (row, column) at positions moved by a sub-pixel shift, into ``out``.

    ``wide`` has the same centre as ``out`` and at least ``order`` + 1 more pixels on every
    side; shifts are less than two pixels.

    Raises
    ------
    ValueError
        The shift needs pixels beyond ``wide``.
    """
    size = out.shape[0]
    margin = (wide.shape[0] - size) // 2
    x_floor, y_floor = int(np.floor(x_shift_pix)), int(np.floor(y_shift_pix))
    most = margin - order
    if not (-most - 1 <= x_floor <= most and -most - 1 <= y_floor <= most):
        raise ValueError("shift_stamp: a shift beyond the margin of the wide stamp")
    wx = lanczos_weights(x_shift_pix - x_floor, order)
    wy = lanczos_weights(y_shift_pix - y_floor, order)
    first_row, first_column = margin + y_floor + 1 - order, margin + x_floor + 1 - order
    lines = np.zeros((size + 2 * order - 1, size))
    for row in range(lines.shape[0]):
        for j in range(2 * order):
            for column in range(size):
                lines[row, column] += wx[j] * wide[first_row + row, first_column + column + j]
    out[:] = 0.0
    for row in range(size):
        for i in range(2 * order):
            for column in range(size):
                out[row, column] += wy[i] * lines[row + i, column]
