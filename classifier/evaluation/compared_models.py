"""Models under their names in a comparison, checked against the data before any work."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

import numpy as np

from classifier.dataset import DatasetSplit
from classifier.evaluation import (
    EvaluationError,
    Predictions,
    read_attributes,
)
from classifier.evaluation.comparison import check_classes
from classifier.evaluation.stored_predictions import StoredPredictions, predict_to_file
from classifier.features.feature_table import dataset_identity
from classifier.models.model_card import model_identity
from classifier.models.protocol import Model
from classifier.models.registry import check_fit, open_model
from skyreel.errors import ClassifierError


@dataclass(frozen=True)
class ComparedModel:
    """A model, its name in a comparison, and how its survey differs from that of the data."""

    name: str
    model: Model
    notes: tuple[str, ...] = ()

    @property
    def file_name(self) -> str:
        """The name as that of a file without its suffix."""
        return re.sub(r"[^\w.-]+", "_", self.name)

    @cached_property
    def identity(self) -> str:
        """Digest of the model's card and files, those of subfolders too."""
        return model_identity(self.model.folder, self.model.card)


def compared_models(
    models: Sequence[str],
    names: Sequence[str],
    split: DatasetSplit,
    *,
    any_survey: bool,
    threads: int | None = None,
) -> list[ComparedModel]:
    """Models opened by name or folder, under their own names or those given.

    Raises
    ------
    ClassifierError
        No such model, or one that does not fit the data or the others.
    """
    if not models:
        raise ClassifierError("give --models: names of shipped models, or folders.")
    if names and len(names) != len(models):
        raise ClassifierError(f"--names gives {len(names)} names to {len(models)} models.")
    opened = [open_model(model, threads=threads) for model in models]
    called = names or [model.name or model.folder.resolve().name for model in opened]
    found = [ComparedModel(*pair) for pair in zip(called, opened, strict=True)]
    _check_names(found)
    check_classes({compared.name: compared.model.classes for compared in found})
    return [
        replace(c, notes=check_fit(c.name, c.model, split, any_survey=any_survey)) for c in found
    ]


def _check_names(found):
    seen = set()
    for compared in found:
        if not compared.name.strip():
            raise ClassifierError("--names: a name is empty.")
        if compared.file_name.casefold() in seen:
            raise ClassifierError(
                f"two models are called {compared.name!r}. Name them with --names."
            )
        seen.add(compared.file_name.casefold())


MADE = "made"


def predictions_of(
    compared: ComparedModel,
    split: DatasetSplit,
    path: Path,
    *,
    threads: int,
    on_progress: Callable[[int], None] = lambda objects: None,
) -> Predictions | StoredPredictions:
    """Predictions of a model for a split: from ``path`` if it holds them, else new ones.

    Raises
    ------
    ClassifierError
        The model cannot be used on these data.
    OutputError
        ``path`` cannot be written.
    """
    about = _identity(compared, split)
    kept = _kept(path, about)
    if kept is not None and _is_of(kept, split, compared.model):
        on_progress(len(split))
        return kept
    today = datetime.now(UTC).date().isoformat()
    attributes = {**about, "model": str(compared.model.folder), MADE: today}
    options = {"threads": threads, "on_progress": on_progress}
    return predict_to_file(path, compared.model, split, attributes, **options)


def _identity(compared, split):
    about = {
        "model_sha256": compared.identity,
        "trained_on": compared.model.card.get("trained_on"),
        "data": dataset_identity(split),
        "images": compared.model.prediction_selection.images,
        "versions": {"skyreel": version("skyreel")},
    }
    return json.loads(json.dumps(about, default=str))


def _kept(path, about):
    """Predictions in a file, None where there are none, or others."""
    try:
        found = read_attributes(path)
        if any(found.get(key) != value for key, value in about.items()):
            return None
        return StoredPredictions.open(path)
    except EvaluationError:
        return None


def _is_of(kept, split, model):
    """Whether objects and labels are those of the split, which its identity does not cover."""
    if not np.array_equal(kept.object_id.astype(str), split.object_ids.astype(str)):
        return False
    parts = getattr(model, "class_parts", {})
    return np.array_equal(kept.label, split.labels_among(kept.classes, parts))
