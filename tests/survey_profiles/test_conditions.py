"""Drawn exposures have the measured distributions, and the correlations of real nights."""

import numpy as np
import pytest

from survey_profiles import ProfileError, draw_pointings, load_profile
from survey_profiles import ephemeris as sky
from survey_profiles.depth import noise_depth_mag
from survey_profiles.observing_conditions import drifting

COLUMNS = (
    "exposure_time_s",
    "airmass",
    "seeing_fwhm_arcsec",
    "sky_adu",
    "zero_point_mag",
    "limiting_mag",
    "psf_beta",
    "psf_e1",
    "psf_e2",
)

# 5, 25, 50, 75 and 95 % of the 1,121 real g exposures of HiTS 2015 with header seeing up to
# 2 arcsec, and how far drawn ones may be: the real ones come from 11 nights, whose scatter
# limits their accuracy. Seeing: 0.26 in ln over sqrt(11) is 8 %. Dark sky: 0.025 dex over
# sqrt(9) is 2 %; moonlight (95 %) is one night. Zero point: 0.03 mag over sqrt(10) is 0.01,
# of which two. Depth: 8 % in seeing is 0.09 mag; its own scatter of 0.6 mag adds little.
# Airmass: one planned visit of 27 moves a percentile by 0.04.
HITS = {
    "airmass": ([1.100, 1.180, 1.250, 1.560, 1.810], 0.07, 0.0),
    "seeing_fwhm_arcsec": ([0.799, 0.936, 1.005, 1.159, 1.516], 0.0, 0.08),
    "sky_adu": ([104.8, 111.7, 117.6, 126.1, 575.2], 0.0, [0.04, 0.04, 0.04, 0.04, 0.25]),
    "zero_point_mag": ([24.943, 25.022, 25.057, 25.089, 25.113], 0.02, 0.0),
    "limiting_mag": ([22.62, 23.33, 23.73, 24.25, 24.99], 0.15, 0.0),
}
PERCENT = [5, 25, 50, 75, 95]


@pytest.fixture(scope="module")
def hits():
    return draw_pointings(load_profile("hits"), 7, 1024)


@pytest.fixture(scope="module")
def lsst():
    return draw_pointings(load_profile("lsst"), 7, 256)


@pytest.fixture(scope="module")
def ztf():
    return draw_pointings(load_profile("ztf"), 7, 512)


def seen(pointings, name, band=None):
    mask = np.isfinite(pointings.mjd)
    if band is not None:
        mask &= pointings.band == band
    return getattr(pointings, name)[mask].astype(float)


@pytest.mark.parametrize("survey", ["hits", "ztf", "lsst"])
def test_sequences_are_padded_ordered_and_within_the_profile(survey, request):
    drawn, profile = request.getfixturevalue(survey), load_profile(survey)
    there = np.arange(drawn.mjd.shape[1]) < drawn.n_epochs[:, None]
    assert np.array_equal(np.isfinite(drawn.mjd), there)
    for name in COLUMNS:
        values = getattr(drawn, name)
        assert values.dtype == np.float32
        assert np.array_equal(np.isfinite(values), there), name
    assert (np.diff(drawn.mjd, axis=1)[there[:, 1:]] > 0).all()
    assert (drawn.band[~there] == 0).all() and (drawn.ccd == -1).all()
    assert drawn.n_epochs.min() >= profile.cadence.min_epochs
    assert drawn.n_epochs.max() == drawn.mjd.shape[1] <= profile.cadence.max_epochs
    assert np.nanmax(drawn.seeing_fwhm_arcsec) <= profile.seeing.max_fwhm_arcsec
    used = {profile.band_names.index(name) for name in profile.cadence.bands}
    assert set(drawn.band[there].tolist()) == used


def test_the_same_seed_draws_the_same_and_another_does_not():
    profile = load_profile("ztf")
    first, again, other = (draw_pointings(profile, seed, 32) for seed in (1, 1, 2))
    assert all(
        np.array_equal(getattr(first, n), getattr(again, n), equal_nan=True) for n in COLUMNS
    )
    assert not np.array_equal(first.mjd, other.mjd)


@pytest.mark.parametrize("name", HITS)
def test_hits_has_the_measured_percentiles(hits, name):
    measured, absolute, relative = HITS[name]
    allowed = absolute + np.array(relative) * measured
    assert (np.abs(np.percentile(seen(hits, name), PERCENT) - measured) <= allowed).all()


@pytest.mark.real
@pytest.mark.parametrize("name", HITS)
def test_the_quoted_percentiles_are_those_of_the_real_table(real_data, name):
    from astropy.table import Table

    table = Table.read(real_data / "hits" / "exposures.ecsv")
    rows = (table["band"] == "g") & (table["seeing_header_arcsec"] <= 2.0)
    assert rows.sum() == 1121
    percentiles = np.percentile(np.asarray(table[name][rows], dtype=float), PERCENT)
    np.testing.assert_allclose(percentiles, HITS[name][0], rtol=0.001, atol=0.006)


def test_hits_fields_keep_as_many_epochs_as_real_ones(hits):
    # 49 real fields keep 19 to 27, median 23.
    assert np.median(hits.n_epochs) == 23
    assert hits.n_epochs.max() <= 30


def test_seeing_grows_with_airmass_as_the_profile_says():
    open_limit = {"seeing.max_fwhm_arcsec": "20"}
    drawn = draw_pointings(load_profile("hits", open_limit), 3, 2048)
    x, y = np.log(seen(drawn, "airmass")), np.log(seen(drawn, "seeing_fwhm_arcsec"))
    slope = np.polyfit(x, y, 1)[0]
    # Exposures of a night share 83 % of the variance: 10 nights a pointing count, not 27 epochs.
    error = y.std() / x.std() / np.sqrt(2048 * 10)
    assert abs(slope - 0.6) < 5 * error


def test_zero_point_falls_with_airmass_by_the_extinction(hits):
    x, y = seen(hits, "airmass"), seen(hits, "zero_point_mag")
    clear = y > 24.8
    assert abs(np.polyfit(x[clear], y[clear], 1)[0] + 0.18) < 0.02


def test_cloudy_nights_are_as_frequent_as_measured():
    drawn = draw_pointings(load_profile("hits"), 5, 2048)
    loss = 25.115 - 0.18 * (seen(drawn, "airmass") - 1) - seen(drawn, "zero_point_mag")
    # 5 sigma of clear scatter is 0.17 mag; an exponential of mean 0.366 exceeds it in 63 %.
    share = np.mean(loss > 0.17)
    expected = 0.039 * np.exp(-0.17 / 0.366)
    error = np.sqrt(expected / (2048 * 10))  # nights, not exposures, are independent
    assert abs(share - expected) < 5 * error


def test_seeing_hangs_together_within_a_night_and_not_between_nights(hits):
    score = np.log(hits.seeing_fwhm_arcsec / hits.airmass**0.6).astype(float)
    gap = np.diff(hits.mjd, axis=1)
    before, after = score[:, :-1], score[:, 1:]
    within, between = gap < 0.4, gap > 0.6
    assert np.corrcoef(before[within], after[within])[0, 1] > 0.6
    assert abs(np.corrcoef(before[between], after[between])[0, 1]) < 0.06


def test_drift_has_unit_variance_and_the_correlation_asked_for():
    n, step_h, time_h = 40_000, 0.3, 0.5
    mjd = np.array([[0.0, step_h / 24, 2 * step_h / 24]]) * np.ones((n, 1))
    noise = drifting(np.random.default_rng(0), mjd, time_h)
    assert (np.abs(noise.var(axis=0) - 1) < 5 * np.sqrt(2 / n)).all()
    expected = np.exp(-step_h / time_h)
    assert abs(np.mean(noise[:, 0] * noise[:, 1]) - expected) < 5 * np.sqrt(2 / n)


def test_the_moon_lights_the_sky_when_it_is_up_and_full(hits):
    night = np.floor(hits.mjd)
    dark = np.median(hits.sky_adu[night == 57071])  # the new moon
    quarter = np.median(hits.sky_adu[night == 57080])  # two days after first quarter
    bright = np.median(hits.sky_adu[night == 57090])  # four days after full moon, 102 s
    # Real exposures: 113, 563 and 1,749 ADU; Krisciunas & Schaefer's formula is good to
    # 8-23 % by their account, and one factor serves three nights.
    assert abs(dark / 113 - 1) < 0.05
    assert abs(quarter / 563 - 1) < 0.25 and abs(bright / 1749 - 1) < 0.4


@pytest.mark.parametrize(
    ("mjd", "elongation"),
    [(57071.991, 0.0), (57086.754, 180.0)],  # 2015 Feb 18 23:47 (new), Mar 5 18:05 (full)
)
def test_moon_phases_fall_on_their_dates(mjd, elongation):
    # The Moon's ecliptic latitude, up to 5.3 degrees, remains at conjunction.
    assert abs(sky.moon_elongation_deg(mjd) - elongation) < 5.5


def test_altitudes_and_the_moon_agree_with_astropy():
    from astropy import units as u
    from astropy.coordinates import AltAz, EarthLocation, SkyCoord, get_body
    from astropy.time import Time
    from astropy.utils import iers

    mjd = np.linspace(57070.0, 57095.0, 40)
    site = load_profile("hits").site
    place = EarthLocation.from_geodetic(site.longitude_deg, site.latitude_deg, 2200)
    with iers.conf.set_temp("auto_download", False):
        times = Time(mjd, format="mjd")
        frame = AltAz(obstime=times, location=place)
        theirs = SkyCoord(150.0 * u.deg, -2.0 * u.deg).transform_to(frame).alt.deg
        moon, sun = (get_body(b, times, place).transform_to(frame).alt.deg for b in ("moon", "sun"))
    hour = sky.hour_angle_h(mjd, 150.0, site.longitude_deg)
    # We ignore precession since J2000 (0.2 degree in 2015) and nutation.
    assert np.abs(sky.altitude_deg(hour, -2.0, site.latitude_deg) - theirs).max() < 0.25
    ra, dec = sky.moon_equatorial_deg(mjd)
    ours = sky.altitude_deg(sky.hour_angle_h(mjd, ra, site.longitude_deg), dec, site.latitude_deg)
    assert np.abs(ours - moon).max() < 1.5  # parallax up to 1 degree, formula 0.3
    ours = sky.sun_altitude_deg(mjd, site.latitude_deg, site.longitude_deg)
    assert np.abs(ours - sun).max() < 0.05


def test_a_source_at_the_noise_depth_has_five_sigma():
    camera = load_profile("hits").camera
    depth = noise_depth_mag(
        camera, seeing_fwhm_arcsec=1.0, sky_adu=120.0, zero_point_mag=25.0, exposure_time_s=86.0
    )
    counts_e = 86.0 * 10 ** (0.4 * (25.0 - depth)) * camera.gain_e_per_adu
    pixels = 2.266 * (1.0 / camera.pixel_scale_arcsec) ** 2
    noise_e = np.sqrt(pixels * (120.0 * camera.gain_e_per_adu + camera.read_noise_e**2))
    assert abs(counts_e / noise_e - 5.0) < 1e-9


def test_psf_shapes_have_the_scatter_of_real_stars(hits):
    profile = load_profile("hits").psf
    for name, mean, scatter in (
        ("psf_e1", profile.e1_mean, profile.e1_exposure_scatter),
        ("psf_e2", profile.e2_mean, profile.e2_exposure_scatter),
    ):
        values = getattr(hits, name).astype(float)
        within = np.nanvar(values, axis=1, ddof=1).mean()
        error = scatter**2 * np.sqrt(2 / np.isfinite(values).sum())
        assert abs(within - scatter**2) < 5 * error
        pointing_error = profile.ellipticity_pointing_scatter / np.sqrt(len(values))
        assert abs(np.nanmean(values) - mean) < 5 * pointing_error
    beta = seen(hits, "psf_beta")
    # 4,699 real fits: 5, 50, 95 % are 3.08, 3.79, 4.98 with fit noise.
    np.testing.assert_allclose(np.percentile(beta, [5, 50, 95]), [3.1, 3.8, 4.9], rtol=0.04)


# 50 and 95 % of magzpsci in alert packets, less 2.5 log10(30); alerts come from clear exposures,
# so 5 % are not compared. 5, 50 and 95 % of the science depths of the log of 642,659 exposures of
# 2018-2022, less 0.82 mag that difference images lose. Exposures of i are few (9 %) and taken in
# better conditions than the others: neither their clouds nor their deepest are those of g and r.
ZTF = [
    ("g", "zero_point_mag", [22.50, 22.70], [0.05, 0.05]),
    ("r", "zero_point_mag", [22.58, 22.73], [0.05, 0.05]),
    ("i", "zero_point_mag", [22.01], [0.05]),
    ("g", "limiting_mag", [18.33, 20.09, 21.03], [0.2, 0.1, 0.15]),
    ("r", "limiting_mag", [17.97, 19.86, 20.77], [0.25, 0.1, 0.1]),
    ("i", "limiting_mag", [18.36, 19.75, 20.37], [0.6, 0.1, 0.3]),
]


@pytest.mark.parametrize(("band", "name", "measured", "allowed"), ZTF)
def test_ztf_has_the_measured_percentiles(ztf, band, name, measured, allowed):
    index = load_profile("ztf").band_names.index(band)
    percent = {1: [50], 2: [50, 95], 3: [5, 50, 95]}[len(measured)]
    drawn = np.percentile(seen(ztf, name, index), percent)
    assert (np.abs(drawn - measured) <= allowed).all()


@pytest.mark.real
def test_the_quoted_depths_are_those_of_the_log(real_data):
    from pyarrow import csv

    path = real_data / "ztf/survey/exposure_log_2018_2022.csv.gz"
    exposures = csv.read_csv(path).group_by(["expMJD", "filter", "_ra", "_dec"])
    log = exposures.aggregate([("fiveSigmaDepth", "min")])
    assert log.num_rows == 642_659
    band, depth = np.array(log["filter"].to_pylist()), log["fiveSigmaDepth_min"].to_numpy()
    for name, quantity, less, _ in ZTF:
        if quantity == "limiting_mag":
            found = np.percentile(depth[band == f"ztf{name}"], [5, 50, 95])
            np.testing.assert_allclose(found - 0.82, less, atol=0.02)


def test_ztf_seeing_is_measured_and_undersampled(ztf):
    bands = load_profile("ztf").band_names
    for band, measured in (("g", [1.364, 1.914, 2.39]), ("r", [1.168, 1.68, 2.13])):
        pix = np.percentile(seen(ztf, "seeing_fwhm_arcsec", bands.index(band)) / 1.01, [5, 25, 50])
        np.testing.assert_allclose(pix, measured, rtol=0.1)
    assert np.nanmin(ztf.seeing_fwhm_arcsec) < 1.2


def test_ztf_comes_back_after_the_measured_gaps(ztf):
    nights = [np.unique(np.floor(row[np.isfinite(row)])) for row in ztf.mjd]
    gaps = np.concatenate([np.diff(n) for n in nights])
    assert np.percentile(gaps, [25, 50, 75]).tolist() == [2, 2, 3]
    assert np.percentile(gaps, 95) in (5, 6, 7)


def test_optional_bands_of_hits_can_be_used():
    drawn = draw_pointings(load_profile("hits", {"cadence.bands": '["g", "r", "i"]'}), 1, 64)
    assert set(drawn.band[np.isfinite(drawn.mjd)].tolist()) == {0, 1, 2}


def test_a_timetable_that_leaves_nothing_is_refused():
    profile = load_profile("hits", {"seeing.max_fwhm_arcsec": "0.1"})
    with pytest.raises(ProfileError, match=r"min_epochs.*allowed: a timetable"):
        draw_pointings(profile, 1, 8)
