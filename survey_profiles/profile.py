"""What a survey profile holds: instrument, sky, weather and timetable, with units in the names.

Every profile is frozen, refuses keys it does not know, and says in ``sources`` where each of
its numbers comes from. Magnitudes are AB; a zero point is the magnitude of 1 ADU/s.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from skyreel.errors import nearest
from survey_profiles.cadence_schema import (
    Cadence,
    Finite,
    Fraction,
    Magnitude,
    NotNegative,
    Positive,
    Probabilities,
    Table,
    require_quantiles,
)
from survey_profiles.sources import covers, flat_items, source_of

DEFAULT_SOURCE = "not in the file: the neutral default of the format"


Saturation = Annotated[float, Field(gt=0, le=65535)]  # counts are kept in 16 bits
_Offset = Annotated[float, Field(ge=-1, le=1)]


class Ccd(Table):
    """One detector of a mosaic."""

    name: str
    gain_e_per_adu: Positive
    read_noise_e: NotNegative
    saturation_adu: Saturation


class Camera(Table):
    """The detectors; a CCD of ``ccds``, where there are any, overrides the common numbers."""

    pixel_scale_arcsec: Annotated[float, Field(gt=0, le=30)]
    gain_e_per_adu: Positive
    read_noise_e: NotNegative
    saturation_adu: Saturation
    dark_current_e_per_s: NotNegative
    cosmic_ray_rate_per_mpix_s: Annotated[float, Field(ge=0, le=100)]
    hot_pixel_fraction: Annotated[float, Field(ge=0, le=0.2)]
    bad_column_fraction: Annotated[float, Field(ge=0, le=0.2)]
    pixel_um: Annotated[float, Field(gt=0, le=100)] = 15.0
    silicon_um: Annotated[float, Field(gt=0, le=1000)] = 20.0  # depth in which tracks leave charge
    edge_stamp_fraction: Fraction = 0.0  # of objects whose stamp the edge of the detector cuts
    ccds: tuple[Ccd, ...] = ()


class Psf(Table):
    """Shape of a point source; its width is in ``Seeing``.

    ln beta = ln(beta_median) + beta_fwhm_exponent ln(FWHM / 1 arcsec) plus a term common to
    all exposures of a pointing and one per exposure, each normal with its ``scatter`` (in ln).
    Ellipticity components e1 = e cos 2 theta and e2 = e sin 2 theta, e = (a - b)/(a + b),
    have a mean and two such terms. The width at an object differs from the exposure's by two
    more, ``fwhm_pointing_scatter`` and ``fwhm_exposure_scatter`` (in ln). Moffat profiles are
    lopsided: q = r^2 / a^2 grows by min(q, 4 - q) c . r / FWHM up to q = 4, where both components
    of c are the sum of two normal terms of mean zero, ``lopsided_pointing_scatter`` and
    ``lopsided_exposure_scatter``. Stamps are cut at the nearest pixel: a source lies up to
    ``position_jitter_pix`` on each side of ``position_offset_pix`` (x, y). Where
    ``pixel_broadening_pix`` is above zero the survey's widths were measured on pixels,
    point-sampled: take it off in quadrature to get the width before integration over pixels.
    """

    model: Literal["moffat", "kolmogorov", "library"]
    library: str | None = None
    beta_median: Annotated[float, Field(gt=1, le=50)]
    beta_fwhm_exponent: Finite
    beta_pointing_scatter: NotNegative
    beta_exposure_scatter: NotNegative
    beta_range: tuple[Annotated[float, Field(gt=1)], Annotated[float, Field(gt=1)]]
    e1_mean: Annotated[float, Field(gt=-0.5, lt=0.5)]
    e2_mean: Annotated[float, Field(gt=-0.5, lt=0.5)]
    e1_exposure_scatter: Annotated[float, Field(ge=0, le=0.3)]
    e2_exposure_scatter: Annotated[float, Field(ge=0, le=0.3)]
    ellipticity_pointing_scatter: Annotated[float, Field(ge=0, le=0.3)]
    position_jitter_pix: Annotated[float, Field(ge=0, le=2)]
    position_offset_pix: tuple[_Offset, _Offset] = (0.0, 0.0)
    lopsided_pointing_scatter: Annotated[float, Field(ge=0, le=0.2)] = 0.0
    lopsided_exposure_scatter: Annotated[float, Field(ge=0, le=0.2)] = 0.0
    pixel_broadening_pix: Annotated[float, Field(ge=0, lt=2)] = 0.0
    fwhm_pointing_scatter: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    fwhm_exposure_scatter: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    lanczos_order: Annotated[int, Field(ge=0, le=7)] = 0

    @model_validator(mode="after")
    def _consistent(self):
        if not self.beta_range[0] < self.beta_range[1]:
            raise ValueError(f"beta_range [low, high] with low < high, not {self.beta_range}")
        if self.model == "library" and not self.library:
            raise ValueError("a path psf.library of an .npz file with model = 'library'")
        return self


class Seeing(Table):
    """Half-maximum width of the PSF at the zenith and how it hangs together in time.

    The zenith width follows the quantile table. Its normal score is the sum of a part common
    to a night (``night_share`` of the variance), a part that drifts over ``drift_time_h``
    within it (``drift_share``) and white noise (the rest). With ``model = "power"`` the width
    is zenith x band.seeing_factor x airmass^airmass_exponent; with ``"rubin"`` the zenith
    width is the atmosphere's at 500 nm and the telescope's ``system_fwhm_arcsec`` is added as
    the Rubin Observatory does (``conditions.rubin_fwhm_arcsec``). Exposures wider than
    ``max_fwhm_arcsec`` are dropped.
    """

    model: Literal["power", "rubin"] = "power"
    probabilities: Probabilities
    zenith_fwhm_arcsec: Annotated[tuple[Positive, ...], Field(min_length=2)]
    airmass_exponent: Annotated[float, Field(ge=0, le=2)]
    system_fwhm_arcsec: NotNegative = 0.0
    night_share: Fraction
    drift_share: Fraction
    drift_time_h: Positive
    max_fwhm_arcsec: Positive

    @model_validator(mode="after")
    def _consistent(self):
        require_quantiles(self.probabilities, self.zenith_fwhm_arcsec, "zenith_fwhm_arcsec")
        if self.night_share + self.drift_share > 1:
            total = self.night_share + self.drift_share
            raise ValueError(f"night_share + drift_share at most 1, not {total:g}")
        return self


class Sky(Table):
    """How the sky brightens: dark sky as airmass^airmass_exponent, with scatter in dex."""

    airmass_exponent: Annotated[float, Field(ge=0, le=2)]
    night_scatter_dex: Annotated[float, Field(ge=0, le=1)]
    exposure_scatter_dex: Annotated[float, Field(ge=0, le=1)]


class Weather(Table):
    """Transparency: clear nights scatter a little, cloudy ones lose light exponentially.

    ``calibration_scatter_mag`` is what the zero point of an exposure is wrong by at an object:
    it changes the light that arrives, and no recorded number tells of it.
    """

    night_scatter_mag: NotNegative
    exposure_scatter_mag: NotNegative
    cloudy_night_fraction: Fraction
    cloud_loss_mean_mag: NotNegative
    calibration_scatter_mag: Annotated[float, Field(ge=0, le=0.5)] = 0.0


class Depth(Table):
    """How ``limiting_mag`` (5 sigma, point source) follows from the other conditions.

    ``noise``: from zero point, sky and read noise within 2.266 FWHM^2, plus each band's
    ``depth_offset_mag``; ``m5``: Ivezic et al. 2019, equation 6, with each band's
    ``m5_coefficient_mag``. The residual quantiles are added to either.
    """

    model: Literal["noise", "m5"]
    residual_probabilities: Probabilities
    residual_mag: Annotated[tuple[Finite, ...], Field(min_length=2)]

    @model_validator(mode="after")
    def _consistent(self):
        require_quantiles(self.residual_probabilities, self.residual_mag, "residual_mag")
        return self


class Band(Table):
    """One filter: its curve in the bandpass table, throughput, sky and exposure."""

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
    exposure_time_s: Positive
    zero_point_mag: Magnitude
    extinction_mag_per_airmass: Annotated[float, Field(ge=0, le=2)]
    dark_sky_mag_per_arcsec2: Magnitude
    moonlight_factor: NotNegative
    seeing_factor: Positive
    depth_offset_mag: Finite = 0.0
    m5_coefficient_mag: Magnitude | None = None


class StarField(Table):
    """What surrounds a target: counts as 10^(slope m) and the density of neighbours."""

    star_counts_slope_per_mag: Annotated[float, Field(ge=0, le=1)]
    bright_mag: Magnitude
    faint_mag: Magnitude
    neighbours_per_arcmin2: NotNegative
    neighbour_faint_mag: Magnitude

    @model_validator(mode="after")
    def _consistent(self):
        if not self.bright_mag < self.faint_mag:
            raise ValueError(
                f"bright_mag ({self.bright_mag:g}) below faint_mag ({self.faint_mag:g})"
            )
        return self


class Hosts(Table):
    """Shares of objects in front of a galaxy."""

    sn_fraction: Fraction = 0.5
    other_fraction: Fraction = 0.05


class Site(Table):
    """Where the telescope stands; longitude is positive to the east."""

    latitude_deg: Annotated[float, Field(ge=-90, le=90)]
    longitude_deg: Annotated[float, Field(ge=-180, le=180)]


class Profile(Table):
    """A whole survey."""

    name: Annotated[str, Field(min_length=1)]
    title: str
    reference_band: str
    camera: Camera
    psf: Psf
    seeing: Seeing
    sky: Sky
    weather: Weather
    depth: Depth
    bands: Annotated[dict[str, Band], Field(min_length=1)]
    field: StarField
    hosts: Hosts
    site: Site
    cadence: Cadence
    sources: dict[str, str]

    def source(self, key: str) -> str:
        """Where the number at a dotted key comes from; KeyError where there is no such key."""
        keys = [name for name, _ in flat_items(self.model_dump(exclude={"sources"}))]
        if not any(covers(key, name) or covers(name, key) for name in keys):
            raise KeyError(f"{key}: no such key in {self.name!r}. {nearest(key, keys)}")
        return source_of(key, self.sources) or DEFAULT_SOURCE

    @property
    def band_names(self) -> tuple[str, ...]:
        """Names of the bands in the order that ``Pointings.band`` counts them."""
        return tuple(self.bands)
