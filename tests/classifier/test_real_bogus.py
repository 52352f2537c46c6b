"""Scores of real detections against artefacts: published numbers, scikit-learn, and counting."""

import json
from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from sklearn import metrics

from classifier.evaluation import (
    EvaluationError,
    evaluate,
    plot_comparison,
    real_bogus_of,
    summary_table,
    write_report,
)
from classifier.evaluation.bootstrap import PackedWeights, resampling_weights, weight_columns
from classifier.evaluation.comparison import compare
from classifier.evaluation.real_bogus import SCORES
from classifier.reports.real_bogus_section import real_bogus_section
from skyreel.report.figures import plotted
from tests.helpers.made_up_predictions import made_up

CLASSES = ("SN", "BOGUS", "AST")
MARGIN = 1e-12


def drawn(seed, n, digits=3):
    """Labels, and probabilities of being an artefact that are better than chance, some equal."""
    rng = np.random.default_rng(seed)
    is_real = rng.random(n) < 0.6
    is_real[:2] = True, False
    return is_real, np.round(1 / (1 + np.exp(3 * rng.normal(is_real - 0.5, 0.5))), digits)


@pytest.mark.real
@pytest.mark.parametrize(
    ("file", "key", "accuracy", "rates"),
    [
        ("deep_hits", "ConvNet_pbbs", 0.99469, (0.0021, 0.0059, 0.077)),
        ("forest", "RF_pbbs", 0.98977, None),
    ],
)
def test_published_scores_of_hits_candidates_are_found_again(real_data, file, key, accuracy, rates):
    """Of 100,000 candidates by Cabrera-Vives et al. 2017, to as many digits as published."""
    with np.load(real_data / "judges" / "deephits" / f"{file}.npz") as stored:
        is_real, p_bogus = stored["labels"] == 1, stored[key][:, 0]
        noise_ratio = np.abs(stored["SNRs"])
    found = real_bogus_of(p_bogus, is_real, values=noise_ratio, edges=(5, 7, 1e9), n_bootstrap=2)
    assert found.total.values["accuracy"] == pytest.approx(accuracy, abs=MARGIN)
    if rates:
        shown = [float(f"{v:.2g}") for v in found.total.values["false_negative_rate"]]
        assert shown == pytest.approx(rates, abs=MARGIN)
    faint, bright = found.in_bins.values["accuracy"]
    assert bright > faint
    assert found.allowed.tolist() == [500, 250, 50]


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32), n=st.integers(2, 400), digits=st.sampled_from([1, 3, 9]))
def test_scores_are_those_of_scikit_learn(seed, n, digits):
    is_real, p_bogus = drawn(seed, n, digits)
    rates = (0.5, 0.1, 0.02)
    found = real_bogus_of(p_bogus, is_real, rates=rates, n_bootstrap=0)
    called = p_bogus < 0.5
    judge = metrics.precision_recall_fscore_support(
        is_real, called, average="binary", zero_division=np.nan
    )
    expected = (metrics.accuracy_score(is_real, called), *judge[:3])
    got = [found.total.values[name] for name in SCORES]
    np.testing.assert_allclose(got, expected, atol=MARGIN)
    false_positive, false_negative, _ = metrics.det_curve(is_real, -p_bogus)
    n_bogus = (~is_real).sum()
    for k, rate in enumerate(rates):
        allowed = false_positive <= rate + 1e-9
        # det_curve leaves out thresholds beyond the highest score: nothing is called real there
        best = false_negative[allowed].min() if allowed.any() else 1.0
        expected = best if rate * n_bogus >= 1 - 1e-9 else np.nan
        value = found.total.values["false_negative_rate"][k]
        np.testing.assert_allclose(value, expected, atol=MARGIN)
        if np.isfinite(found.thresholds[k]):
            missed = (1 - p_bogus[is_real] <= found.thresholds[k] + 1e-9).mean()
            assert missed == pytest.approx(expected, abs=MARGIN)


def test_long_curves_are_thinned_to_points_of_the_whole_one():
    is_real, p_bogus = drawn(3, 40_000, digits=9)
    whole = {(x, y) for x, y, _ in zip(*metrics.det_curve(is_real, -p_bogus), strict=True)}
    curve = real_bogus_of(p_bogus, is_real, n_bootstrap=0).curve
    points = list(zip(curve.false_positive_rate, curve.false_negative_rate, strict=True))
    assert 100 < len(points) < 500 and set(points) <= whole
    assert (np.diff(curve.false_positive_rate) <= 0).all()
    assert (np.diff(curve.false_negative_rate) >= 0).all()


def test_a_rate_that_the_artefacts_cannot_resolve_has_no_number():
    is_real = np.arange(300) < 200
    p_bogus = np.where(is_real, 0.1, 0.9)
    found = real_bogus_of(p_bogus, is_real, values=np.arange(300), edges=(0, 150, 300))
    assert found.allowed.tolist() == [1, 0, 0]
    for values in (found.total.values["false_negative_rate"], found.thresholds):
        np.testing.assert_array_equal(np.isfinite(values), [True, False, False])
    assert np.isnan(found.in_bins.values["false_negative_rate"][:, 1:]).all()
    assert found.total.values["false_negative_rate"][0] == 0


def test_the_error_of_a_false_negative_rate_is_its_scatter_between_samples():
    """The bootstrap error against 300 new samples; both have a relative error of 1/sqrt(2 n)."""
    n, rates = 2000, (0.05,)
    made = [
        real_bogus_of(p, real, rates=rates, n_bootstrap=0).total.values["false_negative_rate"][0]
        for real, p in (drawn(seed, n, 9) for seed in range(300))
    ]
    errors = []
    for seed in range(300, 310):
        is_real, p_bogus = drawn(seed, n, 9)
        found = real_bogus_of(p_bogus, is_real, rates=rates, n_bootstrap=200)
        errors.append(found.total.errors["false_negative_rate"][0])
    scatter = np.std(made, ddof=1)
    # a quantile's bootstrap error itself scatters by about n^(-1/4) of 1,000 artefacts / sqrt(10)
    assert np.mean(errors) == pytest.approx(scatter, rel=3 * np.hypot(1 / np.sqrt(600), 0.06))


def test_bins_hold_the_scores_of_their_own_objects():
    is_real, p_bogus = drawn(5, 3000)
    ratio = np.random.default_rng(1).uniform(5, 30, 3000)
    ratio[7] = np.nan
    found = real_bogus_of(p_bogus, is_real, values=ratio, edges=(5, 10, 30), n_bootstrap=50)
    for k, inside in enumerate((ratio < 10, ratio >= 10)):
        alone = real_bogus_of(p_bogus[inside], is_real[inside], n_bootstrap=0)
        assert (found.n_real_in_bins[k], found.n_bogus_in_bins[k]) == (alone.n_real, alone.n_bogus)
        for name in SCORES:
            assert found.in_bins.values[name][k] == pytest.approx(alone.total.values[name])
        called = 1 - p_bogus[inside] > found.thresholds[0]
        artefacts = ~is_real[inside]
        share = found.in_bins.values["false_positive_rate"][k, 0]
        assert share == pytest.approx(called[artefacts].mean())
    errors = found.in_bins.errors["accuracy"]
    q, n = found.in_bins.values["accuracy"], found.n_real_in_bins + found.n_bogus_in_bins
    np.testing.assert_allclose(errors, np.sqrt(q * (1 - q) / n), rtol=5 / np.sqrt(100))


def test_packed_weights_have_the_columns_of_plain_ones():
    strata = np.zeros(700, int)
    packed = PackedWeights(strata, n_bootstrap=9, seed=4)
    packed._larger[3] = packed.between(3, 4)[:, 0]
    plain = resampling_weights(strata, n_bootstrap=9, seed=4)
    np.testing.assert_array_equal(np.concatenate(list(weight_columns(packed)), axis=1), plain)
    np.testing.assert_array_equal(packed.between(8, 12), plain[:, 8:])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (([0.1, 0.2], [True]), "need one number for each object"),
        (([0.1, 1.2], [True, False]), "give probabilities within"),
        (([0.1, np.nan], [True, False]), "give probabilities within"),
        (([], []), "one at least"),
        (([[0.1]], [[True]]), "need one number for each object"),
    ],
)
def test_what_cannot_be_scored_is_one_sentence(arguments, sentence):
    with pytest.raises(EvaluationError, match=sentence):
        real_bogus_of(*arguments)
    with pytest.raises(EvaluationError, match="must lie between 0 and 1"):
        real_bogus_of([0.5, 0.5], [True, False], rates=[0])


@pytest.fixture(scope="module")
def evaluation():
    return evaluate(made_up(n=400, classes=CLASSES), n_bootstrap=20)


def test_an_evaluation_scores_the_class_bogus_against_all_others(evaluation):
    predictions = made_up(n=400, classes=CLASSES)
    k = CLASSES.index("BOGUS")
    expected = real_bogus_of(
        predictions.after(predictions.longest)[:, k], predictions.label != k, n_bootstrap=0
    )
    found = evaluation.real_bogus
    assert found.n_bogus == expected.n_bogus == (predictions.label == k).sum()
    for name, values in expected.total.values.items():
        np.testing.assert_allclose(found.total.values[name], values, err_msg=name)
    summary = evaluation.summary()
    assert summary["fnr_at_fpr_0.01"].value == found.total.values["false_negative_rate"][0]
    assert evaluate(made_up(), n_bootstrap=0).real_bogus is None


def test_the_report_has_the_curve_and_says_what_is_not_resolved(evaluation, tmp_path):
    write_report(evaluation, tmp_path, "made up")
    page = (tmp_path / "index.html").read_text()
    assert "Real or bogus" in page and "not resolved" in page and "1,000 needed" in page
    assert (tmp_path / "det_curve.png").stat().st_size > 10_000
    record = json.loads((tmp_path / "evaluation.json").read_text())["real_bogus"]
    assert record["false_positive_rates"] == [1e-2, 5e-3, 1e-3]
    assert record["total"]["values"]["false_negative_rate"][2] is None
    assert (
        record["bins"] == json.loads((tmp_path / "evaluation.json").read_text())["magnitude_bins"]
    )
    console = Console(width=120, record=True, file=StringIO())
    console.print(summary_table(evaluation))
    text = console.export_text()
    assert "FNR at FPR 0.001" in text and "not resolved" in text


def test_a_model_without_the_class_has_no_such_section(tmp_path):
    plain = evaluate(made_up(n=60), n_bootstrap=0)
    assert real_bogus_section({"a": plain}) is None
    plot_comparison({"a": plain}, tmp_path)
    assert not (tmp_path / "det_curve.png").exists()


def test_objects_of_one_kind_have_a_note_in_place_of_a_curve():
    labels = np.zeros(60, int)
    alone = evaluate(made_up(n=60, classes=CLASSES, labels=labels), n_bootstrap=5)
    section = real_bogus_section({"a": alone})
    assert "needs real detections and artefacts" in section.parts[0].text
    assert section.parts[1].cells[0][2].text == "0"


@pytest.mark.filterwarnings("error")
def test_a_model_without_any_error_has_a_curve():
    perfect = made_up(n=60, classes=CLASSES)
    certain = np.eye(len(CLASSES), dtype=np.float32)[perfect.label][:, None]
    known = np.isfinite(perfect.probabilities)
    perfect = replace(perfect, probabilities=np.where(known, certain, np.nan))
    section = real_bogus_section({"a": evaluate(perfect, n_bootstrap=5)})
    section.parts[0].drawing.canvas.draw()
    assert [series.label for series in plotted(section.parts[0].drawing)][:1] == ["a"]


def test_models_are_drawn_in_one_figure():
    both = {name: made_up(seed, n=400, classes=CLASSES) for seed, name in ((1, "a"), (1, "b"))}
    comparison = compare(both, n_bootstrap=5)
    section = real_bogus_section(comparison.evaluations)
    assert {series.label for series in plotted(section.parts[0].drawing)} >= {"a", "b"}
    assert [row[0].text for row in section.parts[1].cells] == ["a", "b"]
    ticks = section.parts[0].drawing.axes[0].get_xticklabels()
    assert "0.01" in {tick.get_text() for tick in ticks}
    assert len(section.parts) == 2
