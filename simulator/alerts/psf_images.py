"""Images of the PSFs of chosen exposures."""

from __future__ import annotations

import numpy as np
from numba import njit

from simulator.gaussian_mixture import pixel_centres
from simulator.psf.psf import Psf, add_star

SIZE_PIX = 41
"""Rows and columns, as in real Rubin packets."""


def psf_images(psf: Psf, objects: np.ndarray, epochs: np.ndarray) -> np.ndarray:
    """PSFs of sum 1, float32 (exposure, row, column).

    Parameters
    ----------
    psf : Psf
        Its arrays are (object, epoch), C-ordered.
    objects, epochs : int array, shape (exposure,)
    """
    out = np.zeros((len(objects), SIZE_PIX * SIZE_PIX), dtype=np.float32)
    grid = (*pixel_centres(SIZE_PIX), SIZE_PIX)
    _draw(out, grid, psf, objects.astype(np.int64), epochs.astype(np.int64))
    return out.reshape(-1, SIZE_PIX, SIZE_PIX)


@njit(cache=True, nogil=True, error_model="numpy")
def _draw(out, grid, psf, objects, epochs):
    for k in range(objects.size):
        add_star(out[k], grid, psf, objects[k], epochs[k], 1.0, 0.0, 0.0)
        out[k] /= out[k].sum()
