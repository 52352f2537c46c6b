"""The page of a comparison: one HTML file that needs no other, and no scripts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from classifier.evaluation.compared_models import ComparedModel
from classifier.evaluation.comparison import Comparison, most_confident_mistakes
from classifier.evaluation.embedding import Map
from classifier.reports import comparison_figures as figures
from classifier.reports import evaluation_figures as plots
from classifier.reports.comparison_tables import (
    difference_table,
    matched_table,
    mistake_tables,
    score_table,
    swatches,
)
from classifier.reports.evaluation_report import as_dict
from classifier.reports.html import document, facts, folded, note, picture, section

_LONGEST_FACT = 400  # letters; what is longer stands in the whole card only


@dataclass(frozen=True)
class Report:
    """All that the page shows.

    Attributes
    ----------
    comparison : Comparison
    contenders : sequence of ComparedModel
        The models, in the same order.
    maps : dict of str to Map
        By model.
    mapped : numpy.ndarray of int
        Objects on the maps, as rows of the comparison.
    title : str
    about : dict of str to str
        What was compared, shown first.
    """

    comparison: Comparison
    compared_models: Sequence[ComparedModel]
    maps: Mapping[str, Map]
    mapped: np.ndarray
    title: str
    about: Mapping[str, str]


def page_of(report: Report) -> str:
    """The page as HTML."""
    c = report.comparison
    sections = (_scores, _curves, _recall, _confusion, _magnitudes, _matched, _calibration)
    parts = [facts(report.about.items())]
    for part in sections:
        parts += part(c)
    parts += [_maps(report), _mistakes(c), _cards(report)]
    return document(report.title, parts)


def _scores(c: Comparison) -> Iterator[str]:
    yield section(
        "Scores",
        score_table(c),
        note(
            "Below each score its standard error, from resamples of the objects. Objects with "
            "fewer images keep their last answer."
            + (
                " Bold, where some are worse: no other model is better by two errors of the "
                "difference." * _several(c)
            )
        ),
    )
    if _several(c):
        yield section(
            "Differences between models",
            difference_table(c),
            note(
                "Paired: the same resamples for both models. Bold: two standard errors or more "
                "from zero. Of log loss and calibration error, less is better."
            ),
        )


def _curves(c):
    yield section(
        "Accuracy by number of images",
        picture(
            plots.accuracy_by_images(c.evaluations),
            "How soon each model is right. Bands are one standard error. Below, how many objects "
            "have so many images: where few do, curves are flat for want of data.",
        ),
    )


def _recall(c):
    yield section(
        "Recall of every class",
        picture(
            figures.recall_bars(c.evaluations),
            "Fraction of the objects of each class that was found, after all images. Bars are one "
            "standard error.",
        ),
    )


def _confusion(c):
    yield section(
        "Confusion",
        picture(
            plots.confusion(c.evaluations),
            "Which classes are taken for which, after all images: rows are true classes and add up to "
            "1, with counts below the fractions. Colours follow the square root, so that mistakes are "
            "seen.",
        ),
    )


def _magnitudes(c):
    yield section(
        "By magnitude",
        picture(
            plots.by_magnitude(c.evaluations),
            "How far down each model holds, after all images. Compare with the number of objects below "
            "before believing the ends.",
        ),
    )


def _matched(c):
    title = "At the same magnitudes"
    if next(iter(c.evaluations.values())).matched is None:
        yield section(title, note("No bin of magnitude holds five objects of every class."))
        return
    yield section(
        title,
        picture(
            figures.recall_by_magnitude(c.evaluations),
            "Recall in the bins of magnitude that hold at least five objects of every class: which "
            "classes are hard because they are faint, and which are hard as such.",
        ),
        matched_table(c),
        note("Recall over these bins, if all classes had one distribution of magnitudes."),
    )


def _calibration(c):
    yield section(
        "Calibration",
        picture(
            plots.calibration(c.evaluations),
            "Whether a probability means what it says: points above the diagonal are of a model that "
            "is too modest, points below of one too sure. ECE is the mean distance from it.",
        ),
    )


def _maps(report):
    c, rows = report.comparison, report.mapped
    shown = {
        name: (found.position, c.labels[rows], c.classes) for name, found in report.maps.items()
    }
    what = "; ".join(f"{name}: {found.shows}" for name, found in report.maps.items())
    return section(
        "What the models see",
        picture(
            figures.maps(shown),
            f"t-SNE of the same {rows.size:,} objects, equally many of every class where there are "
            "enough. Classes that stand apart are told apart; distances between groups mean nothing. "
            f"{what}.",
        ),
    )


def _mistakes(c):
    return section(
        "Most confident mistakes",
        mistake_tables(c),
        note("After all images; magnitudes are medians of what was observed."),
    )


def _cards(report):
    names = swatches(report.comparison.scores)
    parts = [
        folded(
            names[compared.name],
            facts(_facts(compared.model.card)),
            folded("The whole card", _preformatted(compared.model.card)),
        )
        for compared in report.compared_models
    ]
    return section("Model cards", *parts)


def _facts(card):
    """Entries of a card that are short enough to be read at a glance."""
    for key, value in card.items():
        text = _readable(value)
        if 0 < len(text) <= _LONGEST_FACT:
            yield _readable(key), text


def _readable(value):
    if isinstance(value, dict):
        return ", ".join(f"{_readable(k)} {_readable(v)}" for k, v in value.items() if v != [])
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_readable, value))
    return str(value)


def _preformatted(card):
    return f"<pre>{escape(json.dumps(card, indent=1, default=str))}</pre>"


def _several(c):
    return len(c.scores) > 1


def record_of(report: Report) -> dict:
    """Everything on the page but the maps, None where undefined."""
    c = report.comparison
    return {
        "about": dict(report.about),
        "classes": list(c.classes),
        "n_objects": len(c.object_id),
        "models": [_model(c, compared) for compared in report.compared_models],
        "differences": [
            {"first": first, "second": second, "scores": _estimates(found)}
            for (first, second), found in c.differences.items()
        ],
    }


def _model(c, compared):
    name = compared.name
    return {
        "name": name,
        "folder": str(compared.model.folder),
        "model_sha256": compared.identity,
        "scores": _estimates(c.scores[name]),
        "evaluation": as_dict(c.evaluations[name], name),
        "mistakes": [
            {key: _known(value) for key, value in mistake._asdict().items()}
            for mistake in most_confident_mistakes(c.predictions[name])
        ],
    }


def _estimates(scores):
    return {
        key: {"value": _known(value), "error": _known(error)}
        for key, (value, error) in scores.items()
    }


def _known(value):
    return None if value != value else value  # NaN, which JSON lacks, is not itself
