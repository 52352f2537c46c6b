"""Lanczos resampling of a stamp, as pipelines do that register their images on one grid."""

from __future__ import annotations

from math import pi, sin

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, error_model="numpy")
def lanczos_weights(shift_pix, order):
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
def shift_stamp(out, wide, x_shift_pix, y_shift_pix, order):
    """Read ``wide`` (row, column) at positions moved by a sub-pixel shift, into ``out``.

    ``wide`` has the same centre as ``out`` and at least ``order`` + 1 more pixels on every
    side; shifts are less than two pixels.
    """
    margin = (wide.shape[0] - out.shape[0]) // 2
    x_floor, y_floor = int(np.floor(x_shift_pix)), int(np.floor(y_shift_pix))
    wx = lanczos_weights(x_shift_pix - x_floor, order)
    wy = lanczos_weights(y_shift_pix - y_floor, order)
    for row in range(out.shape[0]):
        for column in range(out.shape[1]):
            total = 0.0
            for i in range(2 * order):
                line = 0.0
                y = row + margin + y_floor + i + 1 - order
                for j in range(2 * order):
                    line += wx[j] * wide[y, column + margin + x_floor + j + 1 - order]
                total += wy[i] * line
            out[row, column] = total
