"""Real sequences without what gives a class away for the wrong reason.

Published stamps of one class may have gone through another pipeline than those of the others:
HiTS supernovae were resampled onto a fixed position, its stars were not, and constant stars have
fewer images. A network can learn that instead of the sky. So stamps of every class are resampled
onto their source (`classifier.registration`), and sequences are cut to a common length.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from classifier.dataset import DatasetSplit
from classifier.image_selection import ImageSelection, SelectedSplit
from classifier.registration import registered

_STREAM = 20190302  # keeps these draws apart from others
LENGTH_QUANTILE = 0.05
"""A common length is one that all objects but this share have."""


@dataclass(frozen=True, kw_only=True)
class Homogenising:
    """What is made alike.

    Parameters
    ----------
    registration : bool
        Resample stamps onto their source where that has not been done before.
    length : bool
        Show at most as many images of a sequence as nearly all objects of every class have.
    """

    registration: bool = True
    length: bool = True

    def __bool__(self):
        return self.registration or self.length

    def selection(self, split: DatasetSplit, selection: ImageSelection) -> ImageSelection:
        """What to show, cut to the common length of the labelled objects of a split."""
        return (
            replace(selection, images=common_length(split, selection)) if self.length else selection
        )


class HomogenisedSplit(DatasetSplit):
    """A split whose stamps are registered when they are read.

    Objects of which the array ``resampled`` says that they were registered before stay as they
    are. A stamp without a source that can be found is moved by a shift drawn at random; the same
    one each time.

    Raises
    ------
    ClassifierError
        As of `classifier.dataset.DatasetSplit`.
    """

    def __init__(self, path, name: str):
        super().__init__(path, name)
        self._native = ~resampled(self)

    def stamps(self, first: int, end: int):
        """Objects ``first`` to ``end``, registered."""
        stamps = super().stamps(first, end)
        drawn_pix = np.zeros((*stamps.mjd.shape, 2))
        for i in range(first, end):
            draws = np.random.default_rng([_STREAM, i])
            drawn_pix[i - first] = draws.uniform(-0.5, 0.5, drawn_pix.shape[1:])
        return registered(stamps, self._native[first:end], drawn_pix)


def resampled(split: DatasetSplit) -> np.ndarray:
    """(object,): whether stamps were resampled before they were published; False if unknown."""
    found = split.values("resampled")
    return np.zeros(len(split), dtype=bool) if found is None else found.astype(bool)


def common_length(split: DatasetSplit, selection: ImageSelection) -> int:
    """Images that all but one in twenty objects of the class with fewest have, at least 1."""
    shown, n_images = SelectedSplit(split, selection), []
    for first, end in split.blocks():
        n_images.append(shown.stamps(first, end).n_epochs)
    n_images, labels = np.concatenate(n_images), split.labels
    lengths = [
        np.quantile(n_images[labels == label], LENGTH_QUANTILE, method="lower")
        for label in np.unique(labels[labels >= 0])
    ]
    return max(1, min([selection.images, *(int(length) for length in lengths)]))
