"""Eclipsing binaries against those of LINEAR, and against Kepler's law."""

import numpy as np
import pytest
from scipy import stats

from simulator.lightcurves.periodic.eclipsing_binary import (
    CONTACT,
    SEMI_DETACHED,
    EclipsingBinary,
)
from simulator.lightcurves.protocol import Bands
from tests.helpers.periodic_stars import (
    DECAM_G,
    context,
    draws,
    median_error,
    population,
)


@pytest.fixture
def linear(real_data):
    """LINEAR attributes: g-i, log period, amplitude and class."""
    path = real_data / "reference" / "linear" / "LINEARattributesFinalApr2013.dat.gz"
    table = np.loadtxt(path, usecols=(3, 6, 7, 12), unpack=True)
    return dict(zip(("g_i", "log_period", "amplitude", "class"), table, strict=True))


@pytest.fixture(scope="module")
def binaries():
    """A bright sample with r as reference, seen so often that any eclipse is found."""
    bands = Bands(tuple("gri"), tuple("lsst" + letter for letter in "gri"), reference=1)
    return population(EclipsingBinary, 4000, bands, n_epoch=120, nights=40)


@pytest.mark.real
@pytest.mark.parametrize(("subtype", "code"), [(CONTACT, 5), (SEMI_DETACHED, 4)])
def test_binaries_have_the_periods_and_amplitudes_of_linear(linear, binaries, subtype, code):
    # Kolmogorov-Smirnov at p = 1e-3 for n stars there, plus 0.02 for the outer per cents that
    # we leave out on either side
    ours = binaries[1]["subtype"] == subtype
    theirs = linear["class"] == code
    critical = 1.95 * np.sqrt(1 / ours.sum() + 1 / theirs.sum()) + 0.02
    log_period = np.log10(binaries[1]["period_d"][ours])
    assert stats.ks_2samp(log_period, linear["log_period"][theirs]).statistic < critical
    amplitude = binaries[1]["amplitude_mag"][ours]
    assert stats.ks_2samp(amplitude, linear["amplitude"][theirs]).statistic < critical
    wanted, found = (
        np.percentile(a, [5, 16, 50, 84, 95]) for a in (linear["amplitude"][theirs], amplitude)
    )
    np.testing.assert_allclose(found, wanted, rtol=0.1)


@pytest.mark.real
def test_contact_binaries_follow_linears_relation_of_colour_and_period(linear, binaries):
    _, sample = binaries
    ours = sample["subtype"] == CONTACT
    log_period = np.log10(sample["period_d"][ours])
    g_i = (sample["_level"][:, 0] - sample["_level"][:, 2])[ours]
    theirs = linear["class"] == 5
    for low in (-0.65, -0.55, -0.45, -0.35):
        mine = g_i[(log_period > low) & (log_period < low + 0.1)]
        there = theirs & (linear["log_period"] > low) & (linear["log_period"] < low + 0.1)
        real = linear["g_i"][there]
        # 0.1 mag for a straight line with a knee through a curved cloud, and 3 sigma of the
        # two medians: 0.03 to 0.06 mag in the full bins, 0.27 in the last (some 80 stars)
        sampling = np.hypot(median_error(mine), median_error(real))
        difference = np.median(mine) - np.median(real)
        print(f"log P {low:.2f}: {difference:+.3f} mag, sampling {sampling:.3f}")
        assert abs(difference) < 0.1 + 3 * sampling


def test_detached_binaries_have_log_periods_spread_evenly_to_10_days():
    model = EclipsingBinary(DECAM_G)
    parameters = model._draw(draws(6000), context(6000))
    log_period = np.log10(parameters["period_d"][parameters["subtype"] == 2])
    assert stats.kstest(log_period, stats.uniform(-0.4, 1.4).cdf).pvalue > 1e-3


def test_the_radii_of_detached_binaries_shrink_as_kepler_says():
    model = EclipsingBinary(DECAM_G)
    parameters = model._draw(draws(6000), context(6000))
    detached = parameters["subtype"] == 2
    x = np.log10(parameters["period_d"][detached])
    y = np.log10(parameters["radius_1"][detached])
    assert np.polyfit(x, y, 1)[0] == pytest.approx(-2 / 3, abs=0.08)
