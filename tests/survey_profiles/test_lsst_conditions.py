"""The LSST profile against the schedules and the visits of Rubin.

Facts are percentiles (5, 50, 95) of published files, written here so that they are compared without
them; tests marked ``real`` measure them again.
"""

import sqlite3
from contextlib import closing

import numpy as np
import pytest

from survey_profiles import draw_pointings, load_profile
from survey_profiles import ephemeris as sky
from survey_profiles.depth import dark_adu, effective_fwhm_arcsec, m5_mag, sky_mag_per_arcsec2

THREE, FIVE = [5, 50, 95], [5, 25, 50, 75, 95]

# 216,233 visits of Rubin schedule baseline v2.0: depth, FWHM_eff [arcsec], sky [mag/arcsec^2] and
# airmass. The airmass follows from place and time, the sky from fiveSigmaDepth (see
# `implied_sky`), and the depth from both with the throughputs of SMTN-002 v1.9, 38 s in u.
PLANNED = {
    "u": ([22.98, 23.54, 24.0], [0.74, 1.07, 1.71], [22.47, 22.6, 22.7], [1.04, 1.15, 1.47]),
    "g": ([23.94, 24.62, 25.07], [0.73, 1.03, 1.67], [21.49, 21.99, 22.22], [1.04, 1.16, 1.64]),
    "r": ([23.53, 24.18, 24.62], [0.69, 0.96, 1.53], [20.22, 20.96, 21.15], [1.04, 1.16, 1.56]),
    "i": ([22.81, 23.69, 24.17], [0.68, 0.93, 1.51], [18.68, 20.1, 20.37], [1.04, 1.16, 1.55]),
    "z": ([22.27, 23.01, 23.5], [0.66, 0.9, 1.56], [18.12, 18.92, 19.36], [1.04, 1.17, 1.56]),
    "y": ([21.46, 22.16, 22.58], [0.65, 0.88, 1.49], [17.72, 18.22, 18.55], [1.04, 1.18, 1.58]),
}
# The bands of a night do not depend on its seeing, as they do in the schedule (u, g and r in good
# seeing): hence 8 % in the widest. Sampling error of a percentile of 512 fields: 0.02 mag, 2 %.
ALLOWED_MAG = [0.13, 0.08, 0.13]
ALLOWED_FRACTION = [0.06, 0.04, 0.09]


@pytest.fixture(scope="module")
def lsst():
    return draw_pointings(load_profile("lsst"), 7, 256)


@pytest.fixture(scope="module")
def planned():
    return conditions_of(load_profile("lsst"))


def conditions_of(profile, seed=7, count=512):
    """Percentiles of drawn exposures by band, as in ``PLANNED``."""
    drawn = draw_pointings(profile, seed, count)
    found = {}
    for index, (name, band) in enumerate(profile.bands.items()):
        used = np.isfinite(drawn.mjd) & (drawn.band == index)
        time_s = drawn.exposure_time_s[used].astype(float)
        light_adu = drawn.sky_adu[used] - dark_adu(profile.camera, time_s)
        surface = sky_mag_per_arcsec2(profile.camera, light_adu, time_s, band.zero_point_mag)
        width = effective_fwhm_arcsec(drawn.seeing_fwhm_arcsec[used].astype(float))
        values = (drawn.limiting_mag[used], width, surface, drawn.airmass[used])
        found[name] = [np.percentile(v, THREE) for v in values]
    return found


def seen(pointings, name):
    return getattr(pointings, name)[np.isfinite(pointings.mjd)].astype(float)


@pytest.mark.parametrize("band", PLANNED)
def test_drawn_conditions_have_the_percentiles_of_the_schedule(planned, band):
    for k, allowed in enumerate((ALLOWED_MAG, ALLOWED_FRACTION) * 2):
        expected = np.array(PLANNED[band][k])
        scale = 1.0 if allowed is ALLOWED_MAG else expected
        assert (np.abs(planned[band][k] - expected) <= np.array(allowed) * scale).all(), k


# Throughputs v1.7 (rubin_sim 0.x, SysEngVals), with which v2.0 was made: C_m, dC_m, k, dark sky.
V17 = {
    "u": (23.390261, 0.371939, 0.502296, 22.960730),
    "g": (24.506791, 0.098515, 0.213738, 22.257758),
    "r": (24.489914, 0.051961, 0.125886, 21.196590),
    "i": (24.372551, 0.036845, 0.096182, 20.477419),
    "z": (24.202753, 0.024581, 0.068623, 19.599578),
    "y": (23.769195, 0.018609, 0.169504, 18.610405),
}


def implied_sky(band, depth_mag, fwhm_arcsec, airmass):
    """Sky of visits of v2.0 by bisection: two exposures of 15 s, in u one of 30 s."""
    coefficient, loss, extinction, dark = V17[band]
    exposures = 1 if band == "u" else 2
    low, high = np.full((2, len(depth_mag)), [[dark - 8.0], [dark + 2.0]])
    for _ in range(40):
        middle = (low + high) / 2
        found = 1.25 * np.log10(exposures) + m5_mag(
            coefficient,
            sky_mag_per_arcsec2=middle,
            effective_fwhm_arcsec=fwhm_arcsec,
            exposure_time_s=30.0 / exposures,
            extinction_mag_per_airmass=extinction,
            airmass=airmass,
            noise_loss_mag=loss,
            dark_sky_mag_per_arcsec2=dark,
        )
        darker = found < depth_mag
        low, high = np.where(darker, middle, low), np.where(darker, high, middle)
    return (low + high) / 2


@pytest.mark.real
@pytest.mark.parametrize("name", PLANNED)
def test_the_quoted_percentiles_are_those_of_the_schedule(real_data, name):
    path = real_data / "lsst/schedules/baseline_v2.0_1yr.db"
    columns = "observationStartMJD, fieldRA, fieldDec, seeingFwhmEff, fiveSigmaDepth"
    query = f"SELECT {columns} FROM observations WHERE filter = ?"
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
        mjd, ra, dec, fwhm, depth = np.array(database.execute(query, (name,)).fetchall()).T
    profile = load_profile("lsst")
    site, band = profile.site, profile.bands[name]
    hour = sky.hour_angle_h(mjd, ra, site.longitude_deg)
    airmass = sky.airmass(sky.altitude_deg(hour, dec, site.latitude_deg))
    surface = implied_sky(name, depth, fwhm, airmass)
    depth = m5_mag(
        band.m5_coefficient_mag,
        sky_mag_per_arcsec2=surface,
        effective_fwhm_arcsec=fwhm,
        exposure_time_s=band.exposure_time_s,
        extinction_mag_per_airmass=band.extinction_mag_per_airmass,
        airmass=airmass,
        noise_loss_mag=band.m5_noise_loss_mag,
        dark_sky_mag_per_arcsec2=band.dark_sky_mag_per_arcsec2,
    )
    measured = [np.percentile(values, THREE) for values in (depth, fwhm, surface, airmass)]
    np.testing.assert_allclose(measured, PLANNED[name], atol=0.0051)


def test_lsst_bands_change_in_pairs_and_return_where_fields_overlap(lsst):
    gap_min = np.diff(lsst.mjd, axis=1) * 1440
    band = lsst.band.astype(int)
    changed = np.diff(band, axis=1) != 0
    pair = (gap_min > 20.5) & (gap_min < 120)
    assert gap_min[pair].max() < 36 + 20  # where the first of a pair was refused
    assert changed[pair].mean() > 0.75  # most pairs in one band are in y
    assert gap_min[gap_min > 0].min() > 1.0
    # Repeats lie between the pairs: 0.19 of all nights have one, of each of one or two visits.
    again = (gap_min < 20.5) & ~changed
    nights = (gap_min > 240).sum() + len(gap_min)
    assert 0.15 < again.sum() / nights < 0.19 * 2
    assert np.nanmax(lsst.mjd - lsst.mjd[:, :1]) <= 150


# Visits of ten years at ten wide positions of Rubin schedule baseline v3.0, by band.
LSST_VISITS = {"u": 488, "g": 677, "r": 1949, "i": 1999, "z": 1722, "y": 1727}


@pytest.fixture(scope="module")
def lsst_seasons():
    """Fields with all their visits of a season."""
    whole = {
        "cadence.max_epochs": 900,
        "cadence.min_epochs": 1,
        "cadence.season.window_day": 230,
    }
    return draw_pointings(load_profile("lsst", whole), 7, 512)


def test_lsst_bands_are_as_frequent_as_in_a_schedule(lsst_seasons):
    visits = np.array(list(LSST_VISITS.values()))
    share = np.bincount(seen(lsst_seasons, "band").astype(int), minlength=6)
    # 17,000 nights: 0.4 / sqrt(17,000) is 0.003, and the lunar phase is common to neighbours.
    np.testing.assert_allclose(share / share.sum(), visits / visits.sum(), atol=0.008)


def test_lsst_seasons_have_the_visits_and_gaps_of_a_rolling_schedule(lsst_seasons):
    # 5, 25, 50, 75, 95 % of the visits of a year and of the night gaps within seasons at the same
    # positions; 100 years there, and the seasons of a field are alike.
    visits = np.percentile(lsst_seasons.n_epochs, FIVE)
    np.testing.assert_allclose(visits, [31, 60, 85, 112, 150], rtol=0.2)
    nights = [np.unique(np.floor(row[np.isfinite(row)] - 0.67)) for row in lsst_seasons.mjd]
    gaps = np.percentile(np.concatenate([np.diff(n) for n in nights]), FIVE)
    np.testing.assert_allclose(gaps, [1, 1, 3, 6, 18], atol=1.01)


@pytest.mark.real
def test_the_quoted_visits_are_those_of_the_schedule(real_data):
    import pyarrow.parquet as pq

    path = real_data / "lsst/schedules/rubin_baseline_v3.0_10yrs_13positions.parquet"
    table = pq.read_table(path, columns=["position", "mjd", "band"]).to_pydict()
    position, mjd, band = (np.array(table[name]) for name in ("position", "mjd", "band"))
    wide = np.char.startswith(position, "WFD")
    assert {name: int((band[wide] == name).sum()) for name in LSST_VISITS} == LSST_VISITS
    visits, gaps = [], []
    for name in np.unique(position[wide]):
        times = np.sort(mjd[position == name])
        visits.extend(np.histogram(times, times[0] + 365.25 * np.arange(11))[0])
        gap = np.diff(np.unique(np.floor(times - 0.67)))
        gaps.extend(gap[gap < 60])
    np.testing.assert_allclose(np.percentile(visits, FIVE), [31, 60, 85, 112, 150], atol=0.6)
    assert np.percentile(gaps, FIVE).tolist() == [1, 1, 3, 6, 18]


def test_lsst_stays_away_from_the_moon_and_its_u_band_from_its_light(lsst):
    there = np.isfinite(lsst.mjd)
    lit = sky.moon_lit_fraction(lsst.mjd)
    # The limit of 0.4 holds at midnight, and in 5 h the fraction changes by up to 0.02.
    assert lit[there & (lsst.band == 0)].max() < 0.43
    assert lit[there & (lsst.band == 4)].min() > 0.37


def test_lsst_observes_between_twilights_and_off_the_zenith(lsst):
    site = load_profile("lsst").site
    sun = sky.sun_altitude_deg(seen(lsst, "mjd"), site.latitude_deg, site.longitude_deg)
    assert -13 < sun.max() < -12 + 1e-3
    assert seen(lsst, "airmass").min() >= 1.024 - 1e-6


# Medians of FWHM_eff [arcsec] and m5 [mag] forecast by baseline v5.3.0 and of what was observed in
# April to June 2026 (survey-strategy progress report of 2026-06-19).
FORECAST_AND_DELIVERED = {
    "u": ((1.10, 1.14), (23.35, 23.79)),
    "g": ((1.04, 1.00), (24.52, 24.54)),
    "r": ((0.98, 1.02), (23.98, 24.00)),
    "i": ((0.92, 0.96), (23.51, 23.52)),
    "z": ((0.90, 0.99), (22.96, 22.84)),
    "y": ((0.91, 0.92), (21.98, 21.83)),
}
MEAN_CLOUD_MAG = 0.44  # of the six bands in the same table: 0.69, 0.49, 0.46, 0.38, 0.39, 0.24


def test_delivered_conditions_differ_from_planned_ones_as_the_survey_found(planned):
    delivered = conditions_of(load_profile("lsst", conditions="delivered"))
    for band, (fwhm, m5) in FORECAST_AND_DELIVERED.items():
        deeper = delivered[band][0][1] - planned[band][0][1]
        # 0.1 mag and 5 %, and the sampling error of two medians of 512 fields.
        assert abs(deeper - (m5[1] - m5[0])) < 0.12, band
        assert abs(delivered[band][1][1] / fwhm[1] - 1) < 0.06, band


def test_delivered_clouds_have_the_mean_extinction_of_the_survey():
    profile = load_profile("lsst", conditions="delivered")
    drawn = draw_pointings(profile, 7, 512)
    used = np.isfinite(drawn.mjd)
    zero, slope = (
        np.array([getattr(b, name) for b in profile.bands.values()])[drawn.band[used]]
        for name in ("zero_point_mag", "extinction_mag_per_airmass")
    )
    loss = zero - slope * (drawn.airmass[used] - 1.0) - drawn.zero_point_mag[used]
    # Losses of 2 mag (their scatter, too) in 0.22 of 12,000 nights: 0.9 / sqrt(12,000) is 0.008.
    assert abs(loss.mean() - MEAN_CLOUD_MAG) < 5 * 0.008


@pytest.mark.real
def test_clouds_lower_the_depth_of_real_visits_by_as_much_as_the_zero_point(real_data):
    path = real_data / "lsst/visits/lsstcam_sv_2025.db"
    columns = "sky_bg_median, zero_point_median, seeingFwhmEff, fiveSigmaDepth"
    query = f"SELECT {columns} FROM observations WHERE band = ? AND visitExposureTime = 30"
    for band in "rizy":
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
            rows = database.execute(query, (band,)).fetchall()
        values = np.array([row for row in rows if None not in row], dtype=float)
        sky_e, zero_point, fwhm, depth = values[(values > 0).all(axis=1)].T
        without_sky = depth + 2.5 * np.log10(fwhm * np.sqrt(sky_e))
        slope, offset = np.polyfit(zero_point, without_sky, 1)
        assert len(depth) > 500
        assert abs(slope - 1) < 0.03, band  # not 1.1 a magnitude of extinction
        assert (without_sky - slope * zero_point - offset).std() < 0.02, band
