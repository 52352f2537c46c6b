"""Where a model is most sure and wrong: often the objects to look at first."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from classifier.evaluation import Predictions


class Mistake(NamedTuple):
    """An object whose class was missed; ``magnitude`` is NaN where unknown."""

    object_id: str
    truth: str
    answer: str
    probability: float
    magnitude: float


def most_confident_mistakes(predictions: Predictions, *, most: int = 10) -> list[Mistake]:
    """Mistakes after all images, those of largest probability first, ties in order of objects."""
    final = predictions.after(max(1, predictions.longest))
    known = np.flatnonzero((predictions.label >= 0) & (predictions.n_images > 0))
    answer, top = final[known].argmax(axis=1), final[known].max(axis=1)
    wrong = np.flatnonzero(answer != predictions.label[known])
    surest = wrong[np.argsort(-top[wrong], kind="stable")][:most]
    return [
        Mistake(
            str(predictions.object_id[known[k]]), predictions.classes[predictions.label[known[k]]],
            predictions.classes[answer[k]], float(top[k]), float(predictions.magnitude[known[k]]),
        )
        for k in surest
    ]  # fmt: skip
