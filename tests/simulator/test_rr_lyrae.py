"""RR Lyrae against the stars of Stripe 82 that they are drawn from."""

import gzip

import numpy as np
import pytest
from scipy import stats

from simulator.lightcurves.periodic.rr_lyrae import (
    AB,
    KINDS,
    C,
    RRLyrae,
    template_curves,
)
from tests.helpers.periodic_stars import (
    DECAM_G,
    SDSS,
    assert_same_mean,
    population,
)


def unpacked(path):
    return gzip.decompress(path.read_bytes()).decode().splitlines()


@pytest.fixture
def sesar(real_data):
    """Tables 2 and 3 of Sesar et al. 2010: kind, period, amplitudes, g template, mean ugriz."""
    folder = real_data / "reference" / "rrlyrae_sesar2010"
    curves, means = (
        [line.split() for line in unpacked(folder / name) if not line.startswith("#")]
        for name in ("table2.dat.gz", "table3.dat.gz")
    )
    by_id = {row[0]: row[6:11] for row in means}
    return {
        "kind": np.array([row[1] for row in curves]),
        "log_period": np.log10([float(row[2]) for row in curves]),
        "amplitude": np.array([row[3::4] for row in curves], dtype=float),
        "template": np.array([int(row[10]) for row in curves]),
        "ugriz": np.array([by_id[row[0]] for row in curves], dtype=float),
    }


@pytest.mark.real
@pytest.mark.parametrize("subtype", [0, 1])
def test_rr_lyrae_have_the_periods_amplitudes_and_colours_of_stripe_82(sesar, subtype):
    theirs = {name: v[sesar["kind"] == ("ab", "c")[subtype]] for name, v in sesar.items()}
    model, sample = population(RRLyrae, 6000, SDSS)
    ours = {name: v[sample["subtype"] == subtype] for name, v in sample.items()}
    assert_same_mean(np.log10(ours["period_d"]), theirs["log_period"])
    assert_same_mean(ours["amplitude_mag"], theirs["amplitude"][:, 1])
    n = len(theirs["log_period"])
    for mine, real in (
        (np.log10(ours["period_d"]), theirs["log_period"]),
        (ours["amplitude_mag"], theirs["amplitude"][:, 1]),
    ):
        assert abs(np.std(mine) / np.std(real) - 1) < 5 / np.sqrt(2 * n)
    for band in (0, 2, 3, 4):
        ratio = theirs["amplitude"][:, band] / theirs["amplitude"][:, 1]
        mine = ours["_scale"][:, band] / ours["_scale"][:, 1]
        assert abs(np.median(mine) - np.median(ratio)) < 5 * 1.25 * np.std(ratio) / np.sqrt(n)
    mean = ours["_level"] + model.shapes.flux_mean_mag(ours["_shape"], ours["_scale"])
    for band in range(4):
        real = theirs["ugriz"][:, band] - theirs["ugriz"][:, band + 1]
        real = real[np.abs(real - np.median(real)) < 0.25]  # a few stars have bad photometry
        assert_same_mean(mean[:, band] - mean[:, band + 1], real)


@pytest.mark.real
def test_rr_lyrae_amplitudes_fall_with_period_as_in_stripe_82(sesar):
    is_ab = sesar["kind"] == "ab"
    real = np.corrcoef(sesar["log_period"][is_ab], sesar["amplitude"][is_ab, 1])[0, 1]
    _, sample = population(RRLyrae, 6000, SDSS)
    ours = sample["subtype"] == 0
    mine = np.corrcoef(np.log10(sample["period_d"][ours]), sample["amplitude_mag"][ours])[0, 1]
    # a correlation is known to (1 - r^2) / sqrt(n)
    assert abs(mine - real) < 5 * (1 - real**2) / np.sqrt(is_ab.sum())


@pytest.mark.real
def test_template_frequencies_are_those_of_stripe_82(sesar):
    for kind, name in zip(KINDS, ("ab", "c"), strict=True):
        used = sesar["template"][sesar["kind"] == name] - kind.first_id
        np.testing.assert_array_equal(np.bincount(used), kind.frequency["g"])


def test_templates_are_drawn_as_often_as_they_were_found():
    _, sample = population(RRLyrae, 8000, DECAM_G)
    for kind, subtype in ((AB, 0), (C, 1)):
        drawn = sample["template_id"][sample["subtype"] == subtype] - kind.first_id
        counts = np.bincount(drawn.astype(int), minlength=len(kind.frequency["g"]))
        share = np.array(kind.frequency["g"]) / np.sum(kind.frequency["g"])
        assert stats.chisquare(counts, share * counts.sum()).pvalue > 1e-4


@pytest.mark.real
def test_fourier_templates_agree_with_the_published_ones(real_data):
    published = template_curves(real_data / "reference" / "rrlyrae_sesar2010")
    ours = template_curves()
    assert set(published) == set(ours)
    rms = [np.std(published[key] - ours[key]) for key in ours]
    assert np.median(rms) < 0.003 and np.max(rms) < 0.012
