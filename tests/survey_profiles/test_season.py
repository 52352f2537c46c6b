"""Nights and blocks of a season: light of the sky, length of the night, rolling, overlaps."""

import numpy as np
import pytest

from survey_profiles import ProfileError, load_profile
from survey_profiles import ephemeris as sky
from survey_profiles.cadence import draw_visits
from survey_profiles.moonlight import moonlight_at

ONE = {"bands": ["r"]}


def visits_of(season, count=300, seed=1):
    """Visits of random fields of LSST with other keys of ``cadence.season``, and its site."""
    keys = {f"cadence.season.{key}": value for key, value in season.items()}
    profile = load_profile("lsst", {**keys, "cadence.max_airmass": 4})
    return draw_visits(profile, np.random.default_rng(seed), count), profile.site


def test_blocks_are_taken_in_the_light_that_their_weights_allow():
    blocks = [
        {"bands": ["g"], "weight": 1, "grey_weight": 0, "bright_weight": 0, "twilight_weight": 0},
        {"bands": ["r"], "weight": 0, "grey_weight": 1, "bright_weight": 0, "twilight_weight": 0},
        {"bands": ["i"], "weight": 0, "grey_weight": 0, "bright_weight": 1, "twilight_weight": 0},
        {"bands": ["z"], "weight": 0, "grey_weight": 0, "bright_weight": 0, "twilight_weight": 1},
    ]
    visits, site = visits_of({"blocks": blocks, "overlap_fraction": 0})
    there = np.isfinite(visits.mjd)
    light = moonlight_at(visits.mjd, visits.ra_deg, visits.dec_deg, site)
    sun = sky.sun_altitude_deg(visits.mjd, site.latitude_deg, site.longitude_deg)
    inside = [light < 10, (light >= 10) & (light < 150), light >= 150]
    for band, dark in zip((1, 2, 3), inside, strict=True):
        mine = there & (visits.band == band)
        assert mine.sum() > 200
        assert dark[mine].all() and (sun[mine] <= -18).all()
    twilight = there & (visits.band == 4)
    assert twilight.sum() > 100 and (sun[twilight] > -18).all()


def test_weights_that_are_not_given_are_those_of_a_dark_sky():
    given = {"bands": ["g"], "weight": 2.0, "twilight_weight": 0.5}
    profile = load_profile("lsst", {"cadence.season.blocks": [given]})
    assert profile.cadence.season.blocks[0].weights == (2.0, 2.0, 2.0, 0.5)


@pytest.mark.parametrize("altitude", [-18.0, -12.0, -6.0])
def test_nights_end_at_the_height_of_the_sun(altitude):
    limits = {"max_sun_altitude_deg": altitude, "hour_angle_limit_h": 8, "season_day": 360}
    visits, site = visits_of({**limits, "blocks": [ONE]}, count=400)
    sun = sky.sun_altitude_deg(visits.mjd, site.latitude_deg, site.longitude_deg)
    # The Sun's place at midnight serves for the whole night: 0.2 degree in six hours.
    assert altitude - 1 < np.nanmax(sun) < altitude + 0.2


def test_a_rolling_season_keeps_its_share_of_the_nights():
    plain = {"blocks": [ONE], "overlap_fraction": 0}
    counts = {
        share: np.isfinite(visits_of({**plain, "activity": [share]})[0].mjd).sum(axis=1)
        for share in (0.3, 1.0)
    }
    ratio = counts[0.3].sum() / counts[1.0].sum()
    # Some 35 nights of each of 300 fields: 0.46 / sqrt(10,500) is 0.0045, both together 0.006.
    assert abs(ratio - 0.3) < 5 * 0.006
    mixed = np.isfinite(visits_of({**plain, "activity": [0.3, 1.0]})[0].mjd).sum(axis=1)
    assert mixed.std() > 1.5 * counts[1.0].std()


def test_overlaps_repeat_whole_blocks_a_little_later():
    keys = {"overlap_fraction": 1, "overlap_gap_min": [5, 10], "pair_gap_min": [30, 30]}
    visits, _ = visits_of({**keys, "blocks": [{"bands": ["g", "r"]}], "hour_angle_limit_h": 2})
    gap_min = np.diff(visits.mjd, axis=1) * 1440
    within = gap_min < 100
    short = within & (gap_min < 15)
    assert gap_min[short].min() > 5 - 1e-3 and gap_min[short].max() < 10 + 1e-3
    same = np.diff(visits.band.astype(int), axis=1) == 0
    assert same[short].all() and not same[within & ~short].any()
    assert short.sum() > 1.9 * (within & ~short).sum()


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"blocks": [{"bands": ["r"], "weight": 0}]}, "a weight above zero"),
        (
            {"blocks": [{"bands": ["r"], "min_moon_fraction": 0.6, "max_moon_fraction": 0.5}]},
            "min_moon_fraction at most max_moon_fraction",
        ),
        ({"overlap_gap_min": [9, 3]}, "overlap_gap_min as"),
        ({"activity": [0.0]}, "greater than 0"),
        ({"activity": []}, "at least 1 item"),
    ],
)
def test_seasons_that_cannot_be_are_refused(keys, message):
    with pytest.raises(ProfileError, match=message):
        visits_of(keys)


def test_limits_of_the_airmass_must_leave_something():
    with pytest.raises(ProfileError, match="min_airmass below max_airmass"):
        load_profile("lsst", {"cadence.min_airmass": 1.9, "cadence.max_airmass": 1.8})
