"""Scores of several models on the same objects, and their differences with paired errors.

Models that are tested on the same objects share the luck of the draw, so the error of a
difference is taken from the differences in common resamples; it is smaller than the errors of the
two scores suggest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from classifier.comparison.same_objects import on_the_same_objects
from classifier.evaluation import Estimate, Evaluation, Predictions, evaluate
from classifier.evaluation.bootstrap import resampling_weights, spread
from classifier.evaluation.scores import contributions, scores_of, weighted_sums

SCORES = ("accuracy", "mean_recall", "mean_f1", "log_loss", "calibration_error")
SMALLER_IS_BETTER = ("log_loss", "calibration_error")
EARLY = (1, 3, 6, 10, 15, 22)
"""Numbers of images the accuracy is told after."""
LEAST_ERRORS = 2
"""A difference of so many standard errors counts."""


@dataclass(frozen=True)
class Comparison:
    """Several models on the same objects.

    Attributes
    ----------
    predictions : dict of str to Predictions
        By name of the model, for the objects compared.
    evaluations : dict of str to Evaluation
    scores : dict of str to dict of str to Estimate
        By model and score: ``SCORES`` after all images, ``accuracy_after_<k>``.
    differences : dict of (str, str) to dict of str to Estimate
        Score of the first model less that of the second, for every pair.
    """

    predictions: dict[str, Predictions]
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
            if counts(difference[score]):
                beaten.add(second if sign * difference[score].value > 0 else first)
        return set(self.scores) - beaten


def compare(by_model: Mapping[str, Predictions], *, n_bootstrap=200, seed=0) -> Comparison:
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
    weights = resampling_weights(np.zeros(len(first)), n_bootstrap=n_bootstrap, seed=seed)
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


def counts(difference: Estimate) -> bool:
    """Whether a difference is two of its standard errors or more from zero."""
    value, error = difference
    return bool(np.isfinite(error) and abs(value) >= LEAST_ERRORS * error and value != 0)


def _resampled(predictions, longest, weights):
    """Every score in the sample and its resamples, (1 + n_bootstrap,) each."""
    final = _scores(predictions, longest, weights)
    found = {key: getattr(final, key) for key in SCORES}
    for k in EARLY:
        if k <= longest:
            found[f"accuracy_after_{k}"] = _scores(predictions, k, weights).accuracy
    return found


def _scores(predictions, k, weights):
    added = contributions(predictions.after(k), predictions.label)
    n_classes = len(predictions.classes)
    return scores_of(weighted_sums(added, weights, n_classes)[:, 0], n_classes)


def _estimates(resampled):
    return {
        key: Estimate(float(values[0]), float(spread(values))) for key, values in resampled.items()
    }
