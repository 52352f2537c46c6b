"""The protocol of readers: files of a survey become the real stamps of one object, in time order.

Axis order is (epoch, row, column). Values have the names of the data set
(docs/reference/data_layout.md); what is unknown is NaN, -1 or absent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from simulator.dataset.schema import EPOCHS, OBJECTS, ArraySpec
from skyreel import console
from skyreel.errors import IngestError, SequenceError
from survey_profiles.profile import Profile

MAX_EPOCHS = 4096
_LONGEST = 1000
OnFile = Callable[[float], None]
_PUBLISHED = "published light curve (supernovae: of differences); NaN where none"
PUBLISHED_FLUX = (
    ArraySpec("published_flux_adu", EPOCHS, "float32", "adu", _PUBLISHED),
    ArraySpec(
        "published_flux_error_adu", EPOCHS, "float32", "adu", "its standard error; NaN where none"
    ),
)
FIELD = ArraySpec("field", OBJECTS, "int32", "", "number of the field; -1 where unknown")
CCD_NUMBER = ArraySpec(
    "ccd_number", OBJECTS, "int16", "", "the camera's own number of the CCD; -1 where unknown"
)


@dataclass(frozen=True, kw_only=True)
class RealSequence:
    """The stamps of one object.

    Parameters
    ----------
    object_id : str
    class_name : str or None
        None: unlabelled.
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
        What was left out or corrected, one sentence each.
    more_images : dict of name to array of the shape of ``images``
        Other images of the same pixels, such as templates (float32, NaN where there is none),
        and their masks (uint8).
    photometry : dict of column to array of shape (measurement,)
        Published photometry, also at times without a stamp: the columns
        ``alert_photometry.COLUMNS``. Empty where there is none.
    left_out : dict of str to int
        Number of epochs that were left out, by reason.

    Raises
    ------
    SequenceError
        Shapes disagree, there are no epochs or too many, or times do not increase.
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
    left_out: dict[str, int] = field(default_factory=dict)

    def __post_init__(self):
        n_epochs = len(self.images)
        if not 1 <= n_epochs <= MAX_EPOCHS:
            raise SequenceError(f"it has {n_epochs} epochs; allowed are 1 to {MAX_EPOCHS}.")
        if self.images.ndim != 3 or self.mask.shape != self.images.shape:
            raise SequenceError(
                f"images {self.images.shape} and mask {self.mask.shape} must be (epoch, row, "
                "column) both."
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
    """A file or object that was left out, and why, in one sentence."""

    source: str
    reason: str


class Reader(Protocol):
    """One format of real sequences.

    To add a format, write a module with a class that has these members, and add it to the registry
    in `finetune.readers`. `finetune.readers.fits_cube` is a complete example. ``ingest`` calls
    `files`, then `profile`, then `read` once or, for large inputs, twice.

    Attributes
    ----------
    name : str
        As ``--from`` takes it.
    extra : tuple of ArraySpec
        Arrays beyond those of docs/reference/data_layout.md; valid once `files` was called.
    """

    name: str
    extra: tuple[ArraySpec, ...]

    def files(self, path: Path) -> list[Path]:
        """The files under ``path`` to be read, in a fixed order; IngestError if there are none."""

    def profile(self, survey: str | None) -> Profile:
        """The profile of ``survey``, by name or file; the one of the format if it is None."""

    def read(
        self, files: list[Path], profile: Profile, on_file: OnFile
    ) -> Iterator[RealSequence | Skipped]:
        """Everything in ``files``, in the same order at every call.

        ``on_file`` is called with shares of files that are done, 1 for a whole one. Damaged files
        and objects raise no error: they are given as `Skipped`.
        """


def find_files(path: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """A file itself, or the files with a suffix in a folder and its subfolders, sorted by name.

    Raises
    ------
    IngestError
        There is nothing at ``path``, or no such file.
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


def stored_name(path: Path | str) -> str:
    """A path or name as text that can be stored and printed.

    Bytes that cannot be decoded become question marks, control characters their escapes; of very
    long ones the middle is left out.
    """
    text = console.printable(str(path).encode(errors="replace").decode())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]}...{text[-_LONGEST // 2 :]}"


def border_sky_adu(images: np.ndarray) -> np.ndarray:
    """Median of the outermost pixels of each image (epoch, row, column), in ADU; NaN: none."""
    border = np.ones(images.shape[1:], dtype=bool)
    border[1:-1, 1:-1] = False
    pixels = np.ma.masked_invalid(images[:, border])
    return np.ma.median(pixels, axis=1).filled(np.nan)


def in_time_order(
    mjd: np.ndarray, exposure_time_s: np.ndarray, has_band: np.ndarray | None = None
) -> tuple[np.ndarray, dict[str, int], tuple[str, ...]]:
    """Rows to keep, in order of time, how many were left out by reason, and notes.

    Rows without a time, an exposure time or a band are left out. Of rows at one time the first is
    kept, because networks and features divide by the time between epochs.

    Parameters
    ----------
    mjd, exposure_time_s : shape (row,)
    has_band : bool, shape (row,), or None
        None: all have one.

    Raises
    ------
    SequenceError
        No row is left.
    """
    timed = np.isfinite(mjd)
    exposed = timed & np.isfinite(exposure_time_s) & (exposure_time_s > 0)
    has_band = np.ones_like(timed) if has_band is None else has_band
    usable = np.flatnonzero(exposed & has_band)
    if not usable.size:
        raise SequenceError("it has no epoch with a time and an exposure time.")
    order = usable[np.argsort(mjd[usable], kind="stable")]
    kept = order[np.diff(mjd[order], prepend=-np.inf) > 0]
    counts = {
        "without a time": np.count_nonzero(~timed),
        "without an exposure time": np.count_nonzero(timed & ~exposed),
        "of a band that the survey does not have": np.count_nonzero(exposed & ~has_band),
        "at the time of another": order.size - kept.size,
    }
    left_out = {why: int(count) for why, count in counts.items() if count}
    words = ", ".join(f"{count} {why}" for why, count in left_out.items())
    notes = [f"epochs left out: {words}."] if left_out else []
    if (np.diff(order) < 0).any():
        notes.append("epochs put in order of time.")
    return kept, left_out, tuple(notes)
