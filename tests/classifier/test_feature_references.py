"""Light-curve features compared with feets, SciPy, astropy and NumPy."""

import math
import warnings

import numpy as np
import pytest
from astropy.timeseries import LombScargle
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import minimize

from classifier.features import FEATURES, features_of
from classifier.features.damped_random_walk import minus_log_likelihood
from classifier.features.names import FREQUENCIES, HARMONICS
from classifier.features.period_search import (
    false_alarm_probability,
    highest_peak,
    phase_steps,
    power_of,
    subtract_sine,
    trigonometric_sums,
    window_sums,
)
from tests.helpers.light_curves import random_curve

FEETS_CURVES = 200
BY_FORMULA = (
    "AndersonDarling",
    "Eta_e",
    "FluxPercentileRatioMid20",
    "FluxPercentileRatioMid35",
    "FluxPercentileRatioMid50",
    "FluxPercentileRatioMid65",
    "FluxPercentileRatioMid80",
    "Meanvariance",
    "PercentAmplitude",
    "PercentDifferenceFluxPercentile",
    "Skew",
    "SmallKurtosis",
    "Std",
)
# Nelder and Mead's last steps compare likelihoods that differ by rounding: of 1,500 curves, 8 came
# to rest within 2e-4 d of SciPy's tau instead of on it, the worst 4e-6 of it away.
WALK = {"CAR_mean", "CAR_sigma", "CAR_tau"}
WALK_RTOL = 1e-5
seeds = st.integers(0, 2**32 - 1)


def curves(n, seed):
    rng = np.random.default_rng(seed)
    return [random_curve(rng) for _ in range(n)]


@pytest.mark.slow
def test_features_equal_those_of_feets_where_feets_follows_fats():
    pytest.importorskip("feets")
    from tests.helpers.feets_reference import feets_features

    wrong = []
    for i, curve in enumerate(curves(FEETS_CURVES, seed=11)):
        ours, theirs = features_of(*curve), feets_features(*curve)
        for name in set(theirs) - undecided(ours, curve[0]):
            rtol = WALK_RTOL if name in WALK else 1e-6
            if not np.isclose(ours[name], theirs[name], rtol=rtol, atol=1e-12, equal_nan=True):
                wrong.append((i, name, ours[name], theirs[name]))
    assert not wrong


def undecided(found, time):
    """Features that rounding decides: tau of no walk, and where the last point folds to."""
    names = {"CAR_tau", "CAR_mean"} if found["CAR_sigma"] == 0.0 else set()
    cycles_of_two_periods = (time[-1] - time[0]) / (2 * found["PeriodLS"])
    if abs(cycles_of_two_periods - round(cycles_of_two_periods)) < 1e-9:
        names |= {"Psi_CS", "Psi_eta"}
    return names


def test_other_features_differ_from_feets_by_known_factors():
    fx = pytest.importorskip("feets.extractors")
    for time, magnitude, error in curves(20, seed=12):
        ours, n, days, m = features_of(time, magnitude, error), time.size, time, magnitude
        median, unbiased = np.median(m), math.sqrt((n - 1) / n)
        same = {
            "Eta_e": fx.EtaE().extract(days, m)["EtaE"] * (n - 1) / n,
            "Std": fx.Std().extract(m, days)["Std"] * unbiased,
            "Meanvariance": fx.MeanVariance().extract(m, days)["MeanVariance"] * unbiased,
            "PercentAmplitude": fx.PercentAmplitude().extract(m, days)["PercentAmplitude"] / median,
            "Skew": fx.Skew().extract(m, days)["Skew"] * (n - 2) / math.sqrt(n * (n - 1)),
        }
        for name, value in same.items():
            assert np.isclose(ours[name], value, rtol=1e-6), name


def formulae(time, magnitude):
    """FATS's definitions, as one would write them down."""
    n, ordered, median = time.size, np.sort(magnitude), np.median(magnitude)
    std, step, wait = np.std(magnitude), np.diff(magnitude), np.diff(time)
    kurtosis = stats.kurtosis(magnitude, fisher=False)
    whole = ordered[math.floor(0.95 * n)] - ordered[math.floor(0.05 * n)]
    found = {
        "AndersonDarling": 1 / (1 + np.exp(-10 * (anderson_darling(magnitude) - 0.3))),
        "Eta_e": np.mean(wait**-2)
        * (time[-1] - time[0]) ** 2
        * np.sum((step / wait) ** 2)
        / (std**2 * np.sum(wait**-2) * n**2),
        "Meanvariance": std / np.mean(magnitude),
        "PercentAmplitude": np.max(np.abs(magnitude - median)) / median,
        "PercentDifferenceFluxPercentile": whole / median,
        "Skew": stats.skew(magnitude),
        "SmallKurtosis": n * (n + 1) / ((n - 1) * (n - 2) * (n - 3)) * n * kurtosis
        - 3 * (n - 1) ** 2 / ((n - 2) * (n - 3)),
        "Std": std,
    }
    for percent, low, high in (
        (20, 0.4, 0.6),
        (35, 0.325, 0.675),
        (50, 0.25, 0.75),
        (65, 0.175, 0.825),
        (80, 0.1, 0.9),
    ):
        spread = ordered[math.floor(high * n)] - ordered[math.floor(low * n)]
        found[f"FluxPercentileRatioMid{percent}"] = spread / whole
    return found


def anderson_darling(magnitude):
    with warnings.catch_warnings():
        # newer versions of SciPy ask how to compute a p-value, which we do not use
        warnings.simplefilter("ignore", FutureWarning)
        return stats.anderson(magnitude, "norm").statistic


def test_features_equal_the_formulae_of_fats_in_scipy():
    for time, magnitude, error in curves(200, seed=13):
        ours, expected = features_of(time, magnitude, error), formulae(time, magnitude)
        assert set(expected) == set(BY_FORMULA)
        for name, value in expected.items():
            assert np.isclose(ours[name], value, rtol=1e-6, atol=1e-12), name


def test_extreme_outliers_are_far_from_normal():
    magnitude = np.concatenate([np.zeros(1600), [1.0]])  # 40 standard deviations
    found = features_of(np.arange(1601.0), magnitude, np.ones(1601))
    assert found["AndersonDarling"] == 1.0


@settings(deadline=None, max_examples=30)
@given(seed=seeds, n_points=st.integers(1, 40), n_frequencies=st.integers(1, 700))
def test_trigonometric_sums_equal_sums_of_cosines_and_sines(seed, n_points, n_frequencies):
    rng = np.random.default_rng(seed)
    step, weight = np.zeros((2, -(-n_points // 4) * 4))
    step[:n_points] = rng.uniform(0, 2 * np.pi, n_points)
    weight[:n_points] = rng.normal(size=n_points)
    found = trigonometric_sums(step, weight, n_frequencies)[:, :n_frequencies]
    angle = np.outer(np.arange(1, n_frequencies + 1), step)
    # angles of the judge round by 1e-16 of up to 700 x 2 pi, ours by 1e-16 a step
    limit = 2e-12 * np.abs(weight).sum()
    np.testing.assert_allclose(found[0], np.cos(angle) @ weight, rtol=0, atol=limit)
    np.testing.assert_allclose(found[1], np.sin(angle) @ weight, rtol=0, atol=limit)


def fats_frequencies(time):
    return np.arange(1, 300 * time.size + 1) / (6 * (time[-1] - time[0]))


def astropy_shares(time, magnitude):
    """Lomb-Scargle power, the share of the sum of squares, on FATS's grid."""
    model = LombScargle(time - time[0], magnitude, fit_mean=False, center_data=True)
    return model.power(fats_frequencies(time), method="cython", normalization="standard")


def test_the_periodogram_equals_that_of_astropy():
    for time, magnitude, _ in curves(40, seed=14):
        steps, deviation = phase_steps(time), magnitude - magnitude.mean()
        power = power_of(steps, window_sums(steps, time.size), deviation)
        expected = astropy_shares(time, magnitude) * np.sum(deviation**2)
        np.testing.assert_allclose(power, expected, rtol=0, atol=1e-9 * expected.max())


def test_the_period_is_the_highest_peak_with_the_probability_of_press_and_rybicki():
    for time, magnitude, error in curves(40, seed=15):
        found, share = features_of(time, magnitude, error), astropy_shares(time, magnitude)
        best, n = np.argmax(share), time.size
        assert np.isclose(found["PeriodLS"], 1 / fats_frequencies(time)[best], rtol=1e-12)
        chance = 1 - (1 - np.exp(np.longdouble(-0.5 * (n - 1) * share[best]))) ** (100 * n)
        # longdouble holds 1e-19 beside 1
        assert np.isclose(found["Period_fit"], float(chance), rtol=1e-6, atol=1e-17)


def test_small_false_alarm_probabilities_are_not_rounded_to_zero():
    # M e^-z, the first term of the series
    assert np.isclose(false_alarm_probability(1.0, 200), 100 * 200 * np.exp(-99.5), rtol=1e-12)
    assert false_alarm_probability(0.0, 27) == 1.0


def test_of_equal_peaks_the_lowest_frequency_is_taken():
    power = np.array([1.0, 5.0, 2.0, 5.0 * (1 + 5e-10), 3.0])
    assert highest_peak(power) == 2
    assert highest_peak(np.append(power, 5.0 * (1 + 1e-8))) == 6


def test_frequencies_with_one_phase_only_have_the_power_of_one_column():
    time = np.arange(10.0)  # at whole frequencies every point has the same phase
    magnitude = np.random.default_rng(16).normal(size=10)
    steps, deviation = phase_steps(time), magnitude - magnitude.mean()
    power = power_of(steps, window_sums(steps, 10), deviation)
    assert np.isfinite(power).all()
    assert power.max() <= np.sum(deviation**2) * (1 + 1e-9)
    assert power[53] < 1e-20  # 54/(6 x 9) = 1 a day: a constant, which has been taken out


def harmonics_oracle(time, magnitude):
    """Amplitudes and relative phases (frequency, harmonic) by astropy and least squares."""
    days, residual = time - time[0], magnitude
    found = np.empty((2, FREQUENCIES, HARMONICS))
    for i in range(FREQUENCIES):
        frequency = fats_frequencies(time)[np.argmax(astropy_shares(time, residual))]
        for j in range(HARMONICS):
            angle = 2 * np.pi * (j + 1) * frequency * days
            columns = np.column_stack((np.sin(angle), np.cos(angle), np.ones(days.size)))
            (a, b, c), *_ = np.linalg.lstsq(columns, residual, rcond=None)
            residual = residual - columns @ (a, b, c)
            found[:, i, j] = np.hypot(a, b), np.arctan(b / a)
    found[1] -= found[1, :, :1].copy()
    return found


def test_harmonics_are_fitted_and_subtracted_one_after_another():
    names = [name for name in FEATURES if "harmonics" in name]
    for time, magnitude, error in curves(40, seed=17):
        found = features_of(time, magnitude, error)
        ours = np.array([found[name] for name in names])
        amplitude, phase = ours.reshape(FREQUENCIES, 2, HARMONICS).transpose(1, 0, 2)
        expected_amplitude, expected_phase = harmonics_oracle(time, magnitude)
        np.testing.assert_allclose(amplitude, expected_amplitude, rtol=1e-6)
        # arctan jumps by pi where the sine vanishes
        np.testing.assert_allclose(np.sin(phase - expected_phase), 0, atol=1e-6)


@settings(deadline=None, max_examples=60)
@given(seed=seeds, n_points=st.integers(4, 30), phases=st.sampled_from([1, 2, 3, 1000]))
@example(seed=124, n_points=4, phases=3)
def test_a_sine_is_fitted_like_lstsq_even_where_points_share_their_phases(seed, n_points, phases):
    rng = np.random.default_rng(seed)
    cycles = rng.integers(0, phases, n_points) / phases + rng.integers(0, 5, n_points)
    magnitude = rng.normal(size=n_points)
    residual = magnitude.copy()
    a, b = subtract_sine(residual, cycles)
    angle = 2 * np.pi * (cycles - np.floor(cycles))
    columns = np.column_stack((np.sin(angle), np.cos(angle)))
    centred = columns - columns.mean(axis=0)
    centred[np.abs(centred) < 1e-12] = 0  # rounding, where all points have one phase
    fit, *_ = np.linalg.lstsq(centred, magnitude - magnitude.mean(), rcond=1e-7)
    size = 1 + np.hypot(*fit)
    np.testing.assert_allclose((a, b), fit, rtol=0, atol=1e-7 * size)
    expected = magnitude - magnitude.mean() - centred @ fit
    np.testing.assert_allclose(residual, expected, rtol=0, atol=1e-9 * size)


def test_three_sines_are_found_and_one_leaves_no_residual():
    time = np.sort(np.random.default_rng(18).uniform(0, 10, 60))
    frequency = 37 / (6 * (time[-1] - time[0]))
    magnitude = 20 + 0.3 * np.sin(2 * np.pi * frequency * (time - time[0]))
    found = features_of(time, magnitude, np.full(60, 0.01))
    assert np.isclose(found["Freq1_harmonics_amplitude_0"], 0.3)
    assert found["Freq1_harmonics_amplitude_1"] == found["Freq2_harmonics_amplitude_0"] == 0.0
    assert np.isnan(found["Freq2_harmonics_rel_phase_0"])


def walk_minus_log_likelihood(parameters, time, deviation, variance):
    """FATS's likelihood, line by line; tau = 0 is white noise."""
    sigma, tau = parameters
    stationary = 0.5 * tau * sigma**2
    omega, expected, total = stationary, 0.0, 0.0
    for i in range(1, time.size):
        a = math.exp(-(time[i] - time[i - 1]) / tau) if tau > 0 else 0.0
        gain = omega / (omega + variance[i - 1])
        expected = a * expected + a * gain * (deviation[i - 1] - expected)
        omega = stationary * (1 - a**2) + a**2 * omega * (1 - gain)
        whole = omega + variance[i]
        chance = math.exp(-0.5 * (expected - deviation[i]) ** 2 / whole) + 1e-300
        total += math.log(chance / math.sqrt(2 * math.pi * whole))
    return -total


@settings(deadline=None)
@given(
    seed=seeds,
    sigma=st.sampled_from([0.0, 1e-3, 1.0, 100.0]),
    tau=st.sampled_from([0.0, 1e-6, 1.0, 100.0]),
    error_mag=st.sampled_from([1e-6, 0.01, 1.0]),
    n_points=st.integers(2, 60),
)
def test_the_likelihood_equals_that_of_fats_even_for_outliers(
    seed, sigma, tau, error_mag, n_points
):
    rng = np.random.default_rng(seed)
    time = np.cumsum(rng.uniform(1e-3, 3.0, n_points))
    deviation = rng.normal(size=n_points) * rng.choice([0.01, 1.0, 10.0])
    variance = (error_mag * rng.uniform(0.5, 1.5, n_points)) ** 2
    found = minus_log_likelihood(
        np.array([sigma, tau]), np.diff(time), deviation, variance, np.empty(n_points - 1)
    )
    expected = walk_minus_log_likelihood((sigma, tau), time, deviation, variance)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_the_damped_random_walk_equals_the_minimum_found_by_scipy():
    for time, magnitude, error in curves(60, seed=19):
        found = features_of(time, magnitude, error)
        result = minimize(
            walk_minus_log_likelihood,
            (10, 0.5),
            args=(time, magnitude - magnitude.mean(), error**2),
            method="nelder-mead",
            bounds=((0, 100), (0, 100)),
        )
        ours = found["CAR_sigma"], found["CAR_tau"]
        np.testing.assert_allclose(ours, result.x, rtol=WALK_RTOL, atol=1e-12)
        assert np.isclose(found["CAR_mean"], magnitude.mean() / found["CAR_tau"], rtol=1e-9)


def test_lags_beyond_a_hundred_slots_are_searched():
    # two weeks four months apart: FATS looks at 100 slots, then at none as 200 exceed the curve
    time = np.concatenate([np.arange(7.0), 120 + np.arange(7.0)])
    magnitude = 20 + (time > 60) + 0.1 * np.cos(time)
    found = features_of(time, magnitude, np.full(14, 0.1))
    deviation, lag = magnitude - magnitude.mean(), time - time[:, None]
    products = np.outer(deviation, deviation)
    slots = np.unique(lag[lag >= 0])
    correlation = np.array([products[lag == slot].mean() for slot in slots])
    correlation /= correlation[0]
    assert found["SlottedA_length"] == slots[np.argmax(correlation < np.exp(-1))] == 114
    first = correlation[slots < 100] - correlation[slots < 100].mean()
    stetson = np.abs(first).sum() / np.sqrt(first.size * np.sum(first**2))
    assert np.isclose(found["StetsonK_AC"], stetson)
