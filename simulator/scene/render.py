"""Expected electrons of one exposure: source, trail, neighbours and host under one PSF.

Positions are in pixels from the stamp's centre, x along columns.
"""

from __future__ import annotations

from math import ceil, cos, sin
from typing import NamedTuple

import numpy as np
from numba import njit

from simulator.gaussian_mixture import Mixture, add_concentric, covariance
from simulator.psf.psf import Psf, add_star, psf_mixture

# columns of Scene.host: where the host's centre is from the source, and its two components
HOST_X, HOST_Y, BULGE_FRACTION, BULGE_PIX, DISC_PIX, HOST_E1, HOST_E2 = range(7)
N_HOST_COLUMNS = 7

BULGE_ROUNDNESS = 0.4  # our choice: a bulge has this share of its disc's ellipticity
_POINTLIKE_VARIANCE = 0.02  # host components this much smaller than the PSF are merged
_TRAIL_STEP_FWHM = 0.25


class Scene(NamedTuple):
    """The light that falls on a batch of stamps, as plain arrays in pixels and electrons."""

    n_epochs: np.ndarray  # (object,)
    x_pix: np.ndarray  # (object, epoch): of the source, and with it of the whole scene
    y_pix: np.ndarray  # (object, epoch)
    source_e: np.ndarray  # (object, epoch)
    trail_pix: np.ndarray  # (object, epoch)
    trail_angle_rad: np.ndarray  # (object,)
    host: np.ndarray  # (object, 7): the columns named above
    host_e: np.ndarray  # (object, epoch)
    n_neighbours: np.ndarray  # (object,)
    neighbour_x_pix: np.ndarray  # (object, neighbour), from the source
    neighbour_y_pix: np.ndarray  # (object, neighbour)
    neighbour_e: np.ndarray  # (object, epoch, neighbour)
    background_e: np.ndarray  # (object, epoch): sky and dark current, per pixel


@njit(cache=True, nogil=True, error_model="numpy")
def render(
    image: np.ndarray,
    grid: tuple[np.ndarray, np.ndarray, int],
    scene: Scene,
    psf: Psf,
    i: int,
    epoch: int,
    disc: Mixture,
    bulge: Mixture,
) -> None:
    """Fill a flattened stamp with the expected electrons of object ``i`` at ``epoch``.

    ``grid`` is (x, y, size) of the stamp's pixels; ``disc`` and ``bulge`` are (weights, scales)
    of the two host components.
    """
    image[:] = np.float32(scene.background_e[i, epoch])
    x, y = scene.x_pix[i, epoch], scene.y_pix[i, epoch]
    if scene.source_e[i, epoch] > 0.0:
        _add_trail(image, grid, scene, psf, i, epoch)
    for k in range(scene.n_neighbours[i]):
        flux = scene.neighbour_e[i, epoch, k]
        neighbour_x, neighbour_y = x + scene.neighbour_x_pix[i, k], y + scene.neighbour_y_pix[i, k]
        add_star(image, grid, psf, i, epoch, flux, neighbour_x, neighbour_y)
    if scene.host_e[i, epoch] > 0.0:
        _add_host(image, grid[2], scene, psf, i, epoch, disc, bulge)


@njit(cache=True, nogil=True, error_model="numpy")
def _add_trail(image, grid, scene, psf, i, epoch):
    """The source, spread evenly along its trail where it has one."""
    length = scene.trail_pix[i, epoch]
    n = 1 + ceil(length / (_TRAIL_STEP_FWHM * psf.fwhm_pix[i, epoch]))
    flux = scene.source_e[i, epoch] / n
    angle = scene.trail_angle_rad[i]
    for k in range(n):
        along = length * ((k + 0.5) / n - 0.5)
        x = scene.x_pix[i, epoch] + along * cos(angle)
        y = scene.y_pix[i, epoch] + along * sin(angle)
        add_star(image, grid, psf, i, epoch, flux, x, y)


@njit(cache=True, nogil=True, error_model="numpy")
def _add_host(image, size, scene, psf, i, epoch, disc, bulge):
    """Disc and bulge convolved with the PSF, all as one sum of Gaussians."""
    psf_weights, psf_scales, psf_shape = psf_mixture(psf, i, epoch)
    host = scene.host[i]
    e1, e2 = host[HOST_E1], host[HOST_E2]
    disc_shape = covariance(host[DISC_PIX], e1, e2)
    bulge_shape = covariance(host[BULGE_PIX], BULGE_ROUNDNESS * e1, BULGE_ROUNDNESS * e2)
    narrowest = psf_scales.min() * (psf_shape[0] + psf_shape[2])
    disc = _without_pointlike(disc, disc_shape, narrowest)
    bulge = _without_pointlike(bulge, bulge_shape, narrowest)
    n_disc = disc[0].size if host[BULGE_FRACTION] < 1.0 else 0
    n_bulge = bulge[0].size if host[BULGE_FRACTION] > 0.0 else 0
    gaussians = np.empty((4, (n_disc + n_bulge) * psf_weights.size))
    flux = scene.host_e[i, epoch]
    split = n_disc * psf_weights.size
    if n_disc:
        disc_flux = flux * (1.0 - host[BULGE_FRACTION])
        _convolve(
            gaussians[:, :split], disc_flux, disc, disc_shape, psf_weights, psf_scales, psf_shape
        )
    if n_bulge:
        bulge_flux = flux * host[BULGE_FRACTION]
        _convolve(
            gaussians[:, split:], bulge_flux, bulge, bulge_shape, psf_weights, psf_scales, psf_shape
        )
    x = scene.x_pix[i, epoch] + host[HOST_X]
    y = scene.y_pix[i, epoch] + host[HOST_Y]
    add_concentric(image, size, x, y, gaussians)


@njit(cache=True, nogil=True, error_model="numpy")
def _convolve(gaussians, flux, profile, shape, psf_weights, psf_scales, psf_shape):
    """Every component of a profile with every component of the PSF: covariances add."""
    weights, scales = profile
    m = 0
    for j in range(weights.size):
        for k in range(psf_weights.size):
            gaussians[0, m] = flux * weights[j] * psf_weights[k]
            for axis in range(3):
                gaussians[axis + 1, m] = scales[j] * shape[axis] + psf_scales[k] * psf_shape[axis]
            m += 1


@njit(cache=True, nogil=True, error_model="numpy")
def _without_pointlike(profile, shape, narrowest):
    """A profile whose components much smaller than the PSF are merged into one."""
    weights, scales = profile
    size_squared = shape[0] + shape[2]
    n = 0  # scales increase, so the point-like components come first
    while n < scales.size - 1 and scales[n] * size_squared < _POINTLIKE_VARIANCE * narrowest:
        n += 1
    if n < 2:
        return weights, scales
    merged_weights, merged_scales = weights[n - 1 :].copy(), scales[n - 1 :].copy()
    merged_weights[0] = weights[:n].sum()
    merged_scales[0] = (weights[:n] * scales[:n]).sum() / merged_weights[0]
    return merged_weights, merged_scales
