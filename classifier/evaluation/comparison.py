"""Scores of several models on the same objects, and their differences with paired errors.

Scores of models on the same objects are correlated. The error of a difference is therefore the
scatter of the differences in common resamples, smaller than the errors of the scores suggest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from itertools import combinations
from typing import NamedTuple

import numpy as np

from classifier.evaluation import Estimate, Evaluation, EvaluationError, Predictions, evaluate
from classifier.evaluation.bootstrap import PackedWeights, spread
from classifier.evaluation.evaluation import scores_after
from classifier.evaluation.stored_predictions import StoredPredictions

AnyPredictions = Predictions | StoredPredictions
SCORES = ("accuracy", "mean_recall", "mean_f1", "log_loss", "calibration_error")
SMALLER_IS_BETTER = ("log_loss", "calibration_error")
EARLY_IMAGES = (1, 3, 6, 10, 15, 22)
"""Numbers of images after which the accuracy is given."""
SIGNIFICANT_ERRORS = 2
"""A difference of this many standard errors is significant."""


@dataclass(frozen=True)
class Comparison:
    """Several models on the same objects.

    Attributes
    ----------
    predictions : dict of str to Predictions or StoredPredictions
        By name of the model, for the objects compared.
    evaluations : dict of str to Evaluation
    scores : dict of str to dict of str to Estimate
        By model and score: ``SCORES`` after all images, ``accuracy_after_<k>``.
    differences : dict of (str, str) to dict of str to Estimate
        Score of the first model minus that of the second, for every pair.
    """

    predictions: dict[str, AnyPredictions]
    evaluations: dict[str, Evaluation]
    scores: dict[str, dict[str, Estimate]]
    differences: dict[tuple[str, str], dict[str, Estimate]]

    @property
    def classes(self) -> tuple[str, ...]:
        """Of all models, in order."""
        return next(iter(self.predictions.values())).classes

    @property
    def labels(self) -> np.ndarray:
        """True class of every object compared."""
        return next(iter(self.predictions.values())).label

    @property
    def object_id(self) -> np.ndarray:
        """Name of every object compared."""
        return next(iter(self.predictions.values())).object_id

    def best(self, score: str) -> set[str]:
        """Models that no other exceeds by two standard errors of the difference or more."""
        sign = -1 if score in SMALLER_IS_BETTER else 1
        beaten = set()
        for (first, second), difference in self.differences.items():
            if is_significant(difference[score]):
                beaten.add(second if sign * difference[score].value > 0 else first)
        return set(self.scores) - beaten


def compare(
    by_model: Mapping[str, AnyPredictions], *, n_bootstrap: int = 200, seed: int = 0
) -> Comparison:
    """Score models on the objects they have in common.

    Parameters
    ----------
    by_model : mapping of str to Predictions
    n_bootstrap : int
        Resamples of the objects, the same for every model.
    seed : int

    Raises
    ------
    EvaluationError
        Predictions that cannot be compared, see ``on_the_same_objects``.
    """
    chosen = on_the_same_objects(by_model)
    first = next(iter(chosen.values()))
    evaluations = {
        name: evaluate(p, n_bootstrap=n_bootstrap, seed=seed) for name, p in chosen.items()
    }
    # As ``evaluate`` draws them, the objects being in the order of their names.
    weights = PackedWeights(np.zeros(len(first)), n_bootstrap=n_bootstrap, seed=seed)
    longest = max(p.longest for p in chosen.values())
    resampled = {name: _resampled(p, longest, weights) for name, p in chosen.items()}
    return Comparison(
        predictions=chosen,
        evaluations=evaluations,
        scores={name: _estimates(values) for name, values in resampled.items()},
        differences={
            (a, b): _estimates({key: resampled[a][key] - resampled[b][key] for key in resampled[a]})
            for a, b in combinations(resampled, 2)
        },
    )


def is_significant(difference: Estimate) -> bool:
    """Whether a difference is two of its standard errors or more from zero."""
    value, error = difference
    return bool(np.isfinite(error) and abs(value) >= SIGNIFICANT_ERRORS * error and value != 0)


def _resampled(predictions, longest, weights):
    """Every score in the sample and its resamples, each (1 + n_bootstrap,)."""
    numbers = [longest, *(k for k in EARLY_IMAGES if k <= longest)]
    scores = scores_after(predictions, numbers, weights)
    found = {key: getattr(scores, key)[:, 0] for key in SCORES}
    for j, k in enumerate(numbers[1:], start=1):
        found[f"accuracy_after_{k}"] = scores.accuracy[:, j]
    return found


def _estimates(resampled):
    return {
        key: Estimate(float(values[0]), float(spread(values))) for key, values in resampled.items()
    }


def on_the_same_objects(by_model: Mapping[str, AnyPredictions]) -> dict[str, AnyPredictions]:
    """Predictions for the objects that every model can be scored on, in the order of their names.

    They have a label, and an image for every model. Classes are in the order of the first model.
    Magnitudes are those of the predictions that have most of them, so that magnitude bins hold
    the same objects for all models.

    Raises
    ------
    EvaluationError
        No models, models of different classes, an object with two labels, or no such object.
    """
    if not by_model:
        raise EvaluationError("no predictions to compare.")
    by_model = _with_the_same_classes(by_model)
    scorable = [p.object_id[(p.label >= 0) & (p.n_images > 0)] for p in by_model.values()]
    names = reduce(np.intersect1d, scorable)
    if not names.size:
        raise EvaluationError("no object has a label, and an image for every model to be compared.")
    chosen = {name: p.of(_rows(p.object_id, names)) for name, p in by_model.items()}
    _check_labels(chosen)
    known = max((p.magnitude for p in chosen.values()), key=lambda m: np.isfinite(m).sum())
    return {name: p.with_magnitudes(known) for name, p in chosen.items()}


def check_classes(classes: Mapping[str, tuple[str, ...]]) -> None:
    """Check that models, by name, have the same classes in whatever order.

    Raises
    ------
    EvaluationError
    """
    (first, known), *others = classes.items()
    for name, found in others:
        if set(found) != set(known):
            raise EvaluationError(
                f"{first} has the classes {', '.join(known)}, {name} {', '.join(found)}; only "
                "models of the same classes can be compared."
            )


def _with_the_same_classes(by_model):
    check_classes({name: p.classes for name, p in by_model.items()})
    classes = next(iter(by_model.values())).classes
    return {name: _reordered(p, classes) for name, p in by_model.items()}


def _reordered(predictions, classes):
    return predictions if predictions.classes == classes else predictions.with_classes(classes)


def _rows(object_id, names):
    order = np.argsort(object_id)
    return order[np.searchsorted(object_id, names, sorter=order)]


def _check_labels(chosen):
    (first, reference), *others = chosen.items()
    for name, p in others:
        wrong = np.flatnonzero(p.label != reference.label)
        if wrong.size:
            k = wrong[0]
            raise EvaluationError(
                f"object {p.object_id[k]} is {p.classes[reference.label[k]]} in the predictions of "
                f"{first} and {p.classes[p.label[k]]} in those of {name} ({wrong.size} objects "
                "differ); are they of the same data?"
            )


class Mistake(NamedTuple):
    """A misclassified object; ``magnitude`` is NaN where unknown."""

    object_id: str
    true_class: str
    predicted_class: str
    probability: float
    magnitude: float


def most_confident_mistakes(predictions: Predictions, *, most: int = 10) -> list[Mistake]:
    """Mistakes after all images, those of largest probability first, ties in order of objects."""
    final = predictions.after(max(1, predictions.longest))
    known = np.flatnonzero((predictions.label >= 0) & (predictions.n_images > 0))
    predicted, top = final[known].argmax(axis=1), final[known].max(axis=1)
    wrong = np.flatnonzero(predicted != predictions.label[known])
    ranked = wrong[np.argsort(-top[wrong], kind="stable")][:most]
    return [
        Mistake(
            str(predictions.object_id[known[k]]),
            predictions.classes[predictions.label[known[k]]],
            predictions.classes[predicted[k]],
            float(top[k]),
            float(predictions.magnitude[known[k]]),
        )
        for k in ranked
    ]
