"""All numbers of a few-shot report as one record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

from finetune.reports.few_shot_mistakes import Misclassified
from finetune.reports.few_shot_results import FOREST, NETWORK, REAL_ONLY, SCRATCH
from finetune.reports.few_shot_scores import (
    Scoring,
    by_images,
    evaluations,
    matched_scores,
    shared_bins,
)
from finetune.reports.few_shot_summary import image_counts, models_of, sizes_of, typical_size
from skyreel.json_io import plain


def few_shot_record(
    scoring: Scoring, headline: Mapping, about: Mapping[str, str], missed: Sequence[Misclassified]
) -> dict:
    """Everything on the page but the embedding, the images and times, None where undefined.

    Records of equal runs are equal.
    """
    return plain(
        {
            "about": _without_times(about),
            "run": _without_times(scoring.few.record),
            "classes": scoring.few.classes,
            **headline,
            "differences": _differences(scoring),
            "by_images": _by_images(scoring),
            "confusion": _pooled(scoring),
            "same_magnitudes": _magnitudes(scoring),
            "misclassified": [each._asdict() for each in missed],
        }
    )


def _without_times(values):
    return {key: each for key, each in values.items() if key.lower() != "seconds"}


def _differences(scoring):
    few, found = scoring.few, {}
    for (name, images), k in product(image_counts(few).items(), sizes_of(few)):
        pairs = {f"{model} - before": scoring.gain(model, k, images) for model in (NETWORK, FOREST)}
        pairs |= {
            f"{NETWORK} - {rival}": scoring.lead(NETWORK, rival, k, images)
            for rival in (FOREST, REAL_ONLY, SCRATCH)
        }
        for pair, score in pairs.items():
            if score is not None:
                found.setdefault(name, {}).setdefault(pair, {})[str(k)] = score._asdict()
    return found


def _by_images(scoring):
    few, found = scoring.few, {}
    panels = ["mean", *(few.classes[k] for k in few.present)]
    for name in models_of(few):
        k = typical_size(scoring, name)
        found[name] = {"per_class": k} | {
            when: {
                panel: {"value": value[row], "error": error[row]}
                for row, panel in enumerate(panels)
            }
            for when, (value, error) in by_images(scoring, name, k).items()
        }
    return found


def _pooled(scoring):
    found = {}
    for name in models_of(scoring.few):
        for what, e in evaluations(scoring.few, name, typical_size(scoring, name)).items():
            found[what] = {
                "counts": e.final.confusion,
                "calibration_error": e.final.calibration_error,
            }
    return found


def _magnitudes(scoring):
    few, bins = scoring.few, shared_bins(scoring.few)
    named = [
        {"low_mag": each.low, "classes": [few.classes[k] for k in each.classes]} for each in bins
    ]
    scores: dict = {}
    for (when, images), name in product(image_counts(few).items(), few.methods):
        for k in few.per_class(name):
            mean, each = matched_scores(scoring, bins, name, k, images)
            if mean is not None:
                scores.setdefault(when, {}).setdefault(name, {})[str(k)] = {
                    "mean": mean._asdict(),
                    "bins": [score._asdict() if score else None for score in each],
                }
    return {"bins": named, "scores": scores}
