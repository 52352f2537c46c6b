"""Template and difference of every exposure of a batch, made beside its science images.

The kernel runs object by object without the interpreter's lock, and reads the science images
without changing them. Its parts are inlined: as functions of their own, with the many arrays that
are handed to them, they take almost twice as long to compile. Stamps are (object, epoch, row,
column); all values are in ADU of the science image, with its background subtracted.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from simulator.artefacts.kernels import Artefacts, add_template_defect
from simulator.detector.defects import OUTSIDE
from simulator.difference.detection import detect_stamp
from simulator.difference.forced_flux import forced_flux
from simulator.difference.kernels import matched_light
from simulator.difference.moved_template import (
    Coadd,
    Grid,
    MovedTemplate,
    cut_template,
    draw_coadd,
    draw_psf,
    move_template,
    resampled_variance,
)
from simulator.difference.stored_precision import round_mantissas, round_to_step
from simulator.difference.subtraction import Workspace, stamp_workspace, subtract_stamp
from simulator.expose import Detector
from simulator.gaussian_mixture import Mixture
from simulator.psf.psf import Psf
from simulator.scene.render import Scene, render

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
    variance_factor: float  # of fluxes as the pipeline states it, over that of the pixels' noise
    registration_error_pix: float  # that counts as noise; 0 for none
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
    assumed_psf: Psf  # of the exposures, as it is used to subtract: artefacts make it wrong
    artefacts: Artefacts


class Grids(NamedTuple):
    """Pixel centres of square images (x, y, size), and the components of hosts."""

    stamp: Grid
    wide: Grid  # of the templates' own grid
    psf: Grid
    disc: Mixture
    bulge: Mixture


class Buffers(NamedTuple):
    """Work space of a batch."""

    coadds: Coadd  # arrays (band, row, column)
    psfs: np.ndarray  # (band, row, column): of the templates
    psf_shares: np.ndarray  # (band,): of their light, in which images are matched
    psf_science: np.ndarray
    psf_difference: np.ndarray
    moved: MovedTemplate
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
                address, method = objects[i], settings.method
                _draw_template(buffers, scenes, detector, grids, address, i, band, key, method)
                drawn[band] = True
            x, y = matched.x_shift_pix[i, epoch], matched.y_shift_pix[i, epoch]
            coadd = _coadd_of(buffers, band)
            move_template(buffers.moved, coadd, x, y, matched.scale[i, epoch])
            if scenes.artefacts.kind.shape[0]:
                x, y = scenes.science.x_pix[i, epoch], scenes.science.y_pix[i, epoch]
                gain = detector.gain_e_per_adu[i]
                add_template_defect(buffers.moved.adu, scenes.artefacts, i, epoch, x, y, gain)
            cut_template(buffers.moved, flags)
            if keep_template:
                _keep_template(planes, buffers.moved, i, epoch, settings.border_pix)
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
        Coadd(
            np.zeros((n_bands, wide, wide), dtype=single),
            np.zeros((n_bands, wide, wide), dtype=single),
            np.zeros((n_bands, wide, wide), dtype=np.uint8),
        ),
        np.zeros((n_bands, n_psf, n_psf), dtype=single),
        np.ones(n_bands),
        np.zeros((n_psf, n_psf), dtype=single),
        np.zeros((n_psf, n_psf), dtype=single),
        MovedTemplate(
            np.zeros((outer, outer), dtype=single),
            np.zeros((outer, outer), dtype=single),
            np.zeros((outer, outer), dtype=np.uint8),
        ),
        np.zeros((2, size, size), dtype=single),
        np.zeros(size * size, dtype=single),
        np.zeros((2, size, size), dtype=single),
        np.zeros((size, size), dtype=np.uint8),
        stamp_workspace(size, n_psf),
    )


@njit(inline="always", nogil=True, error_model="numpy")
def _coadd_of(buffers, band):
    coadds = buffers.coadds
    return Coadd(coadds.electrons[band], coadds.variance[band], coadds.flags[band])


@njit(inline="always", nogil=True, error_model="numpy")
def _draw_template(buffers, scenes, detector, grids, address, i, band, key, method):
    scene, psf, share = scenes.template, scenes.template_psf, scenes.variance_share[i, band]
    coadd, disc, bulge = _coadd_of(buffers, band), grids.disc, grids.bulge
    draw_coadd(coadd, grids.wide, scene, psf, i, band, disc, bulge, share, detector, address, key)
    total = draw_psf(buffers.psfs[band], grids.psf, psf, i, band)
    light = matched_light(buffers.psfs[band], method, buffers.work.kernels)
    buffers.psf_shares[band] = total * light


@njit(inline="always", nogil=True, error_model="numpy")
def _keep_template(planes, moved, i, epoch, border):
    size = planes.template.shape[-1]
    inner = slice(border, border + size)
    kept, noise = planes.template[i, epoch], planes.template_noise[i, epoch]
    kept[:] = moved.adu[inner, inner]
    noise[:] = np.sqrt(moved.variance[inner, inner])
    planes.template_mask[i, epoch, :, :] = moved.flags[inner, inner]
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


@njit(inline="always", nogil=True, error_model="numpy")
def _subtract(buffers, scenes, detector, image, flags, matched, settings, grids, place):
    """Subtract the moved template from an exposure."""
    i, epoch, band = place
    _subtract_background(buffers, scenes, detector, image, matched, grids, i, epoch)
    moved, science, result = buffers.moved, buffers.science, buffers.result
    if settings.lanczos_order:
        x, y = matched.x_resampled_pix[i, epoch], matched.y_resampled_pix[i, epoch]
        science[1] *= resampled_variance(x, y, settings.lanczos_order)
    share = draw_psf(buffers.psf_science, grids.psf, scenes.assumed_psf, i, epoch)
    # Images are matched in the light that the kernels make equal: wings outside it differ.
    light = share * matched_light(buffers.psf_science, settings.method, buffers.work.kernels)
    ratio = np.float32(light / buffers.psf_shares[band])
    moved.adu[:] *= ratio
    moved.variance[:] *= ratio * ratio
    factor = subtract_stamp(
        science[0],
        science[1],
        flags,
        moved.adu,
        moved.variance,
        moved.flags,
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


@njit(inline="always", nogil=True, error_model="numpy")
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


@njit(inline="always", nogil=True, error_model="numpy")
def _measure(planes, buffers, scenes, settings, factor, share, i, epoch):
    """Detect; keep the flux at the detected position, or without one at that of the source."""
    difference, variance, mask = buffers.result[0], buffers.result[1], buffers.result_mask
    psf, scene = buffers.psf_difference, scenes.science
    x, y = scene.x_pix[i, epoch], scene.y_pix[i, epoch]
    factor *= settings.variance_factor
    radius = settings.radius_fwhm * scenes.psf.fwhm_pix[i, epoch] + max(abs(x), abs(y))
    found = detect_stamp(
        difference,
        variance,
        mask,
        psf,
        factor,
        settings.threshold_sigma,
        radius,
        buffers.work,
        settings.registration_error_pix,
    )
    if found.detected:
        x, y = found.x_pix, found.y_pix
    flux, error = forced_flux(difference, variance, mask, psf, x, y, factor)
    measured = planes.measured[i, epoch]
    measured[0], measured[1] = flux / share, error / share
    measured[2], measured[3], measured[4] = flux / error / found.noise_ratio, x, y
    planes.detected[i, epoch] = found.detected


@njit(inline="always", nogil=True, error_model="numpy")
def _keep_difference(planes, buffers, science_mask, i, epoch):
    kept, noise = planes.difference[i, epoch], planes.difference_noise[i, epoch]
    kept[:] = buffers.result[0]
    noise[:] = np.sqrt(buffers.result[1])
    planes.difference_mask[i, epoch, :, :] = buffers.result_mask
    _round(kept, noise, science_mask)
