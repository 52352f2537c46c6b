"""From the first alerts of a data set to a random forest on their metadata or pixels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from classifier.models.forest.alert_forest import (
    FOREST,
    FORMAT_VERSION,
    KIND,
    AlertForest,
    alert_features,
)
from classifier.models.forest.forest import save_forest
from classifier.models.forest.growing import Sample, Shape, grown
from classifier.training.alert_baseline_training import (
    AlertBaselineOptions,
    TrainingAlerts,
    train_baseline,
)
from skyreel.errors import ClassifierError

INPUTS = {"metadata-forest": "metadata", "pixel-forest": "pixels"}
"""What each forest reads, by its name in `train --model`."""
_PACKAGES = ("skyreel", "scikit-learn", "skops", "numpy")


@dataclass(frozen=True, kw_only=True)
class AlertForestOptions(AlertBaselineOptions):
    """Options of one training run of a forest on first alerts.

    Parameters
    ----------
    inputs : str
        "metadata" or "pixels".
    trees, depth : int
        Depth is the largest of a tree.
    merge, crop_pix, seed
        As of `AlertBaselineOptions`.

    Raises
    ------
    ClassifierError
        A number out of range.
    """

    inputs: str
    trees: int = 100
    depth: int = 20

    def __post_init__(self):
        for name in ("trees", "depth"):
            if getattr(self, name) < 1:
                raise ClassifierError(f"--{name} {getattr(self, name)}: at least 1.")
        super().__post_init__()


def train_alert_forest(
    data: Path, folder: Path, options: AlertForestOptions, *, threads: int = 1, command: str = ""
) -> tuple[AlertForest, list[str]]:
    """The forest in a folder, grown if it is not there, and notes on its training data.

    Raises
    ------
    ClassifierError
        The data cannot be used, or the folder holds something else.
    OutputError
    """

    def fit(train: TrainingAlerts, folder: Path) -> dict[str, Any]:
        features = alert_features(train.alerts, options.inputs, train.scale, train.size_pix)
        known = train.alerts.labels >= 0
        sample = Sample(features[known], train.alerts.labels[known])
        shape = Shape(options.trees, options.depth)
        save_forest(grown(sample, shape, seed=options.seed, threads=threads), folder / FOREST)
        return {
            "format_version": FORMAT_VERSION,
            "kind": KIND,
            "inputs": options.inputs,
            "trees": options.trees,
            "depth": options.depth,
        }

    train = TrainingAlerts.read(data, options)
    train_baseline(train, folder, options, fit, packages=_PACKAGES, command=command)
    return AlertForest.open(folder), train.alerts.notes(f"{data}/train")
