"""From the first alerts of a data set to a random forest on their metadata or pixels."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from classifier.dataset import DatasetSplit
from classifier.features.feature_table import dataset_identity
from classifier.first_alerts import COMMON_METADATA, read_first_alerts
from classifier.models.card_schema import LEAST_SIZE_PIX
from classifier.models.forest.alert_forest import (
    FOREST,
    FORMAT_VERSION,
    KIND,
    AlertForest,
    alert_features,
)
from classifier.models.forest.forest import save_forest
from classifier.models.forest.growing import Sample, Shape, grown, refuse_one_class
from classifier.models.model_card import CARD, write_card
from classifier.models.stamp.metadata_scale import MetadataScale
from classifier.models.stamp.preprocessing import check_cut
from classifier.training.options import MAX_SEED
from classifier.training.stamp_options import refuse_absent_parts
from skyreel.atomic_files import claim_folder, locked_folder
from skyreel.errors import ClassifierError
from skyreel.provenance import versions

INPUTS = {"metadata-forest": "metadata", "pixel-forest": "pixels"}
"""What each forest reads, by its name in `train --model`."""
_PACKAGES = ("skyreel", "scikit-learn", "skops", "numpy")


@dataclass(frozen=True, kw_only=True)
class AlertForestOptions:
    """Options of one training run of a forest on first alerts.

    Parameters
    ----------
    inputs : str
        "metadata" or "pixels".
    merge, crop_pix
        As of `classifier.training.stamp_options.StampOptions`.
    trees, depth : int
        Depth is the largest of a tree.
    seed : int

    Raises
    ------
    ClassifierError
        A number out of range.
    """

    inputs: str
    merge: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    crop_pix: int | None = None
    trees: int = 100
    depth: int = 20
    seed: int = 0

    def __post_init__(self):
        for name in ("trees", "depth"):
            if getattr(self, name) < 1:
                raise ClassifierError(f"--{name} {getattr(self, name)}: at least 1.")
        if not 0 <= self.seed <= MAX_SEED:
            raise ClassifierError(f"--seed {self.seed}; allowed are 0 to {MAX_SEED}.")
        if self.crop_pix is not None and self.crop_pix < LEAST_SIZE_PIX:
            raise ClassifierError(f"--crop {self.crop_pix}: at least {LEAST_SIZE_PIX} pixels.")

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {**asdict(self), "merge": {name: list(parts) for name, parts in self.merge.items()}}


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
    split = DatasetSplit(data, "train")
    refuse_absent_parts(options.merge, split)
    size_pix = options.crop_pix or split.size_pix
    check_cut(split.size_pix, size_pix)
    alerts = read_first_alerts(split, metadata=COMMON_METADATA, merge=options.merge)
    refuse_one_class(alerts.labels, f"{data}/train")
    settings = {
        "data": {"train": dataset_identity(split)},
        "options": options.as_dict(),
        "versions": versions(*_PACKAGES),
    }
    claim_folder(folder, settings, complete=(folder / CARD).is_file())
    with locked_folder(folder):
        if not (folder / CARD).is_file():
            began = time.perf_counter()
            scale = MetadataScale.of(alerts.columns, alerts.metadata)
            features = alert_features(alerts, options.inputs, scale, size_pix)
            known = alerts.labels >= 0
            sample = Sample(features[known], alerts.labels[known])
            shape = Shape(options.trees, options.depth)
            forest = grown(sample, shape, seed=options.seed, threads=threads)
            save_forest(forest, folder / FOREST)
            seconds = round(time.perf_counter() - began, 1)
            write_card(
                folder,
                {
                    **_card(split, alerts, options),
                    "size_pix": size_pix,
                    "metadata": scale.as_dict(),
                    "seconds": seconds,
                    "command": command,
                },
            )
    return AlertForest.open(folder), alerts.notes(f"{data}/train")


def _card(split, alerts, options):
    return {
        "format_version": FORMAT_VERSION,
        "kind": KIND,
        "inputs": options.inputs,
        "trees": options.trees,
        "depth": options.depth,
        "seed": options.seed,
        "classes": list(alerts.classes),
        "class_parts": options.as_dict()["merge"],
        "survey": split.survey,
        "bands": list(split.bands),
        "options": options.as_dict(),
        "trained_on": dataset_identity(split),
        "profile": split.attributes["profile"],
        "versions": versions(*_PACKAGES),
    }
