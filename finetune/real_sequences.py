"""Real labelled sequences as all compared methods get them: read once, kept in memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from classifier.dataset import DatasetSplit
from classifier.evaluation import Predictions
from classifier.features.pipeline import FeatureConfig, observed_magnitudes, psf_of
from classifier.image_selection import ImageSelection, SelectedSplit
from classifier.models.recurrent.trained_network import Network
from classifier.network_inputs import Inputs, inputs_of
from finetune.homogenise import HomogenisedSplit, Homogenising
from skyreel.errors import FinetuneError

MOST_BYTES = 8 * 2**30


@dataclass(frozen=True)
class RealSet:
    """Real sequences.

    Attributes
    ----------
    split : DatasetSplit
    selection : ImageSelection
        Which of their images are used.
    inputs : Inputs
        Network inputs of all objects.
    labels : int (object,)
        Indices into ``classes``; -1 where unknown or without images.
    classes : tuple of str
        Of the network.
    magnitude : float (object,)
        Observed, AB.
    fields : int (object,) or None
    """

    split: DatasetSplit
    selection: ImageSelection
    inputs: Inputs
    labels: np.ndarray
    classes: tuple[str, ...]
    magnitude: np.ndarray
    fields: np.ndarray | None

    @classmethod
    def read(
        cls, path: str | Path, name: str, network: Network, homogenising: Homogenising
    ) -> RealSet:
        """Read a split for a network.

        Raises
        ------
        ClassifierError
            There is no such split, or it does not fit the network.
        FinetuneError
            It has labels of fewer than two classes, or is too large to be kept in memory.
        """
        kind = HomogenisedSplit if homogenising.registration else DatasetSplit
        split = kind(path, name).assuming(network.assumed_psf.fwhm_pix)
        split.refuse_empty()
        labels = split.labels_among(network.classes)
        n_classes = np.unique(labels[labels >= 0]).size
        if n_classes < 2:
            raise FinetuneError(
                f"{path}/{name} has labelled objects of {n_classes} classes; adapting needs two or "
                "more."
            )
        selection = homogenising.selection(split, network.selection)
        _refuse_large(split, selection)
        network.selected(split)  # refuses what does not fit
        selected, psf = SelectedSplit(split, selection), psf_of(split)
        inputs, magnitude = [], []
        for first, end in split.blocks():
            stamps = selected.stamps(first, end)
            inputs.append(inputs_of(stamps))
            magnitude.append(observed_magnitudes(stamps, psf))
        joined = Inputs.joined(inputs)
        return cls(
            split,
            selection,
            joined,
            np.where(joined.n_images > 0, labels, -1),
            network.classes,
            np.concatenate(magnitude),
            split.values("field"),
        )

    @property
    def present(self) -> tuple[str, ...]:
        """Classes that have objects."""
        return tuple(self.classes[label] for label in np.unique(self.labels[self.labels >= 0]))

    def names(self, rows: ArrayLike) -> list[str]:
        """Names of some objects."""
        return [str(name) for name in self.split.object_ids[rows]]

    def predictions(self, scores: np.ndarray) -> Predictions:
        """Probabilities (object, image, class) of any method as predictions."""
        scores = np.where(self.inputs.present[..., None] > 0, scores, np.nan)
        return Predictions(
            self.classes,
            scores,
            self.labels,
            self.inputs.n_images,
            self.magnitude,
            self.split.object_ids,
        )

    def config(self, config: FeatureConfig) -> FeatureConfig:
        """A feature configuration that uses the same images."""
        used = {name: getattr(self.selection, name) for name in ("images", "start_fractions")}
        return replace(config, band=self.selection.band, **used)


def _refuse_large(split, selection):
    n_bytes = 2 * 4 * len(split) * min(split.longest, selection.images) * split.size_pix**2
    if n_bytes > MOST_BYTES:
        raise FinetuneError(
            f"{split.path}/{split.name}: {len(split):,} sequences need {n_bytes / 2**30:.0f} GiB; "
            f"at most {MOST_BYTES / 2**30:.0f} are kept in memory. Give a smaller set."
        )
