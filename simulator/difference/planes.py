"""Template and difference of every exposure of a batch, made beside its science images.

The kernel runs object by object without the interpreter's lock, and reads the science images
without changing them. Stamps are (object, epoch, row, column); all values are in ADU of the
science image, with its background subtracted.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from simulator.detector.defects import OUTSIDE, SATURATED
from simulator.detector.lanczos import lanczos_weights, shift_stamp
from simulator.detector.noise import add_normal_noise
from simulator.difference.detection import detect_stamp
from simulator.difference.forced_flux import forced_flux
from simulator.difference.stored_precision import round_mantissas, round_to_step
from simulator.difference.subtraction import stamp_workspace, subtract_stamp
from simulator.difference.template import LANCZOS_ORDER
from simulator.expose import Detector
from simulator.gaussian_mixture import Mixture
from simulator.psf.psf import Psf, add_star
from simulator.rng import Purpose
from simulator.scene.render import Scene, render

_NOISE = np.uint32(int(Purpose.TEMPLATE_NOISE) << 24)
_LOW, _SHIFT = np.uint64(0xFFFFFFFF), np.uint64(32)
_ROUNDING_ADU2 = 1.0 / 12.0  # variance of whole counts
MEASURED = ("flux_adu", "flux_error_adu", "signal_to_noise", "x_pix", "y_pix")


class Matched(NamedTuple):
    """An exposure, and how a template becomes its own; arrays (object, epoch)."""

    band: np.ndarray  # int64
    scale: np.ndarray  # ADU of the exposure per electron of the template
    x_shift_pix: np.ndarray
    y_shift_pix: np.ndarray
    sky_adu: np.ndarray
    x_resampled_pix: np.ndarray  # by which the science image was moved
    y_resampled_pix: np.ndarray


class Planes(NamedTuple):
    """Arrays to fill; those that are not kept have a length of 0 along the first axis."""

    template: np.ndarray  # float32
    template_mask: np.ndarray  # uint8
    template_noise: np.ndarray  # float32, 1 sigma
    difference: np.ndarray
    difference_mask: np.ndarray
    difference_noise: np.ndarray
    measured: np.ndarray  # (object, epoch, 5), float64: the columns of `MEASURED`
    detected: np.ndarray  # (object, epoch), bool


class Settings(NamedTuple):
    """What the kernel needs to know of the run."""

    method: int  # of `simulator.difference.kernels`
    threshold_sigma: float
    border_pix: int  # by which a template is wider than the stamp when it is subtracted
    radius_fwhm: float  # searched around the source, in units of the PSF's width
    lanczos_order: int  # of the science images


@njit(cache=True, nogil=True, error_model="numpy")
def fill_planes(
    objects: np.ndarray,
    scene: Scene,
    psf: Psf,
    detector: Detector,
    images: np.ndarray,
    mask: np.ndarray,
    template_scene: Scene,
    template_psf: Psf,
    variance_share: np.ndarray,
    matched: Matched,
    planes: Planes,
    settings: Settings,
    key: tuple[np.uint32, np.uint32],
    stamp_grid: tuple[np.ndarray, np.ndarray, int],
    wide: tuple[np.ndarray, np.ndarray, int],
    psf_grid: tuple[np.ndarray, np.ndarray, int],
    disc: Mixture,
    bulge: Mixture,
) -> None:
    """Fill ``planes`` for the science ``images`` (uint16) and ``mask`` of a batch.

    Parameters
    ----------
    scene, psf
        The light in the stamps as they are stored.
    template_scene, template_psf
        As ``scene`` and ``psf``, with one "epoch" for every band.
    variance_share : array, shape (object, band)
        Variance of a template's pixel, as a share of that of one exposure.
    stamp_grid, wide, psf_grid
        Pixel centres of a stamp, of the templates' own grid and of the images of PSFs.
    disc, bulge
        As for `simulator.scene.render.render`.
    """
    size, n_bands = images.shape[-1], variance_share.shape[1]
    outer = size + 2 * settings.border_pix
    n_psf = psf_grid[2]
    coadd = np.zeros((n_bands, wide[2], wide[2]), dtype=np.float32)
    coadd_variance, coadd_flags = coadd.copy(), np.zeros(coadd.shape, dtype=np.uint8)
    psfs = np.zeros((n_bands, n_psf, n_psf), dtype=np.float32)
    psf_science, psf_difference = psfs[0].copy(), psfs[0].copy()
    moved = np.zeros((3, outer, outer), dtype=np.float32)
    moved_flags = np.zeros((outer, outer), dtype=np.uint8)
    science = np.zeros((2, size, size), dtype=np.float32)
    expected = np.zeros(size * size, dtype=np.float32)
    result = np.zeros((2, size, size), dtype=np.float32)
    result_mask = np.zeros((size, size), dtype=np.uint8)
    work = stamp_workspace(size, n_psf)
    keep_template, make_difference = planes.template.shape[0] > 0, planes.detected.shape[0] > 0
    for i in range(objects.size):
        words = np.uint32(objects[i] & _LOW), np.uint32(objects[i] >> _SHIFT)
        drawn = np.zeros(n_bands, dtype=np.bool_)
        for epoch in range(scene.n_epochs[i]):
            band = matched.band[i, epoch]
            if not drawn[band]:
                counter = (*words, _NOISE, np.uint32(band << 24))
                _draw_coadd(
                    coadd[band], coadd_variance[band], coadd_flags[band], wide, template_scene,
                    template_psf, i, band, disc, bulge, variance_share[i, band], detector,
                    counter, key,
                )  # fmt: skip
                _draw_psf(psfs[band], psf_grid, template_psf, i, band)
                drawn[band] = True
            _move(
                moved, moved_flags, coadd[band], coadd_variance[band], coadd_flags[band],
                matched, i, epoch,
            )  # fmt: skip
            _leave_out_outside(moved, moved_flags, mask[i, epoch], settings.border_pix)
            if keep_template:
                _keep_template(planes, moved, moved_flags, i, epoch, settings.border_pix)
            if not make_difference:
                continue
            share = _draw_psf(psf_science, psf_grid, psf, i, epoch)
            render(expected, stamp_grid, scene, psf, i, epoch, disc, bulge)
            _subtract_background(science, images[i, epoch], expected, detector, matched, i, epoch)
            if settings.lanczos_order:
                science[1] *= _resampled_variance(
                    matched.x_resampled_pix[i, epoch],
                    matched.y_resampled_pix[i, epoch],
                    settings.lanczos_order,
                )
            x, y = scene.x_pix[i, epoch], scene.y_pix[i, epoch]
            factor = subtract_stamp(
                science[0], science[1], mask[i, epoch], moved[0], moved[1], moved_flags,
                psf_science, psfs[band], settings.method, result[0], result[1], result_mask,
                psf_difference, work,
            )  # fmt: skip
            radius = settings.radius_fwhm * psf.fwhm_pix[i, epoch] + max(abs(x), abs(y))
            found = detect_stamp(
                result[0], result[1], result_mask, psf_difference, factor,
                settings.threshold_sigma, radius, work,
            )  # fmt: skip
            _keep_measured(planes, found, result, result_mask, psf_difference, i, epoch, x, y,
                           factor, share)  # fmt: skip
            _keep_difference(planes, result, result_mask, mask[i, epoch], i, epoch)


@njit(cache=True, nogil=True, error_model="numpy")
def _draw_coadd(
    coadd, variance, flags, wide, scene, psf, i, band, disc, bulge, share, detector, counter, key
):  # fmt: skip
    """Draw a template on its own grid: electrons of one exposure, their variance and saturation."""
    flat, flat_variance = coadd.reshape(coadd.size), variance.reshape(variance.size)
    render(flat, wide, scene, psf, i, band, disc, bulge)
    read_variance = detector.read_noise_e[i] ** 2
    full_well, background = np.float32(detector.full_well_e[i]), scene.background_e[i, band]
    flat_flags = flags.reshape(flags.size)
    for p in range(flat.size):
        flat_flags[p] = SATURATED if flat[p] > full_well else 0
        light = min(flat[p], full_well)
        flat_variance[p] = share * (light + read_variance)
        flat[p] = light - np.float32(background)
    add_normal_noise(flat, flat_variance, counter, key)


@njit(cache=True, nogil=True, error_model="numpy")
def _draw_psf(image, grid, psf, i, epoch):
    """Fill the centred image of a PSF, of sum 1, and return its share of all light."""
    flat = image.reshape(image.size)
    flat[:] = np.float32(0.0)
    add_star(flat, grid, psf, i, epoch, 1.0, 0.0, 0.0)
    total = flat.sum()
    flat /= total
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def _move(moved, flags, coadd, variance, coadd_flags, matched, i, epoch):
    """Resample a template to the grid of an exposure and scale it: values, variances and mask.

    ``moved`` is (values, variances, work space). A pixel of the mask has the bits of all pixels
    that it was made from.
    """
    x, y = matched.x_shift_pix[i, epoch], matched.y_shift_pix[i, epoch]
    scale = np.float32(matched.scale[i, epoch])
    size = moved.shape[1]
    shift_stamp(moved[0], coadd, x, y, LANCZOS_ORDER)
    margin = (coadd.shape[0] - size) // 2
    shared = _resampled_variance(x, y, LANCZOS_ORDER) * scale * scale
    row, column = margin + int(np.rint(y)), margin + int(np.rint(x))
    flags[:] = 0
    for a in range(size):
        for b in range(size):
            moved[0, a, b] *= scale
            moved[1, a, b] = shared * variance[row + a, column + b]
    if coadd_flags.any():
        first_row, first_column = margin + int(np.floor(y)), margin + int(np.floor(x))
        _grow_flags(flags, coadd_flags, first_row, first_column)


@njit(cache=True, nogil=True, error_model="numpy")
def _grow_flags(flags, coadd_flags, first_row, first_column):
    for a in range(flags.shape[0]):
        for b in range(flags.shape[1]):
            for k in range(1 - LANCZOS_ORDER, LANCZOS_ORDER + 1):
                for m in range(1 - LANCZOS_ORDER, LANCZOS_ORDER + 1):
                    flags[a, b] |= coadd_flags[first_row + a + k, first_column + b + m]


@njit(cache=True, nogil=True, error_model="numpy")
def _resampled_variance(x_shift_pix, y_shift_pix, order):
    """Variance of a resampled pixel, relative to that of the pixels it was made from."""
    wx = lanczos_weights(x_shift_pix - np.floor(x_shift_pix), order)
    wy = lanczos_weights(y_shift_pix - np.floor(y_shift_pix), order)
    return np.float32((wx * wx).sum() * (wy * wy).sum())


@njit(cache=True, nogil=True, error_model="numpy")
def _leave_out_outside(moved, flags, science_mask, border):
    """Templates end where the science image does: both are cut at the edge of the detector."""
    size = science_mask.shape[0]
    for a in range(size):
        for b in range(size):
            if science_mask[a, b] & OUTSIDE:
                moved[0, a + border, b + border] = np.float32(0.0)
                flags[a + border, b + border] = OUTSIDE


@njit(cache=True, nogil=True, error_model="numpy")
def _keep_template(planes, moved, flags, i, epoch, border):
    size = planes.template.shape[-1]
    inner = slice(border, border + size)
    kept, noise = planes.template[i, epoch], planes.template_noise[i, epoch]
    kept[:] = moved[0, inner, inner]
    noise[:] = np.sqrt(moved[1, inner, inner])
    planes.template_mask[i, epoch, :, :] = flags[inner, inner]
    _round(kept, noise, planes.template_mask[i, epoch])


@njit(cache=True, nogil=True, error_model="numpy")
def _round(values, noise, flags):
    """Give up digits that mean nothing, so that stamps compress; nothing is kept outside."""
    round_to_step(values, noise)
    round_mantissas(noise)
    for a in range(values.shape[0]):
        for b in range(values.shape[1]):
            if flags[a, b] & OUTSIDE:
                values[a, b], noise[a, b] = np.float32(0.0), np.float32(0.0)


@njit(cache=True, nogil=True, error_model="numpy")
def _subtract_background(science, image, expected, detector, matched, i, epoch):
    """Fill the counts above the background, and their variance from the ``expected`` electrons."""
    size, gain = image.shape[0], detector.gain_e_per_adu[i]
    sky_adu = np.float32(matched.sky_adu[i, epoch])
    full_well, per_gain2 = np.float32(detector.full_well_e[i]), np.float32(1.0 / gain**2)
    floor = np.float32((detector.read_noise_e[i] / gain) ** 2 + _ROUNDING_ADU2)
    for a in range(size):
        for b in range(size):
            science[0, a, b] = np.float32(image[a, b]) - sky_adu
            science[1, a, b] = min(expected[a * size + b], full_well) * per_gain2 + floor


@njit(cache=True, nogil=True, error_model="numpy")
def _keep_measured(planes, found, result, mask, psf, i, epoch, x, y, factor, share):
    """Keep the flux at the detected position, or without a detection at that of the source."""
    if found.detected:
        x, y = found.x_pix, found.y_pix
    flux, error = forced_flux(result[0], result[1], mask, psf, x, y, factor)
    measured = planes.measured[i, epoch]
    measured[0], measured[1] = flux / share, error / share
    measured[2], measured[3], measured[4] = flux / error, x, y
    planes.detected[i, epoch] = found.detected


@njit(cache=True, nogil=True, error_model="numpy")
def _keep_difference(planes, result, mask, science_mask, i, epoch):
    kept, noise = planes.difference[i, epoch], planes.difference_noise[i, epoch]
    kept[:] = result[0]
    noise[:] = np.sqrt(result[1])
    planes.difference_mask[i, epoch, :, :] = mask
    round_to_step(kept, noise)
    round_mantissas(noise)
    for a in range(kept.shape[0]):
        for b in range(kept.shape[1]):
            if science_mask[a, b] & OUTSIDE:
                kept[a, b], noise[a, b] = np.float32(0.0), np.float32(0.0)
