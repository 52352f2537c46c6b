"""The difference of one stamp: two kernels applied to science and template, noise and mask.

All images are background subtracted, in ADU of the science image, on one pixel grid, and share
their centre; science and template may be larger than the difference, so that its borders are
made from real pixels. The noise of every input pixel is taken as independent of the others.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from simulator.detector.defects import BAD_PIXEL, OUTSIDE
from simulator.difference.convolution import TAPS, convolve, half_width, set_taps
from simulator.difference.kernels import Kernels, find_kernels, kernel_space, mean_variance

LOST_SHARE = 2e-3  # of sum |kernel|: what is cut from a kernel's borders
_LOST_NOISE = 1e-3  # the same of a kernel's squares
FOOTPRINT = 0.02  # of the largest weight: pixels through which a mask grows


class Workspace(NamedTuple):
    """Work space for the differences of stamps of one size; see `stamp_workspace`."""

    kernels: Kernels
    fields: np.ndarray  # (4, row, column): science and template, and their variances, padded
    lines: np.ndarray  # (4, row, column): results of convolutions, columns padded
    taps: np.ndarray  # (row, column) of a kernel, padded
    flags: np.ndarray  # (2, row, column), uint8: masks of the padded science and template
    footprint: np.ndarray  # (row, column), bool
    margin: int  # of the fields


@njit(cache=True, nogil=True, error_model="numpy")
def stamp_workspace(size: int, psf_size: int) -> Workspace:
    """Work space for differences of ``size`` x ``size`` pixels, odd, with PSF images of a size.

    One per thread. It can be made inside or outside of compiled code, and holds no result that a
    later call depends on.
    """
    kernels = kernel_space(psf_size)
    width = kernels.science.shape[0]
    margin = width // 2
    columns = (size + 7) // 8 * 8
    return Workspace(
        kernels,
        np.zeros((4, size + 2 * margin, columns + 2 * margin + TAPS), dtype=np.float32),
        np.zeros((4, size, columns), dtype=np.float32),
        np.zeros((width, width + TAPS), dtype=np.float32),
        np.zeros((2, size + 2 * margin, size + 2 * margin), dtype=np.uint8),
        np.zeros((width, width), dtype=np.bool_),
        margin,
    )


@njit(cache=True, nogil=True, error_model="numpy")
def subtract_stamp(
    science: np.ndarray,
    science_variance: np.ndarray,
    science_mask: np.ndarray,
    template: np.ndarray,
    template_variance: np.ndarray,
    template_mask: np.ndarray,
    psf_science: np.ndarray,
    psf_template: np.ndarray,
    method: int,
    difference: np.ndarray,
    variance: np.ndarray,
    mask: np.ndarray,
    psf_difference: np.ndarray,
    work: Workspace,
) -> float:
    """Fill the difference of one stamp, its noise variance, its mask and its PSF.

    Parameters
    ----------
    science, science_variance : arrays of float32, shape (n, n), n odd, at least the difference's
        ADU, background subtracted, and ADU^2.
    science_mask : array of uint8, shape (n, n)
        Bits of `simulator.detector.defects`; 0 is good. NaN pixels count as bad as well.
    template, template_variance, template_mask : arrays, shape (m, m), m odd
        The same of the template, at the scale of the science image; m may differ from n.
    psf_science, psf_template : arrays of float32, shape (p, p), p odd as given to
        `stamp_workspace`: values per pixel of a source of flux 1 at the centre, 6 FWHM wide or
        more. Different sizes of stamps and PSFs are independent.
    method : int
        `simulator.difference.kernels.ALARD_LUPTON`, DECORRELATED or ZOGY.
    difference, variance : arrays of float32, shape (size, size)
        Filled: ADU and ADU^2. Always finite; masked pixels hold what remains without the pixels
        that are masked in either image.
    mask : array of uint8, shape (size, size)
        Filled: bits of the pixels of both images that a pixel was made from, where their weight
        is above 2 % of the kernel's largest; OUTSIDE where such pixels were not given.
    psf_difference : array of float32, shape (p, p)
        Filled: values per pixel of a source of flux 1.
    work : Workspace
        From `stamp_workspace`.

    Returns
    -------
    float
        Noise factor: variance of a flux measured with this PSF over that in white noise of the
        same variance per pixel; 1 for white noise. NaN where no pixel could be used: then
        everything is masked and the difference is zero.
    """
    v_s = mean_variance(science_variance, science_mask)
    v_t = mean_variance(template_variance, template_mask)
    if not (v_s > 0.0 and v_t >= 0.0):
        difference[:], variance[:], mask[:] = np.float32(0.0), np.float32(0.0), BAD_PIXEL
        psf_difference[:] = psf_science
        return np.nan
    kernels = work.kernels
    factor = find_kernels(kernels, psf_difference, psf_science, psf_template, v_s, v_t, method)
    size = difference.shape[0]
    n_masked = _fill_field(0, science, science_variance, science_mask, size, work)
    n_masked += _fill_field(1, template, template_variance, template_mask, size, work)
    mask[:] = 0
    if n_masked:
        _leave_out_masked(mask, work)
    _apply(0, kernels.science, size, work)
    _apply(1, kernels.template, size, work)
    for y in range(size):
        for x in range(size):
            difference[y, x] = work.lines[0, y, x] - work.lines[1, y, x]
            variance[y, x] = work.lines[2, y, x] + work.lines[3, y, x]
    _mark_borders(mask, kernels.science, science.shape[0])
    _mark_borders(mask, kernels.template, template.shape[0])
    return factor


@njit(cache=True, nogil=True, error_model="numpy")
def _fill_field(which, image, image_variance, image_mask, size, work):
    """Copy image, variance and mask into the padded fields, zero beyond the image.

    Returns the number of masked pixels.
    """
    n_masked = 0
    margin = work.margin
    values, variances, flags = work.fields[which], work.fields[2 + which], work.flags[which]
    values[:], variances[:], flags[:] = np.float32(0.0), np.float32(0.0), 0
    offset = (size + 2 * margin - image.shape[0]) // 2  # of the image inside the field
    first, end = max(0, -offset), min(image.shape[0], size + 2 * margin - offset)
    for y in range(first, end):
        for x in range(first, end):
            value, noise = image[y, x], image_variance[y, x]
            row, column = y + offset, x + offset
            if image_mask[y, x] != 0:
                flags[row, column] = image_mask[y, x]
                n_masked += 1
            elif np.isfinite(value) and np.isfinite(noise):
                values[row, column], variances[row, column] = value, noise
            else:
                flags[row, column] = BAD_PIXEL
                n_masked += 1
    return n_masked


@njit(cache=True, nogil=True, error_model="numpy")
def _leave_out_masked(mask, work):
    """Zero the pixels that are masked in either image in both, and grow their bits into the mask.

    What is zero in both leaves less behind than what is missing in one.
    """
    margin, size, width = work.margin, mask.shape[0], size_of(work)
    footprint_is_set = False
    for y in range(width):
        for x in range(width):
            bits = work.flags[0, y, x] | work.flags[1, y, x]
            if bits == 0:
                continue
            work.fields[:, y, x] = np.float32(0.0)
            if not footprint_is_set:
                _set_footprint(work.footprint, work.kernels)
                footprint_is_set = True
            for row in range(max(0, y - 2 * margin), min(size, y + 1)):
                for column in range(max(0, x - 2 * margin), min(size, x + 1)):
                    if work.footprint[row - y + 2 * margin, column - x + 2 * margin]:
                        mask[row, column] |= bits


@njit(cache=True, nogil=True, error_model="numpy")
def size_of(work: Workspace) -> int:
    """Rows and columns of the padded fields that hold pixels."""
    return work.flags.shape[1]


@njit(cache=True, nogil=True, error_model="numpy")
def _set_footprint(footprint, kernels):
    """Pixels at which either kernel has a weight that matters."""
    least_s = np.float32(FOOTPRINT) * np.abs(kernels.science).max()
    least_t = np.float32(FOOTPRINT) * np.abs(kernels.template).max()
    for j in range(footprint.shape[0]):
        for i in range(footprint.shape[1]):
            above_s = abs(kernels.science[j, i]) > least_s
            footprint[j, i] = above_s or abs(kernels.template[j, i]) > least_t


@njit(cache=True, nogil=True, error_model="numpy")
def _apply(which, kernel, size, work):
    """Convolve an image with a kernel, and its variance with the kernel's square."""
    margin, taps = work.margin, work.taps
    half = half_width(kernel, LOST_SHARE)
    set_taps(taps, kernel, half, 1)
    convolve(work.lines[which], work.fields[which], margin, taps, half, 0, size)
    half = half_width(kernel * kernel, _LOST_NOISE)
    set_taps(taps, kernel, half, 2)
    convolve(work.lines[2 + which], work.fields[2 + which], margin, taps, half, 0, size)


@njit(cache=True, nogil=True, error_model="numpy")
def _mark_borders(mask, kernel, given):
    """Mark the pixels for which the kernel needed more than the pixels that were given."""
    size, centre = mask.shape[0], kernel.shape[0] // 2
    least, reach = np.float32(FOOTPRINT) * np.abs(kernel).max(), 0
    for j in range(kernel.shape[0]):
        for i in range(kernel.shape[1]):
            if abs(kernel[j, i]) > least:
                reach = max(reach, abs(j - centre), abs(i - centre))
    border = reach - (given - size) // 2
    for y in range(size):
        for x in range(size):
            if min(y, x, size - 1 - y, size - 1 - x) < border:
                mask[y, x] |= OUTSIDE
