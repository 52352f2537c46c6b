"""Differences and detections of many stamps at once, without the interpreter's lock."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from simulator.difference.detection import THRESHOLD, detect_stamp
from simulator.difference.kernels import MAX_PSF_PIX, METHODS
from simulator.difference.subtraction import Workspace, stamp_workspace, subtract_stamp
from skyreel.errors import SubtractionError, nearest

RADIUS_PIX = 3.0


class StampDifferences(NamedTuple):
    """Differences of stamps; the leading axes are those of the science images."""

    difference: np.ndarray  # (..., y, x), float32
    variance: np.ndarray  # (..., y, x), float32
    mask: np.ndarray  # (..., y, x), uint8
    psf: np.ndarray  # (..., y, x), float32
    signal_to_noise: np.ndarray  # (...), float32
    x_pix: np.ndarray  # (...), from the centre
    y_pix: np.ndarray
    flux: np.ndarray
    flux_error: np.ndarray
    detected: np.ndarray  # (...), bool


def subtract_stamps(
    science: tuple[np.ndarray, np.ndarray, np.ndarray],
    template: tuple[np.ndarray, np.ndarray, np.ndarray],
    psfs: tuple[np.ndarray, np.ndarray],
    *,
    method: str,
    size_pix: int | None = None,
    threshold: float = THRESHOLD,
    radius_pix: float = RADIUS_PIX,
) -> StampDifferences:
    """Subtract templates from stamps with known PSFs, and detect the sources near their centres.

    Parameters
    ----------
    science, template : (pixels, variance, mask), each of shape (..., y, x)
        Background subtracted, on one grid and scale with one centre, of odd sizes; the template
        may have more pixels. The leading axes, as (object, epoch), are equal. Pixels that are
        NaN, or whose mask is not 0, are left out.
    psfs : (science, template), each of shape (..., p, p), p odd
        Values per pixel of a source of flux 1.
    method : str
        A name in `simulator.difference.kernels.METHODS`.
    size_pix : int, optional
        Odd size of the differences, at most that of the science images, which is the default.
    threshold, radius_pix : float
        As in `simulator.difference.detection.detect_stamp`.

    Returns
    -------
    StampDifferences

    Raises
    ------
    SubtractionError
        Shapes that do not fit, or an unknown method.
    """
    if method not in METHODS:
        raise SubtractionError(f"method {method!r} is unknown. {nearest(method, METHODS)}")
    lead = _checked(science, template, psfs, size_pix)
    inputs = [_flat(plane, np.float32) for plane in (*science[:2], *template[:2], *psfs)]
    masks = [_flat(image[2], np.uint8) for image in (science, template)]
    n, size, psf_size = len(masks[0]), size_pix or masks[0].shape[-1], inputs[4].shape[-1]
    out = (
        np.zeros((n, size, size), np.float32),
        np.zeros((n, size, size), np.float32),
        np.zeros((n, size, size), np.uint8),
        np.zeros((n, psf_size, psf_size), np.float32),
    )
    found = np.zeros((n, 6), np.float32)
    work = stamp_workspace(size, psf_size)
    search = float(threshold), float(radius_pix)
    _subtract_all(*inputs, *masks, METHODS[method], *search, *out, found, work)
    planes = [plane.reshape(*lead, *plane.shape[1:]) for plane in out]
    columns = [found[:, k].reshape(lead) for k in range(5)]
    return StampDifferences(*planes, *columns, found[:, 5].reshape(lead) > 0)


def _flat(plane, kind):
    plane = np.asarray(plane)
    return np.ascontiguousarray(plane.reshape(-1, *plane.shape[-2:]), dtype=kind)


def _checked(science, template, psfs, size_pix):
    """The leading axes, after all shapes have been compared."""
    shapes = [[np.shape(plane) for plane in image] for image in (science, template, psfs)]
    lead = shapes[0][0][:-2]
    for planes, name in zip(shapes, ("science", "template", "PSF"), strict=True):
        shape = planes[0]
        square = len(shape) >= 2 and shape[-1] == shape[-2] and shape[-1] % 2 == 1
        if any(each != shape for each in planes) or not square or shape[:-2] != lead:
            raise SubtractionError(
                f"the {name} stamps have the shapes {planes}; allowed are equal shapes "
                f"(..., size, size) with an odd size and the leading axes {lead}."
            )
    science_size, template_size, psf_size = (planes[0][-1] for planes in shapes)
    size = science_size if size_pix is None else size_pix
    if not (1 <= size <= min(science_size, template_size) and size % 2 and psf_size >= 5):
        raise SubtractionError(
            f"differences of {size} pixels from science stamps of {science_size}, templates of "
            f"{template_size} and PSFs of {psf_size}; allowed are odd sizes, differences no larger "
            "than the stamps, and PSFs of 5 or more."
        )
    if psf_size > MAX_PSF_PIX:
        raise SubtractionError(f"PSFs of {psf_size} pixels; allowed are {MAX_PSF_PIX} or fewer.")
    return lead


@njit(cache=True, nogil=True, error_model="numpy")
def _subtract_all(
    science: np.ndarray,
    science_variance: np.ndarray,
    template: np.ndarray,
    template_variance: np.ndarray,
    psf_science: np.ndarray,
    psf_template: np.ndarray,
    science_mask: np.ndarray,
    template_mask: np.ndarray,
    method: int,
    threshold: float,
    radius: float,
    difference: np.ndarray,
    variance: np.ndarray,
    mask: np.ndarray,
    psf: np.ndarray,
    found: np.ndarray,
    work: Workspace,
) -> None:
    for i in range(science.shape[0]):
        factor = subtract_stamp(
            science[i],
            science_variance[i],
            science_mask[i],
            template[i],
            template_variance[i],
            template_mask[i],
            psf_science[i],
            psf_template[i],
            method,
            difference[i],
            variance[i],
            mask[i],
            psf[i],
            work,
        )
        one = detect_stamp(
            difference[i], variance[i], mask[i], psf[i], factor, threshold, radius, work
        )
        found[i, 0], found[i, 1], found[i, 2] = one.signal_to_noise, one.x_pix, one.y_pix
        found[i, 3], found[i, 4], found[i, 5] = one.flux, one.flux_error, one.detected
