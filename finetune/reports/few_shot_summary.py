"""The few numbers to be told first."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from rich.table import Table

from finetune.reports.few_shot_results import (
    FOREST,
    NETWORK,
    REAL_ONLY,
    FewShot,
    read_few_shot,
)
from finetune.reports.few_shot_scores import Scoring

EARLY = (5, 10)
"""Numbers of images that scores are told after, beside all."""
ALL = "all"


def image_counts(few: FewShot) -> dict[str, int]:
    """Numbers of images that scores are told after, by name: all, then fewer."""
    return {ALL: few.longest} | {str(k): k for k in EARLY if k < few.longest}


def sizes_of(few: FewShot) -> list[int]:
    """All numbers of objects per class that any contender has predictions for."""
    return sorted({k for name in few.methods for k in few.per_class(name)})


def headline(folder) -> dict:
    """Mean recall of every contender, by number of images and of labels per class.

    Returns
    -------
    dict
        ``scores[images][method][k]`` with images "all", "5" and "10" and k a text: value,
        over_draws, error, n_draws, None where undefined. ``statement``: how many real labels the
        simulation is worth, in words. ``missing``: what was not found, in words.

    Raises
    ------
    FinetuneError
    """
    return headline_of(Scoring(read_few_shot(folder)))


def headline_of(scoring: Scoring) -> dict:
    """The numbers of ``headline``."""
    few, scores = scoring.few, {}
    for (name, images), method in product(image_counts(few).items(), few.methods):
        of_contender = scores.setdefault(name, {}).setdefault(method, {})
        for k in few.per_class(method):
            score = scoring.score(method, k, images)
            if score is not None:
                of_contender[str(k)] = plain(score._asdict())
    return {
        "scores": scores,
        "worth": {name: plain(vars(found)) for name, found in label_equivalences(scoring).items()},
        "statement": " ".join(statements(scoring)),
        "missing": list(few.missing),
        "n_objects": len(few.labels),
        "n_left_out": few.left_out,
    }


def label_equivalences(scoring: Scoring) -> dict:
    """What each model trained on a simulation is worth after all images, by name and k."""
    few, found = scoring.few, {}
    for name in (NETWORK, FOREST):
        for k in few.per_class(name):
            labels = label_equivalence(scoring, name, k, few.longest)
            if labels is not None:
                found[f"{name}, {k} per class" if k else f"{name}, simulation alone"] = labels
    return found


def statements(scoring: Scoring):
    """How many real labels per class the simulation is worth, one sentence for each model."""
    few = scoring.few
    for name in (NETWORK, FOREST):
        found = label_equivalence(scoring, name, 0, few.longest)
        if found is not None:
            yield (
                f"For the {name}, the simulation is worth {found} real labels per class: so many "
                f"does {REAL_ONLY} need to be as good as the {name} without any."
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
        table.add_row(name, *(_shown(of.get(str(k))) for k in sizes))
    return table


def _shown(score):
    if score is None:
        return "-"
    scatter = score["over_draws"] if score["over_draws"] is not None else score["error"]
    return f"{score['value']:.3f}" + (f" ± {scatter:.3f}" if scatter is not None else "")


def plain(values: dict) -> dict:
    """Numbers and lists of them for JSON: None where undefined, "inf" as text."""
    return {key: _plain(value) for key, value in values.items()}


def _plain(value):
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None if np.isnan(value) else "inf"
    return value


_RANGE = (0.16, 0.84)  # of the resamples


@dataclass(frozen=True)
class LabelEquivalence:
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


def label_equivalence(
    scoring: Scoring, method: str, k: int, images: int
) -> LabelEquivalence | None:
    """What a contender after ``k`` objects per class is worth; None where it cannot be told."""
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
