"""From the first alerts of a data set to a logistic regression on features of their stamps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression as Regression
from sklearn.preprocessing import StandardScaler

from classifier.models.stamp.logistic_regression import (
    FORMAT_VERSION,
    KIND,
    Coefficients,
    LogisticRegression,
    features_of,
)
from classifier.models.stamp.metadata_scale import MetadataScale
from classifier.models.stamp.stamp_features import NAMES
from classifier.training.alert_baseline_training import (
    AlertBaselineOptions,
    TrainingAlerts,
    train_baseline,
)

_PACKAGES = ("skyreel", "scikit-learn", "numpy")
_MOST_ITERATIONS = 1_000
INVERSE_PENALTY = 1.0
"""C of scikit-learn: weights of standardised features are penalised by their squares."""


def train_logistic_regression(
    data: Path, folder: Path, options: AlertBaselineOptions, *, threads: int = 1, command: str = ""
) -> tuple[LogisticRegression, list[str]]:
    """The model in a folder, fitted if it is not there, and notes on its training data.

    Classes weigh the same whatever their numbers. ``threads`` has no effect.

    Raises
    ------
    ClassifierError
        The data cannot be used, or the folder holds something else.
    OutputError
    """
    train = TrainingAlerts.read(data, options)
    train_baseline(train, folder, options, _fit, packages=_PACKAGES, command=command)
    return LogisticRegression.open(folder), train.alerts.notes(f"{data}/train")


def _fit(train: TrainingAlerts, folder: Path) -> dict[str, Any]:
    alerts = train.alerts
    features = features_of(alerts, train.scale, train.size_pix)
    scale = MetadataScale.of(NAMES, features[:, None])
    known = alerts.labels >= 0
    fitted = coefficients(scale.applied(features)[known], alerts.labels[known], len(alerts.classes))
    return {
        "format_version": FORMAT_VERSION,
        "kind": KIND,
        "stamp_features": scale.as_dict(),
        "coefficients": fitted.as_dict(),
    }


def coefficients(features: np.ndarray, labels: np.ndarray, n_classes: int) -> Coefficients:
    """Coefficients from features (object, feature) and labels (object,) of two classes or more.

    Of two classes, each has half of the weights of scikit-learn, with opposite signs.
    """
    standard = StandardScaler().fit(features)
    regression = Regression(
        C=INVERSE_PENALTY, class_weight="balanced", max_iter=_MOST_ITERATIONS
    ).fit(standard.transform(features), labels)
    weights, intercepts = regression.coef_, regression.intercept_
    if len(regression.classes_) == 2:
        weights, intercepts = (np.concatenate([-x, x]) / 2 for x in (weights, intercepts))
    found = np.zeros((n_classes, features.shape[1] + 1))
    found[regression.classes_] = np.column_stack([weights, intercepts])
    trained = np.isin(np.arange(n_classes), regression.classes_)
    return Coefficients(standard.mean_, standard.scale_, found[:, :-1], found[:, -1], trained)
