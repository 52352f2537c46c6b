"""From electrons in pixels to recorded counts: full wells, bleeding, gain and rounding."""

from __future__ import annotations

import numpy as np
from numba import njit

from simulator.detector.defects import BAD_PIXEL, SATURATED

_HOT_PIXEL_E_PER_S = 200.0  # our choice: it is masked whatever its value
_MAX_ADU = 65535.0


@njit(cache=True, nogil=True, error_model="numpy")
def bleed(electrons: np.ndarray, mask: np.ndarray, full_well_e: float) -> None:
    """Move the charge above ``full_well_e`` along its column, half each way, and mark it.

    Charge that reaches the edge of the stamp leaves it.
    """
    n_row, n_col = electrons.shape
    for column in range(n_col):
        excess = np.zeros(n_row)
        for row in range(n_row):
            over = electrons[row, column] - full_well_e
            if over > 0:
                excess[row] = over
                electrons[row, column] = full_well_e
                mask[row, column] |= SATURATED
        if excess.any():
            _spill(electrons, mask, excess, column, full_well_e, 1)
            _spill(electrons, mask, excess, column, full_well_e, -1)


@njit(cache=True, nogil=True, error_model="numpy")
def _spill(electrons, mask, excess, column, full_well_e, step):
    n_row = excess.size
    carried = 0.0
    row = 0 if step > 0 else n_row - 1
    for _ in range(n_row):
        if carried > 0:
            room = full_well_e - electrons[row, column]
            taken = min(carried, max(room, 0.0))
            electrons[row, column] += np.float32(taken)
            carried -= taken
            if carried > 0:
                mask[row, column] |= SATURATED
        carried += 0.5 * excess[row]
        row += step


@njit(cache=True, nogil=True, error_model="numpy")
def apply_fixed_defects(
    electrons: np.ndarray, mask: np.ndarray, defect: np.ndarray, exposure_time_s: float
) -> None:
    """Hot pixels collect dark charge, dead columns lose theirs; both are marked."""
    for row in range(defect.shape[0]):
        for column in range(defect.shape[1]):
            if defect[row, column] == 1:
                electrons[row, column] += np.float32(_HOT_PIXEL_E_PER_S * exposure_time_s)
                mask[row, column] |= BAD_PIXEL
            elif defect[row, column] == 2:
                electrons[row, column] = 0
                mask[row, column] |= BAD_PIXEL


@njit(cache=True, nogil=True, error_model="numpy")
def digitise(counts: np.ndarray, electrons: np.ndarray, gain_e_per_adu: float) -> None:
    """Whole counts of flattened stamps, clipped to 16 bits."""
    per_e = np.float32(1.0 / gain_e_per_adu)
    for p in range(counts.size):
        adu = electrons[p] * per_e + np.float32(0.5)
        counts[p] = np.uint16(np.int32(min(max(adu, np.float32(0.0)), np.float32(_MAX_ADU))))
