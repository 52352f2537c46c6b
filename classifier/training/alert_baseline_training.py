"""What the trainings of all baselines on first alerts have in common, whatever they fit."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from classifier.dataset import DatasetSplit
from classifier.features.feature_table import dataset_identity
from classifier.first_alerts import COMMON_METADATA, FirstAlerts, read_first_alerts
from classifier.models.forest.growing import refuse_one_class
from classifier.models.model_card import CARD, write_card
from classifier.models.stamp.metadata_scale import MetadataScale
from classifier.models.stamp.preprocessing import check_cut
from classifier.training.options import MAX_SEED
from classifier.training.stamp_options import check_crop, refuse_absent_parts
from skyreel.atomic_files import claim_folder, locked_folder
from skyreel.errors import ClassifierError
from skyreel.provenance import versions


@dataclass(frozen=True, kw_only=True)
class AlertBaselineOptions:
    """Options of one training run of a baseline on first alerts.

    Parameters
    ----------
    merge, crop_pix
        As of `classifier.training.stamp_options.StampOptions`.
    seed : int

    Raises
    ------
    ClassifierError
        A number out of range.
    """

    merge: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    crop_pix: int | None = None
    seed: int = 0

    def __post_init__(self):
        if not 0 <= self.seed <= MAX_SEED:
            raise ClassifierError(f"--seed {self.seed}; allowed are 0 to {MAX_SEED}.")
        check_crop(self.crop_pix)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {**asdict(self), "merge": {name: list(parts) for name, parts in self.merge.items()}}


@dataclass(frozen=True)
class TrainingAlerts:
    """The first alerts of the training split, and how they are read.

    Attributes
    ----------
    split : DatasetSplit
    alerts : FirstAlerts
        Also those without a label.
    scale : MetadataScale
        Of their metadata.
    size_pix : int
        Rows and columns that are read.
    """

    split: DatasetSplit
    alerts: FirstAlerts
    scale: MetadataScale
    size_pix: int

    @classmethod
    def read(cls, data: Path, options: AlertBaselineOptions) -> TrainingAlerts:
        """Of a data set.

        Raises
        ------
        ClassifierError
            The data cannot be used.
        """
        split = DatasetSplit(data, "train")
        refuse_absent_parts(options.merge, split)
        size_pix = options.crop_pix or split.size_pix
        check_cut(split.size_pix, size_pix)
        alerts = read_first_alerts(split, metadata=COMMON_METADATA, merge=options.merge)
        refuse_one_class(alerts.labels, f"{data}/train")
        return cls(split, alerts, MetadataScale.of(alerts.columns, alerts.metadata), size_pix)


def train_baseline(
    train: TrainingAlerts,
    folder: Path,
    options: AlertBaselineOptions,
    fit: Callable[[TrainingAlerts, Path], dict[str, Any]],
    *,
    packages: tuple[str, ...],
    command: str,
) -> None:
    """Make the model in a folder if it is not there.

    Parameters
    ----------
    train : TrainingAlerts
    folder : Path
    options : AlertBaselineOptions
    fit : callable
        Writes its arrays into the folder and returns its part of the card.
    packages : tuple of str
        Whose versions matter.
    command : str

    Raises
    ------
    ClassifierError
        The folder holds something else.
    OutputError
    """
    settings = {
        "data": {"train": dataset_identity(train.split)},
        "options": options.as_dict(),
        "versions": versions(*packages),
    }
    claim_folder(folder, settings, complete=(folder / CARD).is_file())
    with locked_folder(folder):
        if not (folder / CARD).is_file():
            began = time.perf_counter()
            own = fit(train, folder)
            seconds = round(time.perf_counter() - began, 1)
            card = {**_common_card(train, options), **own, "seconds": seconds, "command": command}
            write_card(folder, {**card, "versions": settings["versions"]})


def _common_card(train, options):
    return {
        "seed": options.seed,
        "classes": list(train.alerts.classes),
        "class_parts": options.as_dict()["merge"],
        "survey": train.split.survey,
        "bands": list(train.split.bands),
        "options": options.as_dict(),
        "trained_on": dataset_identity(train.split),
        "profile": train.split.attributes["profile"],
        "size_pix": train.size_pix,
        "metadata": train.scale.as_dict(),
    }
