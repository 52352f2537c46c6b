"""Which images of a sequence a model is given: chosen when it is trained, and kept in its card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from classifier.dataset import DatasetSplit, StampBatch
from skyreel.errors import ClassifierError

if TYPE_CHECKING:
    from survey_profiles.profile import Profile

IMAGES_BEFORE_ALERT = 5
STARTS = ("first", "alert")
_ROUNDING = 1.001
_STREAM = 20190301  # keeps these draws apart from others


@dataclass(frozen=True, kw_only=True)
class ImageSelection:
    """The images of a sequence that a model is given.

    Parameters
    ----------
    images : int
        Largest number of images of a sequence.
    start_fractions : tuple of float
        As in `SequenceStartDistribution`; empty: from the first image on.
    band : str
        Only images in this band.

    Raises
    ------
    ClassifierError
        Fewer than one image.
    """

    images: int = 22
    start_fractions: tuple[float, ...] = ()
    band: str = "g"

    def __post_init__(self):
        if self.images < 1:
            raise ClassifierError(f"--images {self.images}: at least one image is needed.")

    @classmethod
    def for_training(
        cls, split: DatasetSplit, *, start: str, band: str | None, images: int
    ) -> ImageSelection:
        """The selection of a model to be trained on a split.

        Parameters
        ----------
        split : DatasetSplit
        start : str
            "first", or "alert": from five images before the first alert on.
        band : str or None
            None: the survey's reference band.
        images : int
            Largest number of images of a sequence.

        Raises
        ------
        ClassifierError
            An unknown choice, or a band the data set lacks.
        """
        if start not in STARTS:
            raise ClassifierError(f"--start {start!r}; allowed: {', '.join(STARTS)}.")
        starts = SequenceStartDistribution()
        if start == "alert":
            starts = SequenceStartDistribution.fitted(split.first_alert_epoch, split.n_epochs)
        band = band or split.profile.reference_band
        _check_band(split, band)
        longest = min(images, max(split.longest, 1))
        return cls(images=longest, start_fractions=starts.fractions, band=band)

    def of(
        self, stamps: StampBatch, starts: np.ndarray, profile: Profile, bands: Sequence[str]
    ) -> StampBatch:
        """The selected images of stamps, from epoch ``starts`` (object,) on.

        Exposures of wider seeing than ``profile.seeing.max_fwhm_arcsec`` (and a thousandth, for
        rounding) are left out: the survey does not use them and simulations have none.
        """
        widest_fwhm_pix = profile.seeing.max_fwhm_arcsec / profile.camera.pixel_scale_arcsec
        return selected_images(
            stamps,
            starts,
            band=list(bands).index(self.band),
            longest=self.images,
            widest_fwhm_pix=_ROUNDING * widest_fwhm_pix,
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {**asdict(self), "start_fractions": list(self.start_fractions)}

    @classmethod
    def of_dict(cls, values: dict[str, Any]) -> Self:
        """A selection from what `as_dict` returned."""
        return cls(**{**values, "start_fractions": tuple(values["start_fractions"])})


class SelectedSplit:
    """The selected images of a split of a data set.

    Raises
    ------
    ClassifierError
        The split has no exposures in the band.
    """

    def __init__(self, split: DatasetSplit, selection: ImageSelection):
        _check_band(split, selection.band)
        self.split, self.selection = split, selection
        starts = SequenceStartDistribution(selection.start_fractions)
        self._starts = starts.starts(split.first_alert_epoch, split.n_epochs)

    def __len__(self) -> int:
        return len(self.split)

    def stamps(self, first: int, end: int) -> StampBatch:
        """Selected images of objects ``first`` to ``end``."""
        stamps, starts = self.split.stamps(first, end), self._starts[first:end]
        return self.selection.of(stamps, starts, self.split.profile, self.split.bands)


def _check_band(split, band):
    if band not in split.bands:
        known = ", ".join(split.bands)
        raise ClassifierError(f"{split.path} has the bands {known}, not {band!r}.")


@dataclass(frozen=True)
class SequenceStartDistribution:
    """Where sequences start, as sorted fractions of the last start that an alert allows.

    Without fractions every sequence starts at its first image.
    """

    fractions: tuple[float, ...] = ()

    @classmethod
    def fitted(
        cls, first_alert_epoch: np.ndarray, n_epochs: np.ndarray, *, longest: int = 256
    ) -> SequenceStartDistribution:
        """The distribution of the objects (object,) that have an alert.

        At most ``longest`` quantiles of it are kept.
        """
        alert, n_epochs = np.asarray(first_alert_epoch), np.asarray(n_epochs)
        found = np.sort((_starts(alert) / _latest(n_epochs))[alert >= 0])
        if found.size > longest:
            found = np.quantile(found, (np.arange(longest) + 0.5) / longest)
        return cls(tuple(float(value) for value in found))

    def starts(
        self,
        first_alert_epoch: np.ndarray,
        n_epochs: np.ndarray,
        objects: np.ndarray | None = None,
    ) -> np.ndarray:
        """First selected epoch of objects of a split, int (object,).

        The start of object i depends on its own alert and length, and on i. ``objects`` holds
        their increasing indices; by default they are the whole split.
        """
        alert, n_epochs = np.asarray(first_alert_epoch), np.asarray(n_epochs)
        if not self.fractions:
            return np.zeros(len(n_epochs), dtype=int)
        objects = np.arange(len(n_epochs)) if objects is None else np.asarray(objects)
        uniform = _uniform(objects)
        drawn = np.asarray(self.fractions)[(uniform * len(self.fractions)).astype(int)]
        other = np.minimum(np.rint(drawn * _latest(n_epochs)), np.maximum(n_epochs - 1, 0))
        return np.where(alert >= 0, _starts(alert), other.astype(int))


def _uniform(objects):
    """One number in [0, 1) for each of these increasing indices."""
    if not objects.size:
        return np.empty(0)
    first = int(objects[0])
    generator = np.random.Generator(np.random.PCG64(_STREAM).advance(first))
    return generator.random(int(objects[-1]) - first + 1)[objects - first]


def _starts(alert):
    return np.maximum(alert - IMAGES_BEFORE_ALERT, 0)


def _latest(n_epochs):
    """The last start of a sequence with an alert: one that comes in its last image."""
    return np.maximum(n_epochs - 1 - IMAGES_BEFORE_ALERT, 1)


def selected_images(
    stamps: StampBatch,
    starts: np.ndarray,
    *,
    band: int,
    longest: int,
    widest_fwhm_pix: float = np.inf,
) -> StampBatch:
    """Images from epoch ``starts`` (object,) on, in one band, at most ``longest`` per object.

    ``band`` is an index into the data set's bands; starts count images of all bands. Images of
    known seeing above ``widest_fwhm_pix`` are left out.
    """
    epoch = np.arange(stamps.mjd.shape[1])
    wanted = (epoch >= np.asarray(starts)[:, None]) & (epoch < stamps.n_epochs[:, None])
    wanted &= (stamps.band == band) & ~(stamps.seeing_fwhm_pix > widest_fwhm_pix)
    order = np.argsort(~wanted, axis=1, kind="stable")[:, :longest]
    return stamps.rearranged(order, np.minimum(wanted.sum(axis=1), longest))
