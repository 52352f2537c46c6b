"""When, in which band and how deep each object of a batch is observed.

Arrays are (object, epoch), padded to the longest sequence: ``mjd`` is NaN there, ``band`` 0,
and every comparison with the NaN of the other columns is false.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

DETECTION_SIGMA = 5.0
_FWHM_PER_SIGMA = 2.3548


def noise_limited_mag(
    noise_pixels: np.ndarray,
    background_e: np.ndarray,
    read_noise_e: np.ndarray,
    zero_point_mag: np.ndarray,
    exposure_time_s: np.ndarray,
    gain: np.ndarray,
) -> np.ndarray:
    """5-sigma point-source limit that an exposure's own noise allows, AB.

    From S / sqrt(S + n (background + read noise^2)) = 5, with n the PSF's noise pixels
    (King 1983, PASP 95, 163): the inverse of the sum of its squared pixels.

    Parameters
    ----------
    noise_pixels, background_e, read_noise_e, zero_point_mag, exposure_time_s, gain
        Arrays that broadcast; background is electrons per pixel, the zero point is the
        magnitude of 1 ADU/s and ``gain`` is in electrons per ADU.
    """
    variance = noise_pixels * (background_e + read_noise_e**2)
    s2 = DETECTION_SIGMA**2
    source_e = 0.5 * (s2 + np.sqrt(s2**2 + 4 * s2 * variance))
    return zero_point_mag - 2.5 * np.log10(source_e / gain / exposure_time_s)


@dataclass(frozen=True)
class Schedule:
    """The exposures of a batch of objects; axis order (object, epoch)."""

    mjd: np.ndarray
    band: np.ndarray
    exposure_time_s: np.ndarray
    zero_point_mag: np.ndarray
    limiting_mag: np.ndarray  # of a detection: reported limit or the noise's, the brighter
    gain_e_per_adu: np.ndarray  # (object, 1)
    noise_limit_mag: np.ndarray | None = None  # 5 sigma by noise alone; none: ``limiting_mag``
    seeing_fwhm_arcsec: np.ndarray | None = None  # none: trails lose no depth

    @property
    def observed(self) -> np.ndarray:
        """True where there is an exposure."""
        return np.isfinite(self.mjd)

    def rows(self, rows: np.ndarray) -> Schedule:
        """The schedule of some of the objects."""
        columns = {f.name: getattr(self, f.name) for f in fields(self)}
        return Schedule(**{k: v if v is None else v[rows] for k, v in columns.items()})

    def trailing_loss_mag(self, rate_arcsec_per_h: np.ndarray) -> np.ndarray:
        """Loss of depth for a source that moves, shape (object, epoch).

        A trail of length L widens a PSF of width sigma to sqrt(sigma^2 + L^2/12) along it, and
        the noise grows like the root of the area.

        Parameters
        ----------
        rate_arcsec_per_h : array, shape (object,)
        """
        if self.seeing_fwhm_arcsec is None:
            return np.zeros(self.mjd.shape)
        length_arcsec = rate_arcsec_per_h[:, None] / 3600.0 * self.exposure_time_s
        sigma_arcsec = self.seeing_fwhm_arcsec / _FWHM_PER_SIGMA
        return 0.625 * np.log10(1.0 + length_arcsec**2 / (12.0 * sigma_arcsec**2))

    def signal_to_noise(
        self,
        magnitude: np.ndarray,
        change_mag: np.ndarray | float | None = None,
        loss_mag: np.ndarray | float = 0.0,
    ) -> np.ndarray:
        """Signal-to-noise of a point source, or of its change from ``change_mag``.

        The background noise is the one that makes ``noise_limit_mag`` a 5-sigma source with
        its own photon noise added.

        Parameters
        ----------
        magnitude : array, shape (object, epoch)
            AB magnitudes; +inf where there is no light.
        change_mag : array that broadcasts to it, optional
            The level from which a change is measured; none means no light.
        loss_mag : array that broadcasts to it, optional
            Magnitudes by which the limit is shallower.
        """
        electrons = self._electrons(magnitude)
        limit_mag = self.limiting_mag if self.noise_limit_mag is None else self.noise_limit_mag
        limit_e = self._electrons(limit_mag - loss_mag)
        background_e2 = np.maximum(limit_e**2 / DETECTION_SIGMA**2 - limit_e, 0.0)
        change_e = electrons - (0.0 if change_mag is None else self._electrons(change_mag))
        return np.abs(change_e) / np.sqrt(background_e2 + electrons)

    def _electrons(self, magnitude):
        adu = 10.0 ** (0.4 * (self.zero_point_mag - magnitude)) * self.exposure_time_s
        return adu * self.gain_e_per_adu
