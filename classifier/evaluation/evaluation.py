"""Evaluation of predictions: all scores by number of images and by magnitude, with errors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from classifier.evaluation.bootstrap import PackedWeights, estimate_and_error
from classifier.evaluation.magnitude_bins import (
    MatchedRecall,
    bin_of,
    magnitude_bins,
    matched_recall,
)
from classifier.evaluation.metrics import (
    CALIBRATION_BINS,
    SCALARS,
    Scores,
    calibration_bin,
    contributions,
    ratio,
    scores_of,
    weighted_sums,
)
from classifier.evaluation.predictions import Predictions, after
from classifier.evaluation.real_bogus import BOGUS, SCORES, RealBogus, real_bogus
from classifier.evaluation.stored_predictions import StoredPredictions
from skyreel.errors import EvaluationError


class Estimate(NamedTuple):
    """A number and its standard error, NaN where undefined."""

    value: float
    error: float


@dataclass(frozen=True)
class Calibration:
    """Accuracy in bins of the largest probability, after all images.

    ``low`` and ``high`` are the edges; all arrays are (bin,), NaN where a bin is empty.
    """

    low: np.ndarray
    high: np.ndarray
    n_objects: np.ndarray
    mean_probability: np.ndarray
    accuracy: np.ndarray
    accuracy_error: np.ndarray


@dataclass(frozen=True)
class Evaluation:
    """Scores of one set of predictions; docs/explanation/evaluation.md defines them.

    Attributes
    ----------
    classes : tuple of str
    images : numpy.ndarray of int, shape (k,)
        1, 2, ... up to the images of the longest sequence.
    n_with_k : numpy.ndarray of int, shape (k,)
        Objects with at least this many images; probabilities of the others are carried forward.
    by_images, by_images_error : Scores
        Arrays (k, ...).
    magnitude_bins : numpy.ndarray, shape (bin, 2)
    by_magnitude, by_magnitude_error : Scores
        After all images, arrays (bin, ...).
    matched : MatchedRecall or None
    calibration : Calibration
    real_bogus : RealBogus or None
        By magnitude in ``magnitude_bins``; None for a model without the class BOGUS.
    n_objects, n_unlabelled, n_without_images, n_without_magnitude : int
        Objects evaluated; excluded without a label; excluded with a label but without an
        image; evaluated without a known magnitude.
    n_bootstrap, seed : int
    stratified : bool
    """

    classes: tuple[str, ...]
    images: np.ndarray
    n_with_k: np.ndarray
    by_images: Scores
    by_images_error: Scores
    magnitude_bins: np.ndarray
    by_magnitude: Scores
    by_magnitude_error: Scores
    matched: MatchedRecall | None
    calibration: Calibration
    real_bogus: RealBogus | None
    n_objects: int
    n_unlabelled: int
    n_without_images: int
    n_without_magnitude: int
    n_bootstrap: int
    seed: int
    stratified: bool

    @property
    def final(self) -> Scores:
        """Scores after all images."""
        return self.by_images.at(-1)

    @property
    def final_error(self) -> Scores:
        """Errors of ``final``."""
        return self.by_images_error.at(-1)

    def summary(self) -> dict[str, Estimate]:
        """Scores after all images by name, with ``recall_<CLASS>`` and the matched recall.

        Of a model with the class BOGUS also ``real_accuracy``, ``real_precision``,
        ``real_recall``, ``real_f1`` and ``fnr_at_fpr_<RATE>``.
        """
        final, error, matched = self.final, self.final_error, self.matched
        found = {
            name: Estimate(float(getattr(final, name)), float(getattr(error, name)))
            for name in SCALARS
        }
        found["matched_mean_recall"] = (
            Estimate(matched.mean_recall, matched.mean_recall_error)
            if matched
            else Estimate(np.nan, np.nan)
        )
        for k, name in enumerate(self.classes):
            found[f"recall_{name}"] = Estimate(float(final.recall[k]), float(error.recall[k]))
        return {**found, **_of_real_detections(self.real_bogus)}


def _of_real_detections(scores):
    """Scores of real detections by name: ``real_recall``, ``fnr_at_fpr_0.001``."""
    if scores is None:
        return {}
    values, errors = scores.total.values, scores.total.errors
    found = {f"real_{k}": Estimate(float(values[k]), float(errors[k])) for k in SCORES}
    key = "false_negative_rate"
    each = zip(scores.false_positive_rates, values[key], errors[key], strict=True)
    return found | {f"fnr_at_fpr_{r:g}": Estimate(float(v), float(e)) for r, v, e in each}


def evaluate(
    predictions: Predictions | StoredPredictions,
    *,
    n_bootstrap: int = 200,
    seed: int = 0,
    magnitude_edges: ArrayLike | None = None,
    stratified: bool = False,
) -> Evaluation:
    """Score predictions by number of images and by magnitude.

    The result does not depend on the order of the objects. Two models with predictions for the
    same objects have the same resamples.

    Parameters
    ----------
    predictions : Predictions or StoredPredictions
    n_bootstrap : int
        Resamples of the objects; with 0 there are no errors (NaN).
    seed : int
    magnitude_edges : sequence of float, optional
        Default: whole magnitudes with at least 20 objects.
    stratified : bool
        Resample every class separately, keeping its number of objects.

    Raises
    ------
    EvaluationError
        No object has a label and an image, or an argument is out of range.

    Examples
    --------
    >>> from classifier.evaluation import read_predictions
    >>> evaluation = evaluate(read_predictions("predictions.parquet"))
    >>> 0 <= evaluation.summary()["accuracy"].value <= 1
    True
    """
    if n_bootstrap < 0 or seed < 0:
        raise EvaluationError(f"n_bootstrap {n_bootstrap}, seed {seed}; neither may be negative.")
    kept = _scorable(predictions)
    strata = kept.label if stratified else np.zeros(len(kept), dtype=int)
    weights = PackedWeights(strata, n_bootstrap=n_bootstrap, seed=seed)
    images = np.arange(1, kept.longest + 1)
    by_images, by_images_error = estimate_and_error(scores_after(kept, images, weights))
    bins = magnitude_bins(kept.magnitude, magnitude_edges)
    resampled = _by_magnitude(kept, bins, weights)
    by_magnitude, by_magnitude_error = estimate_and_error(resampled)
    labelled = int((predictions.label >= 0).sum())
    return Evaluation(
        classes=kept.classes,
        images=images,
        n_with_k=(kept.n_images[:, None] >= images).sum(axis=0),
        by_images=by_images,
        by_images_error=by_images_error,
        magnitude_bins=bins,
        by_magnitude=by_magnitude,
        by_magnitude_error=by_magnitude_error,
        matched=matched_recall(resampled),
        calibration=_calibration(kept),
        real_bogus=_real_bogus(kept, weights, bins),
        n_objects=len(kept),
        n_unlabelled=len(predictions) - labelled,
        n_without_images=labelled - len(kept),
        n_without_magnitude=int((~np.isfinite(kept.magnitude)).sum()),
        n_bootstrap=n_bootstrap,
        seed=seed,
        stratified=stratified,
    )


def _scorable(predictions):
    """Objects with a label and an image, in the order of their names."""
    order = np.argsort(predictions.object_id, kind="stable")
    usable = (predictions.label >= 0) & (predictions.n_images > 0)
    kept = predictions.of(order[usable[order]])
    if not len(kept):
        raise EvaluationError(
            f"predictions: none of {len(predictions)} objects has both a label and an image; "
            "there is nothing to evaluate."
        )
    return kept


def scores_after(
    predictions: Predictions | StoredPredictions, images: Iterable[int], weights: PackedWeights
) -> Scores:
    """Scores (1 + n_bootstrap, k) after numbers of images (k,) in all resamples.

    Every object has a label; ``weights`` are of the same objects.
    """
    n_classes, sums = len(predictions.classes), 0.0
    for rows, probabilities in predictions.blocks():
        label, n_images = predictions.label[rows], predictions.n_images[rows]
        resampled = weights.of(rows)
        added = (contributions(after(probabilities, n_images, k), label) for k in images)
        each = [weighted_sums(one, resampled, n_classes)[:, 0] for one in added]
        sums = sums + np.stack(each, axis=1)
    return scores_of(sums, n_classes)


def _by_magnitude(kept, bins, weights):
    n_classes, sums, longest = len(kept.classes), 0.0, kept.longest
    group = bin_of(kept.magnitude, bins)
    for rows, probabilities in kept.blocks():
        final = after(probabilities, kept.n_images[rows], longest)
        added = contributions(final, kept.label[rows], group[rows], len(bins))
        sums = sums + weighted_sums(added, weights.of(rows), n_classes)
    return scores_of(sums, n_classes)


def _real_bogus(kept, weights, bins):
    if BOGUS not in kept.classes:
        return None
    k = kept.classes.index(BOGUS)
    p_bogus = kept.after(kept.longest)[:, k]
    return real_bogus(kept.label != k, p_bogus, weights, values=kept.magnitude, bins=bins)


def _calibration(kept):
    p = kept.after(kept.longest)
    top, right = p.max(axis=1).astype(float), p.argmax(axis=1) == kept.label
    where = calibration_bin(top)

    def sums(values):
        return np.bincount(where, values, minlength=CALIBRATION_BINS)

    n = np.bincount(where, minlength=CALIBRATION_BINS)
    smoothed = (sums(right) + 1) / (n + 2)  # a single correct object has an error, too
    edges = np.arange(CALIBRATION_BINS + 1) / CALIBRATION_BINS
    return Calibration(
        edges[:-1],
        edges[1:],
        n,
        ratio(sums(top), n),
        ratio(sums(right), n),
        np.sqrt(ratio(smoothed * (1 - smoothed), n)),
    )
