"""The 5-sigma point-source depth of an exposure, from its sky, seeing and throughput.

Arguments broadcast; numbers may stand for arrays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from survey_profiles.instrument_schema import Camera

RUBIN_GEOMETRIC_SLOPE = 0.822  # FWHM_geom = 0.822 FWHM_eff + 0.052 arcsec (Rubin SMTN-002)
RUBIN_GEOMETRIC_OFFSET_ARCSEC = 0.052
EFFECTIVE_PIXELS_PER_FWHM2 = 2.266  # n_eff = 2.266 (FWHM / pixel)^2 (Rubin LSE-40, SMTN-002)


def effective_fwhm_arcsec(geometric_fwhm_arcsec: np.ndarray) -> np.ndarray:
    """FWHM_eff, the width of the Gaussian with the PSF's noise area, from its true FWHM."""
    return (geometric_fwhm_arcsec - RUBIN_GEOMETRIC_OFFSET_ARCSEC) / RUBIN_GEOMETRIC_SLOPE


def geometric_fwhm_arcsec(effective_fwhm: np.ndarray) -> np.ndarray:
    """The half-maximum width of the PSF from its FWHM_eff."""
    return RUBIN_GEOMETRIC_SLOPE * effective_fwhm + RUBIN_GEOMETRIC_OFFSET_ARCSEC


def noise_depth_mag(
    camera: Camera,
    *,
    seeing_fwhm_arcsec: np.ndarray,
    sky_adu: np.ndarray,
    zero_point_mag: np.ndarray,
    exposure_time_s: np.ndarray,
) -> np.ndarray:
    """Magnitude whose counts are five times the background noise in n_eff pixels."""
    n_eff = EFFECTIVE_PIXELS_PER_FWHM2 * (seeing_fwhm_arcsec / camera.pixel_scale_arcsec) ** 2
    gain = camera.gain_e_per_adu
    noise_adu = np.sqrt(n_eff * (sky_adu * gain + camera.read_noise_e**2)) / gain
    return zero_point_mag - 2.5 * np.log10(5.0 * noise_adu / exposure_time_s)


def m5_mag(
    coefficient_mag: np.ndarray,
    *,
    sky_mag_per_arcsec2: np.ndarray,
    effective_fwhm_arcsec: np.ndarray,
    exposure_time_s: np.ndarray,
    extinction_mag_per_airmass: np.ndarray,
    airmass: np.ndarray,
    noise_loss_mag: np.ndarray = 0.0,
    dark_sky_mag_per_arcsec2: np.ndarray = 21.0,
) -> np.ndarray:
    """5-sigma depth of visits in a clear night: equation 6 of Ivezic et al. 2019 (ApJ 873, 111).

    ``noise_loss_mag`` is the depth that a visit of 30 s under a dark sky loses to the noise of the
    instrument; it is smaller in longer exposures and brighter skies (equation 7).
    """
    brightness = 10.0 ** (0.4 * (dark_sky_mag_per_arcsec2 - sky_mag_per_arcsec2))
    return (
        coefficient_mag
        + _less_noise_loss(noise_loss_mag, exposure_time_s / 30.0 * brightness)
        + 0.50 * (sky_mag_per_arcsec2 - 21.0)
        + 2.5 * np.log10(0.7 / effective_fwhm_arcsec)
        + 1.25 * np.log10(exposure_time_s / 30.0)
        - extinction_mag_per_airmass * (airmass - 1.0)
    )


def _less_noise_loss(loss_mag, relative_sky):
    """Equation 7: what is gained in ``relative_sky`` times the sky of a dark visit of 30 s."""
    return loss_mag - 1.25 * np.log10(1.0 + (10.0 ** (0.8 * loss_mag) - 1.0) / relative_sky)


def sky_of_m5_mag_per_arcsec2(
    m5: np.ndarray,
    coefficient_mag: np.ndarray,
    *,
    effective_fwhm_arcsec: np.ndarray,
    exposure_time_s: np.ndarray,
    extinction_mag_per_airmass: np.ndarray,
    airmass: np.ndarray,
    noise_loss_mag: np.ndarray,
    dark_sky_mag_per_arcsec2: np.ndarray,
) -> np.ndarray:
    """Sky under which `m5_mag` is ``m5``; NaN where no sky is dark enough.

    With y = (30 s / t) 10^(0.4 (sky - dark)) and a = 10^(0.8 loss) - 1, equations 6 and 7 read
    10^((m5 - K)/1.25) = y / (1 + a y), where K is the depth without noise loss at y = 1.
    """
    without_sky = m5_mag(
        coefficient_mag + noise_loss_mag,
        sky_mag_per_arcsec2=dark_sky_mag_per_arcsec2 + 2.5 * np.log10(exposure_time_s / 30.0),
        effective_fwhm_arcsec=effective_fwhm_arcsec,
        exposure_time_s=exposure_time_s,
        extinction_mag_per_airmass=extinction_mag_per_airmass,
        airmass=airmass,
    )
    reached = 10.0 ** ((m5 - without_sky) / 1.25)
    fainter = 1.0 - (10.0 ** (0.8 * noise_loss_mag) - 1.0) * reached
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(fainter > 0, reached / fainter, np.nan)
        return dark_sky_mag_per_arcsec2 + 2.5 * np.log10(relative * exposure_time_s / 30.0)


def sky_of_noise_depth_adu(
    camera: Camera,
    depth_mag: np.ndarray,
    *,
    seeing_fwhm_arcsec: np.ndarray,
    zero_point_mag: np.ndarray,
    exposure_time_s: np.ndarray,
) -> np.ndarray:
    """Background under which `noise_depth_mag` is ``depth_mag``; NaN below no background."""
    n_eff = EFFECTIVE_PIXELS_PER_FWHM2 * (seeing_fwhm_arcsec / camera.pixel_scale_arcsec) ** 2
    noise_adu = exposure_time_s / 5.0 * 10.0 ** (0.4 * (zero_point_mag - depth_mag))
    gain = camera.gain_e_per_adu
    sky = ((noise_adu * gain) ** 2 / n_eff - camera.read_noise_e**2) / gain
    return np.where(sky >= 0, sky, np.nan)


def sky_mag_per_arcsec2(
    camera: Camera, sky_adu: np.ndarray, exposure_time_s: np.ndarray, zero_point_mag: np.ndarray
) -> np.ndarray:
    """Surface brightness of a background of ``sky_adu`` per pixel."""
    per_arcsec2 = sky_adu / exposure_time_s / camera.pixel_scale_arcsec**2
    return zero_point_mag - 2.5 * np.log10(per_arcsec2)


def sky_adu(
    camera: Camera, sky_mag: np.ndarray, exposure_time_s: np.ndarray, zero_point_mag: np.ndarray
) -> np.ndarray:
    """Background per pixel of a surface brightness in mag/arcsec^2."""
    rate = 10.0 ** (0.4 * (zero_point_mag - sky_mag))
    return rate * camera.pixel_scale_arcsec**2 * exposure_time_s


def dark_adu(camera: Camera, exposure_time_s: np.ndarray) -> np.ndarray:
    """Counts that dark current adds to the background of a pixel in an exposure."""
    return camera.dark_current_e_per_s * exposure_time_s / camera.gain_e_per_adu
