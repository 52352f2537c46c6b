"""The light and the losses of artefacts in stamps, as compiled functions on flattened stamps.

Stamps are (row, column), columns are the direction of read-out; positions are in pixels from the
centre of the stamp. Everything is added to the expected electrons, before the noise. Nothing is
masked: artefacts that a pipeline masks make no alerts.
"""

from __future__ import annotations

from math import ceil, cos, exp, sin, sqrt
from typing import NamedTuple

import numpy as np
from numba import njit

from simulator.artefacts.kinds import Artefact
from simulator.psf.psf import Psf, add_star

_BAD_PIXELS, _BAD_COLUMN = int(Artefact.BAD_PIXELS), int(Artefact.BAD_COLUMN)
_COSMIC_RAY, _GHOST = int(Artefact.COSMIC_RAY), int(Artefact.GHOST)
_TRAIL, _DEFECT = int(Artefact.SATELLITE_TRAIL), int(Artefact.TEMPLATE_DEFECT)
_GHOST_EDGE_PIX = 1.0  # width over which a ghost fades
_TRAIL_SHARE = 0.01  # light of a trail with glints, per pixel, over that of a glint
_STEPS_PER_PIX = 2.0  # of a trail


class Artefacts(NamedTuple):
    """Artefacts of a batch; arrays (object, epoch), of length 0 along the first axis if none.

    ``x_pix`` and ``y_pix`` are from the nominal position of the source; of a dipole, a PSF mismatch
    and a stamp that is cut, they are the error of the alignment, 0 for none. ``size_pix`` is a
    length, radius or distance between glints; of a PSF mismatch, the factor of the width.
    ``flux_e`` are electrons (of a glint, a trail or ray per pixel along it, a ghost per pixel);
    where it is negative, the share of the light that is lost; of a PSF mismatch, the relative error
    of the template's light.
    """

    kind: np.ndarray  # uint8
    x_pix: np.ndarray
    y_pix: np.ndarray
    size_pix: np.ndarray
    angle_rad: np.ndarray
    flux_e: np.ndarray


def no_artefacts() -> Artefacts:
    """A batch without artefacts."""
    return Artefacts(np.zeros((0, 0), dtype=np.uint8), *(np.zeros((0, 0)) for _ in range(5)))


@njit(cache=True, nogil=True, error_model="numpy")
def add_artefact(
    electrons: np.ndarray,
    grid: tuple[np.ndarray, np.ndarray, int],
    artefacts: Artefacts,
    psf: Psf,
    i: int,
    epoch: int,
    x_pix: float,
    y_pix: float,
) -> None:
    """Add the artefact of object ``i`` at ``epoch`` to a flattened science stamp, in place.

    Parameters
    ----------
    electrons : array of float32, shape (size * size,)
    grid : (x, y, size)
        As for `simulator.psf.psf.add_star`.
    x_pix, y_pix : float
        Position of the source in the stamp.
    """
    kind, size = artefacts.kind[i, epoch], grid[2]
    stamp = electrons.reshape((size, size))
    x, y = x_pix + artefacts.x_pix[i, epoch], y_pix + artefacts.y_pix[i, epoch]
    length, angle = artefacts.size_pix[i, epoch], artefacts.angle_rad[i, epoch]
    flux = artefacts.flux_e[i, epoch]
    if kind == _COSMIC_RAY:
        add_track(stamp, x, y, length, angle, flux)
    elif kind == _BAD_PIXELS:
        change_spot(stamp, x, y, length, flux)
    elif kind == _BAD_COLUMN:
        change_column(stamp, x, y, angle < np.pi, flux)
    elif kind == _TRAIL:
        _add_trail(electrons, grid, psf, i, epoch, x, y, length, angle, flux)
    elif kind == _GHOST:
        add_disc(stamp, x, y, length, flux)


@njit(cache=True, nogil=True, error_model="numpy")
def add_track(
    stamp: np.ndarray, x: float, y: float, length_pix: float, angle_rad: float, flux_e: float
) -> None:
    """Add a straight track of ``flux_e`` electrons per pixel, no wider than a pixel."""
    size = stamp.shape[0]
    steps = int(4 * length_pix) + 4
    for k in range(steps):
        along = length_pix * ((k + 0.5) / steps - 0.5)
        column = int(np.floor(x + along * cos(angle_rad) + 0.5)) + size // 2
        row = int(np.floor(y + along * sin(angle_rad) + 0.5)) + size // 2
        if 0 <= row < size and 0 <= column < size:
            stamp[row, column] += np.float32(flux_e * max(length_pix, 1.0) / steps)


@njit(cache=True, nogil=True, error_model="numpy")
def change_spot(stamp: np.ndarray, x: float, y: float, radius_pix: float, flux_e: float) -> None:
    """Darken the pixels of a round spot by the share -``flux_e``, or add ``flux_e`` to each.

    The pixel nearest to the centre always belongs to it.
    """
    size = stamp.shape[0]
    centre_row, centre_column = int(np.rint(y)) + size // 2, int(np.rint(x)) + size // 2
    reach = ceil(radius_pix)
    for row in range(max(centre_row - reach, 0), min(centre_row + reach + 1, size)):
        for column in range(max(centre_column - reach, 0), min(centre_column + reach + 1, size)):
            a, b = row - centre_row, column - centre_column
            if a * a + b * b <= radius_pix * radius_pix:
                _change(stamp, row, column, flux_e)


@njit(cache=True, nogil=True, error_model="numpy")
def change_column(stamp: np.ndarray, x: float, y: float, upwards: bool, flux_e: float) -> None:
    """Darken a column from a row to one edge by the share -``flux_e``, or add ``flux_e``."""
    size = stamp.shape[0]
    column, first = int(np.rint(x)) + size // 2, int(np.rint(y)) + size // 2
    if not 0 <= column < size:
        return
    for row in range(size):
        if (row >= first) == upwards:
            _change(stamp, row, column, flux_e)


@njit(cache=True, nogil=True, error_model="numpy")
def _change(stamp, row, column, flux_e):
    if flux_e < 0:
        stamp[row, column] *= np.float32(max(1.0 + flux_e, 0.0))
    else:
        stamp[row, column] += np.float32(flux_e)


@njit(cache=True, nogil=True, error_model="numpy")
def add_disc(stamp: np.ndarray, x: float, y: float, radius_pix: float, flux_e: float) -> None:
    """Add a disc of ``flux_e`` electrons per pixel with a soft edge."""
    size = stamp.shape[0]
    for row in range(size):
        for column in range(size):
            distance = sqrt((column - size // 2 - x) ** 2 + (row - size // 2 - y) ** 2)
            outside = min((distance - radius_pix) / _GHOST_EDGE_PIX, 50.0)
            stamp[row, column] += np.float32(flux_e / (1.0 + exp(outside)))


@njit(cache=True, nogil=True, error_model="numpy")
def _add_trail(electrons, grid, psf, i, epoch, x, y, spacing_pix, angle_rad, flux_e):
    """A line through (x, y) from edge to edge under the PSF, or glints along it."""
    reach = 1.5 * grid[2]
    per_pix = flux_e * _TRAIL_SHARE if spacing_pix > 0 else flux_e
    dx, dy = cos(angle_rad), sin(angle_rad)
    steps = int(2 * reach * _STEPS_PER_PIX)
    for k in range(steps):
        along = (k + 0.5) / _STEPS_PER_PIX - reach
        flux = per_pix / _STEPS_PER_PIX
        add_star(electrons, grid, psf, i, epoch, flux, x + along * dx, y + along * dy)
    if spacing_pix > 0:
        glints = int(reach / spacing_pix)
        for k in range(-glints, glints + 1):
            along = k * spacing_pix
            add_star(electrons, grid, psf, i, epoch, flux_e, x + along * dx, y + along * dy)


@njit(cache=True, nogil=True, error_model="numpy")
def add_template_defect(
    values: np.ndarray,
    artefacts: Artefacts,
    i: int,
    epoch: int,
    x_pix: float,
    y_pix: float,
    gain_e_per_adu: float,
) -> None:
    """Add the defect of a template, a round Gaussian of either sign, to ``values`` [ADU]."""
    if artefacts.kind[i, epoch] != _DEFECT:
        return
    size, sigma = values.shape[0], artefacts.size_pix[i, epoch]
    x, y = x_pix + artefacts.x_pix[i, epoch], y_pix + artefacts.y_pix[i, epoch]
    peak = artefacts.flux_e[i, epoch] / gain_e_per_adu / (2.0 * np.pi * sigma * sigma)
    for row in range(size):
        for column in range(size):
            a, b = row - size // 2 - y, column - size // 2 - x
            exponent = min(0.5 * (a * a + b * b) / (sigma * sigma), 80.0)
            values[row, column] += np.float32(peak * exp(-exponent))
