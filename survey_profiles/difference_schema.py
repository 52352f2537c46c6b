"""What a profile holds of difference images: the template, and how it is subtracted."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from survey_profiles.schema_types import Fraction, Table, within

_Exposures = Annotated[int, Field(ge=1, le=10_000)]
_DayBefore = within(0, 36_525)


class Template(Table):
    """The image that is subtracted: a coadd of earlier exposures of one band.

    One is drawn for every object and band. Its exposures have the median exposure time, zero point
    and sky of the survey's in that band.
    """

    epochs: tuple[_Exposures, ...] = (15, 20, 25)
    """Numbers of exposures in a coadd, each equally likely; the default is of the order of the 15
    to 40 of ZTF."""
    fwhm_percentile: within(0, 100) = 25.0
    """[%] Width of the PSF, as a percentile of those of the survey's exposures in the band; the
    default lies between those of ZTF and of sums of all exposures."""
    fwhm_scatter: within(0, 0.5) = 0.05
    """Scatter of ln FWHM from template to template; the default is that of ZTF."""
    depth_offset_mag: within(-3, 3) = 0.0
    """[mag] Added to the depth that so many median exposures reach."""
    registration_error_pix: within(0, 1) = 0.05
    """[pixel] Error of the alignment with an exposure, RMS per axis; the default is 10 mas at 0.2
    arcsec per pixel."""
    days_before: tuple[_DayBefore, _DayBefore] = (60.0, 425.0)
    """[d] Earliest and latest of its exposures lie so long before the first of a sequence (nearest
    first); the default is one year that ends two months earlier."""
    transient_share: Fraction = 0.0
    """Share of the largest flux of a transient in a band that its template holds, beside what the
    light curve has at the times of its exposures."""

    @model_validator(mode="after")
    def _consistent(self) -> Template:
        if not self.epochs:
            raise ValueError("epochs with at least one number")
        if not self.days_before[0] <= self.days_before[1]:
            raise ValueError(f"days_before [near, far] with near <= far, not {self.days_before}")
        return self


class Difference(Table):
    """How a template is subtracted, and what is a detection."""

    method: Literal["alard-lupton", "zogy"] = "alard-lupton"
    """Subtraction: a convolution kernel with decorrelation of the noise (Alard & Lupton 1998; Reiss
    & Lupton 2016, DMTN-021), or ZOGY (Zackay, Ofek & Gal-Yam 2016)."""
    threshold_sigma: within(1, 100) = 5.0
    """Signal-to-noise from which a source of the difference is detected; the default is that of
    alerts of ZTF and LSST."""
    error_factor: within(0.1, 10) = 1.0
    """Errors of fluxes that the survey's pipeline states and detects with, over those that follow
    from the noise of the pixels."""
    registration_noise: bool = True
    """Whether the error of the alignment counts as noise of a detection: where the template has
    slopes, as Zackay, Ofek & Gal-Yam (2016), section 3.3. The error itself, in the images either
    way, is ``template.registration_error_pix``."""
