"""A comparison as plain numbers, for JSON."""

from __future__ import annotations

from classifier.comparison.mistakes import most_confident_mistakes
from classifier.comparison.page import Report
from classifier.evaluation.report import as_dict


def record_of(report: Report) -> dict:
    """Everything on the page but the maps, None where undefined."""
    c = report.comparison
    return {
        "about": dict(report.about),
        "classes": list(c.classes),
        "n_objects": len(c.object_id),
        "models": [_model(c, contender) for contender in report.contenders],
        "differences": [
            {"first": first, "second": second, "scores": _estimates(found)}
            for (first, second), found in c.differences.items()
        ],
    }


def _model(c, contender):
    name = contender.name
    return {
        "name": name,
        "folder": str(contender.model.folder),
        "model_sha256": contender.identity,
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
