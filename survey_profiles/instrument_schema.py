"""What a profile holds of the instrument: detectors, PSF and bands."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from survey_profiles.schema_types import (
    ExposureTime,
    Fraction,
    Gain,
    Magnitude,
    NotNegative,
    Table,
    physical,
    within,
)

Saturation = Annotated[float, Field(gt=0, le=65535)]  # counts are kept in 16 bits
_CURVE_RANGE_ANGSTROM = (3000.0, 11_500.0)  # that the spectra of galaxies and supernovae cover
_LEAST_WIDTH_ANGSTROM = 100.0  # these spectra are tabulated every 10 to 25 Angstrom
_Offset = Annotated[float, Field(ge=-1, le=1)]
_Beta = Annotated[float, Field(gt=1, le=100)]
_Scatter = Annotated[float, Field(ge=0, le=0.3)]
_ReadNoise = physical("read_noise_e")
MOST_RESAMPLED_PIX = 2.0  # shift that the margin of a resampled stamp allows


class Ccd(Table):
    """One detector of a mosaic."""

    name: str
    """Name of the detector, as the column ``ccd`` of an exposure table may give it."""
    gain_e_per_adu: Gain
    """[electron/ADU] Gain."""
    read_noise_e: _ReadNoise
    """[electron] Read noise of one pixel, RMS."""
    saturation_adu: Saturation
    """[ADU] Counts at which a pixel saturates."""


class Camera(Table):
    """The detectors; a CCD of ``ccds``, where there are any, overrides the common numbers."""

    pixel_scale_arcsec: Annotated[float, Field(ge=1e-3, le=30)]
    """[arcsec/pixel] Pixel scale."""
    gain_e_per_adu: Gain
    """[electron/ADU] Gain."""
    read_noise_e: _ReadNoise
    """[electron] Read noise of one pixel, RMS."""
    saturation_adu: Saturation = 65535.0
    """[ADU] Counts at which a pixel saturates; the default is the limit of 16 bits."""
    dark_current_e_per_s: within(0, 1e4) = 0.0
    """[electron/s] Dark current of one pixel; the default suits a cooled CCD."""
    cosmic_ray_rate_per_mpix_s: Annotated[float, Field(ge=0, le=100)] = 0.056
    """[1/(megapixel s)] Rate of cosmic rays; the default is 1.5 per cm^2 and minute on 15 micron
    pixels of thin silicon (Smith et al. 2002, SPIE 4669, 172)."""
    hot_pixel_fraction: Annotated[float, Field(ge=0, le=0.2)] = 2e-5
    """Fraction of hot pixels; the default is the order of magnitude of cooled CCDs."""
    bad_column_fraction: Annotated[float, Field(ge=0, le=0.2)] = 5e-4
    """Fraction of bad columns; the default is about one column of 2,048."""
    pixel_um: Annotated[float, Field(ge=0.1, le=100)] = 15.0
    """[micron] Physical size of a pixel; sets the length of cosmic-ray tracks in pixels."""
    silicon_um: Annotated[float, Field(gt=0, le=1000)] = 20.0
    """[micron] Depth of silicon in which tracks leave charge; the default is a thinned CCD."""
    edge_stamp_fraction: Fraction = 0.0
    """Fraction of objects whose stamp is cut by the edge of the detector."""
    ccds: tuple[Ccd, ...] = ()
    """The detectors of a mosaic; each object lies on one of them."""


class Psf(Table):
    """Shape of a point source; its width is in ``Seeing``.

    ln beta = ln(beta_median) + beta_fwhm_exponent ln(FWHM / 1 arcsec) plus a term common to
    all exposures of a pointing and one per exposure, each normal with its ``scatter`` (in ln).
    Ellipticity components e1 = e cos 2 theta and e2 = e sin 2 theta, e = (a - b)/(a + b),
    have a mean and two such terms. The width at an object differs from the exposure's by two
    more, ``fwhm_pointing_scatter`` and ``fwhm_exposure_scatter`` (in ln). Moffat profiles may be
    asymmetric (coma): q = r^2 / a^2 grows by min(q, 4 - q) c . r / FWHM up to q = 4, where both
    components of c are the sum of two normal terms of mean zero, ``lopsided_pointing_scatter``
    and ``lopsided_exposure_scatter``.
    """

    model: Literal["moffat", "kolmogorov", "library"] = "moffat"
    """Profile: a Moffat function, Kolmogorov turbulence, or measured PSFs of ``library``."""
    library: str | None = None
    """Path of an npz file of effective PSFs, for model "library"."""
    beta_median: Annotated[float, Field(gt=1, le=50)] = 4.765
    """Moffat exponent; the default is the one nearest to Kolmogorov turbulence (Trujillo et al.
    2001, MNRAS 328, 977)."""
    beta_fwhm_exponent: within(-5, 5) = 0.0
    """Slope of ln beta against ln FWHM; the default is one shape at every seeing."""
    beta_pointing_scatter: within(0, 2) = 0.0
    """Scatter of ln beta from pointing to pointing."""
    beta_exposure_scatter: within(0, 2) = 0.0
    """Scatter of ln beta from exposure to exposure."""
    beta_range: tuple[_Beta, _Beta] = (1.5, 10.0)
    """Lowest and highest Moffat exponent."""
    e1_mean: Annotated[float, Field(gt=-0.5, lt=0.5)] = 0.0
    """Mean ellipticity along the axes, positive along x (columns)."""
    e2_mean: Annotated[float, Field(gt=-0.5, lt=0.5)] = 0.0
    """Mean ellipticity along the diagonals."""
    e1_exposure_scatter: _Scatter = 0.0
    """Scatter of e1 from exposure to exposure; the default is a round PSF."""
    e2_exposure_scatter: _Scatter = 0.0
    """Scatter of e2 from exposure to exposure; the default is a round PSF."""
    ellipticity_pointing_scatter: _Scatter = 0.0
    """Scatter of e1 and of e2 from pointing to pointing."""
    position_jitter_pix: Annotated[float, Field(ge=0, le=2)] = 0.5
    """[pixel] Largest distance of a source from ``position_offset_pix``, on each axis; the
    default is that of stamps cut at the nearest pixel."""
    position_offset_pix: tuple[_Offset, _Offset] = (0.0, 0.0)
    """[pixel] Mean position (x, y) of a source from the centre of the central pixel."""
    lopsided_pointing_scatter: Annotated[float, Field(ge=0, le=0.2)] = 0.0
    """Scatter of the asymmetry (coma) c from pointing to pointing, per FWHM."""
    lopsided_exposure_scatter: Annotated[float, Field(ge=0, le=0.2)] = 0.0
    """Scatter of the asymmetry (coma) c from exposure to exposure, per FWHM."""
    pixel_broadening_pix: Annotated[float, Field(ge=0, lt=2)] = 0.0
    """[pixel] Taken off the survey's widths in quadrature to get the width before integration
    over pixels; above zero where the survey fits point-sampled profiles to pixels."""
    fwhm_pointing_scatter: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    """Scatter of ln FWHM at an object about the exposure's, common to a pointing."""
    fwhm_exposure_scatter: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    """Scatter of ln FWHM at an object about the exposure's, one per exposure."""
    lanczos_order: Annotated[int, Field(ge=0, le=7)] = 0
    """Order of the Lanczos kernel that stamps were resampled with; 0 means native pixels."""

    @model_validator(mode="after")
    def _consistent(self):
        if not self.beta_range[0] < self.beta_range[1]:
            raise ValueError(f"beta_range [low, high] with low < high, not {self.beta_range}")
        if self.model == "library" and not self.library:
            raise ValueError("a path psf.library of an .npz file with model = 'library'")
        if self.lanczos_order and not self.largest_offset_pix < MOST_RESAMPLED_PIX:
            raise ValueError(
                f"position_jitter_pix plus position_offset_pix below {MOST_RESAMPLED_PIX:g} pixels "
                f"where lanczos_order is above 0, not {self.largest_offset_pix:g}"
            )
        return self

    @property
    def largest_offset_pix(self) -> float:
        """Largest distance of a source from the stamp's centre, on one axis."""
        return self.position_jitter_pix + max(abs(offset) for offset in self.position_offset_pix)


# Of the last letter of a filter's name: extinction and dark sky of Ivezic et al. 2019 (ApJ 873,
# 111, table 2); moonlight relative to V as in the skies of Rubin schedule baseline v2.0 (ESO
# SkyCalc), with which real LSSTCam skies agree. Scattering as wavelength^-4 alone would give a
# third in i and a quarter in z and y: aerosols scatter red light, too.
_TYPICAL = {
    "u": (0.491, 22.99, 0.28),
    "g": (0.213, 22.26, 0.77),
    "r": (0.126, 21.20, 0.90),
    "i": (0.096, 20.48, 1.00),
    "z": (0.069, 19.60, 0.79),
    "y": (0.17, 18.61, 0.60),
}


class Band(Table):
    """One filter: its curve in the bandpass table, throughput, sky and exposure.

    Extinction, dark sky and moonlight have the values of the filter's letter at a dark site
    (Ivezic et al. 2019, ApJ 873, 111, table 2) where they are not given.
    """

    DERIVED: ClassVar = (
        "extinction_mag_per_airmass",
        "dark_sky_mag_per_arcsec2",
        "moonlight_factor",
    )

    filter: Literal[
        "desu",
        "desg",
        "desr",
        "desi",
        "desz",
        "desY",
        "ztfg",
        "ztfr",
        "ztfi",
        "lsstu",
        "lsstg",
        "lsstr",
        "lssti",
        "lsstz",
        "lssty",
    ]
    """Name of the transmission curve; beside ``transmission``, the one nearest in wavelength. Its
    last letter selects the tabulated colours of variable stars."""
    transmission: tuple[tuple[within(0, 1e6), NotNegative], ...] | None = None
    """[Angstrom, any unit] Points (wavelength, photons transmitted) of a curve of your own; by
    default that of ``filter``. Only its shape matters."""
    exposure_time_s: ExposureTime
    """[s] Exposure time."""
    zero_point_mag: physical("zero_point_mag")
    """[mag] AB magnitude of 1 ADU/s at airmass 1 in a clear night."""
    extinction_mag_per_airmass: Annotated[float, Field(ge=0, le=2)]
    """[mag/airmass] Atmospheric extinction; by default 0.491, 0.213, 0.126, 0.096, 0.069, 0.17 in
    u, g, r, i, z, y."""
    dark_sky_mag_per_arcsec2: physical("sky_mag_per_arcsec2")
    """[mag/arcsec^2] Sky at the zenith without Moon; by default 22.99, 22.26, 21.20, 20.48,
    19.60, 18.61 in u, g, r, i, z, y."""
    moonlight_factor: within(0, 100)
    """Scattered moonlight relative to V; by default 0.28, 0.77, 0.90, 1.00, 0.79, 0.60 in u, g, r,
    i, z, y (skies of a Rubin schedule)."""
    zenith_sky_mag_per_arcsec2: physical("sky_mag_per_arcsec2") | None = None
    """[mag/arcsec^2] Median sky at the zenith without Moon and twilight; by default
    ``dark_sky_mag_per_arcsec2``, which stays the reference of ``m5_noise_loss_mag``."""
    sky_airmass_exponent: Annotated[float, Field(ge=0, le=2)] | None = None
    """Exponent of the airmass in the dark sky; by default that of ``sky``."""
    twilight_mag_per_arcsec2: physical("sky_mag_per_arcsec2") | None = None
    """[mag/arcsec^2] Twilight alone with the Sun 12 degrees below the horizon; the default adds no
    twilight."""
    seeing_factor: within(0.1, 10) = 1.0
    """Width of the PSF relative to that of ``seeing``; the default is the same in every band."""
    depth_offset_mag: within(-10, 10) = 0.0
    """[mag] Added to ``limiting_mag`` where ``depth.model`` is "noise"."""
    m5_coefficient_mag: Magnitude | None = None
    """[mag] C_m of Ivezic et al. 2019, equation 6; needed where ``depth.model`` is "m5"."""
    m5_noise_loss_mag: Annotated[float, Field(ge=0, le=3)] = 0.0
    """[mag] Depth that a dark visit of 30 s loses to the noise of the instrument: dC_m at infinity
    of Ivezic et al. 2019, equation 7; the default is an instrument without noise."""

    @model_validator(mode="after")
    def _usable_curve(self) -> Band:
        if self.transmission is None:
            return self
        wave, light = zip(*self.transmission, strict=True) if self.transmission else ((), ())
        low, high = _CURVE_RANGE_ANGSTROM
        increasing = all(a < b for a, b in pairwise(wave))
        if not (increasing and len(wave) > 1 and low <= wave[0] and wave[-1] <= high):
            raise ValueError(
                f"transmission with increasing wavelengths from {low:g} to {high:g} Angstrom"
            )
        sides = zip(pairwise(wave), pairwise(light), strict=True)
        area = sum((b - a) * (s + t) / 2 for (a, b), (s, t) in sides)
        if not area > _LEAST_WIDTH_ANGSTROM * max(light):
            raise ValueError(
                f"transmission over an equivalent width above {_LEAST_WIDTH_ANGSTROM:g} Angstrom"
            )
        return self

    @model_validator(mode="before")
    @classmethod
    def _typical(cls, given: Any) -> Any:
        name = given.get("filter") if isinstance(given, dict) else None
        if not isinstance(name, str) or name[-1:].lower() not in _TYPICAL:
            return given
        typical = zip(cls.DERIVED, _TYPICAL[name[-1:].lower()], strict=True)
        return {**dict(typical), **given}
