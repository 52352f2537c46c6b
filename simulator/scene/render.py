"""Expected electrons of one exposure: source, trail, neighbours and host under one PSF."""

from __future__ import annotations

from math import ceil, cos, sin

import numpy as np
from numba import njit

from simulator.psf.empirical import add_library_star
from simulator.psf.moffat import add_moffat, moffat_scale
from simulator.scene.gaussians import add_concentric, covariance
from simulator.scene.profiles import moffat_mixture
from simulator.scene.scene import (
    BULGE_FRACTION,
    BULGE_PIX,
    DISC_PIX,
    HOST_E1,
    HOST_E2,
    HOST_X,
    HOST_Y,
    MIXTURE,
    MOFFAT,
)

_BULGE_ROUNDNESS = 0.4  # our choice: a bulge has this share of its disc's ellipticity
_POINTLIKE_VARIANCE = 0.02  # host components this much smaller than the PSF are merged
_TRAIL_STEP_FWHM = 0.25


@njit(cache=True, nogil=True, error_model="numpy")
def render(image, x_grid, y_grid, size, scene, psf, i, epoch, disc, bulge):
    """Fill a flattened stamp with the expected electrons of object ``i`` at ``epoch``.

    ``disc`` and ``bulge`` are (weights, scales) of the two host components.
    """
    image[:] = np.float32(scene.background_e[i, epoch])
    x, y = scene.x_pix[i, epoch], scene.y_pix[i, epoch]
    if scene.source_e[i, epoch] > 0.0:
        _add_trail(image, x_grid, y_grid, size, scene, psf, i, epoch)
    for k in range(scene.n_neighbours[i]):
        _add_star(
            image,
            x_grid,
            y_grid,
            size,
            psf,
            i,
            epoch,
            scene.neighbour_e[i, epoch, k],
            x + scene.neighbour_x_pix[i, k],
            y + scene.neighbour_y_pix[i, k],
        )
    if scene.host_e[i, epoch] > 0.0:
        _add_host(image, size, scene, psf, i, epoch, disc, bulge)


@njit(cache=True, nogil=True, error_model="numpy")
def _add_star(image, x_grid, y_grid, size, psf, i, epoch, flux, x, y):
    fwhm, e1, e2 = psf.fwhm_pix[i, epoch], psf.e1[i, epoch], psf.e2[i, epoch]
    if psf.kind == MOFFAT:
        beta = psf.beta[i, epoch]
        cxx, cxy, cyy = covariance(moffat_scale(fwhm, beta), e1, e2)
        skew_x, skew_y = 0.0, 0.0
        if psf.lopsided_x.size > 0:
            skew_x, skew_y = psf.lopsided_x[i, epoch] / fwhm, psf.lopsided_y[i, epoch] / fwhm
        add_moffat(image, x_grid, y_grid, size, flux, x, y, beta, cxx, cxy, cyy, skew_x, skew_y)
    elif psf.kind == MIXTURE:
        cxx, cxy, cyy = covariance(fwhm, e1, e2)
        _add_mixture(image, size, flux, x, y, psf.weights, psf.scales, (cxx, cxy, cyy))
    else:
        library_image = psf.images[psf.index[i, epoch]]
        stretch = psf.stretch[i, epoch]
        add_library_star(image, size, flux, x, y, library_image, psf.oversampling, stretch)


@njit(cache=True, nogil=True, error_model="numpy")
def _add_mixture(image, size, flux, x, y, weights, scales, shape):
    gaussians = np.empty((4, weights.size))
    gaussians[0] = flux * weights
    for axis in range(3):
        gaussians[axis + 1] = scales * shape[axis]
    add_concentric(image, size, x, y, gaussians)


@njit(cache=True, nogil=True, error_model="numpy")
def _add_trail(image, x_grid, y_grid, size, scene, psf, i, epoch):
    """The source, spread evenly along its trail where it has one."""
    length = scene.trail_pix[i, epoch]
    n = 1 + ceil(length / (_TRAIL_STEP_FWHM * psf.fwhm_pix[i, epoch]))
    flux = scene.source_e[i, epoch] / n
    angle = scene.trail_angle_rad[i]
    for k in range(n):
        along = length * ((k + 0.5) / n - 0.5)
        x = scene.x_pix[i, epoch] + along * cos(angle)
        y = scene.y_pix[i, epoch] + along * sin(angle)
        _add_star(image, x_grid, y_grid, size, psf, i, epoch, flux, x, y)


@njit(cache=True, nogil=True, error_model="numpy")
def _add_host(image, size, scene, psf, i, epoch, disc, bulge):
    """Disc and bulge convolved with the PSF, all as one sum of Gaussians."""
    psf_weights, psf_scales, a = _psf_mixture(psf, i, epoch)
    psf_shape = covariance(a, psf.e1[i, epoch], psf.e2[i, epoch])
    host = scene.host[i]
    e1, e2 = host[HOST_E1], host[HOST_E2]
    disc_shape = covariance(host[DISC_PIX], e1, e2)
    bulge_shape = covariance(host[BULGE_PIX], _BULGE_ROUNDNESS * e1, _BULGE_ROUNDNESS * e2)
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
def _psf_mixture(psf, i, epoch):
    """Weights, scales and size of the PSF as a sum of Gaussians."""
    if psf.kind == MIXTURE:
        return psf.weights, psf.scales, psf.fwhm_pix[i, epoch]
    beta = psf.beta[i, epoch]
    weights, scales = moffat_mixture(beta)
    return weights, scales, moffat_scale(psf.fwhm_pix[i, epoch], beta)


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
