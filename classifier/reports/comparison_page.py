"""The report of a comparison: one HTML page, and all its numbers as a record."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from classifier.dataset import DatasetSplit
from classifier.evaluation.compared_models import ComparedModel
from classifier.evaluation.comparison import (
    SCORES,
    SMALLER_IS_BETTER,
    Comparison,
    is_significant,
    most_confident_mistakes,
)
from classifier.evaluation.embedding import Map
from classifier.image_selection import images_of
from classifier.models.model_card import card_facts
from classifier.reports import evaluation_figures as figures
from classifier.reports.embedding_figures import embeddings
from classifier.reports.evaluation_files import as_dict
from classifier.reports.evaluation_page import (
    MISTAKE_NOTE,
    PAGE,
    accuracy_figure,
    estimate,
    evaluation_sections,
    hardest_class,
    mistake_cards,
)
from skyreel.json_io import plain, write_json
from skyreel.report.figures import Figure
from skyreel.report.page import Facts, Fold, Page, Section, Text
from skyreel.report.tables import Cell, Column, Table, number
from skyreel.report.theme import model_styles

RECORD = "comparison.json"
PREDICTED_ON = "Predicted on"
"""The fact that is on the page alone: records of equal runs are equal."""
_NAMES = {
    "accuracy": "Accuracy",
    "mean_recall": "Mean recall",
    "mean_f1": "Macro F1",
    "log_loss": "Log loss",
    "calibration_error": "Calibration error",
}


@dataclass(frozen=True)
class Report:
    """All that the page holds.

    Attributes
    ----------
    comparison : Comparison
    compared_models : sequence of ComparedModel
        The models, in the same order.
    maps : dict of str to Map
        Embeddings by model.
    mapped : numpy.ndarray of int
        Objects of the embeddings, as rows of the comparison.
    title : str
    about : dict of str to str
        What was compared.
    split : DatasetSplit, optional
        For the images of the mistakes.
    notes : sequence of str
        What a reader must know of data and models.
    """

    comparison: Comparison
    compared_models: Sequence[ComparedModel]
    maps: Mapping[str, Map]
    mapped: np.ndarray
    title: str
    about: Mapping[str, str]
    split: DatasetSplit | None = None
    notes: Sequence[str] = ()


def write_comparison(report: Report, folder: Path) -> None:
    """Write the page, the record, and a page for each of the most confident mistakes.

    Raises
    ------
    OutputError
    """
    write_json(folder / RECORD, comparison_record(report))
    comparison_page(report, folder).write(folder / PAGE)


def comparison_page(report: Report, folder: Path) -> Page:
    """The page; pages of the most confident mistakes are written into the folder."""
    c = report.comparison
    n = np.bincount(c.labels, minlength=len(c.classes)).tolist()
    return Page(
        title=report.title,
        verdict=tuple(_verdict(c)),
        headline=accuracy_figure(c.evaluations),
        sections=[
            *_scores(c),
            _recall(c),
            *evaluation_sections(c.evaluations),
            _embeddings(report),
            _mistakes(report, folder),
            _cards(report),
        ],
        classes=dict(zip(c.classes, n, strict=True)),
        facts={**report.about, **({"Notes": " ".join(report.notes)} if report.notes else {})},
    )


def _verdict(c: Comparison) -> Iterator[str]:
    order = sorted(c.scores, key=lambda name: -c.scores[name]["accuracy"].value)
    best, *others = order
    text = f"{best}: accuracy {estimate(c.scores[best]['accuracy'])} after all images"
    if others:
        difference, error = _difference(c, best, others[0], "accuracy")
        clear = "" if is_significant((difference, error)) else " (not significant)"
        text += f", {estimate((difference, error), '+')} above {others[0]}{clear}"
    yield f"{text}."
    if others:
        first = {name: c.evaluations[name].by_images.accuracy[0] for name in c.scores}
        yield (
            "After the first image: "
            + ", ".join(f"{name} {value:.3f}" for name, value in first.items())
            + "; lowest log loss after all images: "
            + f"{min(c.scores, key=lambda name: c.scores[name]['log_loss'].value)}."
        )
    else:
        yield f"Mean recall {estimate(c.scores[best]['mean_recall'])}."
    yield f"{best}: {hardest_class(c.evaluations[best])}"


def _difference(c, first, second, key):
    if (first, second) in c.differences:
        return c.differences[first, second][key]
    value, error = c.differences[second, first][key]
    return -value, error


def _scores(c: Comparison) -> Iterator[Section]:
    keys, styles = list(next(iter(c.scores.values()))), model_styles(c.scores)
    best, several = {key: c.best(key) for key in keys}, len(c.scores) > 1
    rows = []
    for name, found in c.scores.items():
        cells = [number(*found[k], bold=name in best[k] != set(c.scores)) for k in keys]
        rows.append([Cell(name, colour=styles[name][0]), *cells])
    text = (
        "Standard errors are from resamples of the objects. The class probabilities of an object "
        "with fewer images are carried forward."
    )
    if several:
        text += " Bold: no other model is better by two standard errors, and some are worse."
    yield Section("Scores", [Table(_heads("Model", keys), rows, text)])
    if several:
        rows = [
            [f"{a} − {b}", *(_difference_cell(found[key]) for key in keys)]
            for (a, b), found in c.differences.items()
        ]
        less = " and ".join(_NAMES[key].lower() for key in SMALLER_IS_BETTER)
        text = (
            "Paired: both models have the same resamples. Bold: two standard errors or more from "
            f"zero. For {less}, less is better."
        )
        yield Section("Differences between models", [Table(_heads("Pair", keys), rows, text)])


def _difference_cell(found):
    return number(*found, sign="+", bold=is_significant(found))


def _heads(first, keys):
    heads = [Column(_NAMES[key], group="After all images") for key in keys if key in SCORES]
    early = [key.rsplit("_", 1)[1] for key in keys if key not in SCORES]
    return [
        Column(first),
        *heads,
        *(Column(k, group="Accuracy by number of images") for k in early),
    ]


def _recall(c):
    caption = "Recall of every class after all images, with standard errors."
    return Section(
        "Recall of every class", [Figure(figures.recall_bars(c.evaluations), caption, "recall")]
    )


def _embeddings(report):
    c, rows = report.comparison, report.mapped
    drawn = {
        name: (found.position, c.labels[rows], c.classes) for name, found in report.maps.items()
    }
    what = "; ".join(f"{name}: {found.shows}" for name, found in report.maps.items())
    caption = (
        f"t-SNE of the same {rows.size:,} objects, equally many of every class where there are "
        "enough. Classes that form separate groups are distinguished by the model; distances "
        f"between groups have no meaning. {what}."
    )
    return Section("Embeddings", [Figure(embeddings(drawn), caption, "embeddings")])


def _mistakes(report, folder):
    styles, parts = model_styles(report.comparison.scores), [MISTAKE_NOTE]
    for compared in report.compared_models:
        name, selected = compared.name, None
        if report.split is not None:
            selected = images_of(compared.model, report.split)
        predictions, style = report.comparison.predictions[name], {"colour": styles[name][0]}
        parts.append(mistake_cards(predictions, selected, folder, model=name, **style))
    return Section("Most confident mistakes", parts)


def _cards(report):
    styles = model_styles(report.comparison.scores)
    return Section(
        "Model cards",
        [
            Fold(
                compared.name,
                [
                    Facts(card_facts(compared.model.card)),
                    Fold("The whole card", [Text(_json(compared.model.card))]),
                ],
                styles[compared.name][0],
            )
            for compared in report.compared_models
        ],
    )


def _json(card):
    return json.dumps(card, indent=1, default=str)


def comparison_record(report: Report) -> dict:
    """Everything on the page but the embeddings, None where undefined."""
    c = report.comparison
    return plain(
        {
            "about": {k: text for k, text in report.about.items() if k != PREDICTED_ON},
            "notes": report.notes,
            "classes": c.classes,
            "n_objects": len(c.object_id),
            "models": [_model(c, compared) for compared in report.compared_models],
            "differences": [
                {"first": first, "second": second, "scores": _estimates(found)}
                for (first, second), found in c.differences.items()
            ],
        }
    )


def _model(c, compared):
    name = compared.name
    return {
        "name": name,
        "folder": str(compared.model.folder),
        "model_sha256": compared.identity,
        "scores": _estimates(c.scores[name]),
        "evaluation": as_dict(c.evaluations[name], name),
        "mistakes": [m._asdict() for m in most_confident_mistakes(c.predictions[name])],
    }


def _estimates(scores):
    return {key: {"value": value, "error": error} for key, (value, error) in scores.items()}
