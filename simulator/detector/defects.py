"""Cosmic rays, hot pixels and bad columns, and the mask bits that mark them.

Hot pixels and bad columns are the same in every exposure of a sequence; cosmic rays are not.
Stamps are (row, column), columns are the direction of read-out.
"""

from __future__ import annotations

from math import cos, sin, sqrt

import numpy as np
from numba import njit

from simulator.detector.noise import small_poisson
from simulator.rng import philox

SATURATED, BAD_PIXEL, COSMIC_RAY, OUTSIDE = 1, 2, 4, 8
MASK_BITS = {
    "saturated": SATURATED,
    "bad_pixel": BAD_PIXEL,
    "cosmic_ray": COSMIC_RAY,
    "outside_detector": OUTSIDE,
}
# A minimum-ionising muon frees about 80 e per micron of silicon (Groom 2002, Exp. Astron. 14,
# 45).
_CHARGE_E_PER_UM = 80.0
_MAX_TRACK_PIX = 60.0


@njit(cache=True, nogil=True, error_model="numpy")
def uniform(
    counter: tuple[np.uint32, np.uint32, np.uint32], draw: int, key: tuple[np.uint32, np.uint32]
) -> float:
    """One number in (0, 1) for a counter (object low, high, purpose) and a draw."""
    word, _, _, _ = philox(counter[0], counter[1], counter[2], np.uint32(draw), key[0], key[1])
    return (float(word) + 0.5) * 2.0**-32


@njit(cache=True, nogil=True, error_model="numpy")
def place_fixed_defects(
    defect: np.ndarray,
    hot_pixel_fraction: float,
    bad_column_fraction: float,
    counter: tuple[np.uint32, np.uint32, np.uint32],
    key: tuple[np.uint32, np.uint32],
) -> bool:
    """Mark the bad pixels of a stamp in ``defect`` (row, column): 1 hot, 2 dead column."""
    n_row, n_col = defect.shape
    n_hot = small_poisson(hot_pixel_fraction * defect.size, uniform(counter, 0, key))
    for i in range(n_hot):
        row = int(uniform(counter, 2 * i + 2, key) * n_row)
        column = int(uniform(counter, 2 * i + 3, key) * n_col)
        defect[row, column] = 1
    if uniform(counter, 1, key) < bad_column_fraction * n_col:
        defect[:, int(uniform(counter, 2 * n_hot + 2, key) * n_col)] = 2
    return n_hot > 0 or defect.any()


@njit(cache=True, nogil=True, error_model="numpy")
def add_cosmic_rays(
    electrons: np.ndarray,
    mask: np.ndarray,
    mean_number: float,
    silicon_um: float,
    pixel_um: float,
    counter: tuple[np.uint32, np.uint32, np.uint32],
    first_draw: int,
    key: tuple[np.uint32, np.uint32],
) -> int:
    """Add the tracks of one exposure to ``electrons`` (row, column) and mark their pixels."""
    number = small_poisson(mean_number, uniform(counter, first_draw, key))
    for i in range(number):
        draw = first_draw + 1 + 4 * i
        _add_track(
            electrons,
            mask,
            silicon_um,
            pixel_um,
            uniform(counter, draw, key) * electrons.shape[1] - 0.5,
            uniform(counter, draw + 1, key) * electrons.shape[0] - 0.5,
            2 * np.pi * uniform(counter, draw + 2, key),
            uniform(counter, draw + 3, key),
        )
    return number


@njit(cache=True, nogil=True, error_model="numpy")
def _add_track(electrons, mask, silicon_um, pixel_um, x, y, angle, u):
    # zenith angles of muons follow cos^2 over a flat detector: cos z = u^(1/4)
    cosine = max(u, 1e-6) ** 0.25
    tangent = sqrt(1.0 - cosine * cosine) / cosine
    length = min(silicon_um * tangent / pixel_um, _MAX_TRACK_PIX)
    charge = _CHARGE_E_PER_UM * silicon_um / cosine
    steps = 4 * int(length) + 4
    for i in range(steps):
        along = length * (i + 0.5) / steps
        column = int(np.floor(x + along * cos(angle) + 0.5))
        row = int(np.floor(y + along * sin(angle) + 0.5))
        if 0 <= row < electrons.shape[0] and 0 <= column < electrons.shape[1]:
            electrons[row, column] += np.float32(charge / steps)
            mask[row, column] |= COSMIC_RAY
