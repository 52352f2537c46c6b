"""Objects whose class is missed in most draws: the ones a person should look at."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from finetune.reporting.folder import FewShot


class Missed(NamedTuple):
    """An object and how it is missed.

    ``wrong`` of ``tested`` draws give it another class, most often ``answer`` with the mean
    ``probability`` over these; ``before`` and ``probability_before`` are the answer of the model
    that was not adapted (None and NaN without one).
    """

    row: int
    object_id: str
    truth: str
    answer: str
    probability: float
    wrong: int
    tested: int
    before: str | None
    probability_before: float
    magnitude: float


def most_often_missed(few: FewShot, contender: str, k: int, *, most: int = 24) -> list[Missed]:
    """Objects missed after all images, those missed in the largest share of draws first.

    Equals come in the order of the probability they wrongly get.
    """
    draws = few.draws_of(contender, k)
    tested = np.stack([draw.objects for draw in draws])
    final = np.stack([few.answers_of(contender, d).after(few.longest) for d in draws])
    answer = final.argmax(axis=2)
    wrong = tested & (answer != few.labels)
    share = wrong.sum(axis=0) / np.maximum(tested.sum(axis=0), 1)
    top = np.where(wrong, final.max(axis=2), 0.0).sum(axis=0) / np.maximum(wrong.sum(axis=0), 1)
    order = np.lexsort((-top, -share))[: min(most, int((share > 0).sum()))]
    return [_missed(few, contender, row, answer, final, wrong, tested) for row in order]


def _missed(few, contender, row, answer, final, wrong, tested):
    where = wrong[:, row]
    given = np.bincount(answer[where, row], minlength=len(few.classes)).argmax()
    probability = final[where & (answer[:, row] == given), row, given].mean()
    before, sure = None, np.nan
    if (contender, 0, 0) in few.answers:
        first = few.answers[contender, 0, 0].after(few.longest)[row]
        before, sure = few.classes[first.argmax()], float(first.max())
    return Missed(
        int(row), str(few.object_id[row]), few.classes[few.labels[row]], few.classes[given],
        float(probability), int(where.sum()), int(tested[:, row].sum()), before, sure,
        float(few.any.magnitude[row]),
    )  # fmt: skip
