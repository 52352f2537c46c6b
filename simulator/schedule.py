"""When, in which band and how deep each object of a batch is observed.

Arrays are (object, epoch), padded to the longest sequence: ``mjd`` is NaN there, ``band`` 0,
and every comparison with the NaN of the other columns is false.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

DETECTION_SIGMA = 5.0
_NOISE_PIXELS_PER_FWHM2 = 2.266  # effective pixels of a PSF (LSST LSE-40; King 1983)


def noise_limited_mag(fwhm_pix, background_e, read_noise_e, zero_point_mag, exposure_time_s, gain):
    """5-sigma point-source limit that an exposure's own noise allows, AB.

    From S / sqrt(S + n (background + read noise^2)) = 5 with n = 2.266 FWHM^2 pixels.

    Parameters
    ----------
    fwhm_pix, background_e, read_noise_e, zero_point_mag, exposure_time_s, gain
        Arrays that broadcast; background is electrons per pixel, the zero point is the
        magnitude of 1 ADU/s and ``gain`` is in electrons per ADU.
    """
    variance = _NOISE_PIXELS_PER_FWHM2 * fwhm_pix**2 * (background_e + read_noise_e**2)
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
    limiting_mag: np.ndarray  # what counts as seen: the reported limit or the noise's own
    gain_e_per_adu: np.ndarray  # (object, 1)
    noise_limit_mag: np.ndarray | None = None  # 5 sigma by noise alone; none: ``limiting_mag``

    @property
    def observed(self):
        """True where there is an exposure."""
        return np.isfinite(self.mjd)

    def rows(self, rows) -> Schedule:
        """The schedule of some of the objects."""
        columns = {f.name: getattr(self, f.name) for f in fields(self)}
        return Schedule(**{k: v if v is None else v[rows] for k, v in columns.items()})

    def signal_to_noise(self, magnitude, change_mag=None):
        """Signal-to-noise of a point source, or of its change from ``change_mag``.

        The background noise is the one that makes ``noise_limit_mag`` a 5-sigma source with
        its own photon noise added.

        Parameters
        ----------
        magnitude : array, shape (object, epoch)
            AB magnitudes; +inf where there is no light.
        change_mag : array that broadcasts to it, optional
            The level from which a change is measured; none means no light.
        """
        electrons = self._electrons(magnitude)
        limit_mag = self.limiting_mag if self.noise_limit_mag is None else self.noise_limit_mag
        limit_e = self._electrons(limit_mag)
        background_e2 = np.maximum(limit_e**2 / DETECTION_SIGMA**2 - limit_e, 0.0)
        change_e = electrons - (0.0 if change_mag is None else self._electrons(change_mag))
        return np.abs(change_e) / np.sqrt(background_e2 + electrons)

    def _electrons(self, magnitude):
        adu = 10.0 ** (0.4 * (self.zero_point_mag - magnitude)) * self.exposure_time_s
        return adu * self.gain_e_per_adu
