"""The tables of a few-shot report as HTML."""

from __future__ import annotations

from html import escape

import numpy as np

from classifier.reports.html import heading, table
from finetune.reports.few_shot_figures import looks
from finetune.reports.few_shot_results import FOREST, NETWORK, REAL_ONLY, SCRATCH
from finetune.reports.few_shot_scores import Score, Scoring, matched_scores
from finetune.reports.few_shot_summary import sizes_of

_LEAST_ERRORS = 2
_RIVALS = (FOREST, REAL_ONLY, SCRATCH)


def swatches(methods) -> dict[str, str]:
    """Every contender's name behind a square of its colour, as HTML."""
    return {
        name: f'<span class="swatch" style="background: {colour}"></span>{escape(name)}'
        for name, (colour, _) in looks(methods).items()
    }


def score_table(scoring: Scoring, images: int) -> str:
    """Mean recall of every contender by real labels per class."""
    few = scoring.few
    sizes, names = sizes_of(few), swatches(few.methods)
    rows = [
        [names[name], *(number(scoring.score(name, k, images)) for k in sizes)]
        for name in few.methods
    ]
    return table([heading("ComparedModel"), *_size_headings(sizes)], rows, _group(len(sizes)))


def difference_table(scoring: Scoring, images: int) -> str:
    """What labels brought each model, and how far the network is ahead of the others."""
    few = scoring.few
    sizes, names = [k for k in sizes_of(few) if k], swatches(few.methods)
    rows = []
    for name in (NETWORK, FOREST):
        gains = [scoring.gain(name, k, images) for k in sizes]
        if any(gains):
            rows.append([f"{names[name]} − the same before", *(number(g, "+") for g in gains)])
    for rival in _RIVALS:
        leads = [scoring.lead(NETWORK, rival, k, images) for k in sizes]
        if any(leads):
            pair = f"{names[NETWORK]} − {names[rival]}"
            rows.append([pair, *(number(lead, "+") for lead in leads)])
    if not rows:
        return ""
    return table([heading("Pair"), *_size_headings(sizes)], rows, _group(len(sizes)))


def matched_table(scoring: Scoring, bins, images_by_name) -> str:
    """Mean recall over the bins of magnitude, by labels per class and number of images."""
    few = scoring.few
    sizes, names = sizes_of(few), swatches(few.methods)
    rows = []
    for name in few.methods:
        for when, images in images_by_name.items():
            after = "all images" if when == "all" else f"{when} images"
            scores = [matched_scores(scoring, bins, name, k, images)[0] for k in sizes]
            rows.append([f"{names[name]}, {after}", *map(number, scores)])
    return table([heading("ComparedModel"), *_size_headings(sizes)], rows, _group(len(sizes)))


def number(score: Score | None, sign: str = "") -> str:
    """A cell of a score with its two errors; a difference that counts is bold."""
    if score is None or not np.isfinite(score.value):
        return "<td>–</td>"
    text = f"{score.value:{sign}.3f}".replace("-", "−")
    if sign and counts(score):
        text = f"<b>{text}</b>"
    errors = {"draws": score.over_draws, "objects": score.error}
    small = [
        f"<small>± {error:.3f} {what}</small>"
        for what, error in errors.items()
        if np.isfinite(error)
    ]
    return f"<td>{text}{''.join(small)}</td>"


def counts(difference: Score) -> bool:
    """Whether a difference is two errors or more from zero, draws and objects taken together."""
    of_draws = difference.over_draws / np.sqrt(difference.n_draws)
    total = np.hypot(np.nan_to_num(of_draws), np.nan_to_num(difference.error))
    return bool(total > 0 and abs(difference.value) >= _LEAST_ERRORS * total)


def _size_headings(sizes):
    return [heading(str(k) if k else "none") for k in sizes]


def _group(n):
    return f'<th></th><th colspan="{n}">Real labels per class</th>'
