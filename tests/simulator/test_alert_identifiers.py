"""Names, numbers, positions and times of simulated alerts."""

import numpy as np
import pytest
from astropy.wcs import WCS

from simulator.alerts.alert_identifiers import (
    calendar_days,
    object_numbers,
    rubin_object_id,
    rubin_source_id,
    ztf_candid,
    ztf_names,
    ztf_pid,
    ztf_quadrant,
)
from simulator.alerts.sky_positions import SCATTER_DEG, object_positions, offset_position
from simulator.alerts.time_scales import tai_mjd, utc_mjd
from survey_profiles import load_profile


def test_identifiers_of_a_run_are_distinct_and_depend_on_the_object_alone():
    number = np.concatenate([object_numbers(split, np.arange(2000)) for split in range(3)])
    mjd = np.full(len(number), 59000.2)
    for seed in (0, 7, 2**63):
        names = ztf_names(number, seed, mjd)
        assert len(set(names)) == len(number)
        assert names[5] == ztf_names(number[5:6], seed, mjd[5:6])[0]
        assert all(len(name) == 12 and name.startswith("ZTF20") for name in names)
        assert len(np.unique(rubin_object_id(number, seed))) == len(number)
    assert ztf_names(number[:9], 0, mjd[:9]) != ztf_names(number[:9], 1, mjd[:9])
    pid = ztf_pid(mjd, ztf_quadrant(number))
    assert len(np.unique(ztf_candid(pid, number, number % 2 == 0))) == len(number)
    assert len(np.unique(rubin_source_id(mjd, number))) == len(number)


def test_numbers_of_ztf_are_those_of_a_real_alert():
    """Real packet 2475433850215010007: its jd, quadrant, sign and tblid give its candid."""
    mjd, number = np.array([2460229.9338542 - 2400000.5]), np.array([2 + 64 * 7])
    pid = ztf_pid(mjd, ztf_quadrant(number))
    assert pid == [2475433850215]
    assert ztf_candid(pid, number, np.array([False])) == [2475433850215010007]


def test_calendar_days():
    assert calendar_days(np.array([51544.0, 61104.9, 58849.0])).tolist() == [
        20000101,
        20260305,
        20200101,
    ]


def test_positions_are_near_their_pointing_or_on_the_footprint():
    profile, n = load_profile("ztf"), 4000
    objects = np.arange(n, dtype=np.uint64)
    ra0, dec0 = np.full(n, 359.9), np.full(n, 60.0)
    ra, dec = object_positions(profile, 3, objects, ra0, dec0)
    east, north = (((ra - ra0 + 180) % 360) - 180) * np.cos(np.radians(dec)), dec - dec0
    distance = np.hypot(east, north)
    assert distance.max() < SCATTER_DEG * 1.01
    assert np.mean(distance**2) == pytest.approx(SCATTER_DEG**2 / 2, rel=5 / np.sqrt(12 * n) * 2)
    unknown = np.full(n, np.nan)
    ra, dec = object_positions(profile, 3, objects, unknown, unknown)
    low, high = profile.cadence.footprint.dec_deg
    assert low <= dec.min() and dec.max() <= high and ra.min() >= 0 and ra.max() < 360
    sines = np.sin(np.radians(dec))
    expected = np.sin(np.radians([low, high])).mean()
    width = np.ptp(np.sin(np.radians([low, high])))
    assert abs(sines.mean() - expected) < 5 * width / np.sqrt(12 * n)
    again = object_positions(profile, 3, objects[7:8], unknown[:1], unknown[:1])
    assert (again[0][0], again[1][0]) == (ra[7], dec[7])


def test_offsets_agree_with_astropy():
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.cdelt, wcs.wcs.crpix = [10.0, 85.0], [1.0, 1.0], [1.0, 1.0]
    for offset in ((0.3, -0.2), (2.0, 6.0)):
        expected = wcs.wcs_pix2world([offset], 0)[0]
        found = offset_position(10.0, 85.0, *offset)
        assert found == pytest.approx(expected, abs=1e-10)


def test_time_scales_agree_with_astropy():
    from astropy.time import Time

    utc = np.array([51544.3, 57752.9, 57754.00001, 59000.2, 60400.7])
    tai = Time(utc, format="mjd", scale="utc").tai.mjd
    np.testing.assert_allclose(tai_mjd(utc), tai, rtol=0, atol=1e-10)
    np.testing.assert_allclose(utc_mjd(tai), utc, rtol=0, atol=1e-10)
    far = tai_mjd([70000.0, np.nan])  # 2050: no warning, no more leap seconds
    assert far[0] == 70000 + 37 / 86400 and np.isnan(far[1])
