"""The cutouts of Rubin packets: difference, science and template as FITS with extensions.

Images are sky-subtracted, in nJy, with planes of variance and of the PSF, and a WCS whose reference
pixel is the source.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from simulator.alerts import fits_bytes
from simulator.alerts.avro_bytes import byte_string, nullable
from simulator.alerts.observations import NJY_ZERO_POINT_MAG, Instrument, Observations
from simulator.detector.defects import OUTSIDE

_ARCSEC_PER_DEG = 3600.0
_VARIANCE = fits_bytes.card("UTYPE", "VarianceUncertainty")


class RubinCutouts:
    """The cutouts of detections: image, variance and PSF.

    Parameters
    ----------
    observations : Observations
    measured : mapping
        Columns of ``diaSource``; ``ra`` and ``dec`` are used.
    instrument : Instrument
    """

    def __init__(
        self, observations: Observations, measured: Mapping[str, Any], instrument: Instrument
    ) -> None:
        obj, epoch = observations.detections()
        stamps = observations.stamps
        of = {
            name: observations.epochs[name][obj, epoch]
            for name in ("zero_point_mag", "exposure_time_s", "sky_adu")
        }
        scale, sky = (
            each.astype(np.float32)[:, None, None] for each in (njy_per_adu(of), of["sky_adu"])
        )
        gain, read_noise = (
            each[obj].astype(np.float32)[:, None, None]
            for each in (observations.gain_e_per_adu, observations.read_noise_e)
        )
        counts = stamps["images"].astype(np.float32)
        outside = np.where(stamps["mask"] & OUTSIDE > 0, np.float32(np.nan), np.float32(1))
        variance = counts / gain + (read_noise / gain) ** 2
        psf, template_psf = stamps["psf"], stamps["template_psf"]
        noise = stamps["template_noise_adu"], stamps["difference_noise_adu"]
        self._planes = (
            (outside * stamps["difference"] * scale, (noise[1] * scale) ** 2, psf),
            (outside * (counts - sky) * scale, variance * scale**2, psf),
            (outside * stamps["template"] * scale, (noise[0] * scale) ** 2, template_psf),
        )
        self._measured = measured
        half = counts.shape[1] // 2
        self._x, self._y = (
            each + half + 1 for each in (observations.centre_x_pix, observations.centre_y_pix)
        )
        scale_deg = instrument.pixel_scale_arcsec / _ARCSEC_PER_DEG
        self._fixed = b"".join(fits_bytes.card(k, v) for k, v in _wcs_cards(scale_deg).items())

    def encoded(self, k: int) -> Iterator[bytes]:
        """Difference, science and template of a detection, in the order of the schema."""
        cards = self._fixed + b"".join(
            fits_bytes.card(name, float(value))
            for name, value in (
                ("CRPIX1", self._x[k]),
                ("CRPIX2", self._y[k]),
                ("CRVAL1", self._measured["ra"][k]),
                ("CRVAL2", self._measured["dec"][k]),
            )
        )
        for image, variance, psf in self._planes:
            content = fits_bytes.primary(image[k], cards, extended=True)
            content += fits_bytes.extension(variance[k], "UNCERT", _VARIANCE)
            content += fits_bytes.extension(psf[k], "PSFIMAGE")
            yield nullable(byte_string(content))


def _wcs_cards(scale_deg: float) -> dict[str, Any]:
    """The cards of all cutouts: unit, projection and pixel scale; columns run west, rows north."""
    return {
        "BUNIT": "nJy",
        "WCSAXES": 2,
        "CTYPE1": "RA---TAN",
        "CTYPE2": "DEC--TAN",
        "CUNIT1": "deg",
        "CUNIT2": "deg",
        "CDELT1": -scale_deg,
        "CDELT2": scale_deg,
        "RADESYS": "ICRS",
    }


def njy_per_adu(of: Mapping[str, np.ndarray]) -> np.ndarray:
    """NJy of one ADU of exposures with these ``zero_point_mag`` and ``exposure_time_s``."""
    zero_point, seconds = (of[n].astype(float) for n in ("zero_point_mag", "exposure_time_s"))
    return 10.0 ** (0.4 * (NJY_ZERO_POINT_MAG - zero_point)) / seconds
