"""Direct convolution of stamps with small kernels, and kernels without their empty borders.

A kernel is odd and square, indexed (row, column) with its centre in the middle. A *field* is a
stamp with a margin of zeros wide enough for any kernel.
"""

from __future__ import annotations

import numpy as np
from numba import njit

TAPS = 4  # columns of a kernel that are applied together; rows of a kernel are padded to it


@njit(cache=True, nogil=True, error_model="numpy")
def half_width(kernel: np.ndarray, lost: float) -> int:
    """Smallest half width beyond which less than a share ``lost`` of sum |kernel| lies."""
    centre = kernel.shape[0] // 2
    shells = np.zeros(centre + 1)
    for y in range(kernel.shape[0]):
        for x in range(kernel.shape[1]):
            shells[max(abs(y - centre), abs(x - centre))] += abs(kernel[y, x])
    allowed, outside, half = lost * shells.sum(), 0.0, centre
    while half > 1 and outside + shells[half] <= allowed:
        outside += shells[half]
        half -= 1
    return half


@njit(cache=True, nogil=True, error_model="numpy")
def set_taps(taps: np.ndarray, kernel: np.ndarray, half: int, power: int) -> None:
    """Fill the weights of a convolution from the inner part of a kernel, to a power of 1 or 2.

    ``taps`` is (rows, columns), with columns padded by zeros to a multiple of `TAPS`.
    """
    centre, width = kernel.shape[0] // 2, 2 * half + 1
    for j in range(width):
        for i in range(width):
            value = kernel[centre + half - j, centre + half - i]
            taps[j, i] = value * value if power == 2 else value
        for i in range(width, _padded(width)):
            taps[j, i] = np.float32(0.0)


@njit(cache=True, nogil=True, error_model="numpy")
def _padded(width):
    return (width + TAPS - 1) // TAPS * TAPS


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def convolve(
    out: np.ndarray,
    field: np.ndarray,
    margin: int,
    taps: np.ndarray,
    half: int,
    first: int,
    end: int,
) -> None:
    """Write the convolution of a field to the rows ``first`` to ``end`` of ``out``.

    Parameters
    ----------
    out : array of float32, shape (row, column)
        Columns are as many as the stamp has, or more: those beyond it hold no result.
    field : array of float32, shape (row + 2 margin, column + 2 margin + TAPS)
    margin : int
        At least ``half``.
    taps, half
        As `set_taps` fills them.
    """
    columns, width = out.shape[1], _padded(2 * half + 1)
    for y in range(first, end):
        line = out[y]
        line[:] = np.float32(0.0)
        for j in range(2 * half + 1):
            row = field[y + margin - half + j, margin - half :]
            for i in range(0, width, TAPS):
                a, b, c, d = taps[j, i], taps[j, i + 1], taps[j, i + 2], taps[j, i + 3]
                row_a, row_b, row_c, row_d = row[i:], row[i + 1 :], row[i + 2 :], row[i + 3 :]
                for x in range(columns):
                    line[x] += a * row_a[x] + b * row_b[x] + c * row_c[x] + d * row_d[x]
