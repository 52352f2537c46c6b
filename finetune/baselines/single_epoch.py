"""The single-epoch baseline: trees trained on a few objects of every class, over many draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.stats import sigma_clipped_stats
from numpy.typing import ArrayLike

from classifier.dataset import DatasetSplit
from classifier.first_alerts import DETECTED, alert_epochs
from classifier.models.forest.extra_trees import real_only_predictions
from finetune.few_shot import drawn
from simulator.dataset.reader import open_dataset
from simulator.detector.defects import SATURATED
from skyreel.errors import FinetuneError

SMALLEST_PIX = 21
_EARLIER = {"template": "template_images", "difference": "difference_images"}
"""Names, in data sets of version 0.2, of cutouts that are NaN where they are not measured."""
_LEAST_SHARE = 0.2  # of usable pixels, below which planes are not used
_TINY = 1e-6


@dataclass(frozen=True)
class Planes:
    """One object's stamps in units of their own noise.

    ``science``, ``template`` and ``difference`` (row, column) are the counts above the background
    over the noise of one pixel, both by clipping at 3 sigma; 0 where a pixel is not ``usable``.

    Attributes
    ----------
    usable : bool (row, column)
        Pixels that are finite in all three planes, and neither bad nor outside the detector.
    clean : bool (row, column)
        Usable pixels that are not saturated.
    per_science : float
        Noise of the difference over that of the science image: converts the difference to units
        of the science image.
    """

    science: np.ndarray
    template: np.ndarray
    difference: np.ndarray
    usable: np.ndarray
    clean: np.ndarray
    per_science: float

    @classmethod
    def of(cls, images: ArrayLike, mask: np.ndarray) -> Planes | None:
        """Planes of counts; None where few pixels are usable, or all pixels of a plane are equal.

        Parameters
        ----------
        images : float (3, row, column)
            Science, template, and science less template [ADU]; NaN where not measured.
        mask : uint8 (row, column)
            Of the science image, bits as in a data set.
        """
        images = np.asarray(images, dtype=float)
        usable = np.isfinite(images).all(axis=0) & ((mask & ~np.uint8(SATURATED)) == 0)
        if usable.mean() < _LEAST_SHARE:
            return None
        levels = [sigma_clipped_stats(image[usable], sigma=3.0) for image in images]
        noises = np.array([noise for _, _, noise in levels])
        if not (noises > _TINY).all():
            return None
        scaled = [
            np.where(usable, (image - median) / noise, 0.0)
            for image, (_, median, noise) in zip(images, levels, strict=True)
        ]
        return cls(*scaled, usable, usable & (mask == 0), noises[2] / noises[0])


def first_planes(path: str | Path, name: str = "test") -> tuple[DatasetSplit, list[Planes | None]]:
    """A split, and the planes of the first alert of every object, None without one.

    In data without detections every image is that of an alert.

    Raises
    ------
    ClassifierError
        There is no such data set or split, or it was not finished.
    FinetuneError
        It has no template and difference images, or stamps below 21 pixels.
    """
    split = DatasetSplit(path, name)
    split.refuse_empty()
    group = open_dataset(path)[name]
    missing = [
        plane for plane, earlier in _EARLIER.items() if plane not in group and earlier not in group
    ]
    if missing:
        raise FinetuneError(
            f"{path} has no {' and '.join(missing)}; ingest --from ztf or rubin makes them of "
            "alerts."
        )
    if split.size_pix < SMALLEST_PIX:
        raise FinetuneError(
            f"{path}: its stamps are {split.size_pix} pixels; features of a single alert need "
            f"{SMALLEST_PIX} or more."
        )
    if split.values(DETECTED) is None:
        epochs, used = np.zeros(len(split), dtype=int), split.n_epochs > 0
    else:
        of_alerts, used = alert_epochs(split, 1)
        epochs = of_alerts[:, 0]
    found: list[Planes | None] = []
    for first, end in split.blocks():
        at = np.arange(end - first), epochs[first:end]
        mask = split.part("mask", slice(first, end))[at]
        stamps = np.stack(
            [_plane(split, group, name, slice(first, end), at) for name in ("images", *_EARLIER)],
            axis=1,
        )
        found += map(Planes.of, stamps, mask)
    return split, [planes if use else None for planes, use in zip(found, used, strict=True)]


def _plane(split, group, name, block, at):
    """A plane at some epochs, NaN where a template or a difference is masked."""
    if name not in group:
        return split.part(_EARLIER[name], block)[at]
    values = split.part(name, block)[at]
    if name == "images":
        return values
    return np.where(split.part(f"{name}_mask", block)[at] == 0, values, np.nan)


@dataclass(frozen=True)
class DrawScores:
    """Confusion matrices of repeated draws with equally many training objects.

    Attributes
    ----------
    per_class : int
        Training objects per class.
    counts : int (draw, class, predicted class)
        Test objects.
    """

    per_class: int
    counts: np.ndarray

    @property
    def recall(self) -> np.ndarray:
        """Recall (draw, class)."""
        n = self.counts.sum(axis=2)
        return np.diagonal(self.counts, axis1=1, axis2=2) / n

    @property
    def mean_recall(self) -> np.ndarray:
        """Mean recall (draw,) over the classes."""
        return self.recall.mean(axis=1)

    @property
    def confusion(self) -> np.ndarray:
        """Share (class, predicted class) of the test objects of a class, mean over the draws."""
        return (self.counts / self.counts.sum(axis=2, keepdims=True)).mean(axis=0)


def few_shot_scores(
    features: ArrayLike,
    labels: ArrayLike,
    fields: ArrayLike | None,
    classes: Sequence[str],
    *,
    per_class: int,
    trials: int,
    seed: int = 0,
    disjoint: str = "field",
) -> DrawScores:
    """Train trees on ``per_class`` objects of every class and test them on the others.

    Parameters
    ----------
    features : float (object, feature)
    labels : int (object,)
        Indices into ``classes``; -1: not used.
    fields : int (object,) or None
        Fields of the survey, see `finetune.few_shot.drawn`.
    classes : sequence of str
        Each must have objects.
    per_class, trials, seed : int
    disjoint : str
        What training and test objects must not share: "field" or "object".

    Raises
    ------
    FinetuneError
        Too few objects of a class for training and test.
    ClassifierError
        Objects of one class alone.
    """
    features, labels = np.asarray(features)[:, None], np.asarray(labels)
    one = (labels >= 0).astype(int)
    counts = np.zeros((trials, len(classes), len(classes)), dtype=int)
    for trial in range(trials):
        draw = drawn(labels, fields, per_class=per_class, trial=trial, seed=seed, disjoint=disjoint)
        scores = real_only_predictions(
            features, one, labels, draw.training, classes, seed=seed + trial
        )
        chosen = scores[draw.test, 0].argmax(axis=1)
        np.add.at(counts[trial], (labels[draw.test], chosen), 1)
    return DrawScores(per_class, counts)
