"""A few-shot report as plain numbers, for JSON."""

from __future__ import annotations

from itertools import product

from finetune.reporting.curves import by_images
from finetune.reporting.folder import FOREST, NETWORK, REAL_ONLY, SCRATCH
from finetune.reporting.magnitudes import matched_scores, shared_bins
from finetune.reporting.page import Page, typical_size
from finetune.reporting.pooled import evaluations
from finetune.reporting.summary import image_counts, plain, sizes_of


def record_of(page: Page, headline: dict) -> dict:
    """Everything on the page but map and pictures, None where undefined."""
    scoring = page.scoring
    return {
        "about": dict(page.about),
        "run": dict(scoring.few.run),
        "classes": list(scoring.few.classes),
        **headline,
        "differences": _differences(scoring),
        "by_images": _by_images(scoring),
        "confusion": _pooled(scoring),
        "same_magnitudes": _magnitudes(scoring),
        "missed": [plain(missed._asdict()) for missed in page.missed],
    }


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
                found.setdefault(name, {}).setdefault(pair, {})[str(k)] = plain(score._asdict())
    return found


def _by_images(scoring):
    few, found = scoring.few, {}
    panels = ["mean", *(few.classes[k] for k in few.present)]
    for name in _models(few):
        k = typical_size(scoring, name)
        found[name] = {"per_class": k} | {
            when: {panel: plain({"value": value[row].tolist(), "error": error[row].tolist()})
                   for row, panel in enumerate(panels)}
            for when, (value, error) in by_images(scoring, name, k).items()
        }  # fmt: skip
    return found


def _pooled(scoring):
    found = {}
    for name in _models(scoring.few):
        for what, e in evaluations(scoring.few, name, typical_size(scoring, name)).items():
            found[what] = {
                "counts": e.final.confusion.tolist(),
                **plain({"calibration_error": float(e.final.calibration_error)}),
            }
    return found


def _magnitudes(scoring):
    few, bins = scoring.few, shared_bins(scoring.few)
    named = [
        {"low_mag": each.low, "classes": [few.classes[k] for k in each.classes]} for each in bins
    ]
    scores: dict = {}
    for (when, images), name in product(image_counts(few).items(), few.contenders):
        for k in few.per_class(name):
            mean, each = matched_scores(scoring, bins, name, k, images)
            if mean is not None:
                scores.setdefault(when, {}).setdefault(name, {})[str(k)] = {
                    "mean": plain(mean._asdict()),
                    "bins": [plain(score._asdict()) if score else None for score in each],
                }
    return {"bins": named, "scores": scores}


def _models(few):
    return [name for name in (NETWORK, FOREST) if name in few.contenders]
