"""A folder of ``finetune`` as ``report.html`` and ``report.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import product
from pathlib import Path

import numpy as np
from rich.console import Console

from classifier.dataset import DatasetSplit
from finetune.reports.few_shot_figures import laid_out, read_states
from finetune.reports.few_shot_mistakes import most_often_missed, shown_as, summaries
from finetune.reports.few_shot_page import Page, page_of, typical_size
from finetune.reports.few_shot_results import (
    FOREST,
    NETWORK,
    REAL_ONLY,
    SCRATCH,
    STATES,
    FewShot,
    read_few_shot,
)
from finetune.reports.few_shot_scores import (
    Scoring,
    by_images,
    evaluations,
    matched_scores,
    shared_bins,
)
from finetune.reports.few_shot_summary import (
    headline_of,
    headline_table,
    image_counts,
    plain,
    sizes_of,
)
from skyreel.atomic_files import whole_file

PAGE, RECORD = "report.html", "report.json"


def write_few_shot_report(
    folder, real: DatasetSplit | None, *, console: Console | None = None
) -> Path:
    """Write the report of a folder; returns the path of the page.

    Parameters
    ----------
    folder : path
        Of ``finetune``; what is missing in it is said on the page.
    real : DatasetSplit or None
        The real sequences, for pictures of those misclassified; without them there are none.
    console : rich.console.Console, optional
        Told the headline and where the page is.

    Raises
    ------
    FinetuneError, ClassifierError
        The folder is not one of these or is damaged, or the sequences cannot be read.
    OutputError
        The folder cannot be written.
    """
    folder = Path(folder)
    scoring = Scoring(read_few_shot(folder))
    page, found = _page(folder, scoring, real), headline_of(scoring)
    with whole_file(folder / RECORD) as path:
        text = json.dumps(record_of(page, found), indent=1, allow_nan=False)
        path.write_text(text, encoding="utf-8")
    with whole_file(folder / PAGE) as path:
        path.write_text(page_of(page), encoding="utf-8")
    if console is not None:
        console.print(headline_table(found))
        if found["statement"]:
            console.print(found["statement"])
        console.print(f"The whole report: {folder / PAGE}")
    return folder / PAGE


def _page(folder, scoring, real):
    few = scoring.few
    method = NETWORK if NETWORK in few.methods else few.methods[0]
    size = typical_size(scoring, method)
    missed = most_often_missed(few, method, size)
    drawn, joint = {}, None
    if real is not None and missed:
        names = [each.object_id for each in missed]
        drawn = summaries(few, method, size, names, shown_as(real, few))
    if (folder / STATES).is_file():
        joint = laid_out(read_states(folder / STATES), few.classes)
    model, data = few.run.get("model", "Models"), few.run.get("real", "real sequences")
    title = f"{Path(model).name} on {Path(data).name}"
    return Page(scoring, title, _about(few), method, size, missed, drawn, joint)


def _about(few: FewShot):
    run, counts = few.run, np.bincount(few.labels, minlength=len(few.classes))
    draws = ", ".join(f"{len(few.draws[k])} of {k}" for k in few.draws if k)
    objects = f"{len(few.labels):,}"
    if few.left_out:
        objects += f" ({few.left_out:,} left out: no label, or no image for some contender)"
    absent = ", ".join(c for c, n in zip(few.classes, counts, strict=True) if not n)
    about = {
        "Model": run.get("model"),
        "Real sequences": run.get("real"),
        "Objects": objects,
        "Classes": ", ".join(
            f"{few.classes[k]}\N{NO-BREAK SPACE}{counts[k]:,}" for k in few.present
        ),
        "Never the truth": absent,
        "Draws": f"{draws} per class" if draws else None,
        "Method": run.get("method"),
        "Homogenised": {True: "yes", False: "no"}.get(run.get("homogenised")),
        "Seconds": _in_words(run.get("seconds")),
    }
    return {key: str(value) for key, value in about.items() if value}


def _in_words(seconds):
    if isinstance(seconds, Mapping):
        return ", ".join(f"{key} {_in_words(value)}" for key, value in seconds.items())
    return f"{seconds:,.1f}" if isinstance(seconds, (int, float)) else None


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
            when: {
                panel: plain({"value": value[row].tolist(), "error": error[row].tolist()})
                for row, panel in enumerate(panels)
            }
            for when, (value, error) in by_images(scoring, name, k).items()
        }
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
    for (when, images), name in product(image_counts(few).items(), few.methods):
        for k in few.per_class(name):
            mean, each = matched_scores(scoring, bins, name, k, images)
            if mean is not None:
                scores.setdefault(when, {}).setdefault(name, {})[str(k)] = {
                    "mean": plain(mean._asdict()),
                    "bins": [plain(score._asdict()) if score else None for score in each],
                }
    return {"bins": named, "scores": scores}


def _models(few):
    return [name for name in (NETWORK, FOREST) if name in few.methods]
