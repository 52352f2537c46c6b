"""Light curves of a batch of stamps, object by object, on threads.

A flux depends on its own image alone, a difference on the images up to it. The light curve of the
first images of a sequence is therefore the first part of the light curve of all.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from classifier.photometry.difference_photometry import measure_differences
from classifier.photometry.epoch_photometry import Batch, Frame, measure_epoch
from classifier.photometry.light_curves import LightCurves
from classifier.photometry.optimal_photometry import FLUX, N_KNOWN, SHAPE_VARIANCE, SKY, VARIANCE
from classifier.photometry.psf_fit import N_WORK, PROFILE
from classifier.photometry.psf_model import N_SHAPE, UNKNOWN_WIDTH_SCATTER, WIDTH, X, Y
from simulator.gaussian_mixture import pixel_centres
from skyreel.errors import ClassifierError

_CHOICES = {
    "sky": ("border", "data set"),
    "centre": ("fitted", "fixed"),
    "psf_width": ("fitted", "data set"),
}


@dataclass(frozen=True, kw_only=True)
class PhotometrySettings:
    """How stamps are measured.

    Parameters
    ----------
    sky : str
        "border": the clipped mean of the pixels around the source, its light subtracted;
        "data set": the exposure's ``sky_adu``, and the border where that is unknown.
    centre : str
        "fitted": the most probable position, given ``centre_scatter_pix`` per axis about the
        stamp's centre; "fixed": the stamp's centre.
    psf_width : str
        "fitted": the most probable width (and, of Moffat profiles, beta), given the survey's
        scatter of both about the values expected for the seeing; "data set": these values.
    centre_scatter_pix : float
        Standard deviation of positions, per axis.
    least_light : float
        A stamp is not measured if less than this share of the source's light falls on
        unmasked pixels.
    templates : int
        Largest number of the earliest images in a band that make a template; with 0 no
        differences are measured.
    flux_error_floor, extended_flux_error_floor : float
        Error of difference fluxes beyond noise, as a share of the flux, of isolated stars and of
        galaxies and stars with neighbours. The first is the calibration error of exposures
        (default: the scatter of real non-variable HiTS stars), the second that of PSFs that do
        not match.

    Raises
    ------
    ClassifierError
        A choice or number that is not allowed.
    """

    sky: str = "border"
    centre: str = "fitted"
    psf_width: str = "fitted"
    centre_scatter_pix: float = 0.3
    least_light: float = 0.2
    templates: int = 5
    flux_error_floor: float = 0.006
    extended_flux_error_floor: float = 0.035

    def __post_init__(self) -> None:
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ClassifierError(
                    f"photometry: {name} = {getattr(self, name)!r}; allowed: {', '.join(allowed)}."
                )
        if not (isfinite(self.centre_scatter_pix) and 0 < self.centre_scatter_pix <= 2):
            raise ClassifierError(
                f"photometry: centre_scatter_pix = {self.centre_scatter_pix} pix; allowed: above "
                "0, to 2 pix."
            )
        if not 0 < self.least_light < 1:
            raise ClassifierError(
                f"photometry: least_light = {self.least_light}; allowed: between 0 and 1."
            )
        if not 0 <= self.templates <= 100:
            raise ClassifierError(f"photometry: templates = {self.templates}; allowed: 0 to 100.")
        for name in ("flux_error_floor", "extended_flux_error_floor"):
            if not 0 <= getattr(self, name) < 1:
                raise ClassifierError(
                    f"photometry: {name} = {getattr(self, name)}; allowed: 0 to below 1."
                )


if TYPE_CHECKING:
    from classifier.photometry.psf_model import PsfModel
    from classifier.stamp_batch import StampBatch

NJY_ZERO_POINT_MAG = 31.4  # AB
_BORDER_FROM = 0.36  # of the stamp's size: pixels farther than this from the centre
_LEAST_SIZE_PIX = 7
_CHUNK_OBJECTS = 64


def measure(
    stamps: StampBatch,
    psf: PsfModel,
    settings: PhotometrySettings | None = None,
    *,
    threads: int = 1,
) -> LightCurves:
    """Light curves of sequences.

    Parameters
    ----------
    stamps : classifier.stamp_batch.StampBatch
    psf : PsfModel
        Expected PSFs of the survey.
    settings : PhotometrySettings, optional
    threads : int
        Results do not depend on their number.

    Raises
    ------
    ClassifierError
        Stamps that are not square or too small to have a border.
    """
    settings = settings or PhotometrySettings()
    _check_size(stamps.images_adu.shape)
    batch, frame = _batch(stamps, psf, settings), _frame(stamps.images_adu.shape[-1])
    expected = psf.expected(stamps.seeing_fwhm_pix)
    shape = stamps.mjd.shape
    known, shapes = np.full((*shape, N_KNOWN), np.nan), np.full((*shape, N_SHAPE), np.nan)
    differences, flags = np.full((*shape, 2), np.nan), np.zeros(shape, dtype=np.uint8)
    arrays = (batch, frame, expected, settings.templates, known, shapes, differences, flags)
    starts = range(0, shape[0], _CHUNK_OBJECTS)
    with ThreadPoolExecutor(max(threads, 1)) as pool:
        jobs = [
            pool.submit(_measure, first, min(first + _CHUNK_OBJECTS, shape[0]), *arrays)
            for first in starts
        ]
        for job in jobs:
            job.result()
    return _light_curves(stamps, batch, expected, known, shapes, differences, flags)


def _check_size(shape):
    rows, columns = shape[-2:]
    if len(shape) != 4 or rows != columns or rows < _LEAST_SIZE_PIX:
        raise ClassifierError(
            f"photometry: stamps of shape {shape}; they must be (object, epoch, row, column), "
            f"square, and at least {_LEAST_SIZE_PIX} pixels wide."
        )


def _frame(size):
    x, y = pixel_centres(size)
    return Frame((x, y, size), (np.hypot(x, y) > _BORDER_FROM * size).astype(np.float32))


def _batch(stamps, psf, settings) -> Batch:
    images = np.ascontiguousarray(stamps.images_adu, dtype=np.float32)
    seeing_known = np.isfinite(stamps.seeing_fwhm_pix)
    gain, read_noise = (
        np.asarray(values, dtype=float) for values in (stamps.gain_e_per_adu, stamps.read_noise_e)
    )
    sky = np.full(seeing_known.shape, np.nan)
    if settings.sky == "data set":
        sky[:] = stamps.sky_adu
    fit_width, fit_centre = settings.psf_width == "fitted", settings.centre == "fitted"
    width_scatter = np.where(seeing_known, psf.width_scatter, UNKNOWN_WIDTH_SCATTER)
    with np.errstate(divide="ignore", invalid="ignore"):
        read_variance = (read_noise / gain) ** 2
    return Batch(
        images_adu=images.reshape(*images.shape[:2], images.shape[-1] ** 2),
        n_epochs=np.asarray(stamps.n_epochs, dtype=np.int64),
        band=np.ascontiguousarray(stamps.band, dtype=np.int64),
        njy_per_adu=_njy_per_adu(stamps),
        gain_e_per_adu=gain,
        read_variance_adu2=read_variance,
        given_sky_adu=sky,
        centre_scatter_pix=settings.centre_scatter_pix * float(fit_centre),
        width_scatter=width_scatter * float(fit_width),
        beta_scatter=psf.beta_scatter * float(fit_width),
        seeing_known=seeing_known,
        saturated=np.ascontiguousarray(stamps.saturated, dtype=bool),
        least_light=settings.least_light,
        flux_error_floor=settings.flux_error_floor,
        extended_flux_error_floor=settings.extended_flux_error_floor,
    )


def _njy_per_adu(stamps):
    """Flux of one ADU; not finite where the exposure time or the zero point is unknown."""
    zero_point_mag = np.asarray(stamps.zero_point_mag, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        of_one_per_s = 10.0 ** (0.4 * (NJY_ZERO_POINT_MAG - zero_point_mag))
        return np.ascontiguousarray(of_one_per_s / stamps.exposure_time_s)


@njit(cache=True, nogil=True, error_model="numpy")
def _measure(first, end, batch, frame, psf, n_templates, known, shapes, differences, flags):
    n_epochs, n_pixels = batch.images_adu.shape[1:]
    pixels = np.empty((3, n_pixels), dtype=np.float32)
    work = np.zeros((N_WORK, n_pixels), dtype=np.float32)  # slopes of fixed parameters stay zero
    profiles = np.empty((n_epochs, n_pixels), dtype=np.float32)
    for i in range(first, end):
        for epoch in range(batch.n_epochs[i]):
            flags[i, epoch] = measure_epoch(
                batch, frame, psf, i, epoch, pixels, known[i, epoch], shapes[i, epoch], work
            )
            profiles[epoch] = work[PROFILE]
        if n_templates > 0:
            measure_differences(
                batch,
                frame,
                psf,
                i,
                known[i],
                shapes[i],
                flags[i],
                profiles,
                n_templates,
                differences[i],
            )


def _light_curves(stamps, batch, expected, known, shapes, differences, flags) -> LightCurves:
    variance = known[..., VARIANCE] + known[..., SHAPE_VARIANCE]
    return LightCurves(
        mjd=stamps.mjd,
        band=stamps.band,
        n_epochs=stamps.n_epochs,
        flux_njy=known[..., FLUX] * batch.njy_per_adu,
        flux_error_njy=np.sqrt(variance) * batch.njy_per_adu,
        difference_flux_njy=differences[..., 0],
        difference_flux_error_njy=np.sqrt(differences[..., 1]),
        sky_adu=known[..., SKY],
        x_pix=shapes[..., X],
        y_pix=shapes[..., Y],
        fwhm_pix=expected.fwhm_pix * np.exp(shapes[..., WIDTH]),
        flags=flags,
    )
