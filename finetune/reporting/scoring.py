"""Recall over the draws, with two errors: the scatter of the draws and that of finite objects.

All is scored on the tested objects of each draw alone, and what was there before on the very same
ones. The objects are resampled within their classes, the same way for every contender, so that
differences are paired in draws as in resamples. An answer that is a class without objects is wrong.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from classifier.evaluation.bootstrap import resampling_weights, spread
from classifier.evaluation.scores import mean_of_known, ratio
from finetune.reporting.folder import FewShot


class Score(NamedTuple):
    """A mean over draws; NaN where undefined.

    ``over_draws`` is the standard deviation of one draw (NaN for fewer than two), ``error`` the
    standard error of the mean that the finite number of objects gives.
    """

    value: float
    over_draws: float
    error: float
    n_draws: int


def score_of(values) -> Score:
    """The score of values (draw, 1 + n_bootstrap), entry 0 of a draw being the sample."""
    values = np.asarray(values)
    sample = values[:, 0]
    scatter = float(sample.std(ddof=1)) if len(sample) > 1 else np.nan
    return Score(float(sample.mean()), scatter, float(spread(values.mean(axis=0))), len(sample))


class Scoring:
    """Recall of the contenders of a folder.

    Arrays end in (1 + n_bootstrap,), entry 0 being the sample.
    """

    def __init__(self, few: FewShot, *, n_bootstrap: int = 200, seed: int = 0):
        self.few = few
        self.weights = resampling_weights(few.labels, n_bootstrap=n_bootstrap, seed=seed)
        self._members = few.labels == few.present[:, None]
        self._known: dict[tuple, np.ndarray] = {}

    def recall(self, contender: str, k: int, images: int, *, before: bool = False) -> np.ndarray:
        """Recall (draw, class present, 1 + n_bootstrap) after so many images."""
        key = (contender, k, images, before)
        if key not in self._known:
            self._known[key] = np.stack(
                [self._of_draw(contender, draw, images, before)
                 for draw in self.few.draws_of(contender, k, before=before)]
            )  # fmt: skip
        return self._known[key]

    def mean_recall(self, contender: str, k: int, images: int, *, before=False) -> np.ndarray:
        """Mean over the classes present, (draw, 1 + n_bootstrap)."""
        recall = self.recall(contender, k, images, before=before)
        return mean_of_known(np.moveaxis(recall, 1, -1))

    def score(self, contender: str, k: int, images: int) -> Score | None:
        """Mean recall, None where the contender has no predictions."""
        if not self.few.draws_of(contender, k):
            return None
        return score_of(self.mean_recall(contender, k, images))

    def gain(self, contender: str, k: int, images: int) -> Score | None:
        """Mean recall less that before, on the same tested objects."""
        if k == 0 or not self.few.draws_of(contender, k, before=True):
            return None
        return self._difference((contender, k, False), (contender, k, True), images)

    def lead(self, first: str, second: str, k: int, images: int) -> Score | None:
        """Mean recall of one contender less that of another, on the draws both have."""
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

    def _of_draw(self, contender, draw, images, before):
        answer = self.few.answers_of(contender, draw, before=before).after(images).argmax(axis=1)
        tested = self._members & draw.objects
        right = tested & (answer == self.few.labels)
        return ratio(right @ self.weights, tested @ self.weights)
