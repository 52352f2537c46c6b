"""Numbers of a forecast against slow definitions and other libraries."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from astropy.cosmology import Planck18
from astropy.stats import binom_conf_interval
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from sklearn.metrics import precision_recall_fscore_support, roc_curve

from classifier.forecast.event_rates import RATES, expected_numbers, explosions_by_redshift
from classifier.forecast.predictions_in_time import stable_from
from classifier.forecast.results import _kinds, _paired_shares
from classifier.forecast.scores_in_time import (
    StableTime,
    bootstrap_weights,
    class_scores,
    confusion,
    field_weights,
    predicted_class,
    scores_in_time,
    true_positive_rates,
)
from classifier.forecast.selection_function import bins_of, selection_function, wilson

CLASSES = ("SN", "RRL", "NV")


@pytest.fixture
def rng():
    return np.random.default_rng(8)


def test_scores_are_those_of_scikit_learn_with_equal_classes(rng):
    label, predicted = rng.integers(3, size=500), rng.integers(3, size=500)
    predicted = np.where(rng.random(500) < 0.5, label, predicted)
    each = 1 / np.bincount(label)[label]
    expected = precision_recall_fscore_support(label, predicted, sample_weight=each)
    found = class_scores(predicted, label, np.ones((500, 1)), 3)
    for name, values in zip(("purity", "recall", "f1"), expected[:3], strict=True):
        np.testing.assert_allclose(found[name][0], values, rtol=1e-12)
    assert found["macro_f1"][0] == pytest.approx(expected[2].mean())


def test_objects_without_a_prediction_count_as_wrong():
    label, predicted = np.array([0, 0, 1, 1]), np.array([0, -1, 1, 1])
    found = class_scores(predicted, label, np.ones((4, 1)), 2)
    np.testing.assert_allclose(found["recall"][0], [0.5, 1.0])
    assert confusion(predicted, label, np.ones((4, 1)), 2)[0].sum() == pytest.approx(1.5)


def test_weights_are_repeated_objects(rng):
    label, predicted = rng.integers(3, size=60), rng.integers(3, size=60)
    weights = bootstrap_weights(label, 4, seed=1)
    found = class_scores(predicted, label, weights, 3)
    for column in range(5):
        rows = np.repeat(np.arange(60), weights[:, column].astype(int))
        alone = class_scores(predicted[rows], label[rows], np.ones((rows.size, 1)), 3)
        np.testing.assert_allclose(found["f1"][column], alone["f1"][0])


@pytest.mark.parametrize("digits", [2, 9])  # with and without equal scores
def test_true_positive_rates_are_those_of_the_roc_curve(rng, digits):
    positive = rng.random(3000) < 0.3
    score = np.round(rng.normal(positive, 0.7), digits)
    false, true, _ = roc_curve(positive, score, drop_intermediate=False)
    rates = (1e-1, 1e-2, 3e-3)
    expected = [true[false <= rate].max() for rate in rates]
    found = true_positive_rates(score, positive, np.ones((3000, 1)), rates)[0]
    np.testing.assert_allclose(found, expected)


def test_a_false_positive_rate_that_no_object_resolves_has_no_number(rng):
    positive = np.arange(100) < 50
    found = true_positive_rates(rng.random(100), positive, np.ones((100, 1)), (0.02, 0.019))
    assert np.isfinite(found[0, 0]) and np.isnan(found[0, 1])


def test_the_bootstrap_error_is_that_of_a_fraction(rng):
    label = np.zeros(400, dtype=int)
    probabilities = np.zeros((400, 1, 2))
    right = rng.random(400) < 0.7
    probabilities[:, 0] = np.where(right[:, None], [0.9, 0.1], [0.2, 0.8])
    weights = bootstrap_weights(label, 400, seed=2)
    found = scores_in_time(probabilities, label, weights)
    share = right.mean()
    assert found.values["recall"][0, 0] == pytest.approx(share)
    expected = np.sqrt(share * (1 - share) / 400)
    # the standard deviation of 400 resamples has a relative error of 1/sqrt(800)
    assert found.errors["recall"][0, 0] == pytest.approx(expected, rel=5 / np.sqrt(800))


@pytest.mark.parametrize("shared", [True, False])
def test_errors_over_fields_hold_what_objects_of_a_field_share(rng, shared):
    """80 fields of 25 objects: right or wrong together, or each by itself."""
    field = np.repeat(rng.permutation(80) + 7, 25)
    right = rng.random(80)[np.unique(field, return_inverse=True)[1]] < 0.6
    right = right if shared else rng.random(2000) < 0.6
    label = np.zeros(2000, dtype=int)
    weights = field_weights(field, 400, seed=1)
    assert (weights[:, 0] == 1).all() and (np.ptp(weights.reshape(80, 25, -1), axis=1) == 0).all()
    found = class_scores(np.where(right, 0, 1), label, weights, 2)["recall"][1:, 0]
    share = right.mean()
    expected = np.sqrt(share * (1 - share) / (80 if shared else 2000))
    # of the resamples 1/sqrt(800); of the variance between 80 fields sqrt(2/79)/2 where not shared
    assert found.std(ddof=1) == pytest.approx(expected, rel=5 / np.sqrt(800) + 3 * 0.08)


@st.composite
def sequences(draw):
    n = draw(st.integers(0, 6))
    right = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    steps = draw(st.lists(st.integers(1, 9), min_size=6, max_size=6))
    detection = draw(st.integers(0, 60))
    return right, np.cumsum(steps).astype(float), float(detection)


def stable_slowly(right, mjd, detection):
    for first in range(len(right)):
        if all(right[first:]):
            before = sum(time < detection for time in mjd[: len(right)])
            return max(first - before + 1, 1), max(mjd[first] - detection, 0.0)
    return np.nan, np.nan


@settings(deadline=None)
@given(sequences())
def test_stable_times_equal_their_definition(sequence):
    right, mjd, detection = sequence
    n = len(right)
    p = np.full((1, 6, 2), np.nan)
    p[0, :n] = np.where(np.array(right, dtype=bool)[:, None], [0.8, 0.2], [0.3, 0.7])
    times = np.where(np.arange(6) < n, mjd, np.nan)[None]
    found = stable_from(p, np.array([n]), np.array([0]), times, np.array([detection]))
    expected = stable_slowly(right, mjd, detection)
    np.testing.assert_array_equal([v[0] for v in found], expected)


def test_quartiles_count_objects_that_never_become_stable():
    time = np.array([1.0, 2.0, 3.0, np.nan, np.nan])
    found = StableTime.of(time, np.ones((5, 1)))
    np.testing.assert_array_equal(found.quartiles, [2.0, 3.0, np.nan])
    assert found.never == pytest.approx(0.4)


def test_predicted_class_is_minus_one_without_a_prediction():
    p = np.array([[0.1, 0.9], [np.nan, np.nan]])
    np.testing.assert_array_equal(predicted_class(p), [1, -1])


# --- efficiencies and numbers --------------------------------------------------------------------


def test_intervals_are_those_of_astropy():
    n = np.array([1, 5, 40, 1000])
    k = np.array([0, 5, 13, 999])
    low, high = binom_conf_interval(k, n, interval="wilson", confidence_level=0.6826894921)
    np.testing.assert_allclose(wilson(k, n), [k / n, low, high], atol=1e-7)
    assert np.isnan(wilson(0, 0)).all()


def drawn(rng, n=4000):
    label = rng.integers(3, size=n)
    redshift = np.where(label == 0, rng.uniform(0.001, 0.3, n), np.nan)
    return {
        "label": label,
        "subtype": np.where(label == 0, rng.integers(2, size=n), np.nan),
        "magnitude": rng.uniform(18, 25, n),
        "redshift": redshift,
        "period_d": np.where(label == 1, 0.5, np.nan),
        "host_mag": np.full(n, np.nan),
        "ra_deg": rng.uniform(0, 360, n),
        "dec_deg": np.degrees(np.arcsin(rng.uniform(-1, 1, n))),
        "detected": rng.random(n) < 0.6,
        "first_mjd": np.zeros(n),
        "last_mjd": np.full(n, 360.25),
    }


def test_bins_of_a_selection_function_count_every_object_once(rng):
    objects = drawn(rng)
    correct = objects["detected"] & (rng.random(4000) < 0.5)
    found = selection_function(objects, correct, CLASSES)
    for group, number in (("SN", 0), ("RRL", 1)):
        members = objects["label"] == number
        for quantity in ("all", "magnitude", "sky"):
            bins = bins_of(found, group, quantity)
            assert sum(each.n for each in bins) == members.sum()
            assert sum(each.n_detected for each in bins) == (members & objects["detected"]).sum()
            assert sum(each.n_correct for each in bins) == (members & correct).sum()
    types = [bins_of(found, name, "all")[0].n for name in ("SN Ia", "SN II")]
    assert sum(types) == bins_of(found, "SN", "all")[0].n
    assert not bins_of(found, "NV", "redshift")


@pytest.mark.parametrize("name", RATES)
def test_explosions_are_the_integral_of_rate_and_volume(name):
    def density(z):
        volume = 4 * np.pi * Planck18.differential_comoving_volume(z).value
        rate = RATES[name].per_mpc3_year(z) * (Planck18.H0.value / 70) ** 3
        return rate * volume / (1 + z)

    edges = np.array([0.0, 0.1, 0.2])
    expected = [quad(density, a, b)[0] for a, b in pairwise(edges)]
    found = explosions_by_redshift(RATES[name], edges)
    np.testing.assert_allclose(found, expected, rtol=1e-3)


def test_local_rates_are_those_of_the_papers():
    assert RATES["SN II"].per_mpc3_year(0.028) == pytest.approx(6.69e-5)
    # Frohmaier et al. 2019 measured 2.43 +- 0.29 (10^-5) within z = 0.09
    assert abs(RATES["SN Ia"].per_mpc3_year(0.073) - 2.43e-5) < 0.29e-5


def test_expected_numbers_scale_with_efficiency_area_and_time(rng):
    objects = drawn(rng, 20_000)
    nothing = np.zeros(20_000, dtype=bool)
    objects["detected"] = ~nothing
    whole = expected_numbers(objects, nothing, 0, 41252.96)
    for each in whole:
        assert each.detected == pytest.approx(each.exploding, rel=1e-6)
        assert each.correct == 0 and each.largest_redshift == pytest.approx(0.3)
    objects["detected"] = rng.random(20_000) < 0.25
    objects["last_mjd"] = np.full(20_000, 365.25 / 2 - 5)
    for all_sky, each in zip(whole, expected_numbers(objects, nothing, 0, 412.5296), strict=True):
        expected = all_sky.exploding / 100 / 2 * 0.25
        assert each.detected == pytest.approx(expected, abs=5 * each.detected_error)
        assert 0 < each.detected_error < 0.1 * expected


def test_the_error_of_a_rate_holds_that_of_its_slope(rng):
    objects, nothing = drawn(rng, 20_000), np.zeros(20_000, dtype=bool)
    objects["detected"] = ~nothing
    rate = RATES["SN Ia"]
    steeper = replace(rate, per_mpc3_year=lambda z: rate.per_mpc3_year(z) * (1 + z) ** 0.21)
    (ia, ii) = expected_numbers(objects, nothing, 0, 41252.96)
    edges = np.linspace(0, 0.3, 31)
    whole, more = (explosions_by_redshift(each, edges).sum() for each in (rate, steeper))
    expected = np.hypot(rate.relative_error, more / whole - 1)
    assert rate.relative_error < ia.rate_error == pytest.approx(expected, rel=0.03)
    assert ii.rate_error == RATES["SN II"].relative_error


def test_errors_of_paired_shares_are_those_of_their_difference(rng):
    label = np.zeros(5000, dtype=int)
    first = rng.random(5000) < 0.5
    other = first & (rng.random(5000) < 0.9)
    found = _paired_shares({"detected": (first, other)}, label, 1)
    value, error = found.values["detected"][0], found.errors["detected"][0]
    assert abs(value + 0.05) < 5 * error
    unpaired = np.sqrt(0.25 / 5000 + 0.2475 / 5000)
    assert error == pytest.approx(np.sqrt((0.05 - 0.05**2) / 5000), rel=0.15) and error < unpaired


def test_objects_are_grouped_by_programme_season_and_cadence(rng):
    n = 900
    ra = np.full(n, 90.0)  # the Sun is there at the end of June
    objects = {
        "programme": np.where(np.arange(n) % 3 == 0, "ddf", "wfd"),
        "ra_deg": ra,
        "first_mjd": np.where(np.arange(n) % 2 == 0, 61300.0, 61300.0 + 365.25),
        "last_mjd": np.full(n, 61800.0),
        "n_epochs": rng.integers(10, 60, n),
    }
    found = {kind: (names, number) for kind, names, number in _kinds(objects, 61290.0)}
    assert found["programme"][0] == ["ddf", "wfd"] and found["season"][0] == ["1", "2"]
    np.testing.assert_array_equal(found["season"][1], np.arange(n) % 2)
    counts = np.bincount(found["images in 30 d"][1])
    assert counts.size == 3 and np.abs(counts - n / 3).max() < n / 20
    later = {kind: names for kind, names, _ in _kinds(objects, 61290.0 - 365.25)}
    assert later["season"] == ["2", "3"]  # of the table, which began a year earlier
    objects["ra_deg"] = np.full(n, np.nan)
    objects["first_mjd"] = np.where(np.arange(n) % 2 == 0, 61299.8, 61665.3)
    found = {kind: (names, number) for kind, names, number in _kinds(objects, 61300.0)}
    assert found["year"][0] == ["1", "2"]  # a first image hours before the start is of year 1
    np.testing.assert_array_equal(found["year"][1], np.arange(n) % 2)
