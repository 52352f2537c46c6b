"""Objects that are misclassified in most draws."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from classifier.dataset import DatasetSplit
from classifier.first_alerts import LastAlert
from classifier.image_selection import ImageSelection, SelectedSplit
from classifier.models.model_card import read_card
from classifier.models.registry import model_folder
from finetune.reports.few_shot_results import FewShot
from skyreel.errors import ClassifierError


class Misclassified(NamedTuple):
    """An object and how it is misclassified.

    ``wrong`` of ``tested`` draws give it another class, most often ``predicted_class`` with the
    mean ``probability`` over these; ``before`` and ``probability_before`` are the prediction of the
    model that was not adapted (None and NaN without one).
    """

    row: int
    object_id: str
    true_class: str
    predicted_class: str
    probability: float
    wrong: int
    tested: int
    before: str | None
    probability_before: float
    magnitude: float


def most_often_misclassified(
    few: FewShot, method: str, k: int, *, most: int = 24
) -> list[Misclassified]:
    """Objects misclassified after all images, in the largest share of draws first.

    Objects of equal shares come in the order of the probability of the wrong class.
    """
    draws = few.draws_of(method, k)
    tested = np.stack([draw.objects for draw in draws])
    final = np.stack([few.predictions_of(method, d).after(few.longest) for d in draws])
    predicted = final.argmax(axis=2)
    wrong = tested & (predicted != few.labels)
    share = wrong.sum(axis=0) / np.maximum(tested.sum(axis=0), 1)
    top = np.where(wrong, final.max(axis=2), 0.0).sum(axis=0) / np.maximum(wrong.sum(axis=0), 1)
    order = np.lexsort((-top, -share))[: min(most, int((share > 0).sum()))]
    return [_misclassified(few, method, row, predicted, final, wrong, tested) for row in order]


def _misclassified(few, method, row, predicted, final, wrong, tested):
    where = wrong[:, row]
    given = np.bincount(predicted[where, row], minlength=len(few.classes)).argmax()
    probability = final[where & (predicted[:, row] == given), row, given].mean()
    before, sure = None, np.nan
    if (method, 0, 0) in few.predictions:
        first = few.predictions[method, 0, 0].after(few.longest)[row]
        before, sure = few.classes[first.argmax()], float(first.max())
    return Misclassified(
        int(row),
        str(few.object_id[row]),
        few.classes[few.labels[row]],
        few.classes[given],
        float(probability),
        int(where.sum()),
        int(tested[:, row].sum()),
        before,
        sure,
        float(few.reference.magnitude[row]),
    )


def selected_as(split: DatasetSplit, few: FewShot) -> SelectedSplit:
    """A split with the images that the methods were given.

    The image selection is that of the run, else of the model's card, else the reference band.

    Raises
    ------
    ClassifierError
        The split has no exposures in the band.
    """
    try:
        selection = ImageSelection.of_dict(few.run.selection or _card(few.run)["selection"])
    except (ClassifierError, KeyError, TypeError, ValueError):
        selection = ImageSelection(images=split.longest, bands=(split.profile.reference_band,))
    selection = replace(selection, images=min(selection.images, few.longest))
    if alerts := few.record.get("first_alerts"):
        return LastAlert(split, selection, alerts)
    return SelectedSplit(split, selection)


def _card(run):
    return read_card(model_folder(run.model))
