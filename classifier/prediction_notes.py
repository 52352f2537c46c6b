"""What a command says beside its predictions: objects without one, and objects trained on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from classifier.features.feature_table import dataset_identity
from skyreel.console import first_names
from skyreel.errors import ClassifierError

if TYPE_CHECKING:
    from classifier.dataset import DatasetSplit
    from classifier.models.protocol import Model

_NOT_COMPARED = ("command", "epochs")  # of what identifies a data set: paths, and padding


def refuse_unusable(n_images: np.ndarray, split: DatasetSplit, model: Model) -> None:
    """Check that one object at least has images, ``n_images`` (object,), and so a prediction.

    Raises
    ------
    ClassifierError
    """
    if not (n_images > 0).any():
        raise ClassifierError(
            f"{split.path}/{split.name}: none of {len(split):,} objects has an image that "
            f"{model.name} can use, so there is no prediction. "
            + " ".join([_usable(model), *split.notes()[:1]])
        )


def _usable(model):
    if alerts := first_alerts_of(model):
        return f"It reads {alerts} of an object, with pixels in all three planes."
    bands = " or ".join(model.bands)
    return (
        f"An image is used if it is in the band {bands}, has a zero point and an exposure time, "
        "and enough pixels that are neither masked nor all of one value."
    )


def first_alerts_of(model: Model) -> str:
    """What a stamp classifier reads of an object, in words; empty for models of sequences."""
    n_alerts = getattr(model, "n_alerts", 0)
    return ("", "the first alert", "the first two alerts")[n_alerts]


def without_prediction(n_images: np.ndarray, object_id: np.ndarray, model: Model) -> list[str]:
    """One sentence about the objects without images, and so without a prediction, or none."""
    rows = np.flatnonzero(n_images == 0)
    if not rows.size:
        return []
    alerts = first_alerts_of(model)
    lacking = f"lack {alerts} that" if alerts else "have no image that"
    return [
        f"{rows.size:,} of {len(n_images):,} objects {lacking} {model.name} can use, "
        f"no prediction, and are left out of scores: {first_names(object_id[rows])}."
    ]


def beyond_the_longest(model: Model, split: DatasetSplit) -> list[str]:
    """One sentence about sequences of more images than those of the training, or none."""
    return longer_sequences(model, split.n_images(model.bands), "objects")


def longer_sequences(model: Model, n_images: np.ndarray, what: str) -> list[str]:
    """The same of sequences of so many images (sequence,), which are called ``what``."""
    if first_alerts_of(model):  # whatever follows them
        return []
    trained = model.selection.images
    longer = int((n_images > trained).sum())
    if not longer:
        return []
    reads_on = model.prediction_selection.images > trained
    used = "reads them all" if reads_on else f"is given the first {trained}"
    return [
        f"{longer:,} of {n_images.size:,} {what} have more than the {trained} images in "
        f"{', '.join(model.bands)} that {model.name} was trained with (up to "
        f"{n_images.max():,}); it {used}."
    ]


def trained_on_these(model: Model, split: DatasetSplit) -> list[str]:
    """One sentence if the card of a model says that it was trained on these objects, or none."""
    card, now = model.card, _compared(dataset_identity(split))
    adapted = card.get("adapted")
    real = adapted.get("real") if isinstance(adapted, Mapping) else None
    ways = {"trained on": card.get("trained_on"), "adapted to": real}
    return [
        f"{model.name} was {way} the objects of {split.path}/{split.name}: probabilities and "
        "scores are those of training objects, and those of new objects are likely lower."
        for way, identity in ways.items()
        if isinstance(identity, Mapping) and _compared(identity) == now
    ]


def _compared(identity: Mapping[str, Any]) -> dict[str, Any]:
    plain = json.loads(json.dumps(dict(identity), default=str))
    return {key: value for key, value in plain.items() if key not in _NOT_COMPARED}
