"""Mean recall at the same magnitudes: in whole magnitudes that hold several classes.

Real classes often share few magnitudes, all of them none. So a bin counts the classes that have
enough objects in it, two or more; how bright an object is then tells less of its class.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from classifier.evaluation.magnitudes import OBJECTS_PER_CLASS
from classifier.evaluation.scores import mean_of_known, ratio
from finetune.reporting.folder import FewShot
from finetune.reporting.scoring import Score, Scoring, score_of

_LEAST_CLASSES = 2


@dataclass(frozen=True)
class Bin:
    """A whole magnitude from ``low`` on, and the numbers of the classes with objects enough."""

    low: int
    classes: tuple[int, ...]
    objects: np.ndarray

    @property
    def edges(self) -> tuple[int, int]:
        """Lower and upper edge."""
        return self.low, self.low + 1


def shared_bins(few: FewShot) -> list[Bin]:
    """Whole magnitudes that hold five objects or more of two classes or more."""
    whole, found = np.floor(few.any.magnitude), []
    for low in np.unique(whole[np.isfinite(whole)]):
        inside = whole == low
        count = np.bincount(few.labels[inside], minlength=len(few.classes))
        enough = np.flatnonzero(count >= OBJECTS_PER_CLASS)
        if enough.size >= _LEAST_CLASSES:
            objects = inside & np.isin(few.labels, enough)
            found.append(Bin(int(low), tuple(enough.tolist()), objects))
    return found


def matched_scores(
    scoring: Scoring, bins: list[Bin], contender: str, k: int, images: int, *, before: bool = False
) -> tuple[Score | None, list[Score | None]]:
    """Mean recall over the classes of every bin: the mean over the bins, and of each.

    Objects a draw has taught are left out of it; a bin left without a class is taken over those
    it has, and one left without objects is None.
    """
    draws = scoring.few.draws_of(contender, k, before=before)
    if not draws or not bins:
        return None, [None] * len(bins)
    by_draw = np.stack([_of_draw(scoring, bins, contender, d, images, before) for d in draws])
    each = [_score(by_draw[:, place]) for place in range(len(bins))]
    return _score(mean_of_known(np.moveaxis(by_draw, 1, -1))), each


def _of_draw(scoring, bins, contender, draw, images, before):
    """Mean recall (bin, 1 + n_bootstrap)."""
    few = scoring.few
    answer = few.answers_of(contender, draw, before=before).after(images).argmax(axis=1)
    found = []
    for each in bins:
        tested = (few.labels == np.array(each.classes)[:, None]) & each.objects & draw.objects
        right = tested & (answer == few.labels)
        recall = ratio(right @ scoring.weights, tested @ scoring.weights)
        found.append(mean_of_known(recall.T))
    return np.stack(found)


def _score(values):
    """The score over the draws where it is defined."""
    values = values[np.isfinite(values[:, 0])]
    return score_of(values) if len(values) else None
