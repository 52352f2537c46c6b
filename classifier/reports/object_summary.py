"""One object as it is reported: its images, its light curve, and its class probabilities."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches

import numpy as np

from classifier.dataset import DatasetSplit
from classifier.evaluation.predictions import Predictions
from classifier.features.pipeline import psf_of
from classifier.image_selection import SelectedSplit
from classifier.network_inputs import inputs_of
from classifier.photometry import Flag, PhotometrySettings, measure
from skyreel.errors import ClassifierError

_DETECTED = 3.0  # signal-to-noise of a detection
_LEAST_WHITE_SIGMA = 15.0


@dataclass(frozen=True)
class ObjectSummary:
    """An object: its images, its light curve, and its class probabilities after every image.

    ``sigma`` holds the images in units of their median noise. Masked pixels are NaN, and so are
    fluxes that could not be measured. ``true_class`` is None where it is not known.
    """

    name: str
    survey: str
    band: str
    day: np.ndarray
    sigma: np.ndarray
    flux_njy: np.ndarray
    error_njy: np.ndarray
    saturated: np.ndarray
    classes: tuple[str, ...]
    probabilities: np.ndarray
    true_class: str | None

    @property
    def predicted(self) -> int:
        """Number of the class that is most probable after all images."""
        return int(self.probabilities[-1].argmax())

    @property
    def detected(self) -> np.ndarray:
        """Images whose flux is at least three times its error, bool (image,)."""
        with np.errstate(invalid="ignore"):
            return self.flux_njy >= _DETECTED * self.error_njy

    @property
    def white_sigma(self) -> float:
        """Upper end of the stretch of the images: the brightest pixel near the centre."""
        size = self.sigma.shape[-1]
        near = slice(size // 4, size - size // 4)
        return float(np.nanmax(np.append(self.sigma[:, near, near], _LEAST_WHITE_SIGMA)))


def rows_of(split: DatasetSplit, object_ids: Iterable[str]) -> list[int]:
    """Rows of a split that hold these objects, named by text.

    Raises
    ------
    ClassifierError
        There is no such object.
    """
    split.refuse_empty()
    place = {str(name): row for row, name in enumerate(split.object_ids)}
    for name in map(str, object_ids):
        if name not in place:
            near = get_close_matches(name, place, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"The first is {next(iter(place))!r}."
            raise ClassifierError(
                f"{split.path}/{split.name} has no object {name!r} among its {len(place):,}. {hint}"
            )
    return [place[str(name)] for name in object_ids]


def object_summary_of(selected: SelectedSplit, row: int, predictions: Predictions) -> ObjectSummary:
    """The images, the light curve and the class probabilities of one object.

    Parameters
    ----------
    selected : SelectedSplit
        With the images that the model was given.
    row : int
        Of the object in the split; `rows_of` finds it.
    predictions : Predictions
        In any order. A model that leaves out unusable images (no calibration, or fewer than half
        of the pixels) has fewer of them; they are carried forward.

    Raises
    ------
    ClassifierError
        The object has no images in the band, or not those classified; or no PSF can be read.
    """
    split, name = selected.split, str(selected.split.object_ids[row])
    stamps = selected.stamps(row, row + 1)
    n = int(stamps.n_epochs[0])
    alone = inputs_of(_one_by_one(stamps, n))
    found = np.flatnonzero(predictions.object_id.astype(str) == name)
    seen = int(predictions.n_images[found[0]]) if found.size else 0
    curves = measure(stamps, psf_of(split), PhotometrySettings(templates=0))
    measured = np.isfinite(curves.flux_njy[0, :n])
    where = f"{split.path}/{split.name}: object {name}"
    used = _used_images(alone.n_images > 0, measured, seen, where, selected)
    label = int(predictions.label[found[0]])
    return ObjectSummary(
        name=name,
        survey=split.survey,
        band=selected.selection.band,
        day=stamps.mjd[0, :n] - stamps.mjd[0, 0],
        sigma=_in_sigma(alone),
        flux_njy=curves.flux_njy[0, :n],
        error_njy=curves.flux_error_njy[0, :n],
        saturated=(curves.flags[0, :n] & Flag.SATURATED) > 0,
        classes=predictions.classes,
        probabilities=_carried(predictions.of(found[:1]).probabilities[0], used),
        true_class=predictions.classes[label] if label >= 0 else None,
    )


def _used_images(counted, measured, seen, name, selected):
    """Which images the model classified, bool (image,).

    All; or those a network counts; or of these, for a forest, from the first measured one on.
    """
    n = counted.size
    from_first = counted & (np.cumsum(counted & measured) > 0)
    options = (np.full(n, True), counted, from_first)
    used = next((option for option in options if option.sum() == seen), None)
    if not seen or used is None:
        raise ClassifierError(
            f"{name} has {n} images in the band {selected.selection.band}, and predictions after "
            f"{seen}; there is no object summary."
        )
    return used


def _one_by_one(stamps, n):
    """The first ``n`` images of the one object of ``stamps``, each as an object of its own."""
    arrays = stamps.arrays()
    cut = {k: v[0, :n, None] if v.ndim > 1 else np.repeat(v, n) for k, v in arrays.items()}
    return replace(stamps, **{**cut, "n_epochs": np.ones(n, dtype=np.int16)})


def _in_sigma(alone):
    """Images in units of their median noise, NaN where masked or unusable."""
    good = alone.n_images > 0
    usable = (alone.usable[:, 0] > 0) & good[:, None, None]
    noise_njy = np.median(alone.noise[good, 0]) if good.any() else 1.0
    return np.where(usable, alone.images[:, 0] / noise_njy, np.nan)


def _carried(probabilities, used):
    """Probabilities (image, class) at all images; one that was not used changes nothing."""
    last = np.cumsum(used) - 1
    return np.where(last[:, None] >= 0, probabilities[np.maximum(last, 0)], np.nan)


def summaries_of(
    selected: SelectedSplit, predictions: Predictions, names: Iterable[str]
) -> dict[str, ObjectSummary]:
    """Summaries of objects by their names; those that cannot be made are left out."""
    found = {}
    for name in names:
        try:
            (row,) = rows_of(selected.split, [name])
            found[name] = object_summary_of(selected, row, predictions)
        except ClassifierError:
            continue
    return found
