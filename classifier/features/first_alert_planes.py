"""The three planes of the first alert of every object, in units of their own noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from astropy.stats import sigma_clipped_stats
from numpy.typing import ArrayLike

from classifier.dataset import DatasetSplit
from classifier.first_alerts import DETECTED, alert_epochs
from simulator.dataset.reader import open_dataset
from simulator.detector.defects import SATURATED
from skyreel.errors import ClassifierError

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


def first_planes(split: DatasetSplit) -> list[Planes | None]:
    """Planes of the first alert of every object, None without one.

    In data without detections every image is that of an alert.

    Raises
    ------
    ClassifierError
        The split is empty, has no template and difference images, or stamps below 21 pixels.
    """
    split.refuse_empty()
    group = open_dataset(split.path)[split.name]
    missing = [
        plane for plane, earlier in _EARLIER.items() if plane not in group and earlier not in group
    ]
    if missing:
        raise ClassifierError(
            f"{split.path} has no {' and '.join(missing)}; ingest --from ztf or rubin makes them "
            "of alerts."
        )
    if split.size_pix < SMALLEST_PIX:
        raise ClassifierError(
            f"{split.path}: its stamps are {split.size_pix} pixels; features of a single alert "
            f"need {SMALLEST_PIX} or more."
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
    return [planes if use else None for planes, use in zip(found, used, strict=True)]


def _plane(split, group, name, block, at):
    """A plane at some epochs, NaN where a template or a difference is masked."""
    if name not in group:
        return split.part(_EARLIER[name], block)[at]
    values = split.part(name, block)[at]
    if name == "images":
        return values
    return np.where(split.part(f"{name}_mask", block)[at] == 0, values, np.nan)
