"""Which images of a sequence a model is given: chosen when it is trained, and kept in its card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from classifier.dataset import PLANES, DatasetSplit
from classifier.stamp_batch import StampBatch
from skyreel.commands import split_list
from skyreel.errors import ClassifierError

if TYPE_CHECKING:
    from classifier.models.protocol import Model
    from survey_profiles.profile import Profile

IMAGES_BEFORE_ALERT = 5
MOST_IMAGES = 32_767
"""Images of a sequence where a model sets no limit: as many as a data set can count."""
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
    bands : tuple of str
        Only images in these bands; a model counts bands in this order.
    planes : tuple of str
        Read beside the science images: "template", "difference".

    Raises
    ------
    ClassifierError
        Fewer than one image, bands that are none or repeated, or an unknown plane.
    """

    images: int = 22
    start_fractions: tuple[float, ...] = ()
    bands: tuple[str, ...] = ("g",)
    planes: tuple[str, ...] = ()

    def __post_init__(self):
        if self.images < 1:
            raise ClassifierError(f"--images {self.images}: at least one image is needed.")
        if not self.bands or len(set(self.bands)) < len(self.bands):
            raise ClassifierError(f"bands {', '.join(self.bands) or 'none'}; name each once.")
        if not set(self.planes) <= set(PLANES) or len(set(self.planes)) < len(self.planes):
            raise ClassifierError(
                f"--planes {','.join(self.planes)}: name one or both of {', '.join(PLANES)}."
            )

    @property
    def multiband(self) -> bool:
        """Whether there are several bands."""
        return len(self.bands) > 1

    @property
    def band(self) -> str:
        """The bands as text."""
        return ", ".join(self.bands)

    @classmethod
    def for_training(
        cls,
        split: DatasetSplit,
        *,
        start: str,
        band: str | None,
        images: int,
        planes: Sequence[str] = (),
    ) -> ImageSelection:
        """The selection of a model to be trained on a split.

        Parameters
        ----------
        split : DatasetSplit
        start : str
            "first", or "alert": from five images before the first alert on.
        band : str or None
            One or several by comma; None: the survey's reference band.
        images : int
            Largest number of images of a sequence.
        planes : sequence of str
            Read beside the science images.

        Raises
        ------
        ClassifierError
            An unknown choice, or a band or plane the data set lacks.
        """
        if start not in STARTS:
            raise ClassifierError(f"--start {start!r}; allowed: {', '.join(STARTS)}.")
        starts = SequenceStartDistribution()
        if start == "alert":
            starts = SequenceStartDistribution.fitted(split.first_alert_epoch, split.n_epochs)
        bands = split_list(band) or (split.profile.reference_band,)
        longest = min(images, max(split.longest, 1))
        found = cls(
            images=longest, start_fractions=starts.fractions, bands=bands, planes=tuple(planes)
        )
        split.with_planes(found.planes)
        for band in bands:
            _check_bands(split, (band,))
        return found

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
            bands=[list(bands).index(band) if band in bands else None for band in self.bands],
            longest=self.images,
            widest_fwhm_pix=_ROUNDING * widest_fwhm_pix,
        )

    def without_limit(self) -> Self:
        """The same, however many images a sequence has."""
        return replace(self, images=MOST_IMAGES)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        found = asdict(self)
        lists = {key: list(found.pop(key)) for key in ("start_fractions", "bands", "planes")}
        if not lists["planes"]:  # as in versions without planes
            del lists["planes"]
        return {**found, **lists}

    @classmethod
    def of_dict(cls, values: dict[str, Any]) -> Self:
        """A selection from what `as_dict` returned, also in versions of one ``band``."""
        found = {key: value for key, value in values.items() if key != "band"}
        bands = tuple(found.get("bands") or (values["band"],))
        fractions = tuple(values["start_fractions"])
        planes = tuple(values.get("planes", ()))
        return cls(**{**found, "start_fractions": fractions, "bands": bands, "planes": planes})


class SelectedSplit:
    """The selected images of a split of a data set.

    Raises
    ------
    ClassifierError
        The split has no exposures in the band, or lacks a plane.
    """

    def __init__(self, split: DatasetSplit, selection: ImageSelection):
        _check_bands(split, selection.bands)
        self.split, self.selection = split.with_planes(selection.planes), selection
        starts = SequenceStartDistribution(selection.start_fractions)
        self._starts = starts.starts(split.first_alert_epoch, split.n_epochs, split.numbers)

    def __len__(self) -> int:
        return len(self.split)

    def stamps(self, first: int, end: int) -> StampBatch:
        """Selected images of objects ``first`` to ``end``."""
        stamps, starts = self.split.stamps(first, end), self._starts[first:end]
        return self.selection.of(stamps, starts, self.split.profile, self.split.bands)


def images_of(model: Model, split: DatasetSplit) -> SelectedSplit:
    """The images of a split that a model predicts from, one for each of its predictions.

    Raises
    ------
    ClassifierError
        As `SelectedSplit`.
    """
    if own := getattr(model, "images_of", None):
        return own(split)
    return SelectedSplit(split, model.prediction_selection)


def _check_bands(split, bands):
    """Refuse a split without a band of a model; of several bands, one is enough."""
    missing = [band for band in bands if band not in split.bands]
    if len(missing) == len(bands):
        known = ", ".join(split.bands)
        raise ClassifierError(f"{split.path} has the bands {known}, not {', '.join(missing)!r}.")


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
    bands: Sequence[int | None],
    longest: int,
    widest_fwhm_pix: float = np.inf,
) -> StampBatch:
    """Images from epoch ``starts`` (object,) on, in some bands, at most ``longest`` per object.

    ``bands`` are indices into the data set's bands, None for one it lacks; those of the selected
    images count in this order. Starts count images of all bands. Images of known seeing above
    ``widest_fwhm_pix`` are left out.
    """
    epoch = np.arange(stamps.mjd.shape[1])
    place = np.full(max(int(stamps.band.max(initial=0)), *(b or 0 for b in bands)) + 1, -1)
    for k, band in enumerate(bands):
        if band is not None:
            place[band] = k
    band = place[stamps.band.astype(np.int64)]
    wanted = (epoch >= np.asarray(starts)[:, None]) & (epoch < stamps.n_epochs[:, None])
    wanted &= (band >= 0) & ~(stamps.seeing_fwhm_pix > widest_fwhm_pix)
    order = np.argsort(~wanted, axis=1, kind="stable")[:, :longest]
    stamps = replace(stamps, band=np.maximum(band, 0).astype(np.uint8))
    return stamps.rearranged(order, np.minimum(wanted.sum(axis=1), longest))
