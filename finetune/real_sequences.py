"""Real labelled sequences as all compared methods get them: read once, kept in memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
from finetune.left_out import LeftOut, Sieve, left_out_text
from skyreel.errors import FinetuneError

MOST_BYTES = 8 * 2**30


@dataclass(frozen=True, kw_only=True)
class RealObjects:
    """Real objects with labels.

    Attributes
    ----------
    split : DatasetSplit
    selection : ImageSelection
        Which of their images are used.
    labels : int (object,)
        Indices into ``classes``; -1 where unknown or without images.
    classes : tuple of str
        Of the network.
    magnitude : float (object,)
        Observed, AB; NaN where unknown.
    fields : int (object,) or None
    left_out : tuple of LeftOut
        Objects that are neither trained nor tested on.
    other_classes : tuple of str
        Classes of such objects that the network does not have.
    """

    split: DatasetSplit
    selection: ImageSelection
    labels: np.ndarray
    classes: tuple[str, ...]
    magnitude: np.ndarray
    fields: np.ndarray | None
    left_out: tuple[LeftOut, ...] = ()
    other_classes: tuple[str, ...] = ()

    @property
    def present(self) -> tuple[str, ...]:
        """Classes that have objects."""
        return tuple(self.classes[label] for label in np.unique(self.labels[self.labels >= 0]))

    def names(self, rows: ArrayLike) -> list[str]:
        """Names of some objects."""
        return [str(name) for name in self.split.object_ids[rows]]


@dataclass(frozen=True, kw_only=True)
class RealSet(RealObjects):
    """Real sequences; ``inputs`` are the network inputs of all objects."""

    inputs: Inputs

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
            It has usable sequences of fewer than two classes, or is too large to be kept in
            memory; or a network of several bands, or of planes.
        """
        _refuse_selection(network)
        kind = HomogenisedSplit if homogenising.registration else DatasetSplit
        split = kind(path, name).assuming(network.assumed_psf.fwhm_pix)
        split.refuse_empty()
        sieve = Sieve(split.object_ids)
        other_classes = leave_out_classes(sieve, split, network.classes)
        split = split.unlabelled(~sieve.used)
        refuse_one_class(split, split.labels, sieve.left_out)
        selection = homogenising.selection(split, network.selection)
        _refuse_large(split, selection)
        network.selected(split)  # refuses what does not fit
        selected, psf = SelectedSplit(split, selection), psf_of(split)
        inputs, magnitude, n_selected = [], [], []
        for first, end in split.blocks():
            stamps = selected.stamps(first, end)
            n_selected.append(stamps.n_epochs)
            inputs.append(inputs_of(stamps))
            magnitude.append(observed_magnitudes(stamps, psf))
        joined = Inputs.joined(inputs)
        no_image = np.concatenate(n_selected) == 0
        sieve.leave_out(no_image, f"without an image in {selection.band} of a usable seeing")
        sieve.leave_out(joined.n_images == 0, "without a calibrated image")
        split = split.unlabelled(~sieve.used)
        refuse_one_class(split, split.labels, sieve.left_out)
        return cls(
            split=split,
            selection=selection,
            inputs=joined,
            labels=split.labels_among(network.classes),
            classes=network.classes,
            magnitude=np.concatenate(magnitude),
            fields=split.values("field"),
            left_out=tuple(sieve.left_out),
            other_classes=other_classes,
        )

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
        return replace(config, bands=self.selection.bands, **used)


def _refuse_selection(network):
    """Only networks that read science images in one band can be adapted."""
    chosen = network.selection
    if chosen.multiband:
        raise FinetuneError(
            f"{network.folder} reads the bands {chosen.band}; networks of one band can be adapted."
        )
    if chosen.planes:
        raise FinetuneError(
            f"{network.folder} reads {' and '.join(chosen.planes)} images; networks of science "
            "images can be adapted."
        )


def leave_out_classes(sieve: Sieve, split: DatasetSplit, classes: Sequence[str]) -> tuple[str, ...]:
    """Leave out objects without a class, or of one that is not known; names of these classes."""
    sieve.leave_out(split.labels < 0, "without a class")
    present = [split.classes[label] for label in np.unique(split.labels[split.labels >= 0])]
    others = tuple(name for name in present if name not in classes)
    for name in others:
        reason = f"of the class {name}, which the network does not have"
        sieve.leave_out(split.labels == split.classes.index(name), reason)
    return others


def refuse_one_class(split: DatasetSplit, labels: np.ndarray, left_out: Iterable[LeftOut]) -> None:
    """Check that usable objects have two classes at least.

    Raises
    ------
    FinetuneError
    """
    n_classes = np.unique(labels[labels >= 0]).size
    if n_classes < 2:
        raise FinetuneError(
            f"{split.path}/{split.name} has usable objects of {n_classes} classes of the "
            f"network; adapting needs two or more. {left_out_text(left_out)}"
        )


def _refuse_large(split, selection):
    n_bytes = 2 * 4 * len(split) * min(split.longest, selection.images) * split.size_pix**2
    if n_bytes > MOST_BYTES:
        raise FinetuneError(
            f"{split.path}/{split.name}: {len(split):,} sequences need {n_bytes / 2**30:.0f} GiB; "
            f"at most {MOST_BYTES / 2**30:.0f} are kept in memory. Give a smaller set."
        )
