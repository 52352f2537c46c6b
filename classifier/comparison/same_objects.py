"""Predictions of several models brought to the same objects, classes and magnitudes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import reduce

import numpy as np

from classifier.evaluation import EvaluationError, Predictions


def on_the_same_objects(by_model: Mapping[str, Predictions]) -> dict[str, Predictions]:
    """Predictions for the objects that every model can be scored on, in the order of their names.

    These have a label, and for every model an image. Classes are in the order of the first model.
    Magnitudes are those of the model that knows most of them, so that bins of magnitude hold the
    same objects for all.

    Raises
    ------
    EvaluationError
        No models, models of different classes, an object with two labels, or no such object.
    """
    if not by_model:
        raise EvaluationError("no predictions to compare.")
    by_model = _with_the_same_classes(by_model)
    scorable = [p.object_id[(p.label >= 0) & (p.n_images > 0)] for p in by_model.values()]
    names = reduce(np.intersect1d, scorable)
    if not names.size:
        raise EvaluationError("no object has a label, and an image for every model to be compared.")
    chosen = {name: p.of(_rows(p.object_id, names)) for name, p in by_model.items()}
    _check_labels(chosen)
    known = max((p.magnitude for p in chosen.values()), key=lambda m: np.isfinite(m).sum())
    return {name: replace(p, magnitude=known) for name, p in chosen.items()}


def check_classes(classes: Mapping[str, tuple[str, ...]]) -> None:
    """Check that models, by name, have the same classes in whatever order.

    Raises
    ------
    EvaluationError
    """
    (first, known), *others = classes.items()
    for name, found in others:
        if set(found) != set(known):
            raise EvaluationError(
                f"{first} knows the classes {', '.join(known)}, {name} {', '.join(found)}; only "
                "models of the same classes can be compared."
            )


def _with_the_same_classes(by_model):
    check_classes({name: p.classes for name, p in by_model.items()})
    classes = next(iter(by_model.values())).classes
    return {name: _reordered(p, classes) for name, p in by_model.items()}


def _reordered(predictions, classes):
    if predictions.classes == classes:
        return predictions
    order = [predictions.classes.index(name) for name in classes]
    place = np.append(np.argsort(order), -1)  # the label -1 stays -1
    return replace(
        predictions, classes=classes, probabilities=predictions.probabilities[..., order],
        label=place[predictions.label],
    )  # fmt: skip


def _rows(object_id, names):
    order = np.argsort(object_id)
    return order[np.searchsorted(object_id, names, sorter=order)]


def _check_labels(chosen):
    (first, judge), *others = chosen.items()
    for name, p in others:
        wrong = np.flatnonzero(p.label != judge.label)
        if wrong.size:
            k = wrong[0]
            raise EvaluationError(
                f"object {p.object_id[k]} is {p.classes[judge.label[k]]} in the predictions of "
                f"{first} and {p.classes[p.label[k]]} in those of {name} ({wrong.size} objects "
                "differ); are they of the same data?"
            )
