"""Difference stamps of first alerts in units of their noise (signal to noise of every pixel)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from classifier.dataset import DatasetSplit
from classifier.first_alerts import drawn_alerts, refuse_without_differences
from classifier.models.stamp.preprocessing import check_cut
from skyreel.errors import ClassifierError

_NAME = "difference"
_NO_PIXEL = "no pixel of the difference is a number"


@dataclass(frozen=True)
class SnrStamps:
    """The differences of the objects that have an alert, in the order of the split.

    Attributes
    ----------
    snr : float32 (object, row, column)
        Difference over its noise; NaN where masked or unknown.
    labels : int (object,)
        Index into the classes of the split, -1 where unknown.
    rows : int (object,)
        Rows of the split.
    left_out : dict of str to int
        Number of objects that were left out, by reason.
    """

    snr: np.ndarray
    labels: np.ndarray
    rows: np.ndarray
    left_out: dict[str, int]

    def __len__(self) -> int:
        return len(self.rows)

    def of(self, kept: np.ndarray) -> SnrStamps:
        """Some of the objects."""
        return SnrStamps(self.snr[kept], self.labels[kept], self.rows[kept], self.left_out)

    def notes(self, name: str) -> list[str]:
        """One sentence for each reason why objects of the split ``name`` were left out."""
        return [f"{name}: {n:,} objects left out: {why}." for why, n in self.left_out.items()]


def read_snr_stamps(
    split: DatasetSplit, *, size_pix: int | None = None, seed: int | None = None
) -> SnrStamps:
    """The central ``size_pix`` pixels of the difference of every object's first alert.

    Parameters
    ----------
    split : DatasetSplit
        With the plane difference; science images and templates are not read.
    size_pix : int or None
        None: all.
    seed : int or None
        Not the first alert but any one, drawn at random for each object.

    Raises
    ------
    ClassifierError
        The split has no objects, no differences, or none with a pixel; or its stamps cannot be cut.
    """
    split.refuse_empty()
    refuse_without_differences(split)
    size_pix = split.size_pix if size_pix is None else size_pix
    check_cut(split.size_pix, size_pix)
    rows, epochs = drawn_alerts(split, 1, 1, seed)
    snr = _snr(split, epochs[:, 0], rows, size_pix)
    known = np.isfinite(snr).any(axis=(1, 2))
    if not known.any():
        raise ClassifierError(
            f"{split.path}/{split.name}: none of {len(split):,} objects has an alert with a pixel "
            "in its difference."
        )
    left_out = {"no alert": len(split) - rows.size, _NO_PIXEL: int((~known).sum())}
    return SnrStamps(
        snr[known],
        split.labels[rows[known]],
        rows[known],
        {why: n for why, n in left_out.items() if n},
    )


def _snr(split, epochs, rows, size_pix):
    """Stamps (object, row, column) of some objects, read block by block."""
    found = np.empty((rows.size, size_pix, size_pix), dtype=np.float32)
    first_pix = (split.size_pix - size_pix) // 2
    middle = slice(first_pix, first_pix + size_pix)
    for first, end in split.blocks():
        here = (rows >= first) & (rows < end)
        if not here.any():
            continue
        at, block = (rows[here] - first, epochs[here]), slice(first, end)
        values, mask, noise = (
            split.part(f"{_NAME}{suffix}", block)[at][:, middle, middle]
            for suffix in ("", "_mask", "_noise_adu")
        )
        with np.errstate(all="ignore"):
            snr = (values / noise).astype(np.float32)
        found[here] = np.where((mask == 0) & (noise > 0) & np.isfinite(snr), snr, np.nan)
    return found
