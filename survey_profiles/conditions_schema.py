"""What a profile holds of the observing conditions: seeing, sky, weather and depth."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from survey_profiles.schema_types import (
    Fraction,
    Probabilities,
    Table,
    Width,
    require_quantiles,
    within,
)


class Seeing(Table):
    """Half-maximum width of the PSF at the zenith and its correlation in time.

    The zenith width follows the quantile table. Its normal score is the sum of a part common
    to a night (``night_share`` of the variance), a part that drifts over ``drift_time_h``
    within it (``drift_share``) and white noise (the rest). With ``model = "power"`` the width
    is zenith x band.seeing_factor x airmass^airmass_exponent; with ``"rubin"`` the zenith
    width is the atmosphere's at 500 nm and the telescope's ``system_fwhm_arcsec`` is added as
    the Rubin Observatory does (``observing_conditions.rubin_fwhm_arcsec``).
    """

    model: Literal["power", "rubin"] = "power"
    """How the width follows from that at the zenith; see above."""
    probabilities: Probabilities = (0.0, 0.5, 1.0)
    """Cumulative probabilities of ``zenith_fwhm_arcsec``; by default its three numbers are the
    best, the median and the worst seeing."""
    zenith_fwhm_arcsec: Annotated[tuple[Width, ...], Field(min_length=2)]
    """[arcsec] Half-maximum widths at the zenith, one for each probability, increasing."""
    airmass_exponent: Annotated[float, Field(ge=0, le=2)] = 0.6
    """Exponent of the airmass; the default is Kolmogorov turbulence (Roddier 1981)."""
    system_fwhm_arcsec: within(0, 60) = 0.0
    """[arcsec] Width that the telescope adds, for model "rubin"."""
    night_share: Fraction = 0.8
    """Share of the variance common to a night; the default is rounded from DECam exposures."""
    drift_share: Fraction = 0.15
    """Share of the variance that drifts within a night; the default is rounded from DECam
    exposures."""
    drift_time_h: within(1e-3, 1e4) = 0.4
    """[h] Time over which the drift is correlated; the default is that of DECam exposures."""
    max_fwhm_arcsec: Width = 60.0
    """[arcsec] Wider exposures are dropped; the default keeps all."""

    @model_validator(mode="after")
    def _consistent(self):
        require_quantiles(self.probabilities, self.zenith_fwhm_arcsec, "zenith_fwhm_arcsec")
        if self.night_share + self.drift_share > 1:
            total = self.night_share + self.drift_share
            raise ValueError(f"night_share + drift_share at most 1, not {total:g}")
        return self


class Sky(Table):
    """Variation of the sky: airmass^airmass_exponent, scatter in dex, and twilight."""

    airmass_exponent: Annotated[float, Field(ge=0, le=2)] = 0.25
    """Exponent of the airmass; the default is that of DECam exposures."""
    night_scatter_dex: Annotated[float, Field(ge=0, le=1)] = 0.025
    """[dex] Scatter from night to night; the default is that of DECam exposures."""
    exposure_scatter_dex: Annotated[float, Field(ge=0, le=1)] = 0.02
    """[dex] Scatter from exposure to exposure; the default is that of DECam exposures."""
    twilight_dex_per_deg: Annotated[float, Field(ge=0, le=2)] = 0.36
    """[dex/deg] Slope of the twilight of bands with ``twilight_mag_per_arcsec2`` against the Sun's
    altitude; the default is that of a Rubin schedule."""


class Weather(Table):
    """Transparency: clear nights scatter a little, cloudy ones lose light exponentially."""

    night_scatter_mag: within(0, 1) = 0.02
    """[mag] Scatter of the zero point from night to night; the default is a photometric site."""
    exposure_scatter_mag: within(0, 1) = 0.01
    """[mag] Scatter of the zero point from exposure to exposure; the default is a photometric
    site."""
    cloudy_night_fraction: Fraction = 0.1
    """Fraction of nights with thin cloud through which the survey observes; default assumed."""
    cloud_loss_mean_mag: within(0, 2) = 0.3
    """[mag] Mean of the exponential loss of light in such nights; default assumed."""
    calibration_scatter_mag: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    """[mag] Error of the zero point of an exposure at an object: it changes the light that
    arrives and is in no recorded number."""


class Depth(Table):
    """How ``limiting_mag`` (5 sigma, point source) follows from the other conditions."""

    model: Literal["noise", "m5"] = "noise"
    """"noise": from zero point, sky and read noise within 2.266 FWHM^2, plus the band's
    ``depth_offset_mag``; "m5": Ivezic et al. 2019, equation 6, with the band's
    ``m5_coefficient_mag``."""
    residual_probabilities: Probabilities = (0.0, 1.0)
    """Cumulative probabilities of ``residual_mag``."""
    residual_mag: Annotated[tuple[within(-10, 10), ...], Field(min_length=2)] = (0.0, 0.0)
    """[mag] Quantiles of what is added to the depth; the default adds nothing."""

    @model_validator(mode="after")
    def _consistent(self):
        require_quantiles(self.residual_probabilities, self.residual_mag, "residual_mag")
        return self


class ConditionErrors(Table):
    """How far the conditions of a survey may be from those planned (``--condition-error``).

    Scatters are standard deviations; those "of a band" are common to all exposures of a band.
    The defaults are the errors of the forecast for LSST's first months (see `lsst.toml`).
    """

    seeing_band_scatter: Fraction = 0.05
    """Scatter of ln FWHM of a band; default of LSST."""
    seeing_night_scatter: Fraction = 0.31
    """Scatter of ln FWHM of a night; default of LSST."""
    sky_band_scatter_mag: within(0, 2) = 0.24
    """[mag] Scatter of the sky of a band; default of LSST."""
    sky_night_scatter_mag: within(0, 2) = 0.17
    """[mag] Scatter of the sky of a night; default of LSST."""
    zero_point_band_scatter_mag: within(0, 1) = 0.08
    """[mag] Scatter of the zero point of a band; default of LSST."""
    depth_band_scatter_mag: within(0, 2) = 0.2
    """[mag] Scatter of the reported depth of a band, beyond what the others change; default of
    LSST."""
    ellipticity_scatter: within(0, 0.2) = 0.025
    """Scatter of e1 and e2 of an exposure; default of LSST."""
    cloud_mean_mag: within(0, 2) = 0.44
    """[mag] Mean extinction by clouds that are not planned; default of LSST."""
    lost_night_fraction: within(0, 0.5) = 0.1
    """Mean fraction of the planned nights without any exposure; default of LSST."""
