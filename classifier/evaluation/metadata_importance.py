"""How much a model of first alerts depends on each column of its metadata.

Permutation importance (Breiman 2001, section 10): a column is shuffled among the objects, and the
predictions become worse by as much as the model relies on it. Columns that say the same share
their importance, and each can appear unimportant.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from classifier.evaluation.metrics import contributions, scores_of, weighted_sums
from classifier.first_alerts import FirstAlerts
from classifier.models.protocol import Model
from classifier.models.stamp.first_alert_model import FirstAlertModel
from skyreel.errors import ClassifierError


@dataclass(frozen=True)
class MetadataImportance:
    """Loss of mean recall, and gain of log loss, after each column was shuffled.

    Attributes
    ----------
    columns : tuple of str
        By falling importance.
    mean_recall, log_loss : float
        Of the data as they are.
    recall_loss, log_loss_gain : numpy.ndarray, shape (column, repeat)
    n_objects : int
    """

    columns: tuple[str, ...]
    mean_recall: float
    log_loss: float
    recall_loss: np.ndarray
    log_loss_gain: np.ndarray
    n_objects: int


def metadata_importance(
    model: FirstAlertModel,
    alerts: FirstAlerts,
    labels: np.ndarray,
    *,
    repeats: int,
    seed: int = 0,
    on_progress: Callable[[int], None] = lambda _: None,
) -> MetadataImportance:
    """Shuffle every column of the metadata of alerts ``repeats`` times.

    Both alerts of an object keep their order, and all columns but one their values. ``labels``
    (object,) are indices into the classes of the model, -1 where unknown: such objects are shuffled
    but not scored.

    Raises
    ------
    ClassifierError
        No labels, or repeats below 1.
    """
    if repeats < 1:
        raise ClassifierError(f"--importance {repeats}: at least 1.")
    if not (labels >= 0).any():
        raise ClassifierError("--importance: no object has a label and the alerts.")
    rng, n_columns = np.random.default_rng(seed), len(alerts.columns)
    known, changes = _scores(model, alerts, labels), np.empty((2, n_columns, repeats))
    for column in range(n_columns):
        for repeat in range(repeats):
            metadata = alerts.metadata.copy()
            metadata[..., column] = metadata[rng.permutation(len(alerts)), :, column]
            found = _scores(model, replace(alerts, metadata=metadata), labels)
            changes[:, column, repeat] = known[0] - found[0], found[1] - known[1]
            on_progress(1)
    order = np.argsort(-changes[1].mean(axis=1), kind="stable")
    return MetadataImportance(
        tuple(alerts.columns[k] for k in order),
        *known,
        *changes[:, order],
        int((labels >= 0).sum()),
    )


def check_metadata_model(model: Model) -> FirstAlertModel:
    """The model, if it reads metadata of first alerts.

    Raises
    ------
    ClassifierError
    """
    if model.card["kind"] == "alert-ensemble":
        raise ClassifierError(
            f"--importance: its trees read no metadata; give its network, {model.folder}/network."
        )
    if not isinstance(model, FirstAlertModel) or not model.metadata.columns:
        raise ClassifierError(f"--importance: {model.name} reads no metadata of first alerts.")
    return model


def _scores(model, alerts, labels):
    """Mean recall and log loss."""
    known, n_classes = labels >= 0, len(model.classes)
    added = contributions(model.probabilities(alerts)[known], labels[known])
    scores = scores_of(weighted_sums(added, np.ones((known.sum(), 1)), n_classes), n_classes)
    return float(scores.mean_recall[0, 0]), float(scores.log_loss[0, 0])
