"""What every reader gives: one object's real stamps in order of time, or why there are none.

Axis order is (epoch, row, column). Values go by the names of the data set (docs/dataset.md); what
a survey does not tell is NaN, -1 or absent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from simulator.dataset.schema import ArraySpec
from skyreel.errors import IngestError, SequenceError

MAX_EPOCHS = 4096


@dataclass(frozen=True, kw_only=True)
class RealSequence:
    """The stamps of one object.

    Parameters
    ----------
    object_id : str
    class_name : str or None
        None where nobody has said what it is.
    source : str
        The file it was read from.
    images : float32, shape (epoch, row, column)
        Counts in ADU, sky included; NaN where there is no measurement.
    mask : uint8, shape (epoch, row, column)
        Bits of ``simulator.detector.defects.MASK_BITS``.
    epochs : dict of name to array of shape (epoch,)
        Must have ``mjd``, which increases.
    objects : dict of name to number or str
    notes : tuple of str
        What was left out or put right, one sentence each.
    more_images : dict of name to float32 array of the shape of ``images``
        Other images of the same pixels, such as templates; NaN where there are none.
    photometry : dict of column to array of shape (measurement,)
        Measurements that came along, also at times without a stamp: columns of
        ``readers.photometry.COLUMNS``. Empty where there are none.

    Raises
    ------
    SequenceError
        Shapes that disagree, no epochs or too many, times that do not increase.
    """

    object_id: str
    class_name: str | None
    source: str
    images: np.ndarray
    mask: np.ndarray
    epochs: dict[str, np.ndarray]
    objects: dict[str, object]
    notes: tuple[str, ...] = field(default=())
    more_images: dict[str, np.ndarray] = field(default_factory=dict)
    photometry: dict[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self):
        n_epochs = len(self.images)
        if not 1 <= n_epochs <= MAX_EPOCHS:
            raise SequenceError(f"it has {n_epochs} epochs; allowed are 1 to {MAX_EPOCHS}.")
        if self.images.ndim != 3 or self.mask.shape != self.images.shape:
            raise SequenceError(
                f"images {self.images.shape} and mask {self.mask.shape} must be (epoch, row, "
                "column) alike."
            )
        for name, images in self.more_images.items():
            if images.shape != self.images.shape:
                raise SequenceError(f"{name} {images.shape} and images {self.images.shape} differ.")
        for name, values in self.epochs.items():
            if np.shape(values) != (n_epochs,):
                raise SequenceError(
                    f"{name} has shape {np.shape(values)} where there are {n_epochs} epochs."
                )
        if not (np.isfinite(self.epochs["mjd"]).all() and (np.diff(self.epochs["mjd"]) > 0).all()):
            raise SequenceError("its times are not known, or do not increase.")

    @property
    def nbytes(self) -> int:
        """Bytes of its pixels and measurements."""
        parts = (self.images, self.mask, *self.more_images.values(), *self.photometry.values())
        return sum(part.nbytes for part in parts)


@dataclass(frozen=True)
class Skipped:
    """A file or object that was not taken, and why, in one sentence."""

    source: str
    reason: str


class Reader(Protocol):
    """One format of real sequences.

    ``extra`` describes the arrays it gives beyond those of docs/dataset.md; ask for it once
    ``files`` has been called.
    """

    name: str
    extra: tuple[ArraySpec, ...]

    def profile(self, survey: str | None):
        """The profile of the survey the user names, or else of the one that fits."""

    def files(self, path: Path) -> list[Path]:
        """The files to be read under ``path``, in a fixed order; IngestError if there are none."""

    def read(
        self, files: list[Path], profile, on_file: Callable[[float], None]
    ) -> Iterator[RealSequence | Skipped]:
        """Everything in ``files``, in the same order each time.

        ``on_file`` is told of shares of files that are done, 1 for a whole one. No file, however
        damaged, raises an error.
        """


def find_files(path: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """A file itself, or the files of a folder and of its subfolders, sorted by name.

    Raises
    ------
    IngestError
        Nothing there, or no file that ends like this.
    """
    path = Path(path)
    if not path.exists():
        raise IngestError(f"{path}: there is no such file or folder.")
    if not path.is_dir():
        return [path]
    try:
        inside = [*path.glob("*"), *path.glob("*/*")]
        found = sorted(f for f in inside if f.name.lower().endswith(suffixes) and f.is_file())
    except OSError as error:
        raise IngestError(f"{path} cannot be listed ({error.strerror}).") from error
    if not found:
        raise IngestError(
            f"{path} holds no {' or '.join('*' + s for s in suffixes)} file, neither itself nor "
            "in its subfolders."
        )
    return found


def printable(path: Path | str) -> str:
    """A path that can be stored and printed: bytes that are no text become question marks."""
    return str(path).encode(errors="replace").decode()


def border_sky_adu(images) -> np.ndarray:
    """Median of the outermost pixels of each image (epoch, row, column), NaN without one."""
    border = np.ones(images.shape[1:], dtype=bool)
    border[1:-1, 1:-1] = False
    pixels = np.ma.masked_invalid(images[:, border])
    return np.ma.median(pixels, axis=1).filled(np.nan)


def in_time_order(mjd, exposure_time_s) -> tuple[np.ndarray, tuple[str, ...]]:
    """Rows to keep, in order of time, and what was left out.

    Rows without a time or an exposure time go; of rows at one time the first stays, because
    networks and features divide by the time between epochs.

    Parameters
    ----------
    mjd, exposure_time_s : arrays of shape (row,)

    Raises
    ------
    SequenceError
        No row is left.
    """
    timed = np.isfinite(mjd)
    usable = np.flatnonzero(timed & np.isfinite(exposure_time_s) & (exposure_time_s > 0))
    if not usable.size:
        raise SequenceError("it has no epoch with a time and an exposure time.")
    order = usable[np.argsort(mjd[usable], kind="stable")]
    kept = order[np.diff(mjd[order], prepend=-np.inf) > 0]
    counts = {
        "without a time": np.count_nonzero(~timed),
        "without an exposure time": np.count_nonzero(timed) - usable.size,
        "at the time of another": order.size - kept.size,
    }
    left_out = ", ".join(f"{count} {why}" for why, count in counts.items() if count)
    notes = [f"epochs left out: {left_out}."] if left_out else []
    if (np.diff(order) < 0).any():
        notes.append("epochs put in order of time.")
    return kept, tuple(notes)
