"""Recorded electrons follow the exact Poisson and Gaussian laws, pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2, norm, poisson

from simulator.detector.noise import _poisson_quantile, add_noise
from simulator.rng import Purpose, key_words
from tests.helpers.oracles import kolmogorov_smirnov, moment_deviations, recorded_electrons

N = 200_000
SIGMAS = 5.0
LEAST_P = 1e-4
READ_NOISE_E = 6.0
each_mean = pytest.mark.parametrize("mean_e", [0.3, 3.0, 9.99, 10.0, 30.0, 300.0, 3000.0])


def noisy(electrons, *, read_noise_e=0.0, object_index=0, epoch=0, seed=1):
    stamp = np.array(electrons, dtype=np.float32)
    counter = (
        np.uint32(object_index),
        np.uint32(0),
        np.uint32(Purpose.NOISE << 24),
        np.uint32(epoch << 16),
    )
    add_noise(stamp, read_noise_e, counter, key_words(seed))
    return stamp.astype(float)


@each_mean
@pytest.mark.parametrize("read_noise_e", [0.0, READ_NOISE_E])
def test_moments_and_distribution_are_exact(mean_e, read_noise_e):
    recorded = recorded_electrons(mean_e, read_noise_e, n=N, seed=3)
    assert np.all(np.abs(moment_deviations(recorded, mean_e, read_noise_e)) < SIGMAS)
    assert kolmogorov_smirnov(recorded, mean_e, read_noise_e)[1] > LEAST_P


@each_mean
def test_every_whole_count_comes_as_often_as_poisson_says(mean_e):
    recorded = recorded_electrons(mean_e, 0.0, n=N, seed=4)
    assert np.all(recorded == np.round(recorded))
    assert recorded.min() >= 0
    low, high = poisson.isf([1 - 1e-3, 1e-3], mean_e)
    counts = np.arange(low, high + 1)
    found = np.bincount(
        (np.clip(recorded, low - 1, high + 1) - low + 1).astype(int), minlength=counts.size + 2
    )
    expected = N * np.array(
        [poisson.cdf(low - 1, mean_e), *poisson.pmf(counts, mean_e), poisson.sf(high, mean_e)]
    )
    used = expected > 0
    statistic = np.sum((found[used] - expected[used]) ** 2 / expected[used])
    assert chi2.sf(statistic, used.sum() - 1) > LEAST_P


@pytest.mark.parametrize("mean_e", [10.0, 11.3, 30.0, 300.0, 3000.0])
def test_quantiles_of_bright_pixels_are_those_of_the_poisson_distribution(mean_e):
    shares = (np.arange(20_000) + 0.5) / 20_000
    mean = np.float32(mean_e)
    found = np.array([_poisson_quantile(mean, np.float32(z)) for z in norm.ppf(shares)])
    exact = poisson.ppf(shares, float(mean))
    # the approximation errs by about 1/(50 mean) of a count: so seldom does rounding differ
    assert np.mean(found != exact) < 1e-3
    assert np.abs(found - exact).max() <= 1


def test_faint_and_bright_pixels_share_no_noise():
    half, n = 220, 900
    level = np.concatenate([np.full(half, 5.0), np.full(half, 500.0)])
    stamps = np.array([noisy(level, read_noise_e=2.0, object_index=i) for i in range(n)])
    residual = (stamps - level) / np.sqrt(level + 4.0)
    faint, bright = residual[:, :half], residual[:, half:]
    assert abs(np.mean(faint * bright)) < SIGMAS / np.sqrt(faint.size)
    # one uniform number in both would set the count of one and the size of the other
    assert abs(np.mean(faint * (bright**2 - 1))) < SIGMAS * np.sqrt(2.1 / faint.size)


def test_no_light_and_no_read_noise_record_nothing():
    assert not noisy(np.zeros(500)).any()


def test_without_light_only_read_noise_is_left():
    recorded = recorded_electrons(0.0, READ_NOISE_E, n=N, seed=5)
    assert abs(recorded.mean()) < SIGMAS * READ_NOISE_E / np.sqrt(N)
    assert abs(recorded.std() / READ_NOISE_E - 1) < SIGMAS / np.sqrt(2 * N)
    inside = np.mean(np.abs(recorded) < 2 * READ_NOISE_E)
    share = norm.cdf(2) - norm.cdf(-2)
    assert abs(inside - share) < SIGMAS * np.sqrt(share * (1 - share) / N)


@pytest.mark.parametrize("mean_e", [3.0, 500.0])
def test_pixels_stamps_and_epochs_are_independent(mean_e):
    size, n_stamps = 441, 300
    stamps = np.array(
        [
            [
                noisy(np.full(size, mean_e), read_noise_e=2.0, object_index=i, epoch=e)
                for e in (0, 1)
            ]
            for i in range(n_stamps)
        ]
    )
    residual = (stamps - mean_e) / np.sqrt(mean_e + 4.0)
    first, half = residual[:, 0], (size + 1) // 2
    pairs = {
        "neighbouring pixels": (first[:, 1:], first[:, :-1]),
        "rows": (first[:, 21:], first[:, :-21]),
        "pixels of one counter": (first[:, half:], first[:, : size - half]),
        "epochs": (first, residual[:, 1]),
        "objects": (first[1:], first[:-1]),
    }
    for name, (a, b) in pairs.items():
        assert abs(np.mean(a * b)) < SIGMAS / np.sqrt(a.size), name
        # squares too: their variance is 2 + excess kurtosis
        spread = np.mean((a**2 - 1) ** 2)
        assert abs(np.mean((a**2 - 1) * (b**2 - 1))) < SIGMAS * spread / np.sqrt(a.size), name


def test_read_noise_is_independent_of_the_photons():
    with_reading = recorded_electrons(50.0, READ_NOISE_E, n=N, seed=6)
    photons = recorded_electrons(50.0, 0.0, n=N, seed=6)
    reading = with_reading - photons
    assert np.isclose(reading.std(), READ_NOISE_E, rtol=SIGMAS / np.sqrt(2 * N))
    assert abs(np.corrcoef(photons, reading)[0, 1]) < SIGMAS / np.sqrt(N)


@pytest.mark.parametrize("size", [1, 2, 441, 900])
def test_noise_of_a_pixel_does_not_depend_on_the_light_of_others(size):
    level = np.full(size, 40.0)
    level[::3] = 2.0
    changed = level.copy()
    changed[size // 2] = 1e4 if level[size // 2] < 10 else 1.0
    before, after = noisy(level, read_noise_e=3.0), noisy(changed, read_noise_e=3.0)
    others = np.arange(size) != size // 2
    np.testing.assert_array_equal(before[others], after[others])


def test_the_same_address_has_the_same_noise_and_another_has_not():
    level = np.full(441, 200.0)
    first = noisy(level, read_noise_e=5.0)
    np.testing.assert_array_equal(first, noisy(level, read_noise_e=5.0))
    for other in ({"seed": 2}, {"epoch": 1}, {"object_index": 1}):
        assert np.mean(noisy(level, read_noise_e=5.0, **other) == first) < 0.01


def test_bright_pixels_keep_their_mean_and_shot_noise():
    mean_e = 90_000.0
    recorded = recorded_electrons(mean_e, 0.0, n=N, seed=8)
    assert np.all(np.abs(moment_deviations(recorded, mean_e, 0.0)) < SIGMAS)
