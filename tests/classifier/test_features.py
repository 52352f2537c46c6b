"""Light-curve features: invariances, documented minimum number of points, refused input."""

import re
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.table import MaskedColumn
from astropy.utils.masked import Masked
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier.features import CONSTANT, FEATURES, features_of, features_of_batch
from skyreel.errors import ClassifierError
from tests.helpers.light_curves import padded, random_curve

DOCUMENT = Path(__file__).parents[2] / "docs" / "explanation" / "features.md"
FOLLOW_THE_MEAN = {
    "CAR_mean",
    "Mean",
    "Meanvariance",
    "PercentAmplitude",
    "PercentDifferenceFluxPercentile",
}
PHASES = {name for name in FEATURES if "rel_phase" in name}
seeds = st.integers(0, 2**32 - 1)


def as_row(curve):
    return np.array(list(features_of(*curve).values()))


def assert_close(found, expected, names=FEATURES, rtol=1e-6):
    """Equal but for rounding; phases are those of arctan and jump by pi."""
    for name in names:
        if name in PHASES and np.isfinite(expected[name]):
            assert abs(np.sin(found[name] - expected[name])) < rtol, name
        else:
            np.testing.assert_allclose(
                found[name], expected[name], rtol=rtol, atol=1e-9, err_msg=name
            )


def test_there_are_the_59_features_of_fats():
    assert len(FEATURES) == len(set(FEATURES)) == 59
    assert list(FEATURES) == sorted(FEATURES)
    assert set(CONSTANT) == {f"Freq{i}_harmonics_rel_phase_0" for i in (1, 2, 3)}


def test_the_constant_features_are_constant():
    rng = np.random.default_rng(1)
    for _ in range(20):
        found = features_of(*random_curve(rng))
        assert [found[name] for name in CONSTANT] == [0.0, 0.0, 0.0]


@settings(deadline=None, max_examples=40)
@given(seed=seeds, shift_mag=st.floats(-10, 10))
def test_a_magnitude_shift_changes_only_features_of_the_mean(seed, shift_mag):
    time, magnitude, error = random_curve(np.random.default_rng(seed))
    grid = 2.0**-30  # so that the shift itself does not round
    magnitude, shift_mag = np.rint(magnitude / grid) * grid, np.rint(shift_mag / grid) * grid
    still = features_of(time, magnitude, error)
    moved = features_of(time, magnitude + shift_mag, error)
    assert_close(moved, still, names=set(FEATURES) - FOLLOW_THE_MEAN)
    assert np.isclose(moved["Mean"], still["Mean"] + shift_mag)
    assert np.isclose(moved["CAR_mean"] * moved["CAR_tau"], moved["Mean"], equal_nan=True)
    for name in FOLLOW_THE_MEAN - {"CAR_mean", "Mean"}:
        middle = np.mean if name == "Meanvariance" else np.median
        ratio = middle(magnitude) / middle(magnitude + shift_mag)
        assert np.isclose(moved[name], still[name] * ratio, rtol=1e-6)


@settings(deadline=None, max_examples=40)
@given(seed=seeds, shift_day=st.integers(-57000, 10_000))
def test_the_origin_of_time_changes_nothing(seed, shift_day):
    time, magnitude, error = random_curve(np.random.default_rng(seed))
    still = features_of(time, magnitude, error)
    assert_close(features_of(time + shift_day, magnitude, error), still)


@settings(deadline=None, max_examples=30)
@given(seed=seeds, data=st.data())
def test_unusable_points_do_not_change_features(seed, data):
    rng = np.random.default_rng(seed)
    curve = np.array(random_curve(rng))
    spoiled = curve.copy()
    out = rng.random(curve.shape[1]) < 0.3
    column = data.draw(st.sampled_from([0, 1, 2]))
    spoiled[column, out] = data.draw(st.sampled_from([np.nan, np.inf, -np.inf]))
    np.testing.assert_array_equal(as_row(spoiled), as_row(curve[:, ~out]))
    spoiled = curve.copy()
    spoiled[2, out] = data.draw(st.sampled_from([0.0, -0.1]))
    np.testing.assert_array_equal(as_row(spoiled), as_row(curve[:, ~out]))


@pytest.mark.parametrize("form", ["numpy", "astropy column", "astropy masked", "pandas", "None"])
@pytest.mark.parametrize("column", [0, 1, 2])
def test_masked_points_do_not_count(column, form):
    curve = [values.copy() for values in random_curve(np.random.default_rng(3))]
    hidden = np.arange(curve[0].size) % 4 == 1
    expected = as_row([values[~hidden] for values in curve])
    curve[column][hidden] = 0.02 if column == 2 else 99.0
    with_nan = np.where(hidden, np.nan, curve[column])
    curve[column] = {
        "numpy": np.ma.masked_array(curve[column], hidden),
        "astropy column": MaskedColumn(curve[column], mask=hidden),
        "astropy masked": Masked(curve[column], mask=hidden),
        "pandas": pd.Series(with_nan).astype("Float64"),
        "None": [None if bad else value for bad, value in zip(hidden, with_nan, strict=True)],
    }[form]
    np.testing.assert_array_equal(as_row(curve), expected)


def test_a_masked_point_of_a_batch_does_not_count():
    time, magnitude, error = np.array(random_curve(np.random.default_rng(4)))
    batch = np.ma.masked_array(magnitude[None], np.arange(time.size)[None] == 2)
    found = features_of_batch(time[None], batch, error[None], [time.size])
    keep = np.arange(time.size) != 2
    np.testing.assert_array_equal(found[0], as_row((time[keep], magnitude[keep], error[keep])))


def test_curves_that_hold_no_numbers_are_refused():
    with pytest.raises(ClassifierError, match="numbers are needed"):
        features_of(["a", "b"], [18.0, 18.1], [0.1, 0.1])


def test_threads_padding_and_batch_size_change_no_bit():
    rng = np.random.default_rng(2)
    curves = [random_curve(rng) for _ in range(600)]
    batch = padded(curves, 60)
    whole = features_of_batch(*batch)
    np.testing.assert_array_equal(features_of_batch(*batch, threads=2), whole)
    np.testing.assert_array_equal(features_of_batch(*padded(curves, 91), threads=3), whole)
    for part in (slice(0, 1), slice(1, 300), slice(300, 600)):
        np.testing.assert_array_equal(features_of_batch(*(b[part] for b in batch)), whole[part])
    np.testing.assert_array_equal([as_row(curve) for curve in curves[:50]], whole[:50])


def test_the_first_points_give_the_features_of_a_curve_that_ends_there():
    rng = np.random.default_rng(3)
    curves = [random_curve(rng, 30) for _ in range(20)]
    time, magnitude, error, _ = padded(curves, 30)
    for k in (0, 1, 2, 3, 4, 5, 17, 30):
        found = features_of_batch(time, magnitude, error, np.full(20, k))
        cut = [as_row([values[:k] for values in curve]) for curve in curves]
        np.testing.assert_array_equal(found, cut)


def test_a_batch_without_curves_or_without_epochs_has_no_features():
    nothing = np.empty((0, 5))
    assert features_of_batch(nothing, nothing, nothing, []).shape == (0, 59)
    empty = np.empty((3, 0))
    assert np.isnan(features_of_batch(empty, empty, empty, [0, 0, 0])).all()


@pytest.mark.parametrize("n_points", range(8))
@pytest.mark.parametrize("magnitude", ["constant", "two values", "huge", "tiny", "zero mean"])
@pytest.mark.parametrize("error_mag", [1e-200, 0.05, 1e200])
def test_features_are_never_infinite_and_give_no_warning(n_points, magnitude, error_mag):
    rng = np.random.default_rng(n_points)
    time = np.sort(rng.uniform(0, 10, n_points))
    values = {
        "constant": np.full(n_points, 20.1),
        "two values": 20 + rng.integers(0, 2, n_points),
        "huge": 1e200 * rng.normal(size=n_points),
        "tiny": 1e-200 * rng.normal(size=n_points),
        "zero mean": np.resize([0.5, -0.5], n_points),
    }[magnitude]
    found = as_row((time, values, np.full(n_points, error_mag)))
    assert not np.isinf(found).any()


def test_of_aliases_of_regular_times_the_longest_period_is_chosen():
    # every frequency has aliases at multiples of 24 a day: the lowest of them is taken
    time = np.arange(12) / 24
    found = features_of(time, 20 + np.sin(2 * np.pi * time / 0.2), np.full(12, 0.05))
    assert found["PeriodLS"] > 2 / 24
    assert np.isclose(found["PeriodLS"], 0.2, rtol=0.1)


@pytest.mark.parametrize("first_day", [0.0, 57000.3, 2457000.5], ids=["day 0", "MJD", "JD"])
def test_features_of_regular_times_do_not_depend_on_the_origin(first_day):
    # every 30 minutes, as from space: the aliases of a peak differ by the rounding of times alone
    time, rng = np.arange(144) / 48, np.random.default_rng(31)
    magnitude = 15 + 0.3 * np.sin(2 * np.pi * time / 0.1521) + rng.normal(0, 0.02, 144)
    error = np.full(144, 0.02)
    found, still = (features_of(t, magnitude, error) for t in (first_day + time, time))
    assert np.isclose(found["PeriodLS"], 0.1521, rtol=0.01)
    assert found["PeriodLS"] == pytest.approx(still["PeriodLS"], rel=1e-9)
    assert_close(found, still, rtol=1e-5)


@pytest.mark.parametrize("first_day", [0.0, 57000.3, 2457000.5], ids=["day 0", "MJD", "JD"])
def test_points_of_equal_phase_are_folded_in_the_order_of_their_times(first_day):
    time = np.arange(96) / 48  # every period of 0.25 d has twelve points of the same phases
    magnitude = 15 + 0.3 * np.sin(2 * np.pi * time / 0.25) + 0.01 * (np.arange(96) % 7)
    still = features_of(time, magnitude, np.full(96, 0.02))
    found = features_of(first_day + time, magnitude, np.full(96, 0.02))
    for name in ("PeriodLS", "Psi_CS", "Psi_eta", "StetsonK_AC"):
        assert found[name] == pytest.approx(still[name], rel=1e-9), name


def table_rows():
    """Rows of the table of features: names, least number of points, value of a constant curve."""
    for line in DOCUMENT.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `") and len(cells) == 5:
            yield from ((name, cells[3], cells[4]) for name in expanded(cells[0]))


def expanded(cell):
    """The names a cell stands for, braces being lists of alternatives."""
    parts = re.split(r"\{([^}]*)\}", cell.strip("`"))
    choices = [part.split(",") if i % 2 else [part] for i, part in enumerate(parts)]
    return ["".join(choice) for choice in product(*choices)]


def test_the_table_of_the_documentation_has_every_feature_once():
    assert sorted(name for name, _, _ in table_rows()) == list(FEATURES)


def test_features_need_the_documented_number_of_points():
    rng = np.random.default_rng(4)
    time = np.cumsum(rng.uniform(0.6, 1.4, 12))  # pairs in more slots than one
    magnitude, error = 20 + rng.normal(size=12), rng.uniform(0.01, 0.1, 12)
    found = [features_of(time[:n], magnitude[:n], error[:n]) for n in range(13)]
    for name, least, _ in table_rows():
        exists = [bool(np.isfinite(values[name])) for values in found]
        assert exists == [n >= int(least) for n in range(13)], name


def test_constant_curves_have_the_documented_features():
    rng = np.random.default_rng(5)
    time, _, error = random_curve(rng, 25)
    found = features_of(time, np.full(25, 20.1), error)
    for name, _, expected in table_rows():
        if expected in ("0", "NaN"):
            np.testing.assert_equal(found[name], float(expected), err_msg=name)
    assert found["Mean"] == 20.1
    assert np.isclose(found["PairSlopeTrend"], -24 / 30)


@pytest.mark.parametrize("later_day", [0.5, 1.0])
def test_times_that_do_not_increase_are_refused_with_their_index(later_day):
    time = np.tile([0.0, 1.0, 2.0], (3, 1))
    time[1, 2] = later_day
    with pytest.raises(ClassifierError, match="curve 1, epoch 2"):
        features_of_batch(time, time, time + 1, [3, 3, 3])
    with pytest.raises(ClassifierError, match="curve 0, epoch 2"):
        features_of(time[1], time[1], time[1] + 1)
    assert features_of_batch(time, time, time + 1, [3, 2, 3]).shape == (3, 59)


def test_an_unusable_point_may_have_any_time():
    time = np.array([0.0, 5.0, 1.0, 2.0])
    magnitude = np.array([20.0, np.nan, 20.1, 20.2])
    assert features_of(time, magnitude, np.ones(4))["MaxSlope"] == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros((2, 3)), np.zeros((2, 3)), np.zeros((2, 4)), [3, 3]), "one shape"),
        ((np.zeros(3), np.zeros(3), np.zeros(3), [3]), "one shape"),
        ((np.zeros((2, 3)),) * 3 + ([3],), "n_points has shape"),
        ((np.zeros((2, 3)),) * 3 + ([3.0, 3.0],), "n_points has shape .* float64"),
        ((np.zeros((2, 3)),) * 3 + ([3, 4],), "n_points of curve 1 is 4; allowed are 0 to 3"),
        ((np.array([[0.0, 1e9]]), np.ones((1, 2)), np.ones((1, 2)), [2]), "in days"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(ClassifierError, match=message):
        features_of_batch(*arguments)


def test_zero_threads_are_refused():
    with pytest.raises(ClassifierError, match="threads = 0"):
        features_of_batch(np.zeros((1, 0)), np.zeros((1, 0)), np.zeros((1, 0)), [0], threads=0)
