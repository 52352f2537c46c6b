"""Settings of the photometry of stamps."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

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
