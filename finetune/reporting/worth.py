"""How many real labels per class the simulation is worth.

That is the number at which the learner of real objects alone is as good as a model that was
shown so many and a simulation: its curve, taken never to fall, is interpolated in log(k).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from finetune.reporting.folder import REAL_ONLY
from finetune.reporting.scoring import Scoring

_RANGE = (0.16, 0.84)  # of the resamples


@dataclass(frozen=True)
class Worth:
    """Real labels per class, ``inf`` if more than the ``most`` tried, 0 if fewer than the least.

    ``low`` and ``high`` hold two thirds of the resamples of the objects.
    """

    labels: float
    low: float
    high: float
    least: int
    most: int

    def __str__(self):
        ends = {self._text(end) for end in (self.low, self.high)}
        text = self._text(self.labels)
        if ends == {text}:
            return text
        return f"{text} ({self._text(self.low)} to {self._text(self.high)})"

    def _text(self, labels):
        if np.isinf(labels):
            return f"> {self.most}"
        return f"< {self.least}" if labels == 0 else f"{labels:.2g}"


def worth(scoring: Scoring, contender: str, k: int, images: int) -> Worth | None:
    """What a contender after ``k`` objects per class is worth; None where it cannot be told."""
    few = scoring.few
    sizes = [
        size for size in few.per_class(REAL_ONLY) if size > 0 and few.draws_of(REAL_ONLY, size)
    ]
    if not sizes or not few.draws_of(contender, k):
        return None
    curve = [scoring.mean_recall(REAL_ONLY, size, images).mean(axis=0) for size in sizes]
    target = scoring.mean_recall(contender, k, images).mean(axis=0)
    resamples = zip(target, np.transpose(curve), strict=True)
    found = np.array([labels_to_reach(goal, sizes, scores) for goal, scores in resamples])
    low, high = (_quantile(found[1:], q) for q in _RANGE)
    return Worth(float(found[0]), low, high, sizes[0], sizes[-1])


def labels_to_reach(goal: float, sizes, scores) -> float:
    """Number of labels at which a learning curve reaches a goal.

    0 if its first point does already, ``inf`` if it never does.
    """
    scores = np.maximum.accumulate(scores)
    reached = np.flatnonzero(scores >= goal)
    if not reached.size:
        return np.inf
    after = reached[0]
    if after == 0:
        return 0.0
    low, high = scores[after - 1], scores[after]
    share = (goal - low) / (high - low)
    ends = np.log(np.asarray(sizes[after - 1 : after + 1], dtype=float))
    return float(np.exp(ends[0] + share * (ends[1] - ends[0])))


def _quantile(values, q):
    """A quantile that is one of the values, so that none lies between a number and infinity."""
    values = np.sort(values)
    return float(values[min(int(q * values.size), values.size - 1)]) if values.size else np.nan
