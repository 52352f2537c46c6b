"""Empirical PSFs: a library of effective PSFs on a fine grid, drawn by bicubic interpolation.

The file is an ``npz`` with ``epsf`` (psf, row, column; already integrated over a pixel),
``epsf_oversampling`` (grid points per pixel), ``epsf_fwhm_pix``, ``epsf_beta``,
``epsf_e1`` and ``epsf_e2`` (the Moffat profile closest to each).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile, is_zipfile

import numpy as np
from numba import njit

from skyreel.errors import SimulationError

_ARRAYS = ("epsf", "epsf_oversampling", "epsf_fwhm_pix", "epsf_beta", "epsf_e1", "epsf_e2")


@dataclass(frozen=True)
class PsfLibrary:
    """Effective PSFs (psf, row, column) that sum to ``oversampling``^2, and their shapes."""

    images: np.ndarray
    oversampling: int
    fwhm_pix: np.ndarray
    beta: np.ndarray
    e1: np.ndarray
    e2: np.ndarray

    @classmethod
    def none(cls) -> PsfLibrary:
        """A library without images, for PSFs that are drawn in another way."""
        empty = np.zeros(0)
        return cls(np.zeros((1, 4, 4), dtype=np.float32), 1, empty, empty, empty, empty)

    def nearest(self, fwhm_pix: np.ndarray) -> np.ndarray:
        """Index of the PSF closest in width to each ``fwhm_pix``, any shape; NaN gives 0."""
        order = np.argsort(self.fwhm_pix)
        widths = self.fwhm_pix[order]
        middle = 0.5 * (widths[1:] + widths[:-1])
        return order[np.searchsorted(middle, np.nan_to_num(fwhm_pix))]


def read_library(path: str | Path) -> PsfLibrary:
    """Read a PSF library.

    Raises
    ------
    SimulationError
        Where the file is missing, is no ``npz``, or lacks an array; it says which.
    """
    path = Path(path)
    if not path.is_file():
        raise SimulationError(f"PSF library {path}: there is no such file.")
    if not is_zipfile(path):
        raise SimulationError(f"PSF library {path}: not a readable npz file.")
    try:
        with np.load(path, allow_pickle=False) as found:
            arrays = {name: found[name] for name in _ARRAYS if name in found.files}
    except (ValueError, OSError, BadZipFile, zlib.error) as error:
        raise SimulationError(f"PSF library {path}: not a readable npz file ({error}).") from None
    missing = [name for name in _ARRAYS if name not in arrays]
    if missing:
        raise SimulationError(f"PSF library {path}: it has no array {', '.join(missing)}.")
    n = int(arrays["epsf_oversampling"].ravel()[0])
    images = arrays["epsf"].astype(np.float32)
    images *= n * n / images.sum(axis=(1, 2), keepdims=True)
    fwhm, beta, e1, e2 = (arrays[name].astype(np.float64) for name in _ARRAYS[2:])
    return PsfLibrary(np.ascontiguousarray(images), n, fwhm, beta, e1, e2)


@njit(cache=True, nogil=True, error_model="numpy")
def add_library_star(
    image: np.ndarray,
    size: int,
    flux: float,
    x0: float,
    y0: float,
    psf: np.ndarray,
    oversampling: int,
    stretch: float,
) -> None:
    """Add a star drawn from one PSF (row, column), stretched in width by ``stretch``."""
    centre = 0.5 * (psf.shape[0] - 1)
    per_pix = oversampling / stretch
    norm = flux / (stretch * stretch)
    wx, wy = np.empty(4), np.empty(4)
    for row in range(size):
        y = (row - 0.5 * (size - 1) - y0) * per_pix + centre
        j = int(np.floor(y))
        if j < 1 or j > psf.shape[0] - 3:
            continue
        _cubic(wy, y - j)
        for column in range(size):
            x = (column - 0.5 * (size - 1) - x0) * per_pix + centre
            i = int(np.floor(x))
            if i < 1 or i > psf.shape[1] - 3:
                continue
            _cubic(wx, x - i)
            total = 0.0
            for a in range(4):
                for b in range(4):
                    total += wy[a] * wx[b] * psf[j - 1 + a, i - 1 + b]
            image[row * size + column] += np.float32(norm * max(total, 0.0))


@njit(cache=True, nogil=True, error_model="numpy")
def _cubic(weights, t):
    """Catmull-Rom weights of the four points around a position t in [0, 1)."""
    weights[0] = 0.5 * t * (-1.0 + t * (2.0 - t))
    weights[1] = 0.5 * (2.0 + t * t * (-5.0 + 3.0 * t))
    weights[2] = 0.5 * t * (1.0 + t * (4.0 - 3.0 * t))
    weights[3] = 0.5 * t * t * (-1.0 + t)
