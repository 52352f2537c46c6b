"""Difference fluxes of a source from the earliest images, with matched Gaussian weights.

To subtract a template one convolves the sharper image with a Gaussian of the missing width
and weighs the difference with a profile of the broader PSF. Both steps are linear in the
pixels, and where that profile is a Gaussian they are together a Gaussian weight on the pixels as
they were read: narrow for the broad image, wider for the sharp one, so that weight and PSF
convolved are the same for all (compare Gaussian-aperture-and-PSF photometry, Kuijken 2008,
A&A 482, 1053). Nothing is interpolated and no noise is correlated, so errors are exact sums over
pixels. Weights are centred on the fitted positions. For a point source the widths are adjusted
and the sums scaled so that the difference of a constant star is zero for any PSF. The fitted PSF of
an extended source means little; its widths are those of Gaussian PSFs.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from classifier.photometry.epoch_photometry import LARGEST_ADU, Batch, Frame
from classifier.photometry.light_curves import Flag
from classifier.photometry.optimal_photometry import (
    FLUX,
    PIXEL_VARIANCE,
    SHAPE_VARIANCE,
    SKY,
    SKY_VARIANCE,
    VARIANCE,
)
from classifier.photometry.psf_model import WIDTH, X, Y
from simulator.psf.psf import Psf

_FWHM_PER_SIGMA = 2.3548200450309493
_NEWTON_STEPS = 2
_NOT_ISOLATED = int(Flag.EXTENDED) | int(Flag.OFF_CENTRE)


@njit(cache=True, nogil=True, error_model="numpy")
def measure_differences(
    batch: Batch,
    frame: Frame,
    psf: Psf,
    i: int,
    found: np.ndarray,
    shapes: np.ndarray,
    flags: np.ndarray,
    profiles: np.ndarray,
    n_templates: int,
    out_njy: np.ndarray,
) -> None:
    """Fill ``out_njy`` (epoch, 2) with differences and their variances; NaN without a template.

    ``found`` and ``shapes`` (epoch, ...) are the measurements of object ``i`` in every image,
    ``profiles`` (epoch, pixel) the fitted stars. The template of an image is the mean of the
    earliest measured images of the same band before it.
    """
    n = batch.n_epochs[i]
    psf_variance = np.empty(n)
    for epoch in range(n):
        fwhm = psf.fwhm_pix[i, epoch] * np.exp(shapes[epoch, WIDTH])
        psf_variance[epoch] = (fwhm / _FWHM_PER_SIGMA) ** 2
    chosen = np.empty(n_templates + 1, dtype=np.int64)
    weight = np.empty(frame.around.size, dtype=np.float32)
    for epoch in range(n):
        out_njy[epoch] = np.nan
        count = _earliest(batch.band[i], found, epoch, chosen)
        if count == 0 or not np.isfinite(found[epoch, FLUX]):
            continue
        chosen[count] = epoch
        images = chosen[: count + 1]
        widest = images[np.argmax(psf_variance[images])]
        common = psf_variance[widest]
        light, _ = _fill_weight(weight, frame.grid, shapes[widest], common, profiles[widest])
        isolated = 2 * np.count_nonzero(flags[images] & _NOT_ISOLATED) < images.size
        flux, sum_weight, variance = 0.0, 0.0, 0.0
        for k in images:
            wide = 2.0 * common - psf_variance[k]
            if isolated:
                _match(weight, frame.grid, shapes[k], profiles[k], wide, light)
            else:
                _fill_weight(weight, frame.grid, shapes[k], wide, profiles[k])
                weight /= np.float32(light)
            one = _weighted_flux(batch, i, k, found[k], profiles[k], weight, isolated)
            if k == epoch:
                out_njy[epoch, 0] = one[0] - flux / sum_weight
                out_njy[epoch, 1] = one[1] + variance / sum_weight**2
            else:
                flux += one[2] * one[0]
                sum_weight += one[2]
                variance += one[2] ** 2 * one[1]


@njit(cache=True, nogil=True, error_model="numpy")
def _earliest(band, found, epoch, chosen):
    """Fill ``chosen`` with the first measured epochs of the same band before ``epoch``."""
    count = 0
    for k in range(epoch):
        if count < chosen.size - 1 and band[k] == band[epoch] and np.isfinite(found[k, FLUX]):
            chosen[count] = k
            count += 1
    return count


@njit(cache=True, nogil=True, error_model="numpy")
def _match(weight, grid, shape, profile, variance_pix2, light):
    """Fill ``weight`` with the Gaussian whose sum over a star of flux one is ``light``.

    Newton's method finds its variance from a guess that is exact for Gaussian PSFs. The weights
    are then scaled to give one for the star.
    """
    for _ in range(_NEWTON_STEPS):
        through, slope = _fill_weight(weight, grid, shape, variance_pix2, profile)
        step = (light - through) / slope
        variance_pix2 += min(max(step, -0.3 * variance_pix2), 0.3 * variance_pix2)
    through, _ = _fill_weight(weight, grid, shape, variance_pix2, profile)
    for k in range(weight.size):
        weight[k] /= np.float32(through)


@njit(cache=True, nogil=True, error_model="numpy")
def _fill_weight(weight, grid, shape, variance_pix2, profile):
    """Fill ``weight`` with a Gaussian of volume one at the star.

    Returns the weighted sum of a star of flux one, and its derivative by the variance.
    """
    x_grid, _, size = grid
    squares_x, squares_y = (x_grid[:size] - shape[X]) ** 2, (x_grid[:size] - shape[Y]) ** 2
    along_x, along_y = np.empty(size, dtype=np.float32), np.empty(size, dtype=np.float32)
    peak = 1.0 / (2.0 * np.pi * variance_pix2)
    for k in range(size):
        along_x[k] = np.exp(-0.5 * squares_x[k] / variance_pix2)
        along_y[k] = peak * np.exp(-0.5 * squares_y[k] / variance_pix2)
    through, moment = 0.0, 0.0
    for row in range(size):
        for column in range(size):
            k = row * size + column
            weight[k] = along_y[row] * along_x[column]
            through += weight[k] * profile[k]
            moment += weight[k] * profile[k] * (squares_x[column] + squares_y[row])
    return through, (0.5 * moment / variance_pix2 - through) / variance_pix2


@njit(cache=True, nogil=True, error_model="numpy")
def _weighted_flux(batch, i, epoch, known, profile, weight, isolated):
    """(flux, variance) in nJy with these weights, and the precision that the sky allows.

    The precision does not depend on the flux, which would bias the template of a variable source
    towards its faint images. Masked pixels hold the fitted star.
    """
    gain, light = batch.gain_e_per_adu[i], max(known[FLUX], 0.0)
    per_light = light / gain if gain > 0.0 else 0.0
    flux, variance, empty, seen, modelled = 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(weight.size):
        w, value = weight[k], batch.images_adu[i, epoch, k]
        if abs(value) < LARGEST_ADU:
            flux += w * (value - known[SKY])
            variance += w * w * (known[PIXEL_VARIANCE] + per_light * profile[k])
            seen += w
        else:
            modelled += w * profile[k]
        empty += w * w * known[PIXEL_VARIANCE]
    flux += modelled * known[FLUX]
    variance += modelled * modelled * known[VARIANCE] + seen * seen * known[SKY_VARIANCE]
    if isolated:
        variance += known[SHAPE_VARIANCE] + (batch.flux_error_floor * flux) ** 2
    else:
        variance += (batch.extended_flux_error_floor * flux) ** 2
    scale = batch.njy_per_adu[i, epoch]
    return flux * scale, variance * scale**2, 1.0 / (empty * scale**2)
