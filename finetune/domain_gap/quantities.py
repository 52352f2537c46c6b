"""The quantities measured of every object, and the profile keys that each one depends on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Quantity:
    """One measured quantity of an object.

    ``text`` describes it with its unit; ``hint`` names suggested parameters of the profile, or the
    part of the simulator, where real and simulated values differ.
    """

    name: str
    group: str
    text: str
    hint: str


def _of(group, *rows):
    return tuple(Quantity(name, group, text, hint) for name, text, hint in rows)


_SHARED_SKY = "bands.*.dark_sky_mag_per_arcsec2, bands.*.moonlight_factor, [sky]"
_NOISE = "camera.gain_e_per_adu, camera.read_noise_e"
_SMEARING = "psf.lanczos_order, or the resampling of the real stamps"
_ELLIPTICITY = "psf.e1_mean, psf.e2_mean"
_SCATTER_E = "psf.e1_exposure_scatter, psf.e2_exposure_scatter"
_BETA = "psf.beta_median, psf.beta_fwhm_exponent, or the PSF model"
_NIGHTS = "[[cadence.nights]] or [cadence.season]"
_FAINT = "field.neighbours_per_arcmin2, field.neighbour_faint_mag"
_ERRORS = "weather.calibration_scatter_mag, or the class's light curves"

QUANTITIES = (
    *_of(
        "noise",
        ("noise_ratio", "variance of border pixels over that of gain and read noise", _NOISE),
        ("noise_ratio_scatter", "scatter of the noise ratio over epochs (ln)", _NOISE),
        (
            "noise_tail",
            "mean square of border pixels over their robust variance (ln)",
            "camera.cosmic_ray_rate_per_mpix_s, camera.hot_pixel_fraction, " + _FAINT,
        ),
        (
            "noise_correlation_x",
            "correlation of border pixels with their right neighbours",
            _SMEARING,
        ),
        ("noise_correlation_y", "correlation of border pixels with those above", _SMEARING),
        (
            "sky_over_catalogue",
            "measured over catalogued sky level (ln)",
            "definition of sky_adu (reader)",
        ),
    ),
    *_of(
        "psf",
        ("width_over_seeing", "fitted over catalogued width (ln)", "psf.pixel_broadening_pix"),
        ("width_scatter", "scatter of the FWHM over epochs", "psf.fwhm_exposure_scatter"),
        ("e1", "ellipticity along the axes, mean (weighted moments)", _ELLIPTICITY),
        ("e2", "ellipticity along the diagonals, mean (weighted moments)", _ELLIPTICITY),
        ("e1_scatter", "scatter of e1 over epochs", _SCATTER_E),
        ("e2_scatter", "scatter of e2 over epochs", _SCATTER_E),
        ("inner_wings", "light at 1 FWHM over the core's (ln)", _BETA),
        ("outer_wings", "light at 1.8 FWHM over the core's", _BETA),
        ("asymmetry", "third moments of the star, over its width cubed (coma)", "the PSF model"),
    ),
    *_of(
        "centring",
        ("x_mean", "mean position along columns [pix]", "psf.position_offset_pix"),
        ("y_mean", "mean position along rows [pix]", "psf.position_offset_pix"),
        ("x_scatter", "scatter of the position along columns [pix]", "psf.position_jitter_pix"),
        ("y_scatter", "scatter of the position along rows [pix]", "psf.position_jitter_pix"),
    ),
    *_of(
        "saturation",
        ("peak", "brightest pixel of all images over saturation (log10)", "camera.saturation_adu"),
        ("saturated_share", "share of images with saturated pixels", "camera.saturation_adu"),
        (
            "masked_share",
            "share of pixels that are masked",
            "camera.bad_column_fraction, camera.hot_pixel_fraction, camera.edge_stamp_fraction",
        ),
    ),
    *_of(
        "surroundings",
        (
            "second_source",
            "largest excess in the outskirts of the stack, in sigma (ln(1 + x))",
            _FAINT,
        ),
        (
            "roughness",
            "scatter of the stack's outskirts over its noise (ln)",
            _FAINT + ", or faint galaxies",
        ),
        (
            "slope",
            "gradient across the stack's outskirts, in sigma (ln)",
            "hosts.other_fraction, hosts.sn_fraction",
        ),
        (
            "extended_share",
            "share of images that no single star fits",
            "hosts.other_fraction, hosts.sn_fraction, or the PSF model",
        ),
    ),
    *_of(
        "conditions",
        ("sky", "sky level [log10 ADU], median", _SHARED_SKY),
        ("sky_scatter", "scatter of the sky level (in ln)", _SHARED_SKY),
        ("seeing", "catalogued width [pix], median", "seeing.zenith_fwhm_arcsec"),
        (
            "seeing_scatter",
            "scatter of the catalogued width (in ln)",
            "seeing.night_share, seeing.drift_share",
        ),
        ("zero_point", "zero point [mag], median", "bands.*.zero_point_mag, [weather]"),
        (
            "zero_point_scatter",
            "scatter of the zero point [mag]",
            "[weather], bands.*.extinction_mag_per_airmass",
        ),
    ),
    *_of(
        "cadence",
        ("span", "from the first image to the last [d]", _NIGHTS),
        ("night_gap", "mean time from night to night [d]", _NIGHTS),
        (
            "visit_gap",
            "median time between images of a night [h]",
            "hour_angle_h of [[cadence.nights]], or pair_gap_min",
        ),
        ("images_a_night", "images in a night, mean", "fraction of [[cadence.nights]]"),
    ),
    *_of(
        "light curve",
        ("scatter_over_error", "scatter of the light curve over its errors (ln)", _ERRORS),
        (
            "amplitude",
            "5th to 95th percentile of the fluxes over their mean (asinh)",
            "the class's light curves",
        ),
        (
            "smoothness",
            "mean square of successive differences over the variance",
            "the class's light curves, " + "[weather]",
        ),
        (
            "brightest_at",
            "position of the brightest image in the sequence, 0 to 1",
            "the class's light curves",
        ),
    ),
)

# Matched simulations share magnitude and number of images with the real objects. So these two are
# compared with objects drawn from the magnitude distribution of the profile, and left out of the
# two-sample test.
SELECTION = _of(
    "selection",
    (
        "magnitude",
        "median magnitude (asinh, AB) under the magnitude distribution of the profile",
        "field.star_counts_slope_per_mag, field.bright_mag, field.faint_mag, or --magnitudes",
    ),
    ("images", "number of images", "cadence.min_epochs, cadence.max_epochs, fractions of visits"),
)

NAMES = tuple(quantity.name for quantity in QUANTITIES)
GROUPS = tuple(dict.fromkeys(quantity.group for quantity in QUANTITIES))
