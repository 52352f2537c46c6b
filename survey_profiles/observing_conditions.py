"""Exposures drawn from a profile, with the correlations of real nights.

The Moon and the airmass follow from where a field stands at the time of a visit; seeing, sky
and zero point share a part within a night; depth follows from all of them. Arrays are
(pointing, epoch), NaN where padded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr

from skyreel.errors import Problem, ProfileError
from survey_profiles import depth as depths
from survey_profiles import ephemeris
from survey_profiles.cadence import draw_visits
from survey_profiles.moonlight import NANOLAMBERT_V_MAG, moonlight_at
from survey_profiles.pointings import Pointings, as_pointings, draw_shapes, pack_left

if TYPE_CHECKING:
    from survey_profiles.conditions_schema import Weather
    from survey_profiles.profile import Profile

TWILIGHT_ALTITUDE_DEG = -12.0  # of the Sun, at which profiles give the twilight
MAX_ROUNDS = 40
_ROUNDS_BEFORE_GIVING_UP = 5
_VISITS, _SEEING, _SKY, _CLOUD, _DEPTH, _SHAPE = range(6)  # append, never renumber
Columns = Mapping[str, np.ndarray]  # arrays (pointing, epoch) by name


def draw_pointings(profile: Profile, seed: int, count: int = 2048) -> Pointings:
    """``count`` sequences of exposures; the same for the same (profile, seed, count).

    Fields left with fewer than ``cadence.min_epochs`` exposures (weather, airmass, seeing
    cut) are drawn again.

    Raises
    ------
    skyreel.errors.ProfileError
        Hardly any field gets so many exposures, or sequences are longer than a season.

    Examples
    --------
    >>> from survey_profiles import load_profile
    >>> pointings = draw_pointings(load_profile("hits"), seed=1, count=4)
    >>> len(pointings), pointings.mjd.shape == pointings.airmass.shape
    (4, True)
    """
    _refuse_several_seasons(profile)
    kept, found = [], 0
    for attempt in range(MAX_ROUNDS):
        columns, length = _draw_round(profile, seed, attempt, count)
        enough = length >= profile.cadence.min_epochs
        kept.append({name: values[enough] for name, values in columns.items()})
        found += int(enough.sum())
        if found >= count:
            columns, length = _joined(kept, count)
            season = profile.cadence.season
            first_mjd = season.first_mjd if season else None
            return as_pointings(columns, length, np.full(count, -1), first_mjd=first_mjd)
        if attempt + 1 >= _ROUNDS_BEFORE_GIVING_UP and found * MAX_ROUNDS < attempt * count // 4:
            break  # far too few for all rounds
    drawn = (attempt + 1) * count
    problem = Problem(
        "cadence.min_epochs",
        f"{found} of {drawn} drawn fields with {profile.cadence.min_epochs} exposures",
        "allowed: a timetable, airmass and seeing limits that leave enough of them.",
    )
    raise ProfileError(profile.name, [problem])


def _refuse_several_seasons(profile):
    season = profile.cadence.season
    if season and season.window_day > season.season_day:
        problem = Problem(
            "cadence.season.window_day",
            f"{season.window_day:g}",
            f"allowed: at most season_day ({season.season_day:g}) where exposures are drawn; "
            "sequences of several seasons need a table of visits.",
        )
        raise ProfileError(profile.name, [problem])


def random_stream(seed: int, *purpose: int) -> np.random.Generator:
    """The generator of one purpose of one round of draws."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=purpose))


def _joined(parts, count):
    """Stack rounds of different width and keep the first ``count`` rows."""
    width = max(part["mjd"].shape[1] for part in parts)

    def pad(values):
        fill = 0 if np.issubdtype(values.dtype, np.integer) else np.nan
        missing = width - values.shape[1]
        return np.pad(values, ((0, 0), (0, missing)), constant_values=fill)

    columns = {k: np.concatenate([pad(part[k]) for part in parts])[:count] for k in parts[0]}
    return pack_left(np.isfinite(columns["mjd"]), columns)


def _draw_round(profile, seed, attempt, count):
    rngs = [random_stream(seed, attempt, purpose) for purpose in range(6)]
    visits = draw_visits(profile, rngs[_VISITS], count)
    columns = _packed_visits(visits)
    bands = BandValues(profile, columns["band"])
    seeing = draw_seeing(profile, rngs[_SEEING], columns, bands)
    sky = draw_sky(profile, rngs[_SKY], columns, bands)
    zero_point = draw_zero_point(profile.weather, rngs[_CLOUD], columns, bands)
    measured = {"seeing_fwhm_arcsec": seeing, "sky_adu": sky, "zero_point_mag": zero_point}
    columns = {**columns, **measured}
    columns["limiting_mag"] = draw_limiting_mag(profile, rngs[_DEPTH], columns, bands)
    columns["sky_adu"] = sky + depths.dark_adu(profile.camera, columns["exposure_time_s"])
    shapes = draw_shapes(profile.psf, rngs[_SHAPE], seeing)
    columns.update(zip(("psf_beta", "psf_e1", "psf_e2"), shapes, strict=True))
    keep = seeing <= profile.seeing.max_fwhm_arcsec
    keep &= np.cumsum(keep, axis=1) <= profile.cadence.max_epochs
    wanted = {k: v for k, v in columns.items() if k not in ("night", "ra_deg", "dec_deg")}
    return pack_left(keep, wanted)


def _packed_visits(visits):
    """The planned visits as packed columns, in order of time."""
    taken = np.isfinite(visits.mjd)
    wide = {name: getattr(visits, name) for name in ("mjd", "band", "night", "exposure_time_s")}
    packed, _ = pack_left(taken, {**wide, "airmass": visits.airmass})
    return {**packed, "ra_deg": visits.ra_deg, "dec_deg": visits.dec_deg}


class BandValues:
    """Numbers of the bands of a profile, looked up for arrays of band indices.

    ``BandValues(profile, band)["zero_point_mag"]`` has the shape of ``band``.
    """

    def __init__(self, profile: Profile, band: np.ndarray) -> None:
        self._bands = tuple(profile.bands.values())
        self._band = band

    def __getitem__(self, name: str) -> np.ndarray:
        values = [getattr(band, name) for band in self._bands]
        return np.array([np.nan if v is None else v for v in values], dtype=float)[self._band]

    def default(self, name: str, otherwise: np.ndarray | float) -> np.ndarray:
        """Numbers of the bands, or ``otherwise`` for bands without."""
        values = self[name]
        return np.where(np.isnan(values), otherwise, values)


def _per_night(rng, columns, draw):
    """One number per (pointing, night), given to every exposure of the night."""
    nights = int(columns["night"].max(initial=0)) + 1
    values = draw(rng, (len(columns["night"]), nights))
    return np.take_along_axis(values, columns["night"], axis=1)


def draw_seeing(
    profile: Profile, rng: np.random.Generator, columns: Columns, bands: BandValues
) -> np.ndarray:
    """Half-maximum widths in arcsec: a Gaussian copula over night, hours and exposure."""
    seeing = profile.seeing
    night = _per_night(rng, columns, lambda r, shape: r.normal(size=shape))
    drift = drifting(rng, columns["mjd"], seeing.drift_time_h)
    white = rng.normal(size=night.shape)
    rest = 1.0 - seeing.night_share - seeing.drift_share
    shares = np.sqrt([seeing.night_share, seeing.drift_share, max(rest, 0.0)])
    probability = ndtr(shares[0] * night + shares[1] * drift + shares[2] * white)
    zenith = np.interp(probability, seeing.probabilities, seeing.zenith_fwhm_arcsec)
    if seeing.model == "rubin":
        zenith = rubin_fwhm_arcsec(zenith * bands["seeing_factor"], seeing.system_fwhm_arcsec)
    else:
        zenith = zenith * bands["seeing_factor"]
    return zenith * columns["airmass"] ** seeing.airmass_exponent


def rubin_fwhm_arcsec(atmosphere_fwhm_arcsec: np.ndarray, system_fwhm_arcsec: float) -> np.ndarray:
    """Zenith PSF width from that of the atmosphere in the band and that of the telescope.

    FWHM_eff = 1.16 sqrt(system^2 + 1.04 atmosphere^2), then FWHM_geom = 0.822 FWHM_eff + 0.052
    (Rubin SMTN-002 and the OpSim seeing model).
    """
    effective = 1.16 * np.sqrt(system_fwhm_arcsec**2 + 1.04 * atmosphere_fwhm_arcsec**2)
    return depths.geometric_fwhm_arcsec(effective)


def drifting(rng: np.random.Generator, mjd: np.ndarray, time_h: float) -> np.ndarray:
    """Unit-variance noise whose correlation falls as exp(-|dt| / time_h) along each row."""
    step_h = np.nan_to_num(np.diff(mjd, axis=1) * 24.0)
    keep = np.exp(-step_h / time_h)
    noise = rng.normal(size=mjd.shape)
    for epoch in range(1, mjd.shape[1]):
        r = keep[:, epoch - 1]
        noise[:, epoch] = r * noise[:, epoch - 1] + np.sqrt(1.0 - r**2) * noise[:, epoch]
    return noise


def draw_sky(
    profile: Profile, rng: np.random.Generator, columns: Columns, bands: BandValues
) -> np.ndarray:
    """Background in ADU per pixel: dark sky by airmass plus scattered moonlight and twilight.

    Clouds do not dim it: in the HiTS data the cloudy night is no darker.
    """
    sky, zero_point = profile.sky, bands["zero_point_mag"]
    per_mag = columns["exposure_time_s"] * profile.camera.pixel_scale_arcsec**2
    zenith = bands.default("zenith_sky_mag_per_arcsec2", bands["dark_sky_mag_per_arcsec2"])
    exponent = bands.default("sky_airmass_exponent", sky.airmass_exponent)
    dark = per_mag * 10.0 ** (0.4 * (zero_point - zenith))
    dex = _per_night(rng, columns, lambda r, s: r.normal(0.0, sky.night_scatter_dex, s))
    dark = dark * columns["airmass"] ** exponent * 10.0**dex
    dark = dark + per_mag * _twilight(profile, columns, bands)
    moon = moonlight_at(columns["mjd"], columns["ra_deg"], columns["dec_deg"], profile.site)
    moon = moon * per_mag * 10.0 ** (0.4 * (zero_point - NANOLAMBERT_V_MAG))
    scatter = rng.normal(0.0, sky.exposure_scatter_dex, dex.shape)
    return (dark + moon * bands["moonlight_factor"]) * 10.0**scatter


def _twilight(profile, columns, bands):
    """ADU per arcsec^2 and second of the Sun's light, which falls exponentially as it sinks."""
    surface = bands["twilight_mag_per_arcsec2"]
    place = (profile.site.latitude_deg, profile.site.longitude_deg)
    above = ephemeris.sun_altitude_deg(columns["mjd"], *place) - TWILIGHT_ALTITUDE_DEG
    above = np.minimum(above, -TWILIGHT_ALTITUDE_DEG)  # the day is no brighter than sunset
    dex = 0.4 * (bands["zero_point_mag"] - surface) + profile.sky.twilight_dex_per_deg * above
    return np.where(np.isnan(surface), 0.0, 10.0**dex)


def draw_zero_point(
    weather: Weather, rng: np.random.Generator, columns: Columns, bands: BandValues
) -> np.ndarray:
    """Zero points in mag for 1 ADU/s: extinction, clear-night scatter and clouds."""
    night = _per_night(rng, columns, lambda r, s: r.normal(0.0, weather.night_scatter_mag, s))
    cloudy = _per_night(rng, columns, lambda r, s: r.random(s) < weather.cloudy_night_fraction)
    loss = rng.exponential(weather.cloud_loss_mean_mag, night.shape)
    scatter = rng.normal(0.0, weather.exposure_scatter_mag, night.shape)
    return clear_zero_point_mag(columns, bands) + night + scatter - np.where(cloudy, loss, 0.0)


def clear_zero_point_mag(columns: Columns, bands: BandValues) -> np.ndarray:
    """Zero points in mag for 1 ADU/s without clouds, at the airmass of the exposures."""
    return bands["zero_point_mag"] - bands["extinction_mag_per_airmass"] * (
        columns["airmass"] - 1.0
    )


def limiting_mag(profile: Profile, columns: Columns, bands: BandValues) -> np.ndarray:
    """The 5-sigma depth that the other conditions imply, without residual scatter.

    Extinction by clouds lowers it by as much as the zero point, as in real LSSTCam visits under
    clouds (slope 0.99 to 1.00 in six bands). The factor 1.1 of rubin-scheduler's ``m5_scale``
    turns an optical depth into magnitudes (1.086).
    """
    names = ("seeing_fwhm_arcsec", "sky_adu", "zero_point_mag", "exposure_time_s")
    if profile.depth.model == "noise":
        depth = depths.noise_depth_mag(profile.camera, **{n: columns[n] for n in names})
        return depth + bands["depth_offset_mag"]
    return model_m5_mag(profile, columns, bands) + (
        columns["zero_point_mag"] - clear_zero_point_mag(columns, bands)
    )


def model_m5_mag(profile: Profile, columns: Columns, bands: BandValues) -> np.ndarray:
    """Ivezic et al. 2019, equations 6 and 7, for a clear sky of ``columns["sky_adu"]``."""
    sky_mag = depths.sky_mag_per_arcsec2(
        profile.camera, columns["sky_adu"], columns["exposure_time_s"], bands["zero_point_mag"]
    )
    return depths.m5_mag(
        bands["m5_coefficient_mag"],
        sky_mag_per_arcsec2=sky_mag,
        **m5_arguments(columns, bands),
    )


def m5_arguments(columns: Columns, bands: BandValues) -> dict[str, np.ndarray]:
    """Arguments that `depth.m5_mag` and its inverse share."""
    return {
        "effective_fwhm_arcsec": depths.effective_fwhm_arcsec(columns["seeing_fwhm_arcsec"]),
        "exposure_time_s": columns["exposure_time_s"],
        "extinction_mag_per_airmass": bands["extinction_mag_per_airmass"],
        "airmass": columns["airmass"],
        "noise_loss_mag": bands["m5_noise_loss_mag"],
        "dark_sky_mag_per_arcsec2": bands["dark_sky_mag_per_arcsec2"],
    }


def draw_limiting_mag(
    profile: Profile, rng: np.random.Generator, columns: Columns, bands: BandValues
) -> np.ndarray:
    """Depths with the measured scatter about what the conditions imply."""
    depth = profile.depth
    uniform = rng.random(columns["mjd"].shape)
    residual = np.interp(uniform, depth.residual_probabilities, depth.residual_mag)
    return limiting_mag(profile, columns, bands) + residual
