"""Recall by number of images, before and after."""

from __future__ import annotations

import numpy as np

from classifier.evaluation.scores import mean_of_known
from finetune.reporting.scoring import Score, Scoring, score_of


def by_images(scoring: Scoring, contender: str, k: int) -> dict[str, tuple]:
    """(value, error), each (1 + class present, image), of "before" and "after".

    The first row is the mean. The error is the scatter of one draw or, of one draw only, that of
    the objects.
    """
    found = {}
    for when, before in (("before", True), ("after", False)):
        if scoring.few.draws_of(contender, k, before=before) and not (before and k == 0):
            scores = [
                _of_classes(scoring.recall(contender, k, images, before=before))
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
