"""Observing conditions of visits, where a table gives only some of them.

References: Ivezic et al. 2019 (ApJ 873, 111), equations 6 and 7; Rubin SMTN-002.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from survey_profiles import depth as depths
from survey_profiles.exposure_tables.columns import MEASURED
from survey_profiles.input_tables import InputTable
from survey_profiles.observing_conditions import (
    BandValues,
    Columns,
    clear_zero_point_mag,
    draw_sky,
    limiting_mag,
    m5_arguments,
    random_stream,
)
from survey_profiles.physical_ranges import known as known_values

if TYPE_CHECKING:
    from survey_profiles.profile import Profile

_TRIAL_FWHM_ARCSEC = 1.0
_FWHM_PER_SIGMA = 2.0 * np.sqrt(2.0 * np.log(2.0))  # of a Gaussian
_GAUSSIAN_PER_HALF_MAXIMUM = 1.054  # width of a Gaussian with the moments of Kolmogorov's PSF
_BRIGHTER_THAN_EXPECTED_MAG = 1.0  # chosen: shallower visits have clouds
_DARKER_THAN_DARK_MAG = 0.3  # chosen: deeper visits have a better throughput


def visit_conditions(
    table: InputTable, profile: Profile, band: np.ndarray, given: Columns, notes: list[str]
) -> dict[str, np.ndarray]:
    """The measured columns of an exposure table.

    Parameters
    ----------
    table : InputTable
        Named in errors.
    profile : Profile
    band : int array, shape (visit,)
        Index into the bands of the profile.
    given : mapping of str to array, shape (visit,)
        What the table has, by quantity, with times, positions, airmass and exposure times.
    notes : list of str
        What follows from other columns is added.

    Raises
    ------
    ExposureTableError
        Neither seeing nor depth is known.
    """
    bands = BandValues(profile, band)
    depth = given.get("limiting_mag")
    seeing = _seeing(profile, given, bands, notes)
    if seeing is None and depth is None:
        raise table.error(
            f"{table.path}: no known value of seeing or of depth (seeingFwhmEff, fiveSigmaDepth); "
            "one of them is needed."
        )
    camera, seconds = profile.camera, given["exposure_time_s"]
    clear = clear_zero_point_mag(given, bands)
    zero_point = _measured_zero_point(given, camera)
    measured = zero_point is not None
    if not measured:
        zero_point = clear
    columns = {**given, "zero_point_mag": zero_point, "seeing_fwhm_arcsec": seeing}
    sky = _sky(profile, band, columns, notes)
    columns["sky_adu"] = sky
    if seeing is None:
        columns["seeing_fwhm_arcsec"] = _seeing_of_depth(profile, columns, bands)
        notes.append("the seeing follows from the depth and the sky.")
    if depth is None:
        columns["limiting_mag"] = known_values(
            "limiting_mag", limiting_mag(profile, columns, bands)
        )
        notes.append("depths follow from seeing, sky and zero point.")
    elif not measured:
        lost = limiting_mag(profile, columns, bands) - depth
        columns["zero_point_mag"] = known_values("zero_point_mag", clear - lost)
    columns["sky_adu"] = known_values("sky_adu", sky + depths.dark_adu(camera, seconds))
    return {name: columns[name] for name in MEASURED}


def _seeing(profile, given, bands, notes):
    """Half-maximum widths; of measured depths, that of the area in which they have the noise."""
    zero_point = _measured_zero_point(given, profile.camera)
    if zero_point is not None and "sky_e" in given and "limiting_mag" in given:
        notes.append("the seeing follows from depth, sky and zero point, which are measured.")
        at_trial = depths.noise_depth_mag(
            profile.camera,
            seeing_fwhm_arcsec=_TRIAL_FWHM_ARCSEC,
            sky_adu=given["sky_e"] / profile.camera.gain_e_per_adu,
            zero_point_mag=zero_point,
            exposure_time_s=given["exposure_time_s"],
        )
        if profile.depth.model == "noise":
            at_trial = at_trial + bands["depth_offset_mag"]
        return _widened(profile, _TRIAL_FWHM_ARCSEC, at_trial - given["limiting_mag"])
    if "effective_fwhm_arcsec" in given:
        return depths.geometric_fwhm_arcsec(given["effective_fwhm_arcsec"])
    if "seeing_fwhm_arcsec" in given:
        return given["seeing_fwhm_arcsec"]
    if "gaussian_fwhm_arcsec" in given:
        return _half_maximum_width(profile, given["gaussian_fwhm_arcsec"])
    if "psf_sigma_pix" in given:
        gaussian_pix = _FWHM_PER_SIGMA * given["psf_sigma_pix"]
        return _half_maximum_width(profile, gaussian_pix * profile.camera.pixel_scale_arcsec)
    return None


def _half_maximum_width(profile, seeing_arcsec):
    """Rubin's ``seeing`` is that of a Gaussian with the second moments of the PSF."""
    of_moments = profile.depth.model != "noise"
    return seeing_arcsec / _GAUSSIAN_PER_HALF_MAXIMUM if of_moments else seeing_arcsec


def _measured_zero_point(given, camera):
    """Zero points of 1 ADU/s, also from those of 1 electron in the exposure."""
    if "zero_point_mag" in given:
        return given["zero_point_mag"]
    measured = given.get("zero_point_of_exposure_mag")
    if measured is None:
        return None
    return measured - 2.5 * np.log10(given["exposure_time_s"] * camera.gain_e_per_adu)


def _sky(profile, band, columns, notes):
    """Background without dark current, in ADU per pixel."""
    bands = BandValues(profile, band)
    if "sky_e" in columns:
        return columns["sky_e"] / profile.camera.gain_e_per_adu
    seconds = columns["exposure_time_s"]
    if "sky_mag_per_arcsec2" in columns:
        mag = columns["sky_mag_per_arcsec2"]
        return depths.sky_adu(profile.camera, mag, seconds, bands["zero_point_mag"])
    if columns["seeing_fwhm_arcsec"] is None or "limiting_mag" not in columns:
        notes.append("the sky is that of the profile at the position and time.")
        return _expected_sky_adu(profile, columns, band)
    notes.append("the sky follows from the depth and the seeing.")
    darkest = bands["dark_sky_mag_per_arcsec2"] + _DARKER_THAN_DARK_MAG
    least = depths.sky_adu(profile.camera, darkest, seconds, bands["zero_point_mag"])
    most = 10.0 ** (0.4 * _BRIGHTER_THAN_EXPECTED_MAG) * _expected_sky_adu(profile, columns, band)
    return np.fmin(np.fmax(_sky_of_depth(profile, columns, bands), least), most)


def _sky_of_depth(profile, columns, bands):
    if profile.depth.model == "noise":
        return depths.sky_of_noise_depth_adu(
            profile.camera,
            columns["limiting_mag"] - bands["depth_offset_mag"],
            **{n: columns[n] for n in ("seeing_fwhm_arcsec", "zero_point_mag", "exposure_time_s")},
        )
    # what the zero point lacks to that of a clear sky is clouds
    clouds = columns["zero_point_mag"] - clear_zero_point_mag(columns, bands)
    mag = depths.sky_of_m5_mag_per_arcsec2(
        columns["limiting_mag"] - clouds,
        bands["m5_coefficient_mag"],
        **m5_arguments(columns, bands),
    )
    seconds = columns["exposure_time_s"]
    return depths.sky_adu(profile.camera, mag, seconds, bands["zero_point_mag"])


def _expected_sky_adu(profile, columns, band):
    """The sky that the profile draws, without its scatter."""
    calm = profile.sky.model_copy(update={"night_scatter_dex": 0.0, "exposure_scatter_dex": 0.0})
    names = ("mjd", "ra_deg", "dec_deg", "airmass", "exposure_time_s")
    one_each = {name: columns[name][:, None] for name in names}
    one_each["night"] = np.zeros((len(band), 1), dtype=np.int64)
    calm_profile = profile.model_copy(update={"sky": calm})
    bands = BandValues(profile, band[:, None])
    return draw_sky(calm_profile, random_stream(0), one_each, bands)[:, 0]


def _seeing_of_depth(profile, columns, bands):
    """Half-maximum width at which the depth is that of the table: noise grows as the width."""
    trial = np.full_like(columns["mjd"], _TRIAL_FWHM_ARCSEC)
    deeper = limiting_mag(profile, {**columns, "seeing_fwhm_arcsec": trial}, bands)
    noise_fwhm = trial if profile.depth.model == "noise" else depths.effective_fwhm_arcsec(trial)
    return _widened(profile, noise_fwhm, deeper - columns["limiting_mag"])


def _widened(profile, noise_fwhm_arcsec, lost_mag):
    """Half-maximum width where the width of the noise area grows until so much depth is lost.

    In a profile of the depth model "noise" both widths are one; in "m5" it is Rubin's FWHM_eff.
    """
    width = noise_fwhm_arcsec * 10.0 ** (0.4 * lost_mag)
    if profile.depth.model != "noise":
        width = depths.geometric_fwhm_arcsec(width)
    return known_values("seeing_fwhm_arcsec", width)
