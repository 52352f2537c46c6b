"""One object on one page: its images, its light curve, and what a model says after each image.

`classifier.reports.object_figure` draws it.
"""

from __future__ import annotations

import re
from dataclasses import fields, replace
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from classifier.dataset import DatasetSplit
from classifier.evaluation import Predictions
from classifier.features.pipeline import psf_of
from classifier.image_selection import SelectedSplit
from classifier.network_inputs import inputs_of
from classifier.photometry import Flag, PhotometrySettings, measure
from classifier.reports.object_figure import ObjectSummary, portrait
from classifier.reports.plot_style import DPI
from skyreel.atomic_files import whole_file
from skyreel.errors import ClassifierError


def rows_of(split: DatasetSplit, object_ids) -> list[int]:
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


def object_summary_path(out, object_id) -> Path:
    """Where the portrait of an object goes: beside the file of the predictions."""
    plain = re.sub(r"[^\w.+-]", "_", str(object_id))
    return Path(out).with_name(f"{Path(out).stem}_{plain}.png")


def draw_object_summary(path, shown: SelectedSplit, row: int, predictions: Predictions) -> None:
    """Write a PNG of one object.

    Parameters
    ----------
    path : path
    shown : SelectedSplit
        The split, as the model was shown it.
    row : int
        Of the object in the split; `rows_of` finds it.
    predictions : Predictions
        Of any model; they need not be of all objects, nor in their order. A model that leaves
        out images of no use (`classifier.network_inputs`) has fewer answers; they are carried
        forward.

    Raises
    ------
    ClassifierError
        The object has no images in the band, or other ones than were classified; or the
        survey's PSFs cannot be read.
    OutputError
        The place cannot be written.
    """
    figure = portrait(object_summary_of(shown, row, predictions))
    with whole_file(path) as unfinished:
        figure.savefig(unfinished, format="png", dpi=DPI)


def object_summary_of(shown: SelectedSplit, row: int, predictions: Predictions) -> ObjectSummary:
    """What is drawn of one object; arguments and errors are those of `draw_object_summary`."""
    split, name = shown.split, str(shown.split.object_ids[row])
    stamps = shown.stamps(row, row + 1)
    n = int(stamps.n_epochs[0])
    alone = inputs_of(_apart(stamps, n))
    found = np.flatnonzero(predictions.object_id.astype(str) == name)
    seen = int(predictions.n_images[found[0]]) if found.size else 0
    used = np.full(n, True) if seen == n else alone.n_images > 0
    if seen == 0 or used.sum() != seen:
        raise ClassifierError(
            f"{split.path}/{split.name}: object {name} has {n} images in the band "
            f"{shown.selection.band}, and predictions after {seen}; there is no portrait of it."
        )
    curves = measure(stamps, psf_of(split), PhotometrySettings(templates=0))
    label = int(predictions.label[found[0]])
    return ObjectSummary(
        name=name,
        survey=split.survey,
        band=shown.selection.band,
        day=stamps.mjd[0, :n] - stamps.mjd[0, 0],
        sigma=_in_sigma(alone),
        flux_njy=curves.flux_njy[0, :n],
        error_njy=curves.flux_error_njy[0, :n],
        saturated=(curves.flags[0, :n] & Flag.SATURATED) > 0,
        classes=predictions.classes,
        probabilities=_carried(predictions.probabilities[found[0]], used),
        true_class=predictions.classes[label] if label >= 0 else None,
    )


def _apart(stamps, n):
    """The first ``n`` images of the one object of ``stamps``, each as an object of its own."""
    arrays = {f.name: getattr(stamps, f.name) for f in fields(stamps)}
    cut = {k: v[0, :n, None] if v.ndim > 1 else np.repeat(v, n) for k, v in arrays.items()}
    return replace(stamps, **{**cut, "n_epochs": np.ones(n, dtype=np.int16)})


def _in_sigma(alone):
    """Images in units of their median noise, NaN where masked or of no use."""
    good = alone.n_images > 0
    usable = (alone.usable[:, 0] > 0) & good[:, None, None]
    noise_njy = np.median(alone.noise[good, 0]) if good.any() else 1.0
    return np.where(usable, alone.images[:, 0] / noise_njy, np.nan)


def _carried(probabilities, used):
    """Probabilities (image, class) at all images; one that was not used changes nothing."""
    last = np.cumsum(used) - 1
    return np.where(last[:, None] >= 0, probabilities[np.maximum(last, 0)], np.nan)
