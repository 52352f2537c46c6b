"""Predictions of models kept as files, so that a comparison made again predicts nothing twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np

from classifier.comparison.contenders import Contender
from classifier.evaluation import (
    EvaluationError,
    Predictions,
    read_attributes,
    read_predictions,
    write_predictions,
)
from classifier.feature_table import data_identity
from classifier.stamps import Split

MADE = "made"


def answers_of(
    contender: Contender, split: Split, path: Path, *, threads: int,
    on_progress: Callable[[int], None] = lambda objects: None,
) -> Predictions:  # fmt: skip
    """Predictions of a model for a split: those in ``path`` if they are these, else new ones.

    Raises
    ------
    ClassifierError
        The model cannot be used on these data.
    OutputError
        ``path`` cannot be written.
    """
    about = _identity(contender, split)
    kept = _kept(path, about)
    if kept is not None and _is_of(kept, split):
        on_progress(len(split))
        return kept
    made = contender.model.predict(split, threads=threads, on_progress=on_progress)
    today = datetime.now(UTC).date().isoformat()
    write_predictions(path, made, {**about, "model": str(contender.model.folder), MADE: today})
    return made


def _identity(contender, split):
    about = {
        "model_sha256": contender.identity,
        "trained_on": contender.model.card.get("trained_on"),
        "data": data_identity(split),
        "versions": {"skyreel": version("skyreel")},
    }
    return json.loads(json.dumps(about, default=str))


def _kept(path, about):
    """Predictions in a file, None where there are none, or others."""
    try:
        found = read_attributes(path)
        if any(found.get(key) != value for key, value in about.items()):
            return None
        return read_predictions(path)
    except EvaluationError:
        return None


def _is_of(kept, split):
    """Whether objects and labels are still those of the split, which its identity leaves open."""
    if not np.array_equal(kept.object_id.astype(str), split.object_ids.astype(str)):
        return False
    return np.array_equal(kept.label, split.labels_among(kept.classes))
