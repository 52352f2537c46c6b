"""The scores of the few-shot report: on tested objects alone, with honest errors."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import recall_score

from classifier.evaluation import write_predictions
from finetune.reports import headline, read_few_shot, write_few_shot_report
from finetune.reports.few_shot_mistakes import most_often_misclassified
from finetune.reports.few_shot_scores import (
    Scoring,
    by_images,
    evaluations,
    matched_scores,
    score_of,
    shared_bins,
)
from finetune.reports.few_shot_summary import label_equivalence, labels_to_reach, statements
from finetune.reports.few_shot_tables import is_significant, score_cell
from skyreel.errors import FinetuneError
from tests.helpers.few_shot_folder import CLASSES, LONGEST, SIZES, TRIALS, N, made_folder
from tests.helpers.made_up_predictions import made_up


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return made_folder(tmp_path_factory.mktemp("tuned"))


@pytest.fixture(scope="module")
def few(folder):
    return read_few_shot(folder)


@pytest.fixture(scope="module")
def scoring(few):
    return Scoring(few, n_bootstrap=40)


def objects_tested(folder, k, trial):
    draws = json.loads((folder / "draws.json").read_text())
    return next(d["test"] for d in draws if (d["per_class"], d["trial"]) == (k, trial))


# --- scores -------------------------------------------------------------------------------------


@pytest.mark.parametrize("images", [1, 5, LONGEST])
def test_mean_recall_is_that_of_the_tested_objects_as_scikit_learn_says(
    folder, few, scoring, images
):
    for method, k in (("network", 1), ("real-only", 5)):
        found = scoring.mean_recall(method, k, images)[:, 0]
        for trial in range(TRIALS):
            p = few.predictions[method, k, trial]
            rows = np.isin(p.object_id, objects_tested(folder, k, trial))
            assert rows.sum() == N - 4 * k
            answer = p.after(images)[rows].argmax(axis=1)
            judge = recall_score(p.label[rows], answer, labels=range(4), average="macro")
            assert found[trial] == pytest.approx(judge)


def test_predictions_of_training_objects_change_nothing(few, scoring):
    answers_by = dict(few.predictions)
    for (name, k, trial), p in few.predictions.items():
        if k:
            tested = few.draws[k][trial].objects
            wrong = np.roll(np.nan_to_num(p.probabilities), 1, axis=2)
            values = np.where(tested[:, None, None], p.probabilities, wrong)
            values[np.isnan(p.probabilities)] = np.nan
            answers_by[name, k, trial] = replace(p, probabilities=values)
    other = Scoring(replace(few, predictions=answers_by), n_bootstrap=40)
    for name in few.methods:
        for k in SIZES:
            assert other.score(name, k, LONGEST) == scoring.score(name, k, LONGEST)
            np.testing.assert_array_equal(
                matched_scores(other, shared_bins(few), name, k, LONGEST)[0],
                matched_scores(scoring, shared_bins(few), name, k, LONGEST)[0],
            )
    missed = most_often_misclassified(few, "network", 5)
    assert missed == most_often_misclassified(other.few, "network", 5)


def test_predicting_a_class_without_objects_is_an_error(tmp_path):
    truth = made_up(1, n=40, longest=2, classes=CLASSES, labels=np.arange(40) % 4)
    galaxy = np.where(np.isnan(truth.probabilities), np.nan, np.eye(5)[4])
    write_predictions(
        tmp_path / "predictions/network/k0_t0.parquet", replace(truth, probabilities=galaxy), {}
    )
    (tmp_path / "draws.json").write_text("[]")
    (tmp_path / "run.json").write_text("{}")
    score = Scoring(read_few_shot(tmp_path), n_bootstrap=10).score("network", 0, 2)
    assert score.value == 0 and score.error == 0 and np.isnan(score.over_draws)


def test_gains_are_on_the_same_tested_objects(few, scoring):
    for k in SIZES:
        before, after = (
            scoring.mean_recall("network", k, 5, before=when)[:, 0] for when in (True, False)
        )
        gain = scoring.gain("network", k, 5)
        assert gain.value == pytest.approx((after - before).mean())
        assert gain.over_draws == pytest.approx((after - before).std(ddof=1))
    assert scoring.gain("real-only", 5, 5) is None and scoring.gain("network", 0, 5) is None
    assert scoring.lead("network", "network", 2, 5) == (0.0, 0.0, 0.0, TRIALS)


def test_the_error_of_the_objects_is_that_of_a_fraction(tmp_path):
    """Of n objects of each of 4 classes, a share q right: sqrt(q (1 - q) / n / 4)."""
    n, rng = 2000, np.random.default_rng(0)
    truth = made_up(1, n=n, longest=1, classes=CLASSES, labels=np.arange(n) % 4)
    right = np.eye(5)[np.where(rng.random(n) < 0.8, truth.label, (truth.label + 1) % 4)]
    write_predictions(
        tmp_path / "predictions/network/k0_t0.parquet",
        replace(truth, probabilities=right[:, None]),
        {},
    )
    (tmp_path / "draws.json").write_text("[]")
    (tmp_path / "run.json").write_text("{}")
    n_bootstrap = 200
    score = Scoring(read_few_shot(tmp_path), n_bootstrap=n_bootstrap).score("network", 0, 1)
    expected = np.sqrt(score.value * (1 - score.value) / n)
    five_sigma = 5 / np.sqrt(2 * n_bootstrap)  # relative, of a standard deviation
    assert score.error == pytest.approx(expected, rel=five_sigma)


def test_one_draw_has_no_scatter_and_two_have():
    values = np.array([[0.9, 0.8, 1.0], [0.7, 0.6, 0.8]])
    both, one = score_of(values), score_of(values[:1])
    assert both.value == pytest.approx(0.8) and both.over_draws == pytest.approx(np.sqrt(0.02))
    assert one.value == 0.9 and np.isnan(one.over_draws) and one.n_draws == 1
    assert both.error == pytest.approx(np.std([0.7, 0.9], ddof=1))


# --- label equivalence ---------------------------------------------------------------


def test_labels_are_interpolated_in_the_logarithm():
    sizes, scores = (1, 10, 100), (0.5, 0.7, 0.9)
    assert labels_to_reach(0.6, sizes, scores) == pytest.approx(np.sqrt(10))
    assert labels_to_reach(0.7, sizes, scores) == pytest.approx(10)
    assert labels_to_reach(0.3, sizes, scores) == 0
    assert labels_to_reach(0.95, sizes, scores) == np.inf


@settings(deadline=None)
@given(
    scores=st.lists(st.floats(0, 1), min_size=5, max_size=5),
    goals=st.tuples(*[st.floats(0, 1)] * 2),
)
def test_a_higher_score_never_needs_fewer_labels(scores, goals):
    sizes = (1, 2, 5, 10, 20)
    low, high = (labels_to_reach(goal, sizes, scores) for goal in sorted(goals))
    assert low <= high and (low == 0 or low >= 1)


def test_label_equivalence_is_given_in_words_at_both_ends(scoring, few):
    found = label_equivalence(scoring, "network", 0, LONGEST)
    assert found.low <= found.high and found.most == 5
    assert "simulation alone is equivalent to" in next(iter(statements(scoring)))
    assert str(replace(found, labels=np.inf, low=np.inf, high=np.inf)) == "> 5"
    assert str(replace(found, labels=0.0, low=0.0, high=2.345)) == "< 1 (< 1 to 2.3)"
    names = ("network", "forest")
    alone = replace(
        few, predictions={key: p for key, p in few.predictions.items() if key[0] in names}
    )
    assert label_equivalence(Scoring(alone, n_bootstrap=5), "network", 0, LONGEST) is None


# --- curves, sums over draws, magnitudes, mistakes ----------------------------------------------


def test_curves_end_where_the_scores_are(scoring):
    for k in SIZES:
        value, error = by_images(scoring, "network", k)["after"]
        score = scoring.score("network", k, LONGEST)
        assert value.shape == (5, LONGEST)
        assert (value[0, -1], error[0, -1]) == pytest.approx((score.value, score.over_draws))
        np.testing.assert_allclose(value[1:].mean(axis=0), value[0])
    assert set(by_images(scoring, "real-only", 5)) == {"after"}


def test_confusion_counts_every_tested_object_of_every_draw(few):
    found = evaluations(few, "forest", 5)
    assert list(found) == ["forest, before", "forest, 5 per class"]
    for e in found.values():
        assert e.final.n_by_class.tolist() == [TRIALS * (N // 4 - 5)] * 4 + [0]


def test_bins_hold_five_objects_of_each_of_their_classes(few, scoring):
    bins = shared_bins(few)
    assert bins
    for each in bins:
        count = np.bincount(few.labels[each.objects], minlength=5)
        inside = (few.reference.magnitude >= each.low) & (few.reference.magnitude < each.low + 1)
        assert len(each.classes) >= 2 and (count[list(each.classes)] >= 5).all()
        assert count.sum() == count[list(each.classes)].sum() and inside[each.objects].all()
    mean, each = matched_scores(scoring, bins, "network", 0, LONGEST)
    assert mean.value == pytest.approx(np.mean([score.value for score in each]))


def test_mistakes_are_those_of_most_draws_and_name_the_predicted_class(few):
    found = most_often_misclassified(few, "network", 5, most=1000)
    shares = [missed.wrong / missed.tested for missed in found]
    assert shares == sorted(shares, reverse=True) and min(shares) > 0
    assert most_often_misclassified(few, "network", 5, most=3) == found[:3]
    for missed in found:
        rows = [draw.objects[missed.row] for draw in few.draws[5]]
        given = [few.predictions["network", 5, t].after(LONGEST)[missed.row] for t in range(TRIALS)]
        wrong = [
            p.argmax()
            for p, t in zip(given, rows, strict=True)
            if t and p.argmax() != few.labels[missed.row]
        ]
        assert (missed.wrong, missed.tested) == (len(wrong), sum(rows))
        assert missed.predicted_class in {few.classes[k] for k in wrong}
        assert missed.predicted_class != missed.true_class


def test_differences_that_count_are_bold():
    far, near = score_of([[0.3, 0.3], [0.31, 0.3]]), score_of([[0.3], [-0.3]])
    assert is_significant(far) and not is_significant(near)
    assert score_cell(far, "+").bold and not score_cell(near, "+").bold
    assert not score_cell(far).bold and score_cell(None).text == "–"


# --- folders that are not as they should be -----------------------------------------------------


def test_what_is_missing_is_said_and_the_rest_is_reported(tmp_path):
    made_folder(tmp_path, skills={"network": 0.3, "real-only": 0.1, "network plain": 0.2})
    (tmp_path / "predictions/network/k2_t1.parquet").unlink()
    for trial in range(TRIALS):
        (tmp_path / f"predictions/real-only/k5_t{trial}.parquet").unlink()
    found = headline(tmp_path)
    said = " ".join(found["missing"])
    assert "forest: no predictions" in said and "scratch: no predictions" in said
    assert "network: 1 of 2 draws of 2 per class" in said and "real-only: 5 per class" in said
    assert list(found["scores"]["all"]) == ["network", "real-only", "network plain"]
    assert found["scores"]["all"]["network"]["2"]["n_draws"] == 1
    assert set(found["scores"]) == {"all", "5", "10"}
    assert write_few_shot_report(tmp_path, None).is_file()


@pytest.mark.parametrize("name", ["network", "real-only", "scratch"])
def test_one_method_is_enough_for_a_page(tmp_path, name):
    made_folder(tmp_path, skills={name: 0.2}, sizes=(1,), trials=1, n=24)
    text = write_few_shot_report(tmp_path, None).read_text()
    assert "Missing results" in text and name in text


def test_a_folder_that_is_none_or_leaks_is_refused_in_one_sentence(tmp_path):
    with pytest.raises(FinetuneError, match=r"run.json is missing or damaged"):
        headline(tmp_path)
    (tmp_path / "run.json").write_text("{}")
    (tmp_path / "draws.json").write_text("[]")
    with pytest.raises(FinetuneError, match="holds no predictions"):
        headline(tmp_path)
    made_folder(tmp_path, skills={"network": 0.2}, sizes=(1,), trials=1, n=24)
    draws = json.loads((tmp_path / "draws.json").read_text())
    draws[0]["test"].append(draws[0]["training"][0])
    (tmp_path / "draws.json").write_text(json.dumps(draws))
    with pytest.raises(FinetuneError, match="is a training and a test object of draw 0"):
        headline(tmp_path)
    draws[0]["test"] = ["another"]
    (tmp_path / "draws.json").write_text(json.dumps(draws))
    with pytest.raises(FinetuneError, match="are they of other sequences"):
        headline(tmp_path)
    (tmp_path / "draws.json").write_text('[{"per_class": 1}]')
    with pytest.raises(FinetuneError, match=r"draws.json is damaged"):
        headline(tmp_path)


def test_a_folder_of_version_0_1_gives_the_same_report(tmp_path):
    made_folder(tmp_path, skills={"network": 0.2}, sizes=(1,), trials=2, n=24)
    now = headline(tmp_path)
    old = {"training": "taught", "test": "tested"}
    draws = json.loads((tmp_path / "draws.json").read_text())
    renamed = [{old.get(key, key): value for key, value in draw.items()} for draw in draws]
    (tmp_path / "draws.json").write_text(json.dumps(renamed))
    assert headline(tmp_path) == now
