"""The tables of a comparison as HTML."""

from __future__ import annotations

from html import escape
from itertools import cycle

import numpy as np

from classifier.evaluation.comparison import (
    SCORES,
    Comparison,
    is_significant,
    most_confident_mistakes,
)
from classifier.reports.html import cell, heading, table
from classifier.reports.plot_style import MODEL_LOOKS

_NAMES = {
    "accuracy": "Accuracy",
    "mean_recall": "Mean recall",
    "mean_f1": "Macro F1",
    "log_loss": "Log loss",
    "calibration_error": "Calibr. error",
}


def swatches(names) -> dict[str, str]:
    """Every model's name behind a square of its colour, as HTML."""
    return {
        name: f'<span class="swatch" style="background: {colour}"></span>{escape(name)}'
        for name, (colour, _) in zip(names, cycle(MODEL_LOOKS), strict=False)
    }


def score_table(comparison: Comparison) -> str:
    """Scores of every model; where some are clearly worse, the others are bold."""
    keys = _keys(comparison)
    best = {key: comparison.best(key) for key in keys}
    everyone = set(comparison.scores)
    names = swatches(comparison.scores)
    rows = [
        [names[name], *(_number(found[key], key, name in best[key] != everyone) for key in keys)]
        for name, found in comparison.scores.items()
    ]
    return table(
        [heading("Model"), *_headings(keys)],
        rows,
        _groups(keys, "After all images", "Accuracy after so many images"),
    )


def difference_table(comparison: Comparison) -> str:
    """Differences of every pair; those of two errors or more are bold."""
    keys, names = _keys(comparison), swatches(comparison.scores)
    rows = [
        [
            f"{names[a]} −<br>{names[b]}",
            *(_number(found[key], key, is_significant(found[key]), "+") for key in keys),
        ]
        for (a, b), found in comparison.differences.items()
    ]
    return table(
        [heading("Pair"), *_headings(keys)],
        rows,
        _groups(keys, "Difference after all images", "Difference of accuracy after so many images"),
    )


def matched_table(comparison: Comparison) -> str:
    """Recall of every class if all had the same magnitudes."""
    names = swatches(comparison.scores)
    present = np.flatnonzero(np.bincount(comparison.labels, minlength=len(comparison.classes)))
    rows = []
    for name, e in comparison.evaluations.items():
        m = e.matched
        numbers = [(m.mean_recall, m.mean_recall_error)]
        numbers += [(m.recall[k], m.recall_error[k]) for k in present]
        rows.append([names[name], *(_number(n, "recall") for n in numbers)])
    classes = [heading(comparison.classes[k]) for k in present]
    return table([heading("Model"), heading("Mean"), *classes], rows)


def mistake_tables(comparison: Comparison) -> str:
    """The most confident mistakes of every model."""
    names = swatches(comparison.scores)
    parts = []
    for name, predictions in comparison.predictions.items():
        rows = [
            [
                escape(m.object_id),
                cell(m.true_class, "text"),
                cell(m.predicted_class, "text"),
                cell(f"{m.probability:.3f}"),
                cell(_magnitude(m.magnitude)),
            ]
            for m in most_confident_mistakes(predictions)
        ]
        head = [
            heading("Object"),
            heading("Truth", "text"),
            heading("Answer", "text"),
            heading("Probability"),
            heading("Mag"),
        ]
        found = table(head, rows) if rows else "<p>No mistakes.</p>"
        parts.append(f"<div><h3>{names[name]}</h3>{found}</div>")
    return f'<div class="tables">{"".join(parts)}</div>'


def _keys(comparison):
    return list(next(iter(comparison.scores.values())))


def _headings(keys):
    for key in keys:
        if key in SCORES:
            yield heading(_NAMES[key])
        else:
            yield heading(key.rsplit("_", 1)[1], _kind(key))


def _groups(keys, final, by_images):
    early = len(keys) - len(SCORES)
    if not early:
        return ""
    after_all = f'<th colspan="{len(SCORES)}">{final}</th>'
    after_k = f'<th class="early" colspan="{early}">{by_images}</th>'
    return f"<th></th>{after_all}{after_k}"


def _number(estimate, key, bold=False, sign=""):
    value, error = estimate
    if not np.isfinite(value):
        return f"<td{_kind_of(key)}>–</td>"
    text = f"{value:{sign}.3f}".replace("-", "−")
    text = f"<b>{text}</b>" if bold else text
    spread = f"<small>± {error:.3f}</small>" if np.isfinite(error) else ""
    return f"<td{_kind_of(key)}>{text}{spread}</td>"


def _kind(key):
    return "early" if key.endswith("_after_1") else ""


def _kind_of(key):
    return ' class="early"' if _kind(key) else ""


def _magnitude(value):
    return f"{value:.1f}" if np.isfinite(value) else "–"
