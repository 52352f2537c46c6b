"""The main numbers of a few-shot experiment, and all of them as a record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike
from rich.table import Table

from finetune.reports.few_shot_results import (
    FOREST,
    NETWORK,
    REAL_ONLY,
    FewShot,
    read_few_shot,
)
from finetune.reports.few_shot_scores import Scoring
from skyreel.json_io import plain

EARLY = (5, 10)
"""Numbers of images after which scores are given, besides all."""
ALL = "all"


def image_counts(few: FewShot) -> dict[str, int]:
    """Numbers of images after which scores are given, by name: all, then fewer."""
    return {ALL: few.longest} | {str(k): k for k in EARLY if k < few.longest}


def sizes_of(few: FewShot) -> list[int]:
    """All numbers of objects per class that any method has predictions for."""
    return sorted({k for name in few.methods for k in few.per_class(name)})


_TYPICAL = 10  # labels per class, of the figures that have one number of them


def typical_size(scoring: Scoring, method: str) -> int:
    """Labels per class of figures that have one number: 10, else the largest below, else any."""
    sizes = [k for k in scoring.few.per_class(method) if scoring.few.draws_of(method, k)]
    below = [k for k in sizes if k <= _TYPICAL]
    return below[-1] if below else sizes[0]


def models_of(few: FewShot) -> list[str]:
    """Methods that were trained on a simulation and then adapted."""
    return [name for name in (NETWORK, FOREST) if name in few.methods]


def headline(folder: str | Path) -> dict:
    """Mean recall of every method, by number of images and of labels per class.

    Returns
    -------
    dict
        ``scores[images][method][k]`` with images "all", "5" and "10" and k a text: value,
        over_draws, error, n_draws, None where undefined. ``label_equivalence``: real labels per
        class that the real-only baseline needs for the same mean recall. ``statement``: the same
        in words. ``missing``: results that were not found, in words.

    Raises
    ------
    FinetuneError
    """
    return headline_of(Scoring(read_few_shot(folder)))


def headline_of(scoring: Scoring) -> dict:
    """The numbers of ``headline``."""
    few, scores = scoring.few, {}
    for (name, images), method in product(image_counts(few).items(), few.methods):
        of_method = scores.setdefault(name, {}).setdefault(method, {})
        for k in few.per_class(method):
            score = scoring.score(method, k, images)
            if score is not None:
                of_method[str(k)] = plain(score._asdict())
    return {
        "scores": scores,
        "label_equivalence": {
            name: plain({**vars(found), "text": str(found)})
            for name, found in label_equivalences(scoring).items()
        },
        "statement": " ".join(statements(scoring)),
        "missing": list(few.missing),
        "n_objects": len(few.labels),
        "n_left_out": few.left_out,
    }


def label_equivalences(scoring: Scoring) -> dict:
    """Label equivalence of the models trained on a simulation after all images, by name and k."""
    few, found = scoring.few, {}
    for name in (NETWORK, FOREST):
        for k in few.per_class(name):
            labels = label_equivalence(scoring, name, k, few.longest)
            if labels is not None:
                found[f"{name}, {k} per class" if k else f"{name}, simulation alone"] = labels
    return found


def statements(scoring: Scoring) -> Iterator[str]:
    """The label equivalence of the simulation, one sentence for each model."""
    few = scoring.few
    for name in (NETWORK, FOREST):
        found = label_equivalence(scoring, name, 0, few.longest)
        if found is not None:
            yield (
                f"The {name} trained on the simulation alone is equivalent to {found} real labels "
                f"per class: the {REAL_ONLY} baseline needs so many for the same mean recall."
            )


def headline_table(found: dict) -> Table:
    """Scores after all images for the terminal: mean over draws and scatter of one draw."""
    scores = found["scores"][ALL]
    sizes = sorted({int(k) for of in scores.values() for k in of})
    table = Table(title="Mean recall by real labels per class", title_justify="left")
    table.add_column("")
    for k in sizes:
        table.add_column(str(k), justify="right")
    for name, of in scores.items():
        table.add_row(name, *(_text(of.get(str(k))) for k in sizes))
    return table


def _text(score):
    if score is None:
        return "-"
    scatter = score["over_draws"] if score["over_draws"] is not None else score["error"]
    return f"{score['value']:.3f}" + (f" ± {scatter:.3f}" if scatter is not None else "")


_RANGE = (0.16, 0.84)  # of the resamples


@dataclass(frozen=True)
class LabelEquivalence:
    """Real labels per class; ``inf``: more than the ``most`` tried; 0: fewer than the ``least``.

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


def label_equivalence(
    scoring: Scoring, method: str, k: int, images: int
) -> LabelEquivalence | None:
    """Label equivalence of a method with ``k`` labels per class; None where it is not defined."""
    few = scoring.few
    sizes = [
        size for size in few.per_class(REAL_ONLY) if size > 0 and few.draws_of(REAL_ONLY, size)
    ]
    if not sizes or not few.draws_of(method, k):
        return None
    curve = [scoring.mean_recall(REAL_ONLY, size, images).mean(axis=0) for size in sizes]
    target = scoring.mean_recall(method, k, images).mean(axis=0)
    resamples = zip(target, np.transpose(curve), strict=True)
    found = np.array([labels_to_reach(goal, sizes, scores) for goal, scores in resamples])
    low, high = (_quantile(found[1:], q) for q in _RANGE)
    return LabelEquivalence(float(found[0]), low, high, sizes[0], sizes[-1])


def labels_to_reach(goal: float, sizes: Sequence[int], scores: ArrayLike) -> float:
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
