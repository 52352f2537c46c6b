"""Which visits of a table are used: by position, programme, dates and season."""

import re

import numpy as np
import pytest
from astropy.coordinates import get_sun
from astropy.time import Time

from skyreel.errors import ExposureTableError, UserError
from survey_profiles import VisitSelection, load_profile, read_exposures, read_visits
from survey_profiles.visit_selection import season_numbers
from tests.helpers.opsim import schedule_columns, visit_table

LSST = load_profile("lsst")


def visits_of(folder, columns, **selection):
    return read_visits(visit_table(folder, columns), LSST, VisitSelection(**selection))


def test_a_position_chooses_the_visits_that_cover_it(tmp_path):
    path = visit_table(tmp_path, schedule_columns())
    got = read_exposures(path, LSST, 1, VisitSelection(position="150,-20"))
    assert set(got.ra_deg) == {150.0} and np.allclose(got.dec_deg, -20.0)
    drawn = read_exposures(path, LSST, 1)
    assert len(set(drawn.ra_deg)) == len(drawn)
    with pytest.raises(ExposureTableError, match=r"the nearest is 30.0 degrees away"):
        read_exposures(path, LSST, 1, VisitSelection(position="150,10"))
    here = visits_of(tmp_path, schedule_columns(), position=(152.0, -20.0))
    assert here.rows.left_out == {"elsewhere": 240}  # fields at RA 150.0, 150.8 and 151.6


def test_programmes_follow_from_target_or_note(tmp_path):
    columns = schedule_columns()
    n = len(columns["band"])
    notes = np.where(np.arange(n) % 3 == 0, "DD:COSMOS, 3", "pair_33, ri, a")
    # Targets are named for a deep field within 2 degrees, in wide visits too (rubin_scheduler).
    columns |= {"scheduler_note": notes, "target_name": ["ddf_cosmos, lowdust"] * n}
    counts = {p: visits_of(tmp_path, columns, programme=p).rows.mask.sum() for p in ("wfd", "ddf")}
    assert counts == {"wfd": n - n // 3, "ddf": n // 3}
    profile = load_profile("lsst", {"cadence.min_epochs": "10"})
    path = visit_table(tmp_path, columns)
    assert set(read_exposures(path, profile, 1).programme) == {"wfd"}
    deep = read_exposures(path, profile, 1, VisitSelection(programme="ddf"))
    assert set(deep.programme) == {"ddf"}


def test_a_programme_that_a_table_does_not_name_is_refused(tmp_path):
    with pytest.raises(ExposureTableError, match="no column names the programme"):
        visits_of(tmp_path, schedule_columns(), programme="ddf")


def test_dates_include_the_last_day(tmp_path):
    columns = schedule_columns()  # from MJD 61000.2 (2025-11-21), six visits a night
    got = visits_of(tmp_path, columns, dates="2025-11-22,2025-11-23")
    assert got.rows.mask.sum() == 12 and got.rows.left_out == {"other dates": 708}
    assert visits_of(tmp_path, columns, dates=(61001, 61003)).rows.mask.sum() == 12
    until_six = "2025-11-22,2025-11-23 06:00"  # visits are from 4:48 to 5:24
    assert visits_of(tmp_path, columns, dates=until_six).rows.mask.sum() == 12
    assert visits_of(tmp_path, columns, dates="2025-11-22,2025-11-23 03:00").rows.mask.sum() == 6
    with pytest.raises(ExposureTableError, match="no visit can be used"):
        visits_of(tmp_path, columns, dates="2031-01-01,2031-02-01")


def test_seasons_end_when_the_sun_passes(tmp_path):
    mjd = np.arange(57000.0, 60000.0, 7.0)
    for ra in (10.0, 150.0, 355.0):
        number = season_numbers(mjd, np.full_like(mjd, ra), mjd[0])
        sun = get_sun(Time(mjd, format="mjd")).ra.deg
        passed = np.cumsum(np.diff((sun - ra) % 360.0, prepend=(sun[0] - ra) % 360.0) < -180)
        # Within a degree of the passage, the mean equinox of date and J2000 differ.
        clear = np.abs((sun - ra + 180) % 360 - 180) > 2
        np.testing.assert_array_equal(number[clear], 1 + passed[clear])


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        ({"position": "150"}, "right ascension and declination"),
        ({"position": "150,100"}, "right ascension and declination"),
        ({"position": "a,b"}, "right ascension and declination"),
        ({"programme": "deep"}, "allowed: all, wfd, ddf"),
        ({"dates": "2026-01-01"}, "the first and the last date"),
        ({"dates": "2026-02-01,2026-01-01"}, "the first and the last date"),
        ({"dates": "2026-13-01,2027-01-01"}, "the first and the last date"),
        ({"dates": "1,2"}, "the first and the last date"),
        ({"dates": "2026-01-01T00:00+05:00,2026-02-01"}, "the first and the last date"),
        ({"season": 0}, "1 .the first."),
        ({"season": 1.5}, "whole numbers"),
        ({"position": 7}, "text, or two values"),
    ],
)
def test_selections_that_mean_nothing_are_refused(selection, message):
    with pytest.raises(UserError, match=message):
        VisitSelection(**selection)


def test_sequences_cut_short_are_said(tmp_path):
    path = visit_table(tmp_path, schedule_columns())
    profile = load_profile("lsst", {"cadence.max_epochs": "30"})
    got = read_exposures(path, profile, 1)
    assert got.n_epochs.max() == 30
    note = got.notes[-1]
    found = re.search(r"(\d+) of (\d+) sequences are the first .* = 30 of up to (\d+) visits", note)
    assert 0 < int(found[1]) <= int(found[2]) == len(got) and int(found[3]) > 30
