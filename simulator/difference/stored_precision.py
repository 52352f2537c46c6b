"""How many digits of a plane are kept: random last digits of floats do not compress.

Rounding changes a pixel by at most 1/32 of the smallest noise in its stamp, which adds at most
0.03 % to the variance.
"""

from __future__ import annotations

import numpy as np
from numba import njit

STEP_OF_NOISE = 1.0 / 16.0
_LOST_BITS = 15  # of the 23 of a mantissa: a noise is kept to 0.2 %
_HALF, _KEPT = np.uint32(1 << (_LOST_BITS - 1)), np.uint32(0xFFFFFFFF << _LOST_BITS & 0xFFFFFFFF)


@njit(cache=True, nogil=True, error_model="numpy")
def round_to_step(values: np.ndarray, noise: np.ndarray) -> None:
    """Round a stamp (float32) to multiples of a power of two of at most 1/16 of its smallest noise.

    Pixels without noise (0) do not count.
    """
    least = np.float32(np.inf)
    for a in range(noise.shape[0]):
        for b in range(noise.shape[1]):
            if noise[a, b] > 0.0:
                least = min(least, noise[a, b])
    if least == np.inf:
        return
    step = np.float32(2.0 ** np.floor(np.log2(least * STEP_OF_NOISE)))
    per_step = np.float32(1.0) / step
    for a in range(values.shape[0]):
        for b in range(values.shape[1]):
            values[a, b] = np.rint(values[a, b] * per_step) * step


@njit(cache=True, nogil=True, error_model="numpy")
def round_mantissas(values: np.ndarray) -> None:
    """Round positive float32 values of a C-ordered stamp to eight bits of their mantissa."""
    words = values.view(np.uint32)
    for a in range(words.shape[0]):
        for b in range(words.shape[1]):
            words[a, b] = (words[a, b] + _HALF) & _KEPT
