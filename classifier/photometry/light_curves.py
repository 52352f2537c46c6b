"""Light curves measured on stamps: fluxes in nJy (AB zero point 31.4) and flags."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntFlag

import numpy as np

from classifier.stamp_batch import rearranged


class Flag(IntFlag):
    """Bits of ``LightCurves.flags``. The first three say why there is no flux."""

    MASKED = 1  # too little of the source's light falls on pixels that can be used
    NO_CALIBRATION = 2  # exposure time, zero point or, where it is needed, seeing unknown
    NO_SKY = 4  # no pixels in which to measure the sky
    SATURATED = 8  # measured in the unsaturated pixels
    EXTENDED = 16  # not a single point source: galaxy, neighbour, or unmasked defect
    OFF_CENTRE = 32  # the position reached the limit of the fit
    SEEING_UNKNOWN = 64  # the fit starts from the survey's median width


@dataclass(frozen=True)
class LightCurves:
    """Light curves of a batch, arrays (object, epoch); NaN where padded or not measurable.

    Attributes
    ----------
    mjd, band : numpy.ndarray
        As in the data set.
    n_epochs : numpy.ndarray, shape (object,)
    flux_njy, flux_error_njy : numpy.ndarray
        Flux in the image, and the standard deviation of its noise.
    difference_flux_njy, difference_flux_error_njy : numpy.ndarray
        Flux less that of the template.
    sky_adu : numpy.ndarray
        Sky of one pixel.
    x_pix, y_pix : numpy.ndarray
        Position of the star from the stamp's centre, fitted or not.
    fwhm_pix : numpy.ndarray
        Width of the PSF before integration over pixels, fitted or not.
    flags : numpy.ndarray of uint8
        Bits of ``Flag``.
    """

    mjd: np.ndarray
    band: np.ndarray
    n_epochs: np.ndarray
    flux_njy: np.ndarray
    flux_error_njy: np.ndarray
    difference_flux_njy: np.ndarray
    difference_flux_error_njy: np.ndarray
    sky_adu: np.ndarray
    x_pix: np.ndarray
    y_pix: np.ndarray
    fwhm_pix: np.ndarray
    flags: np.ndarray

    def __len__(self) -> int:
        return len(self.n_epochs)

    @property
    def signal_to_noise(self) -> np.ndarray:
        """Flux over its error."""
        return self.flux_njy / self.flux_error_njy

    def of(self, rows: np.ndarray | slice) -> LightCurves:
        """Light curves of some of the objects."""
        return LightCurves(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    def rearranged(self, epochs: np.ndarray, n_epochs: np.ndarray) -> LightCurves:
        """The same objects with other epochs: epoch ``epochs[i, j]`` of object i becomes its j.

        Entries beyond ``n_epochs`` (object,) become padding.
        """
        return rearranged(self, epochs, n_epochs)

    def from_first_flux(self) -> LightCurves:
        """Without the images of an object before the first that could be measured."""
        images = np.arange(self.flux_njy.shape[1])
        used = images < self.n_epochs.astype(int)[:, None]
        measured = np.isfinite(self.flux_njy) & used
        first = np.where(measured.any(axis=1), measured.argmax(axis=1), self.n_epochs)
        if not first.any():
            return self
        moved = np.minimum(first[:, None] + images, max(images.size - 1, 0))
        return self.rearranged(moved, self.n_epochs - first)
