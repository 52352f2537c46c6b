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
from simulator.difference.subtraction import Workspace, stamp_workspace, subtract_stamp
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


class Scenes(NamedTuple):
    """The light of a batch, and its PSFs."""

    science: Scene  # in the stamps as they are stored
    psf: Psf
    template: Scene  # one "epoch" for every band, electrons of one exposure
    template_psf: Psf
    variance_share: np.ndarray  # (object, band): variance of a template, of that of an exposure


class Grids(NamedTuple):
    """Pixel centres of square images (x, y, size), and the components of hosts."""

    stamp: tuple[np.ndarray, np.ndarray, int]
    wide: tuple[np.ndarray, np.ndarray, int]  # of the templates' own grid
    psf: tuple[np.ndarray, np.ndarray, int]
    disc: Mixture
    bulge: Mixture


class Buffers(NamedTuple):
    """Work space of a batch."""

    coadd: np.ndarray  # (band, row, column): templates on their own grid [e]
    coadd_variance: np.ndarray
    coadd_flags: np.ndarray
    psfs: np.ndarray  # (band, row, column): of the templates
    psf_science: np.ndarray
    psf_difference: np.ndarray
    moved: np.ndarray  # (2, row, column): a template at an exposure, and its variance [ADU]
    moved_flags: np.ndarray
    science: np.ndarray  # (2, row, column): an exposure without background, and its variance
    expected: np.ndarray  # (pixel,): its electrons without noise
    result: np.ndarray  # (2, row, column): a difference and its variance
    result_mask: np.ndarray
    work: Workspace


@njit(cache=True, nogil=True, error_model="numpy")
def fill_planes(
    objects: np.ndarray,
    scenes: Scenes,
    detector: Detector,
    images: np.ndarray,
    mask: np.ndarray,
    matched: Matched,
    planes: Planes,
    settings: Settings,
    grids: Grids,
    key: tuple[np.uint32, np.uint32],
) -> None:
    """Fill ``planes`` for the science ``images`` (uint16) and ``mask`` of a batch.

    ``objects`` are the addresses in the data set, which with ``key`` address the noise of the
    templates.
    """
    n_bands = scenes.variance_share.shape[1]
    buffers = _buffers(images.shape[-1], n_bands, settings.border_pix, grids)
    keep_template, make_difference = planes.template.shape[0] > 0, planes.detected.shape[0] > 0
    for i in range(objects.size):
        drawn = np.zeros(n_bands, dtype=np.bool_)
        for epoch in range(scenes.science.n_epochs[i]):
            band, flags = matched.band[i, epoch], mask[i, epoch]
            if not drawn[band]:
                _draw_coadd(buffers, scenes, detector, grids, objects[i], i, band, key)
                _draw_psf(buffers.psfs[band], grids.psf, scenes.template_psf, i, band)
                drawn[band] = True
            _move(buffers, band, matched, i, epoch)
            _leave_out_outside(buffers.moved, buffers.moved_flags, flags, settings.border_pix)
            if keep_template:
                _keep_template(planes, buffers, i, epoch, settings.border_pix)
            if make_difference:
                image = images[i, epoch]
                place = i, epoch, band
                factor, share = _subtract(
                    buffers, scenes, detector, image, flags, matched, settings, grids, place
                )
                _measure(planes, buffers, scenes, settings, factor, share, i, epoch)
                _keep_difference(planes, buffers, flags, i, epoch)


@njit(cache=True, nogil=True, error_model="numpy")
def _buffers(size, n_bands, border, grids):
    wide, n_psf, outer = grids.wide[2], grids.psf[2], size + 2 * border
    single = np.float32
    return Buffers(
        np.zeros((n_bands, wide, wide), dtype=single),
        np.zeros((n_bands, wide, wide), dtype=single),
        np.zeros((n_bands, wide, wide), dtype=np.uint8),
        np.zeros((n_bands, n_psf, n_psf), dtype=single),
        np.zeros((n_psf, n_psf), dtype=single),
        np.zeros((n_psf, n_psf), dtype=single),
        np.zeros((2, outer, outer), dtype=single),
        np.zeros((outer, outer), dtype=np.uint8),
        np.zeros((2, size, size), dtype=single),
        np.zeros(size * size, dtype=single),
        np.zeros((2, size, size), dtype=single),
        np.zeros((size, size), dtype=np.uint8),
        stamp_workspace(size, n_psf),
    )


@njit(cache=True, nogil=True, error_model="numpy")
def _draw_coadd(buffers, scenes, detector, grids, address, i, band, key):
    """Draw a template on its own grid: electrons of one exposure, their variance and saturation."""
    coadd, variance = buffers.coadd[band], buffers.coadd_variance[band]
    flat, flat_variance = coadd.reshape(coadd.size), variance.reshape(variance.size)
    flags, scene = buffers.coadd_flags[band].reshape(coadd.size), scenes.template
    render(flat, grids.wide, scene, scenes.template_psf, i, band, grids.disc, grids.bulge)
    read_variance, share = detector.read_noise_e[i] ** 2, scenes.variance_share[i, band]
    full_well, background = np.float32(detector.full_well_e[i]), scene.background_e[i, band]
    for p in range(flat.size):
        flags[p] = SATURATED if flat[p] > full_well else 0
        light = min(flat[p], full_well)
        flat_variance[p] = share * (light + read_variance)
        flat[p] = light - np.float32(background)
    low, high = np.uint32(address & _LOW), np.uint32(address >> _SHIFT)
    add_normal_noise(flat, flat_variance, (low, high, _NOISE, np.uint32(band << 24)), key)


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
def _move(buffers, band, matched, i, epoch):
    """Resample a template to the grid of an exposure and scale it: values, variances and mask.

    A pixel of the mask has the bits of all pixels that it was made from.
    """
    moved, flags = buffers.moved, buffers.moved_flags
    coadd, variance = buffers.coadd[band], buffers.coadd_variance[band]
    coadd_flags = buffers.coadd_flags[band]
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
def _keep_template(planes, buffers, i, epoch, border):
    size, moved, flags = planes.template.shape[-1], buffers.moved, buffers.moved_flags
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
def _subtract(buffers, scenes, detector, image, flags, matched, settings, grids, place):
    """Subtract the moved template from an exposure."""
    i, epoch, band = place
    _subtract_background(buffers, scenes, detector, image, matched, grids, i, epoch)
    moved, science, result = buffers.moved, buffers.science, buffers.result
    if settings.lanczos_order:
        x, y = matched.x_resampled_pix[i, epoch], matched.y_resampled_pix[i, epoch]
        science[1] *= _resampled_variance(x, y, settings.lanczos_order)
    share = _draw_psf(buffers.psf_science, grids.psf, scenes.psf, i, epoch)
    factor = subtract_stamp(
        science[0],
        science[1],
        flags,
        moved[0],
        moved[1],
        buffers.moved_flags,
        buffers.psf_science,
        buffers.psfs[band],
        settings.method,
        result[0],
        result[1],
        buffers.result_mask,
        buffers.psf_difference,
        buffers.work,
    )
    return factor, share


@njit(cache=True, nogil=True, error_model="numpy")
def _subtract_background(buffers, scenes, detector, image, matched, grids, i, epoch):
    """Fill the counts above the background, and their variance from the expected light."""
    expected, science = buffers.expected, buffers.science
    render(expected, grids.stamp, scenes.science, scenes.psf, i, epoch, grids.disc, grids.bulge)
    size, gain = image.shape[0], detector.gain_e_per_adu[i]
    sky_adu = np.float32(matched.sky_adu[i, epoch])
    full_well, per_gain2 = np.float32(detector.full_well_e[i]), np.float32(1.0 / gain**2)
    floor = np.float32((detector.read_noise_e[i] / gain) ** 2 + _ROUNDING_ADU2)
    for a in range(size):
        for b in range(size):
            science[0, a, b] = np.float32(image[a, b]) - sky_adu
            science[1, a, b] = min(expected[a * size + b], full_well) * per_gain2 + floor


@njit(cache=True, nogil=True, error_model="numpy")
def _measure(planes, buffers, scenes, settings, factor, share, i, epoch):
    """Detect; keep the flux at the detected position, or without one at that of the source."""
    difference, variance, mask = buffers.result[0], buffers.result[1], buffers.result_mask
    psf, scene = buffers.psf_difference, scenes.science
    x, y = scene.x_pix[i, epoch], scene.y_pix[i, epoch]
    radius = settings.radius_fwhm * scenes.psf.fwhm_pix[i, epoch] + max(abs(x), abs(y))
    threshold, work = settings.threshold_sigma, buffers.work
    found = detect_stamp(difference, variance, mask, psf, factor, threshold, radius, work)
    if found.detected:
        x, y = found.x_pix, found.y_pix
    flux, error = forced_flux(difference, variance, mask, psf, x, y, factor)
    measured = planes.measured[i, epoch]
    measured[0], measured[1] = flux / share, error / share
    measured[2], measured[3], measured[4] = flux / error, x, y
    planes.detected[i, epoch] = found.detected


@njit(cache=True, nogil=True, error_model="numpy")
def _keep_difference(planes, buffers, science_mask, i, epoch):
    kept, noise = planes.difference[i, epoch], planes.difference_noise[i, epoch]
    kept[:] = buffers.result[0]
    noise[:] = np.sqrt(buffers.result[1])
    planes.difference_mask[i, epoch, :, :] = buffers.result_mask
    _round(kept, noise, science_mask)
