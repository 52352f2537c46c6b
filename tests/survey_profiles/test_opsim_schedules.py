"""OpSim schedules become sequences of their seasons, and bad ones are refused in one sentence."""

import sqlite3

import numpy as np
import pytest

from skyreel.errors import ProfileError
from survey_profiles import ExposureTableError, draw_pointings, load_profile, read_exposures
from survey_profiles.depth import effective_fwhm_arcsec
from tests.helpers.opsim import OPSIM_TYPES, opsim, schedule, ten_years


def test_an_opsim_schedule_becomes_sequences_within_a_season(tmp_path):
    path, profile = opsim(tmp_path, schedule(np.random.default_rng(0))), load_profile("lsst")
    got = read_exposures(path, profile, 3)
    assert len(got) > 100 and got.n_epochs.max() <= profile.cadence.max_epochs
    assert got.n_epochs.min() >= profile.cadence.min_epochs
    there = np.isfinite(got.mjd)
    assert (np.diff(got.mjd, axis=1)[there[:, 1:]] > 0).all()
    assert np.nanmax(got.mjd - got.mjd[:, :1]) < profile.cadence.season.window_day
    assert set(got.band[there].tolist()) == set(range(6))


TEN_YEARS = {"cadence.season.window_day": "3653", "cadence.max_epochs": "1000"}


def test_a_window_of_ten_years_holds_all_seasons_of_a_position(tmp_path):
    path, profile = ten_years(tmp_path), load_profile("lsst", TEN_YEARS)
    got = read_exposures(path, profile, 3)
    there = np.isfinite(got.mjd)
    assert got.n_epochs.max() == 10 * 13 * 6  # where all three fields cover the position
    assert got.n_epochs.min() > 200
    assert (np.diff(got.mjd, axis=1)[there[:, 1:]] > 0).all()
    first = np.nanmin(got.mjd, axis=1)
    assert (np.nanmax(got.mjd, axis=1) - first > 9 * 365 + 140).all()
    gaps = (np.diff(got.mjd, axis=1) > 150).sum(axis=1)
    np.testing.assert_array_equal(gaps, 9)


def test_a_window_of_two_years_lies_within_the_table(tmp_path):
    profile = load_profile("lsst", TEN_YEARS | {"cadence.season.window_day": "730"})
    got = read_exposures(ten_years(tmp_path), profile, 3)
    first, last = np.nanmin(got.mjd, axis=1), np.nanmax(got.mjd, axis=1)
    # two whole seasons, or parts of three, wherever the window begins
    assert (last - first).max() < 730 and (last - first).min() > 365
    years = np.floor((first - first.min()) / 365)
    assert set(years.tolist()) == set(range(9))


def test_exposures_of_several_seasons_are_not_drawn():
    with pytest.raises(ProfileError, match="sequences of several seasons need a table of visits"):
        draw_pointings(load_profile("lsst", TEN_YEARS), 0, 8)


def test_visits_of_a_schedule_that_are_not_used_are_counted(tmp_path):
    path = opsim(tmp_path, schedule(np.random.default_rng(0)))
    profile = load_profile("lsst", {"cadence.bands": '["g", "r"]', "cadence.min_epochs": "5"})
    assert read_exposures(path, profile).unused_rows == {"band not in use": 480}


def test_opsim_depths_skies_and_zero_points_agree(tmp_path):
    clear = opsim(tmp_path, schedule(np.random.default_rng(0)), "clear.db")
    hazy = opsim(tmp_path, schedule(np.random.default_rng(0), loss_mag=0.4), "hazy.db")
    profile = load_profile("lsst")
    one, two = (read_exposures(path, profile, 3) for path in (clear, hazy))
    there = np.isfinite(one.mjd)
    bands = list(profile.bands.values())
    zero = np.array([b.zero_point_mag for b in bands])[one.band[there]]
    k = np.array([b.extinction_mag_per_airmass for b in bands])[one.band[there]]
    # float32 magnitudes near 27 are good to 1e-6 relative.
    expected = zero - k * (one.airmass[there] - 1)
    np.testing.assert_allclose(one.zero_point_mag[there], expected, atol=1e-4)
    np.testing.assert_allclose(two.zero_point_mag[there], expected - 0.4, atol=1e-4)
    np.testing.assert_allclose(one.sky_adu[there], two.sky_adu[there])
    brightness = zero - 2.5 * np.log10(one.sky_adu[there] / 30 / 0.2**2)
    assert brightness.min() > 18.9 and brightness.max() < 22.1
    width = effective_fwhm_arcsec(one.seeing_fwhm_arcsec[there])
    assert width.min() > 0.69 and width.max() < 1.21


def test_the_same_seed_reads_the_same_positions(tmp_path):
    path, profile = opsim(tmp_path, schedule(np.random.default_rng(0))), load_profile("lsst")
    one, two = (read_exposures(path, profile, 5) for _ in range(2))
    np.testing.assert_array_equal(one.mjd, two.mjd)
    np.testing.assert_array_equal(one.psf_e1, two.psf_e1)


def test_older_schedules_call_the_band_filter(tmp_path):
    columns = {("filter" if name == "band" else name): t for name, t in OPSIM_TYPES.items()}
    path = opsim(tmp_path, schedule(np.random.default_rng(0)), columns=columns)
    assert len(read_exposures(path, load_profile("lsst"), 1)) > 100


def test_visits_with_empty_values_are_left_out_and_counted(tmp_path):
    visits = [list(visit) for visit in schedule(np.random.default_rng(0))]
    visits[3][-1] = visits[4][-1] = visits[5][-3] = None
    visits[6][-1], visits[7][7], visits[9][1], visits[10][-2] = "deep", -999.0, b"\xff", 1e300
    names = list(OPSIM_TYPES)
    unused = read_exposures(opsim(tmp_path, visits), load_profile("lsst"), 3).unused_rows
    assert {names.index(reason.split()[0]): count for reason, count in unused.items()} == {
        11: 3,
        9: 1,
        7: 1,
        1: 1,
        10: 1,
    }


@pytest.mark.parametrize("name", ["a%41?b.db", "a#b.db", "[a] b.db", "a?mode=rwc.db"])
def test_a_file_name_is_not_interpreted(tmp_path, name):
    path = opsim(tmp_path, schedule(np.random.default_rng(0)), "plain.db").rename(tmp_path / name)
    assert len(read_exposures(path, load_profile("lsst"), 1)) > 100
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_a_schedule_without_its_table_or_columns_is_refused(tmp_path):
    path = tmp_path / "empty.db"
    sqlite3.connect(path).close()
    path.touch()
    lsst = load_profile("lsst")
    with pytest.raises(ExposureTableError, match="a database without a table"):
        read_exposures(path, lsst, 1)
    columns = {n.replace("fieldDec", "fieldDce"): t for n, t in OPSIM_TYPES.items()}
    path = opsim(tmp_path, [], "typo.db", columns)
    with pytest.raises(ExposureTableError, match="Did you mean 'fieldDce'"):
        read_exposures(path, lsst, 1)


def test_an_empty_or_short_schedule_is_refused(tmp_path):
    lsst = load_profile("lsst")
    with pytest.raises(ExposureTableError, match="no rows"):
        read_exposures(opsim(tmp_path, [], "none.db"), lsst, 1)
    short = opsim(tmp_path, schedule(np.random.default_rng(0), nights=2), "short.db")
    with pytest.raises(ExposureTableError, match="min_epochs = 20"):
        read_exposures(short, lsst, 1)
