"""Photometry of one image of one object: whether it can be measured, the fit, and its flags."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from classifier.photometry.light_curves import Flag
from classifier.photometry.optimal_photometry import FLUX, PIXEL_VARIANCE, SKY, first_sky
from classifier.photometry.psf_fit import PROFILE, fit_shape
from classifier.photometry.psf_model import BETA, N_SHAPE, WIDTH, X, Y, draw_star
from simulator.psf.psf import Psf

_MASKED, _NO_CALIBRATION, _NO_SKY = (
    int(flag) for flag in (Flag.MASKED, Flag.NO_CALIBRATION, Flag.NO_SKY)
)
_SATURATED, _EXTENDED, _OFF_CENTRE, _SEEING_UNKNOWN = (
    int(flag) for flag in (Flag.SATURATED, Flag.EXTENDED, Flag.OFF_CENTRE, Flag.SEEING_UNKNOWN)
)

# Residuals indicate another source where they exceed the noise and this share of the geometric mean
# of the star's light in the pixel and at its peak. Isolated simulated stars, whose ellipticity is
# not fitted, are then flagged in less than 1 % of their images at any signal-to-noise ratio.
_PROFILE_ERROR = 0.05
_EXTENDED_SIGMAS = 5.0  # of chi2 in the core

LARGEST_ADU = 1e9  # beyond any detector: such pixels, and NaN, are taken as masked
_FARTHEST_PIX = 1.0  # from the stamp's centre
_FARTHEST_SIGMAS = 3.0  # of width and beta from the values expected for the seeing


class Batch(NamedTuple):
    """Stamps as kernel arguments: C-ordered, of fixed types, the pixels of a stamp in one row."""

    images_adu: np.ndarray  # float32 (object, epoch, pixel)
    n_epochs: np.ndarray  # int64 (object,)
    band: np.ndarray  # int64 (object, epoch)
    njy_per_adu: np.ndarray  # float64 (object, epoch)
    gain_e_per_adu: np.ndarray  # float64 (object,)
    read_variance_adu2: np.ndarray  # float64 (object,)
    given_sky_adu: np.ndarray  # float64 (object, epoch), NaN: measured
    centre_scatter_pix: float
    width_scatter: np.ndarray  # float64 (object, epoch)
    beta_scatter: float
    seeing_known: np.ndarray  # bool (object, epoch)
    saturated: np.ndarray  # bool (object, epoch)
    least_light: float
    flux_error_floor: float  # of isolated stars, as a share of the flux
    extended_flux_error_floor: float  # of other sources


class Frame(NamedTuple):
    """The pixels of a stamp: x, y and size, and which lie around the source (one, else zero)."""

    grid: tuple
    around: np.ndarray  # float32 (pixel,)


@njit(cache=True, nogil=True, error_model="numpy")
def measure_epoch(
    batch: Batch,
    frame: Frame,
    psf: Psf,
    i: int,
    epoch: int,
    pixels: np.ndarray,
    known: np.ndarray,
    shape: np.ndarray,
    work: np.ndarray,
) -> int:
    """Measure one image and return its flags.

    ``pixels`` (3, pixel) is scratch space for the data, the usable pixels and the usable pixels
    of the border. ``known`` (N_KNOWN,) and ``shape`` (N_SHAPE,) are filled; they are NaN where the
    image cannot be measured.
    """
    known[:], shape[:] = np.nan, 0.0
    star = (frame.grid, psf, i, epoch)
    data, good, border = pixels[0], pixels[1], pixels[2]
    draw_star(work[PROFILE], star, shape)
    flags = _first_flags(batch, i, epoch, data, good, work[PROFILE])
    border[:] = frame.around * good
    if not flags & (_MASKED | _NO_CALIBRATION) and not first_sky(data, border, known):
        flags |= _NO_SKY
    if flags & (_MASKED | _NO_CALIBRATION | _NO_SKY):
        known[:], shape[:] = np.nan, np.nan
        return flags
    gain = batch.gain_e_per_adu[i]
    noise = (gain, batch.read_variance_adu2[i], batch.given_sky_adu[i, epoch])
    scatter, farthest = _prior(batch, i, epoch)
    fit_shape(data, good, star, border, noise, (scatter, farthest), shape, known, work)
    if scatter[X] > 0.0 and max(abs(shape[X]), abs(shape[Y])) >= _FARTHEST_PIX:
        flags |= _OFF_CENTRE
    if _excess_sigmas(data, good, work[PROFILE], frame.around, gain, known) > _EXTENDED_SIGMAS:
        flags |= _EXTENDED
    return flags


@njit(cache=True, nogil=True, error_model="numpy")
def _first_flags(batch, i, epoch, data, good, profile):
    """Fill ``data`` and ``good``; return the flags known before the fit."""
    light, total = 0.0, 0.0
    for k in range(data.size):
        value = batch.images_adu[i, epoch, k]
        seen = abs(value) < LARGEST_ADU
        data[k] = value if seen else np.float32(0.0)
        good[k] = np.float32(1.0 if seen else 0.0)
        light += good[k] * profile[k]
        total += profile[k]
    flags = 0
    if not light > batch.least_light * total:
        flags |= _MASKED
    if batch.saturated[i, epoch]:
        flags |= _SATURATED
    seeing_known = batch.seeing_known[i, epoch]
    if not seeing_known:
        flags |= _SEEING_UNKNOWN
    width_known = seeing_known or batch.width_scatter[i, epoch] > 0.0
    if not (width_known and np.isfinite(batch.njy_per_adu[i, epoch])):
        flags |= _NO_CALIBRATION
    return flags


@njit(cache=True, nogil=True, error_model="numpy")
def _prior(batch, i, epoch):
    """Standard deviations of X, Y, WIDTH and BETA, and their largest allowed deviations."""
    scatter = np.zeros(N_SHAPE)
    scatter[X] = scatter[Y] = batch.centre_scatter_pix
    scatter[WIDTH] = batch.width_scatter[i, epoch]
    scatter[BETA] = batch.beta_scatter
    farthest = _FARTHEST_SIGMAS * scatter
    farthest[X] = farthest[Y] = _FARTHEST_PIX
    return scatter, farthest


@njit(cache=True, nogil=True, error_model="numpy")
def _excess_sigmas(data, good, profile, around, gain, known):
    """Standard deviations by which chi2 of the core exceeds its expectation."""
    flux, sky = known[FLUX], known[SKY]
    brightest = max(flux, 0.0) * profile.max()
    n, chi2 = 0.0, 0.0
    for k in range(data.size):
        used = good[k] * (1.0 - around[k])
        light = max(flux, 0.0) * profile[k]
        variance = known[PIXEL_VARIANCE] + (_PROFILE_ERROR**2) * light * brightest
        if gain > 0.0:
            variance += light / gain
        residual = data[k] - sky - flux * profile[k]
        chi2 += used * residual * residual / variance
        n += used
    return (chi2 - n) / np.sqrt(2.0 * n) if n > 0.0 else 0.0
