"""The tested objects of all draws as one set, for what is counted rather than averaged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from classifier.evaluation import Evaluation, Predictions, evaluate
from finetune.reporting.folder import FewShot


def evaluations(few: FewShot, contender: str, k: int) -> dict[str, Evaluation]:
    """Evaluations before and after, as far as there are predictions.

    Counts are sums over the draws, an object being counted in every draw that tests it; errors
    of the calibration are widened as if the draws tested the same objects.
    """
    found = {}
    for when, before in (("before", True), (f"{k} per class", False)):
        draws = few.draws_of(contender, k, before=before)
        if draws and not (before and k == 0):
            pooled = _pooled([_of_draw(few, contender, draw, before) for draw in draws])
            found[f"{contender}, {when}"] = _widened(evaluate(pooled, n_bootstrap=0), len(draws))
    return found


def _of_draw(few, contender, draw, before):
    chosen = few.answers_of(contender, draw, before=before).of(draw.objects)
    names = [f"{name} in draw {draw.trial}" for name in chosen.object_id]
    return replace(chosen, object_id=np.array(names, dtype=str))


def _pooled(parts):
    longest = max(part.probabilities.shape[1] for part in parts)
    arrays = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("label", "n_images", "magnitude", "object_id")
    }
    padded = [
        np.pad(p.probabilities, ((0, 0), (0, longest - p.probabilities.shape[1]), (0, 0)),
               constant_values=np.nan)
        for p in parts
    ]  # fmt: skip
    return Predictions(parts[0].classes, np.concatenate(padded), **arrays)


def _widened(evaluation, n_draws):
    c = evaluation.calibration
    return replace(
        evaluation, calibration=replace(c, accuracy_error=c.accuracy_error * np.sqrt(n_draws))
    )
