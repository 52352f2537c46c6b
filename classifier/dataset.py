"""Sequences of a data set, simulated or real, with what is known of each exposure.

Of the true parameters of a simulation only the label and the first alert pass through here. Axis
order is (object, epoch, row, column).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from classifier.stamp_batch import StampBatch, plane_arrays, stamp_batch_of
from simulator import options as simulator_options
from simulator.dataset.metadata import NEEDED_BY_EPOCH, NEEDED_BY_OBJECT
from simulator.dataset.reader import open_dataset, stored_profile
from simulator.dataset.writer import CHUNK_OBJECTS
from skyreel.console import first_names
from skyreel.errors import ClassifierError, SimulationError
from survey_profiles.physical_ranges import PHYSICAL_RANGES, as_mjd, known

if TYPE_CHECKING:
    from survey_profiles.profile import Profile

BLOCK_OBJECTS = 1024
BLOCK_PIXELS = 65_536 * 21**2
"""Pixels in memory at a time, padded ones too, if blocks of `CHUNK_OBJECTS` have no more."""
PLANES = simulator_options.PLANES[1:]  # beside the science images
SPLITS = ("train", "validation", "test")
_MEASURED = (*NEEDED_BY_EPOCH[2:], *NEEDED_BY_OBJECT[3:])
_UNTIMED = "left out, as their times are unknown or do not increase"


class DatasetSplit:
    """One split of a data set, checked when it is opened.

    Parameters
    ----------
    path : path
    name : str
        "train", "validation" or "test".

    Raises
    ------
    ClassifierError
        There is no such data set or split, it was not finished, or it is damaged.
    """

    measures_magnitudes: bool = True
    """Whether networks measure the magnitudes of its objects beside their predictions."""
    numbers: np.ndarray | None = None
    """Increasing numbers of the objects, (object,); None: 0, 1, 2, ..."""
    planes: tuple[str, ...] = ()
    """Planes that are read beside the science images, of `PLANES`."""

    def __init__(self, path: str | Path, name: str):
        self.path, self.name = path, name
        self._assumed_fwhm_pix: float | None = None
        try:
            root = open_dataset(path, name)
        except SimulationError as error:
            raise ClassifierError(str(error)) from None
        if name not in root:
            known = ", ".join(split for split in SPLITS if split in root)
            raise ClassifierError(f"{path} has no split {name!r}; it has {known or 'none'}.")
        self._group = root[name]
        self._noted: dict[str, set[int]] = {}
        self.attributes = dict(root.attrs)
        self.classes = tuple(self.attributes["classes"])
        self.bands = tuple(self.attributes["bands"])
        self.survey = str(self.attributes.get("survey", "unknown"))
        self.labels = self._labels()
        self.n_epochs = self._lengths()
        self.first_alert_epoch = self._alerts()

    def _labels(self):
        labels = self._group["label"][:].astype(int)
        return np.where((labels >= 0) & (labels < len(self.classes)), labels, -1)

    def _lengths(self):
        """Images of every object; 0 where the data set states what it cannot hold."""
        n_epochs = self._group["n_epochs"][:].astype(int)
        wrong = (n_epochs < 0) | (n_epochs > self.longest)
        self._note("left out, as their number of images is wrong", np.flatnonzero(wrong))
        return np.where(wrong, 0, n_epochs)

    def _alerts(self):
        alerts = self._group["first_alert_epoch"][:].astype(int)
        wrong = (alerts < -1) | (alerts >= self.longest)
        self._note("without an alert, as theirs is not among their images", np.flatnonzero(wrong))
        return np.where(wrong, -1, alerts)

    def _note(self, what, rows):
        for row in rows:
            self._noted.setdefault(what, set()).add(int(row))

    def notes(self) -> list[str]:
        """What was left out or unknown in the objects read so far, one sentence each."""
        return [
            f"{self.path}/{self.name}: {len(rows):,} objects {what}: "
            f"{first_names(self.object_ids[row] for row in sorted(rows))}."
            for what, rows in sorted(self._noted.items())
        ]

    def __len__(self) -> int:
        return self._group["images"].shape[0]

    @property
    def longest(self) -> int:
        """Epochs of the longest sequence."""
        return self._group["images"].shape[1]

    @property
    def size_pix(self) -> int:
        """Rows and columns of a stamp."""
        return self._group["images"].shape[2]

    @cached_property
    def profile(self) -> Profile:
        """The survey profile that the data were simulated with, or the survey that took them."""
        try:
            return stored_profile(open_dataset(self.path, self.name))
        except SimulationError as error:
            raise ClassifierError(str(error)) from None

    @cached_property
    def object_ids(self) -> np.ndarray:
        """Names of the objects; their numbers where they have none."""
        if "object_id" in self._group:
            return np.array(self._group["object_id"][:].tolist(), dtype=str)
        return np.arange(len(self)).astype(f"U{len(str(len(self)))}")

    def values(self, name: str) -> np.ndarray | None:
        """An array of the split, whole; None where it has no such array."""
        return self._group[name][:] if name in self._group else None

    def part(self, name: str, rows: slice) -> np.ndarray:
        """Some rows of an array that the split has."""
        return self._group[name][rows]

    def n_images(self, bands: Sequence[str]) -> np.ndarray:
        """Epochs of every object in these bands, int (object,)."""
        wanted = [k for k, name in enumerate(self.bands) if name in bands]
        found = np.isin(self._group["band"][:], wanted)
        return (found & (np.arange(self.longest) < self.n_epochs[:, None])).sum(axis=1)

    def refuse_empty(self) -> None:
        """Check that there is an object.

        Raises
        ------
        ClassifierError
        """
        if not len(self):
            raise ClassifierError(f"{self.path}/{self.name} has no objects.")

    def labels_among(
        self, classes: tuple[str, ...], parts: Mapping[str, Sequence[str]] | None = None
    ) -> np.ndarray:
        """Labels as indices into a model's classes, -1 where an object has none.

        ``parts`` are the classes that some classes of the model consist of.

        Raises
        ------
        ClassifierError
            Objects of a class that is not among them.
        """
        merged = {part: name for name, names in (parts or {}).items() for part in names}
        own = [merged.get(name, name) for name in self.classes]
        used = {own[label] for label in np.unique(self.labels) if label >= 0}
        unknown = sorted(used - set(classes))
        if unknown:
            raise ClassifierError(
                f"{self.path} has objects of the class {', '.join(unknown)}; the classes of "
                f"the model are {', '.join(classes)}."
            )
        place = [classes.index(name) if name in classes else -1 for name in own]
        return np.array([*place, -1])[self.labels]

    def blocks(self, size: int = BLOCK_OBJECTS) -> Iterator[tuple[int, int]]:
        """(first, end) of consecutive blocks of objects.

        Blocks have ``size`` objects, fewer where sequences are long or stamps are large
        (`BLOCK_PIXELS`).
        """
        pixels = max(self.longest, 1) * self.size_pix**2 * (1 + len(self.planes))
        chunks = BLOCK_PIXELS // (CHUNK_OBJECTS * pixels)
        size = min(size, CHUNK_OBJECTS * max(chunks, 1))
        for first in range(0, len(self), size):
            yield first, min(first + size, len(self))

    def stamps(self, first: int, end: int) -> StampBatch:
        """Objects ``first`` to ``end``.

        Values outside `PHYSICAL_RANGES` are unknown (NaN), and Julian dates become MJD. An object
        whose times are unknown or do not increase, or whose bands the data set lacks, has no
        images. `notes` names the objects.

        Raises
        ------
        ClassifierError
            No object of these has times that are known and increase.
        """
        rows = slice(first, end)
        arrays = {name: self._group[name][rows] for name in (*NEEDED_BY_EPOCH, *NEEDED_BY_OBJECT)}
        arrays["n_epochs"] = self.n_epochs[rows].astype(np.int16)
        used = np.arange(self.longest) < self.n_epochs[rows, None]
        arrays |= self._known_values(arrays, used, first)
        self._leave_out(arrays, used, first)
        images, mask = self._group["images"][rows], self._group["mask"][rows]
        planes = {name: self._group[name][rows] for name in plane_arrays(self.planes)}
        stamps = stamp_batch_of(images, mask, {**arrays, **planes}, self.profile, self.planes)
        if self._assumed_fwhm_pix is None:
            return stamps
        return replace(stamps, assumed_fwhm_pix=np.full(len(stamps), self._assumed_fwhm_pix))

    def _known_values(self, arrays, used, first):
        """Values of `_MEASURED` within their ranges, NaN for others, and times as MJD."""
        found = {}
        for name in _MEASURED:
            values = arrays[name]
            allowed, used_here = known(name, values), used if values.ndim > 1 else True
            wrong = np.isnan(allowed) & ~np.isnan(values)
            if wrong.any():
                rows = (wrong & used_here).reshape(len(values), -1).any(axis=1)
                what = f"with {name} outside {PHYSICAL_RANGES[name]}, which is unknown"
                self._note(what, first + np.flatnonzero(rows))
                found[name] = np.where(wrong, np.nan, values).astype(values.dtype)
        mjd, n_julian = as_mjd(arrays["mjd"])
        if n_julian:
            dates = ~np.isnan(mjd) & (mjd != arrays["mjd"])
            self._note(
                "whose times are Julian dates, taken as MJD",
                first + np.flatnonzero((dates & used).any(axis=1)),
            )
        return {**found, "mjd": mjd}

    def _leave_out(self, arrays, used, first):
        mjd, steps = arrays["mjd"], np.diff(arrays["mjd"], axis=1)
        wrong = ~np.isfinite(mjd) & used
        wrong[:, 1:] |= used[:, 1:] & ~(steps > 0)
        untimed = wrong.any(axis=1)
        unbanded = ((arrays["band"] >= len(self.bands)) & used).any(axis=1)
        self._note(_UNTIMED, first + np.flatnonzero(untimed))
        self._note(
            "left out, as their bands are not of the survey", first + np.flatnonzero(unbanded)
        )
        arrays["n_epochs"] = np.where(untimed | unbanded, 0, arrays["n_epochs"])

    def with_planes(self, planes: Sequence[str]) -> Self:
        """The same split, with planes of `PLANES` read beside the science images.

        Raises
        ------
        ClassifierError
            The data set lacks them.
        """
        missing = [name for name in planes if name not in self._group]
        if missing:
            raise ClassifierError(
                f"{self.path} has no {' and no '.join(missing)} images; "
                f"`simulate --planes science,{','.join(planes)}` makes them."
            )
        other = copy(self)
        other.planes = tuple(planes)
        return other

    def assuming(self, fwhm_pix: float) -> Self:
        """The same split, with another seeing assumed where none is known (FWHM in pixels)."""
        other = copy(self)
        other._assumed_fwhm_pix = fwhm_pix
        return other

    def unlabelled(self, rows: np.ndarray) -> Self:
        """The same split, without the labels of some objects, bool (object,)."""
        other = copy(self)
        other.labels = np.where(rows, -1, self.labels)
        return other
