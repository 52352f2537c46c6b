"""Schedules and visit tables: any names and units, and what they lack."""

import astropy.units as u
import galsim
import numpy as np
import pytest
from astropy.coordinates import AltAz, EarthLocation, SkyCoord
from astropy.time import Time

from skyreel.errors import ExposureTableError
from survey_profiles import VisitSelection, load_profile, read_exposures, read_visits
from survey_profiles.depth import effective_fwhm_arcsec, noise_depth_mag
from survey_profiles.observing_conditions import (
    BandValues,
    clear_zero_point_mag,
    limiting_mag,
)
from tests.helpers.opsim import schedule_columns, visit_table

LSST = load_profile("lsst")


def visits_of(folder, columns, name="visits.parquet", profile=LSST):
    return read_visits(visit_table(folder, columns, name), profile)


def without(columns, *names):
    return {key: values for key, values in columns.items() if key not in names}


def renamed(columns, **names):
    return {names.get(key, key): values for key, values in columns.items()}


# --- Names, units, formats ----------------------------------------------------------------------


def test_positions_in_radians_are_those_in_degrees(tmp_path):
    columns = schedule_columns()
    in_radians = {n: np.radians(columns[n]) for n in ("fieldRA", "fieldDec")}
    got = visits_of(tmp_path, columns | in_radians)
    np.testing.assert_allclose(got.columns["ra_deg"], columns["fieldRA"])
    np.testing.assert_allclose(got.columns["dec_deg"], columns["fieldDec"])
    assert "radians" in got.notes[0]


def test_a_field_at_a_small_right_ascension_is_in_degrees(tmp_path):
    columns = schedule_columns()
    n = len(columns["fieldRA"])
    # RA 3, Dec 1 degrees culminate at sidereal time 0.2 h; as radians (172, 57) they never rise.
    sidereal_deg = 280.46 + 360.98564737 * (columns["observationStartMJD"] - 51544.5) - 70.7494
    columns["observationStartMJD"] += ((3.0 - sidereal_deg) % 360.0) / 360.98564737
    columns |= {"fieldRA": np.full(n, 3.0), "fieldDec": np.full(n, 1.0)}
    got = visits_of(tmp_path, columns)
    assert got.columns["ra_deg"].tolist() == [3.0] * n


def test_times_of_the_middle_become_starts(tmp_path):
    columns = schedule_columns()
    middle = columns["observationStartMJD"] + 15.0 / 86400
    table = without(columns, "observationStartMJD") | {"exp_midpt_mjd": middle}
    got = visits_of(tmp_path, table)
    np.testing.assert_allclose(got.columns["mjd"], columns["observationStartMJD"], atol=1e-9)


def test_a_log_of_ztf_exposures_has_other_names(tmp_path):
    columns = {name: values[:3] for name, values in schedule_columns().items()}
    log = {
        "obsjd": columns["observationStartMJD"] + 2400000.5,
        "filtercode": ["zg", "zr", "zi"],
        "exptime": np.full(3, 30.0),
        "airmass": np.full(3, 1.1),
        "seeing": np.array([1.9, 2.0, 2.1]),
        "maglimit": np.full(3, 20.5),
        "ra": columns["fieldRA"],
        "dec": columns["fieldDec"],
    }
    got = visits_of(tmp_path, log, profile=load_profile("ztf")).columns
    assert got["band"].tolist() == [0, 1, 2]
    np.testing.assert_allclose(got["mjd"], columns["observationStartMJD"], atol=1e-8)
    np.testing.assert_allclose(got["seeing_fwhm_arcsec"], log["seeing"])
    with pytest.raises(ExposureTableError, match="band 'zg'"):
        visits_of(tmp_path, renamed(log, filtercode="band"), profile=load_profile("ztf"))


@pytest.mark.parametrize("form", ["{}_57", "lsst{}", "{} LSST"])
def test_filters_are_bands(tmp_path, form):
    columns = schedule_columns()
    filters = [form.format(band) for band in columns["band"]]
    got = visits_of(tmp_path, without(columns, "band") | {"filter": filters})
    assert got.columns["band"].tolist() == ["ugrizy".index(band) for band in columns["band"]]


def test_measured_skies_and_zero_points_are_in_electrons(tmp_path):
    columns = schedule_columns()
    n = len(columns["band"])
    measured = {"sky_bg_median": np.full(n, 785.0), "zero_point_median": np.full(n, 31.5)}
    given = without(columns, "skyBrightness", "fiveSigmaDepth") | measured
    got = visits_of(tmp_path, given)
    dark_adu = LSST.camera.dark_current_e_per_s * 30 / LSST.camera.gain_e_per_adu
    assert got.columns["sky_adu"] == pytest.approx(785.0 / 1.57 + dark_adu)
    expected = 31.5 - 2.5 * np.log10(30.0 * LSST.camera.gain_e_per_adu)
    assert got.columns["zero_point_mag"] == pytest.approx(expected)
    width = effective_fwhm_arcsec(got.columns["seeing_fwhm_arcsec"])
    np.testing.assert_allclose(width, columns["seeingFwhmEff"])


def test_widths_of_measured_depths_follow_from_the_noise(tmp_path):
    columns = schedule_columns()
    n = len(columns["band"])
    depth = noise_depth_mag(
        LSST.camera,
        seeing_fwhm_arcsec=1.1,  # in the formula it is the effective one
        sky_adu=500.0,
        zero_point_mag=27.5,
        exposure_time_s=30.0,
    )
    gain = LSST.camera.gain_e_per_adu
    measured = {
        "skyBg": np.full(n, 500.0 * gain),
        "zeroPoint": np.full(n, 27.5 + 2.5 * np.log10(30.0 * gain)),
        "magLim": np.full(n, depth),
        "seeing": np.full(n, 3.0),
    }
    names = ("skyBrightness", "fiveSigmaDepth", "seeingFwhmEff")
    got = visits_of(tmp_path, without(columns, *names) | measured)
    width = effective_fwhm_arcsec(got.columns["seeing_fwhm_arcsec"])
    np.testing.assert_allclose(width, 1.1, rtol=1e-6)


def test_widths_of_a_survey_of_other_depths_are_half_maxima(tmp_path):
    ztf = load_profile("ztf")
    columns = without(schedule_columns(), "skyBrightness", "fiveSigmaDepth", "seeingFwhmEff")
    green = columns["band"] == "g"
    columns = {name: values[green] for name, values in columns.items()}
    depth = noise_depth_mag(
        ztf.camera,
        seeing_fwhm_arcsec=2.2,
        sky_adu=100.0,
        zero_point_mag=22.5,
        exposure_time_s=30.0,
    )
    gain, n = ztf.camera.gain_e_per_adu, green.sum()
    measured = {
        "skyBg": np.full(n, 100.0 * gain),
        "zero_point_mag": np.full(n, 22.5),
        "magLim": np.full(n, depth + ztf.bands["g"].depth_offset_mag),
    }
    got = visits_of(tmp_path, columns | measured, profile=ztf)
    np.testing.assert_allclose(got.columns["seeing_fwhm_arcsec"], 2.2, rtol=1e-6)


def test_widths_of_second_moments_are_wider_than_half_maxima(tmp_path):
    columns = renamed(schedule_columns(), seeingFwhmEff="seeing")
    got = visits_of(tmp_path, columns)
    psf = galsim.Kolmogorov(fwhm=0.8).drawImage(nx=101, ny=101, scale=0.05, method="no_pixel")
    gaussian = galsim.hsm.FindAdaptiveMom(psf).moments_sigma * 0.05 * 2.3548
    expected = columns["seeing"] * 0.8 / gaussian
    np.testing.assert_allclose(got.columns["seeing_fwhm_arcsec"], expected, rtol=0.003)
    in_pixels = columns["seeing"] / 2.3548 / LSST.camera.pixel_scale_arcsec
    table = without(columns, "seeing") | {"psf_sigma_median": in_pixels}
    same = visits_of(tmp_path, table).columns["seeing_fwhm_arcsec"]
    np.testing.assert_allclose(same, got.columns["seeing_fwhm_arcsec"], rtol=1e-4)


def test_a_measured_zero_point_needs_its_exposure_time(tmp_path):
    columns = without(schedule_columns(), "visitExposureTime")
    columns["zero_point_median"] = np.full(len(columns["band"]), 31.5)
    with pytest.raises(ExposureTableError, match="need the exposure time"):
        visits_of(tmp_path, columns)


def test_zero_points_of_one_adu_a_second_are_kept(tmp_path):
    columns = schedule_columns()
    columns["zero_point_mag"] = np.full(len(columns["band"]), 27.0)
    assert set(visits_of(tmp_path, columns).columns["zero_point_mag"]) == {27.0}


def test_columns_that_are_empty_or_hold_something_else_are_passed_over(tmp_path):
    columns = schedule_columns()
    n = len(columns["band"])
    odd = {
        "ra": np.full(n, np.nan),
        "note": np.full(n, 0.5, dtype=np.float32),
        "seeing": [True] * n,
    }
    got = visits_of(tmp_path, renamed(columns, fieldRA="ra_deg") | odd)
    np.testing.assert_allclose(got.columns["ra_deg"], columns["fieldRA"])
    assert got.in_deep_drilling is None


def test_rows_of_ccds_cover_a_ccd(tmp_path):
    columns = schedule_columns()
    got = visits_of(tmp_path, columns | {"detector": np.arange(len(columns["band"]))})
    # The circle of 4000 x 4000 pixels of 0.2 arcsec.
    assert np.pi * got.radius_deg**2 == pytest.approx((4000 * 0.2 / 3600) ** 2)


# --- What a table lacks -------------------------------------------------------------------------


def test_the_sky_follows_from_depth_and_seeing(tmp_path):
    columns = schedule_columns()
    whole = visits_of(tmp_path, columns).columns
    got = visits_of(tmp_path, without(columns, "skyBrightness"))
    dark = np.array([b.dark_sky_mag_per_arcsec2 for b in LSST.bands.values()])[whole["band"]]
    # Fainter skies are not believed, and brighter ones only where the profile expects them.
    possible = np.abs(columns["skyBrightness"] - (dark - 0.2)) < 0.45
    assert 0.1 < possible.mean() < 1.0
    np.testing.assert_allclose(
        got.columns["sky_adu"][possible], whole["sky_adu"][possible], rtol=1e-9
    )
    implied = limiting_mag(
        LSST,
        {**got.columns, "sky_adu": got.columns["sky_adu"] - 0.022 * 30 / 1.57},
        BandValues(LSST, whole["band"]),
    )
    np.testing.assert_allclose(implied, columns["fiveSigmaDepth"], atol=1e-9)
    assert got.notes[-1] == "the sky follows from the depth and the seeing."


def test_the_seeing_follows_from_the_depth(tmp_path):
    columns = schedule_columns()
    got = visits_of(tmp_path, without(columns, "seeingFwhmEff"))
    width = effective_fwhm_arcsec(got.columns["seeing_fwhm_arcsec"])
    np.testing.assert_allclose(width, columns["seeingFwhmEff"], rtol=1e-9)


def test_the_depth_follows_from_the_rest(tmp_path):
    columns = schedule_columns()
    got = visits_of(tmp_path, without(columns, "fiveSigmaDepth"))
    np.testing.assert_allclose(got.columns["limiting_mag"], columns["fiveSigmaDepth"], atol=1e-9)


def test_a_table_of_depths_alone_has_the_sky_of_the_profile(tmp_path):
    columns = without(schedule_columns(), "skyBrightness", "seeingFwhmEff")
    got = visits_of(tmp_path, columns).columns
    implied = limiting_mag(
        LSST,
        {**got, "sky_adu": got["sky_adu"] - 0.022 * 30 / 1.57},
        BandValues(LSST, got["band"]),
    )
    np.testing.assert_allclose(implied, columns["fiveSigmaDepth"], atol=1e-9)


def test_exposure_times_are_those_of_the_bands(tmp_path):
    got = visits_of(tmp_path, without(schedule_columns(), "visitExposureTime")).columns
    assert set(got["exposure_time_s"][got["band"] == 0]) == {38.0}
    assert set(got["exposure_time_s"][got["band"] > 0]) == {30.0}


def test_airmass_follows_from_position_time_and_site(tmp_path):
    rng = np.random.default_rng(1)
    columns = without(schedule_columns(), "airmass")
    mjd = columns["observationStartMJD"] - 2000.0  # leap seconds of later times are unknown
    columns["observationStartMJD"] = mjd
    columns["fieldRA"] = rng.uniform(0, 360, len(mjd))
    columns["fieldDec"] = rng.uniform(-70, 0, len(mjd))
    table = read_visits(visit_table(tmp_path, columns), LSST)
    place = EarthLocation(lon=-70.7494 * u.deg, lat=-30.2446 * u.deg)
    frame = AltAz(obstime=Time(mjd + 15 / 86400, format="mjd"), location=place)
    sky = SkyCoord(columns["fieldRA"] * u.deg, columns["fieldDec"] * u.deg)
    altitude = sky.transform_to(frame).alt.deg
    up = altitude > 30
    assert 100 < up.sum() < len(mjd)
    # Precession since J2000 moves positions by up to 0.3 degrees, which is 0.9 % at 30 degrees.
    expected = 1 / np.sin(np.radians(altitude[up]))
    np.testing.assert_allclose(table.columns["airmass"][up], expected, rtol=0.01)
    left_out = table.rows.left_out["below the horizon, or airmass above 10"]
    assert abs(left_out - (altitude < np.degrees(np.arcsin(0.1))).sum()) <= 10


def test_airmasses_of_another_place_are_noted(tmp_path):
    columns = schedule_columns()
    columns["airmass"] = visits_of(tmp_path, without(columns, "airmass")).columns["airmass"]
    up = np.isfinite(columns["airmass"])
    assert up.sum() > 100
    columns = {name: values[up] for name, values in columns.items()}

    def odd(**changed):
        notes = visits_of(tmp_path, columns | changed).notes
        return any("check units, and the survey" in note for note in notes)

    assert not odd()
    assert odd(fieldRA=columns["fieldRA"] / 15.0)
    assert odd(observationStartMJD=columns["observationStartMJD"] - 4.0 / 24.0)


# --- Bad tables ---------------------------------------------------------------------------------


def test_repeated_visits_count_once_and_a_good_one_counts(tmp_path):
    columns = schedule_columns()
    n = len(columns["band"])
    twice = {name: np.concatenate([values, values]) for name, values in columns.items()}
    twice["fiveSigmaDepth"][0] = np.nan
    got = visits_of(tmp_path, twice)
    assert got.rows.left_out == {"fiveSigmaDepth unknown": 1, "visit repeated": n - 1}
    assert got.rows.mask[n] and not got.rows.mask[n + 1 :].any()


def test_depths_of_zero_are_no_depths(tmp_path):
    columns = schedule_columns()
    zero = columns | {"fiveSigmaDepth": np.zeros(len(columns["band"]))}
    got = visits_of(tmp_path, zero)
    expected = visits_of(tmp_path, without(columns, "fiveSigmaDepth"))
    np.testing.assert_allclose(got.columns["limiting_mag"], expected.columns["limiting_mag"])
    assert "fiveSigmaDepth has no known value." in got.notes


def test_absent_bands_are_dropped_with_a_note(tmp_path):
    columns = schedule_columns()
    some = np.isin(columns["band"], ["g", "r"])
    path = visit_table(tmp_path, {n: v[some] for n, v in columns.items()})
    got = read_exposures(path, load_profile("lsst", {"cadence.min_epochs": "5"}), 1)
    assert "no exposure in bands u, i, z, y." in got.notes


def test_missing_columns_are_named(tmp_path):
    columns = schedule_columns()
    with pytest.raises(ExposureTableError, match="no column fieldRA"):
        visits_of(tmp_path, renamed(columns, fieldRA="right_asc"))
    with pytest.raises(ExposureTableError, match="no known value of seeing or of depth"):
        visits_of(tmp_path, without(columns, "seeingFwhmEff", "fiveSigmaDepth"))


def test_depths_that_are_all_empty_are_refused(tmp_path):
    columns = without(schedule_columns(), "seeingFwhmEff")
    columns["fiveSigmaDepth"] = np.full(len(columns["band"]), np.nan)
    with pytest.raises(ExposureTableError, match="no known value of seeing or of depth"):
        visits_of(tmp_path, columns)


def test_a_short_schedule_says_how_many_visits_it_has(tmp_path):
    path = visit_table(tmp_path, schedule_columns(nights=2))
    with pytest.raises(ExposureTableError, match=r"most found is \d+\. .*min_epochs=\d+"):
        read_exposures(path, LSST, 1)


def test_a_selection_of_a_table_without_positions_is_refused(tmp_path):
    names = ("exposure_time_s", "airmass", "seeing_fwhm_arcsec", "sky_adu", "zero_point_mag")
    columns = {name: np.ones(3) for name in names}
    path = visit_table(tmp_path, columns | {"mjd": np.arange(3), "band": ["g"] * 3})
    with pytest.raises(ExposureTableError, match="only in tables with positions"):
        read_exposures(path, LSST, 1, VisitSelection(season=1))


def test_a_table_of_exposures_at_positions_has_a_pointing_at_each(tmp_path):
    names = ("exposure_time_s", "airmass", "seeing_fwhm_arcsec", "sky_adu", "zero_point_mag")
    columns = {name: np.full(80, 30.0 if name == "zero_point_mag" else 1.2) for name in names}
    columns |= {"mjd": 61000 + np.arange(80) // 2, "limiting_mag": np.full(80, 24.0)}
    columns |= {"ra": np.arange(80) % 2, "dec": np.zeros(80), "band": ["g"] * 80}
    got = read_exposures(visit_table(tmp_path, columns), LSST, 1)
    assert got.n_epochs.tolist() == [40, 40]


# --- Files that others made ---------------------------------------------------------------------

REAL = {  # file: visits in use, visits left out
    "schedules/baseline_v2.0_1yr.db": (216_233, 0),
    "schedules/opsim_v5_47columns_100visits.db": (100, 0),
    "schedules/rubin_baseline_v3.0_10yrs_13positions.parquet": (97_975, 0),
    "visits/lsstcam_sv_2025.db": (4_045, 0),
    "visits/lsstcam_2026-07-05.json": (868, 48),
}


@pytest.mark.real
@pytest.mark.parametrize("name", REAL)
def test_real_schedules_and_visits_are_read(real_data, name):
    visits = read_visits(real_data / "lsst" / name, LSST)
    used = visits.rows.mask
    assert (used.sum(), sum(visits.rows.left_out.values())) == REAL[name]
    for column in ("airmass", "seeing_fwhm_arcsec", "sky_adu", "zero_point_mag"):
        assert np.isfinite(visits.columns[column][used]).all()


@pytest.mark.real
def test_depths_of_a_real_schedule_are_those_of_a_clear_sky(real_data):
    path = real_data / "lsst" / "schedules" / "opsim_v5_47columns_100visits.db"
    columns = read_visits(path, LSST).columns
    bands = BandValues(LSST, columns["band"])
    lost = clear_zero_point_mag(columns, bands) - columns["zero_point_mag"]
    assert np.abs(lost).max() < 0.005


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "ratio"),
    # Widths of the night are 2.355 psf_sigma (second moments); those of 2025 are effective.
    [("lsstcam_sv_2025.db", 1.0), ("lsstcam_2026-07-05.json", 1.15)],
)
def test_widths_of_real_visits_follow_from_their_noise(real_data, name, ratio):
    path = real_data / "lsst" / "visits" / name
    visits = read_visits(path, LSST)
    given = visits.table.numbers["seeingFwhmEff"]
    implied = effective_fwhm_arcsec(visits.columns["seeing_fwhm_arcsec"])
    # The depths of 2025 in u ignore the read noise.
    red = visits.rows.mask & (visits.columns["band"] > 0)
    assert np.median((implied / given)[red]) == pytest.approx(ratio, abs=0.01)


@pytest.mark.real
def test_the_log_of_ztf_is_read(real_data):
    path = real_data / "ztf" / "survey" / "exposure_log_2018_2022.csv.gz"
    visits = read_visits(path, load_profile("ztf"))
    assert visits.rows.mask.sum() > 640_000
    assert visits.rows.left_out["visit repeated"] == 117_684
    assert any("radians" in note for note in visits.notes)
