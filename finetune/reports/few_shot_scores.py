"""Recall over the draws, with two errors: the scatter of the draws and that of finite objects.

Every method is scored on the test objects of each draw, and the model before adaptation on the same
ones. The objects are resampled within their classes, the same way for every method, so that
differences are paired in draws and in resamples. A predicted class without objects is an error.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from classifier.evaluation import Evaluation, Predictions, evaluate
from classifier.evaluation.bootstrap import resampling_weights, spread
from classifier.evaluation.magnitude_bins import OBJECTS_PER_CLASS
from classifier.evaluation.metrics import mean_of_known, ratio
from finetune.reports.few_shot_results import FewShot


class Score(NamedTuple):
    """A mean over draws; NaN where undefined.

    ``over_draws`` is the standard deviation of one draw (NaN for fewer than two), ``error`` the
    standard error of the mean that the finite number of objects gives.
    """

    value: float
    over_draws: float
    error: float
    n_draws: int


def score_of(values: ArrayLike) -> Score:
    """The score of values (draw, 1 + n_bootstrap), entry 0 of a draw being the sample."""
    values = np.asarray(values)
    sample = values[:, 0]
    scatter = float(sample.std(ddof=1)) if len(sample) > 1 else np.nan
    return Score(float(sample.mean()), scatter, float(spread(values.mean(axis=0))), len(sample))


class Scoring:
    """Recall of the methods of a folder.

    Arrays end in (1 + n_bootstrap,), entry 0 being the sample.
    """

    def __init__(self, few: FewShot, *, n_bootstrap: int = 200, seed: int = 0):
        self.few = few
        self.weights = resampling_weights(few.labels, n_bootstrap=n_bootstrap, seed=seed)
        self._members = few.labels == few.present[:, None]
        self._known: dict[tuple, np.ndarray] = {}

    def recall(self, method: str, k: int, images: int, *, before: bool = False) -> np.ndarray:
        """Recall (draw, class present, 1 + n_bootstrap) after so many images."""
        key = (method, k, images, before)
        if key not in self._known:
            self._known[key] = np.stack(
                [
                    self._of_draw(method, draw, images, before)
                    for draw in self.few.draws_of(method, k, before=before)
                ]
            )
        return self._known[key]

    def mean_recall(self, method: str, k: int, images: int, *, before: bool = False) -> np.ndarray:
        """Mean over the classes present, (draw, 1 + n_bootstrap)."""
        recall = self.recall(method, k, images, before=before)
        return mean_of_known(np.moveaxis(recall, 1, -1))

    def score(self, method: str, k: int, images: int) -> Score | None:
        """Mean recall, None where the method has no predictions."""
        if not self.few.draws_of(method, k):
            return None
        return score_of(self.mean_recall(method, k, images))

    def gain(self, method: str, k: int, images: int) -> Score | None:
        """Mean recall minus that before adaptation, on the same test objects."""
        if k == 0 or not self.few.draws_of(method, k, before=True):
            return None
        return self._difference((method, k, False), (method, k, True), images)

    def lead(self, first: str, second: str, k: int, images: int) -> Score | None:
        """Mean recall of one method minus that of another, on the draws both have."""
        return self._difference((first, k, False), (second, k, False), images)

    def _difference(self, one, other, images):
        trials = [
            [draw.trial for draw in self.few.draws_of(name, k, before=before)]
            for name, k, before in (one, other)
        ]
        both = sorted(set(trials[0]) & set(trials[1]))
        if not both:
            return None
        values = [
            self.mean_recall(name, k, images, before=before)[[known.index(t) for t in both]]
            for (name, k, before), known in zip((one, other), trials, strict=True)
        ]
        return score_of(values[0] - values[1])

    def _of_draw(self, method, draw, images, before):
        final = self.few.predictions_of(method, draw, before=before).after(images)
        tested = self._members & draw.objects
        right = tested & (final.argmax(axis=1) == self.few.labels)
        return ratio(right @ self.weights, tested @ self.weights)


def by_images(scoring: Scoring, method: str, k: int) -> dict[str, tuple]:
    """(value, error), each (1 + class present, image), of "before" and "after".

    The first row is the mean. The error is the scatter of one draw or, of one draw only, that of
    the objects.
    """
    found = {}
    for when, before in (("before", True), ("after", False)):
        if scoring.few.draws_of(method, k, before=before) and not (before and k == 0):
            scores = [
                _of_classes(scoring.recall(method, k, images, before=before))
                for images in range(1, scoring.few.longest + 1)
            ]
            value = np.array([[score.value for score in at] for at in scores]).T
            found[when] = value, np.array([[_error(score) for score in at] for at in scores]).T
    return found


def _of_classes(recall):
    mean = score_of(mean_of_known(np.moveaxis(recall, 1, -1)))
    return [mean, *(score_of(recall[:, c]) for c in range(recall.shape[1]))]


def _error(score: Score):
    return score.over_draws if np.isfinite(score.over_draws) else np.nan_to_num(score.error)


def evaluations(few: FewShot, method: str, k: int) -> dict[str, Evaluation]:
    """Evaluations before and after adaptation, where there are predictions.

    Counts are sums over the draws: an object is counted in every draw that tests it. Errors of the
    calibration are widened as if all draws tested the same objects.
    """
    found = {}
    for when, before in (("before", True), (f"{k} per class", False)):
        draws = few.draws_of(method, k, before=before)
        if draws and not (before and k == 0):
            pooled = _pooled([_pooled_draw(few, method, draw, before) for draw in draws])
            found[f"{method}, {when}"] = _widened(evaluate(pooled, n_bootstrap=0), len(draws))
    return found


def _pooled_draw(few, method, draw, before):
    chosen = few.predictions_of(method, draw, before=before).of(draw.objects)
    names = [f"{name} in draw {draw.trial}" for name in chosen.object_id]
    return replace(chosen, object_id=np.array(names, dtype=str))


def _pooled(parts):
    longest = max(part.probabilities.shape[1] for part in parts)
    arrays = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("label", "n_images", "magnitude", "object_id")
    }
    padded = [
        np.pad(
            p.probabilities,
            ((0, 0), (0, longest - p.probabilities.shape[1]), (0, 0)),
            constant_values=np.nan,
        )
        for p in parts
    ]
    return Predictions(parts[0].classes, np.concatenate(padded), **arrays)


def _widened(evaluation, n_draws):
    c = evaluation.calibration
    return replace(
        evaluation, calibration=replace(c, accuracy_error=c.accuracy_error * np.sqrt(n_draws))
    )


_LEAST_CLASSES = 2


@dataclass(frozen=True)
class Bin:
    """A whole magnitude from ``low`` on, and the numbers of the classes with enough objects."""

    low: int
    classes: tuple[int, ...]
    objects: np.ndarray

    @property
    def edges(self) -> tuple[int, int]:
        """Lower and upper edge."""
        return self.low, self.low + 1


def shared_bins(few: FewShot) -> list[Bin]:
    """Whole magnitudes that hold five objects or more of two classes or more."""
    whole, found = np.floor(few.reference.magnitude), []
    for low in np.unique(whole[np.isfinite(whole)]):
        inside = whole == low
        count = np.bincount(few.labels[inside], minlength=len(few.classes))
        enough = np.flatnonzero(count >= OBJECTS_PER_CLASS)
        if enough.size >= _LEAST_CLASSES:
            objects = inside & np.isin(few.labels, enough)
            found.append(Bin(int(low), tuple(enough.tolist()), objects))
    return found


def matched_scores(
    scoring: Scoring, bins: list[Bin], method: str, k: int, images: int, *, before: bool = False
) -> tuple[Score | None, list[Score | None]]:
    """Mean recall over the classes of every bin: the mean over the bins, and of each.

    Training objects of a draw are left out of it; a bin without objects of a class is scored on the
    others, and a bin without objects is None.
    """
    draws = scoring.few.draws_of(method, k, before=before)
    if not draws or not bins:
        return None, [None] * len(bins)
    by_draw = np.stack([_of_draw(scoring, bins, method, d, images, before) for d in draws])
    each = [_score(by_draw[:, place]) for place in range(len(bins))]
    return _score(mean_of_known(np.moveaxis(by_draw, 1, -1))), each


def _of_draw(scoring, bins, method, draw, images, before):
    """Mean recall (bin, 1 + n_bootstrap)."""
    few = scoring.few
    predicted = few.predictions_of(method, draw, before=before).after(images).argmax(axis=1)
    found = []
    for each in bins:
        tested = (few.labels == np.array(each.classes)[:, None]) & each.objects & draw.objects
        right = tested & (predicted == few.labels)
        recall = ratio(right @ scoring.weights, tested @ scoring.weights)
        found.append(mean_of_known(recall.T))
    return np.stack(found)


def _score(values):
    """The score over the draws where it is defined."""
    values = values[np.isfinite(values[:, 0])]
    return score_of(values) if len(values) else None
