"""Models compared: the same objects, paired errors, maps and figures."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from classifier.evaluation import EvaluationError, Predictions, evaluate
from classifier.evaluation.bootstrap import resampling_weights
from classifier.evaluation.comparison import (
    EARLY_IMAGES,
    SCORES,
    compare,
    most_confident_mistakes,
    on_the_same_objects,
)
from classifier.evaluation.embedding import (
    balanced,
    tsne,
)
from classifier.models.forest.forest import normal_ranks
from classifier.reports.embedding_figures import embeddings
from classifier.reports.evaluation_figures import recall_bars
from skyreel.report.figures import as_svg
from tests.helpers.made_up_predictions import CLASSES, certain, made_up

N_BOOTSTRAP = 40


def links_in(svg):
    """What an SVG refers to outside itself."""
    found = re.findall(r'(?:href|src)="([^"]*)"', svg) + re.findall(r"url\(([^)]*)\)", svg)
    return [link for link in found if not link.startswith(("#", "data:"))]


def two_models(n=200):
    """Predictions of two models for the same objects, in different orders."""
    first = made_up(1, n=n)
    rng = np.random.default_rng(5)
    shuffled = rng.permutation(n)
    other = made_up(2, n=n)
    second = replace(
        first, probabilities=np.where(np.isnan(first.probabilities), np.nan, mixed(first, other))
    )
    return {"a": first, "b": second.of(shuffled)}


def mixed(first, other):
    """Probabilities that are half the first model's and half even."""
    return 0.5 * np.nan_to_num(first.probabilities) + 0.5 / len(other.classes)


# --- the same objects -----------------------------------------------------------------------


def test_only_objects_that_every_model_can_be_scored_on_are_compared():
    a, b = two_models(60).values()
    label, n_images, probabilities = a.label.copy(), a.n_images.copy(), a.probabilities.copy()
    n_images[3], probabilities[3], label[4] = 0, np.nan, -1
    a = replace(a, label=label, n_images=n_images, probabilities=probabilities)
    b = b.of(b.object_id != a.object_id[5])
    chosen = on_the_same_objects({"a": a, "b": b})
    left = sorted(set(a.object_id) - set(a.object_id[[3, 4, 5]]))
    for p in chosen.values():
        assert p.object_id.tolist() == left
    np.testing.assert_array_equal(chosen["a"].label, chosen["b"].label)


def test_models_whose_classes_are_in_another_order_are_brought_to_that_of_the_first():
    a = made_up(n=50)
    order = [2, 0, 3, 1]
    turned = replace(
        a,
        classes=tuple(a.classes[k] for k in order),
        probabilities=a.probabilities[..., order],
        label=np.argsort(order)[a.label],
    )
    chosen = on_the_same_objects({"a": a, "turned": turned})
    assert chosen["turned"].classes == a.classes
    np.testing.assert_array_equal(chosen["turned"].label, chosen["a"].label)
    np.testing.assert_array_equal(chosen["turned"].probabilities, chosen["a"].probabilities)


def test_all_models_share_the_magnitudes_of_the_one_that_knows_most():
    models = two_models(40)
    models["a"] = replace(models["a"], magnitude=np.full(40, np.nan))
    chosen = on_the_same_objects(models)
    known = dict(zip(models["b"].object_id, models["b"].magnitude, strict=True))
    for p in chosen.values():
        assert p.magnitude.tolist() == [known[name] for name in p.object_id]


def test_what_cannot_be_compared_is_refused_in_one_sentence():
    a = made_up(n=30)
    with pytest.raises(EvaluationError, match="no predictions to compare"):
        compare({})
    with pytest.raises(EvaluationError, match=r"a has the classes SN, RRL.*b SN, QSO"):
        compare({"a": a, "b": made_up(n=30, classes=("SN", "QSO"))})
    with pytest.raises(EvaluationError, match="no object has a label, and an image"):
        compare({"a": a, "b": replace(a, object_id=np.arange(30).astype(str))})
    other = replace(a, label=(a.label + 1) % 4)
    with pytest.raises(EvaluationError, match="30 objects differ"):
        compare({"a": a, "b": other})


# --- scores and differences -----------------------------------------------------------------


def test_scores_are_those_of_the_evaluation():
    found = compare(two_models(), n_bootstrap=N_BOOTSTRAP)
    for name, predictions in two_models().items():
        alone = evaluate(predictions, n_bootstrap=N_BOOTSTRAP)
        for score in SCORES:
            # sums of the same terms in another order
            np.testing.assert_allclose(
                found.scores[name][score], alone.summary()[score], rtol=1e-12
            )
        early = [k for k in EARLY_IMAGES if k <= predictions.longest]
        assert early == [1, 3, 6]
        for k in early:
            assert found.scores[name][f"accuracy_after_{k}"].value == pytest.approx(
                alone.by_images.accuracy[k - 1], rel=1e-12
            )


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 1000))
def test_macro_f1_is_what_scikit_learn_says(seed):
    predictions = made_up(seed, n=30)
    answer, label = predictions.after(6).argmax(axis=1), predictions.label
    judge = metrics.f1_score(
        label, answer, labels=np.unique(label), average="macro", zero_division=0
    )
    assert evaluate(predictions, n_bootstrap=0).final.mean_f1 == pytest.approx(judge, rel=1e-12)


def test_a_difference_has_the_error_of_the_objects_drawn_together():
    models = two_models()
    found = compare(models, n_bootstrap=N_BOOTSTRAP).differences["a", "b"]["accuracy"]
    right = []
    for p in models.values():
        order = np.argsort(p.object_id)
        right.append((p.after(6).argmax(axis=1) == p.label)[order].astype(float))
    weights = resampling_weights(np.zeros(200), n_bootstrap=N_BOOTSTRAP, seed=0)
    drawn = [
        np.repeat(right[0] - right[1], weights[:, k].astype(int)).mean()
        for k in range(1 + N_BOOTSTRAP)
    ]
    assert found.value == pytest.approx(drawn[0], abs=1e-12)
    assert found.error == pytest.approx(np.std(drawn[1:], ddof=1), rel=1e-9)


def test_a_model_does_not_differ_from_itself():
    p = made_up()
    found = compare({"a": p, "b": p.of(np.arange(len(p))[::-1])}, n_bootstrap=N_BOOTSTRAP)
    assert all(difference == (0, 0) for difference in found.differences["a", "b"].values())
    assert found.best("accuracy") == {"a", "b"}


def test_the_error_of_a_difference_is_that_of_disagreeing_objects():
    # Two models that disagree on m of n objects, each being right on half of those: the
    # difference is 0 and its standard error sqrt(m) / n, to 1 / sqrt(2 B) for B resamples.
    n, m, resamples = 400, 100, 800
    truth = np.zeros(n, dtype=int)
    a, b = truth.copy(), truth.copy()
    a[: m // 2], b[m // 2 : m] = 1, 1
    models = {"a": certain(truth, a), "b": certain(truth, b)}
    found = compare(models, n_bootstrap=resamples).differences["a", "b"]["accuracy"]
    assert found.value == 0
    assert found.error == pytest.approx(np.sqrt(m) / n, rel=5 / np.sqrt(2 * resamples))


def test_the_best_models_are_those_that_none_clearly_beats():
    truth = np.arange(200) % 4
    wrong = (truth + 1) % 4
    good, bad = truth.copy(), np.where(np.arange(200) < 100, truth, wrong)
    also_good = good.copy()
    also_good[0] = wrong[0]
    models = {"good": good, "bad": bad, "also good": also_good}
    found = compare({name: certain(truth, p) for name, p in models.items()})
    assert found.best("accuracy") == {"good", "also good"}
    assert found.best("log_loss") == {"good", "also good"}


# --- mistakes -------------------------------------------------------------------------------


def test_mistakes_are_those_of_largest_probability_first():
    p = np.array([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7], [0.9, 0.1], [0.95, 0.05]])
    label = np.array([0, 1, 0, 1, -1])
    predictions = Predictions(
        ("A", "B"), p[:, None], label, np.ones(5), np.array([1, 2, np.nan, 4, 5]), list("vwxyz")
    )
    found = most_confident_mistakes(predictions)
    assert [(m.object_id, m.true_class, m.predicted_class) for m in found] == [
        ("y", "B", "A"),
        ("x", "A", "B"),
        ("w", "B", "A"),
    ]
    assert [m.probability for m in found] == pytest.approx([0.9, 0.7, 0.6], abs=1e-6)
    assert len(most_confident_mistakes(predictions, most=2)) == 2


# --- maps -----------------------------------------------------------------------------------


def test_maps_show_as_many_objects_of_every_class_as_there_are():
    labels = np.repeat([0, 1, 2], [500, 40, 5])
    rows = balanced(labels, most=60, seed=0)
    assert np.bincount(labels[rows]).tolist() == [20, 20, 5]
    np.testing.assert_array_equal(rows, balanced(labels, most=60, seed=0))
    assert (np.diff(rows) > 0).all()


def test_normal_ranks_see_the_order_of_values_only():
    values = np.random.default_rng(0).normal(size=(500, 2))
    values[7, 0] = np.nan
    ranks = normal_ranks(values)
    np.testing.assert_allclose(ranks, normal_ranks(np.exp(5 * values)), atol=1e-12)
    assert ranks[7, 0] == 0
    assert abs(ranks.std() - 1) < 0.02  # a normal sample less what is beyond its outermost ranks


def test_groups_far_apart_stay_apart_on_a_map():
    rng = np.random.default_rng(1)
    label = np.repeat([0, 1], 60)
    values = rng.normal(size=(120, 6)) + 20 * label[:, None]
    position = tsne(values)
    centre = np.array([position[label == k].mean(axis=0) for k in (0, 1)])
    nearest = np.linalg.norm(position[:, None] - centre, axis=2).argmin(axis=1)
    np.testing.assert_array_equal(nearest, label)
    np.testing.assert_array_equal(position, tsne(values))


@pytest.mark.parametrize("values", [np.zeros((50, 3)), np.eye(5), np.ones((0, 4))])
def test_objects_that_are_few_or_all_alike_have_no_map(values):
    assert tsne(values) is None


# --- figures and the page -------------------------------------------------------------------


def test_the_same_figure_is_the_same_svg_and_needs_no_other_file():
    evaluations = {"a $model": evaluate(made_up(), n_bootstrap=5)}
    svg = as_svg(recall_bars(evaluations))
    assert svg == as_svg(recall_bars(evaluations))
    assert "<text" in svg and not links_in(svg)


def test_a_class_without_objects_has_no_point():
    evaluation = evaluate(certain([0, 1, 1, 0], [0, 3, 1, 0]), n_bootstrap=5)
    svg = as_svg(recall_bars({"a": evaluation}))
    assert ">RRL<" in svg and ">NV<" not in svg


def test_a_model_without_a_map_says_so():
    label = np.array([0, 1, 1])
    svg = as_svg(embeddings({"a": (None, label, CLASSES), "b": (np.eye(3)[:, :2], label, CLASSES)}))
    assert "too few objects" in svg and ">SN<" in svg and ">EB<" not in svg
