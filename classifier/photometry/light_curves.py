"""What photometry hands on. Arrays are (object, epoch); fluxes are in nJy (AB zero point 31.4)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntFlag

import numpy as np


class Flag(IntFlag):
    """Bits of ``LightCurves.flags``. The first row of bits says why there is no flux."""

    MASKED = 1  # too little of the source's light falls on pixels that can be used
    NO_CALIBRATION = 2  # exposure time, zero point or, where it is needed, seeing unknown
    NO_SKY = 4  # no pixels to measure the sky in
    SATURATED = 8  # measured in the pixels that are not
    EXTENDED = 16  # not a single point source: galaxy, neighbour, or a defect not masked
    OFF_CENTRE = 32  # the position was held at the limit of the fit
    SEEING_UNKNOWN = 64  # the survey's median width was the first guess


@dataclass(frozen=True)
class LightCurves:
    """Light curves of a batch; NaN where padded or not measurable.

    ``flux_njy`` is what the image shows, ``difference_flux_njy`` that less the template's, each
    with one standard deviation of its noise. ``x_pix``, ``y_pix`` (from the stamp's centre) and
    ``fwhm_pix`` (before integration over pixels) are the PSF's, fitted or not, and ``sky_adu``
    the sky of one pixel. ``flags`` holds bits of ``Flag``. ``n_epochs`` is (object,).
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

    def __len__(self):
        return len(self.n_epochs)

    @property
    def signal_to_noise(self):
        """Flux over its error."""
        return self.flux_njy / self.flux_error_njy

    def of(self, rows) -> LightCurves:
        """Light curves of some of the objects."""
        return LightCurves(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})
