"""Real sequences without differences between classes that come from processing alone.

Published stamps of one class may have gone through another pipeline than those of the others:
HiTS supernovae were resampled onto a fixed position, its stars were not, and constant stars have
fewer images. A network can learn that difference. So stamps of every class are resampled onto
their source (`classifier.registration`), and sequences are cut to a common length.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from classifier.dataset import DatasetSplit
from classifier.image_selection import ImageSelection, SelectedSplit
from classifier.registration import registered
from classifier.stamp_batch import StampBatch

_STREAM = 20190302  # random shifts have a stream of their own
LENGTH_QUANTILE = 0.05
"""Share of the objects of a class that may have fewer images than the common length."""


@dataclass(frozen=True, kw_only=True)
class Homogenising:
    """What is made the same for all classes.

    Parameters
    ----------
    registration : bool
        Stamps that were not resampled before are resampled onto their source.
    length : bool
        At most as many images of a sequence are used as nearly all objects of every class have.
    """

    registration: bool = True
    length: bool = True

    def __bool__(self) -> bool:
        return self.registration or self.length

    def selection(self, split: DatasetSplit, selection: ImageSelection) -> ImageSelection:
        """The selection, cut to the common length of the labelled objects of a split."""
        return (
            replace(selection, images=common_length(split, selection)) if self.length else selection
        )


class HomogenisedSplit(DatasetSplit):
    """A split whose stamps are registered when they are read.

    Objects whose entry in the array ``resampled`` is True are left as they are. A stamp in which
    no source is found is moved by a random shift, the same one at every reading.

    Raises
    ------
    ClassifierError
        As `classifier.dataset.DatasetSplit`.
    """

    def __init__(self, path: str | Path, name: str) -> None:
        super().__init__(path, name)
        self._native = ~resampled(self)

    def stamps(self, first: int, end: int) -> StampBatch:
        """Objects ``first`` to ``end``, registered."""
        stamps = super().stamps(first, end)
        drawn_pix = np.zeros((*stamps.mjd.shape, 2))
        for i in range(first, end):
            draws = np.random.default_rng([_STREAM, i])
            drawn_pix[i - first] = draws.uniform(-0.5, 0.5, drawn_pix.shape[1:])
        return registered(stamps, self._native[first:end], drawn_pix)


def resampled(split: DatasetSplit) -> np.ndarray:
    """Bool (object,): whether stamps were resampled before publication; False if unknown."""
    found = split.values("resampled")
    return np.zeros(len(split), dtype=bool) if found is None else found.astype(bool)


def common_length(split: DatasetSplit, selection: ImageSelection) -> int:
    """Number of images that 95 % of the objects of every class have, at least 1.

    Objects without a selected image, which are left out, do not count.
    """
    selected, n_images = SelectedSplit(split, selection), []
    for first, end in split.blocks():
        n_images.append(selected.stamps(first, end).n_epochs)
    n_images = np.concatenate(n_images)
    labels = np.where(n_images > 0, split.labels, -1)
    lengths = [
        np.quantile(n_images[labels == label], LENGTH_QUANTILE, method="lower")
        for label in np.unique(labels[labels >= 0])
    ]
    return max(1, min([selection.images, *(int(length) for length in lengths)]))
