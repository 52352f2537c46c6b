"""Tables of a few-shot report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from finetune.reports.few_shot_results import FOREST, NETWORK, REAL_ONLY, SCRATCH
from finetune.reports.few_shot_scores import Bin, Score, Scoring, matched_scores
from finetune.reports.few_shot_summary import image_counts, label_equivalences, models_of, sizes_of
from skyreel.report.tables import Cell, Column, Table, columns
from skyreel.report.theme import model_styles

_SIGNIFICANT_ERRORS = 2
BASELINES = (FOREST, REAL_ONLY, SCRATCH)


def score_table(scoring: Scoring, caption: str) -> Table:
    """Mean recall of every method by number of images and of real labels per class."""
    few, rows = scoring.few, []
    for name, images in image_counts(few).items():
        for method, (colour, _) in model_styles(few.methods).items():
            scores = [score_cell(scoring.score(method, k, images)) for k in sizes_of(few)]
            rows.append([Cell(method, colour=colour), name, *scores])
    return Table(_heads("Method", "Images", sizes_of(few)), rows, caption)


def difference_table(scoring: Scoring, images: int, caption: str) -> Table | None:
    """Gains from labels, and the lead of the network over the baselines; None without any."""
    sizes, rows = [k for k in sizes_of(scoring.few) if k], []
    for name in models_of(scoring.few):
        gains = [scoring.gain(name, k, images) for k in sizes]
        if any(gains):
            rows.append([f"{name}: after − before", *(score_cell(g, "+") for g in gains)])
    for baseline in BASELINES:
        leads = [scoring.lead(NETWORK, baseline, k, images) for k in sizes]
        if any(leads):
            rows.append([f"{NETWORK} − {baseline}", *(score_cell(g, "+") for g in leads)])
    return Table(_heads("Difference", "", sizes), rows, caption) if rows else None


def matched_table(scoring: Scoring, bins: Sequence[Bin], caption: str) -> Table:
    """Mean recall over bins of magnitude, by labels per class and number of images."""
    few, rows = scoring.few, []
    for name, images in image_counts(few).items():
        for method, (colour, _) in model_styles(few.methods).items():
            scores = [
                score_cell(matched_scores(scoring, bins, method, k, images)[0])
                for k in sizes_of(few)
            ]
            rows.append([Cell(method, colour=colour), name, *scores])
    return Table(_heads("Method", "Images", sizes_of(few)), rows, caption)


def equivalence_table(scoring: Scoring, caption: str) -> Table | None:
    """Label equivalence of the models trained on a simulation; None where it is not defined."""
    found: Mapping = label_equivalences(scoring)
    rows = [[name, str(labels)] for name, labels in found.items()]
    heads = [*columns("Model", text=True), *columns("Equivalent real labels per class")]
    return Table(heads, rows, caption) if rows else None


def score_cell(score: Score | None, sign: str = "") -> Cell:
    """A score with its two errors; a significant difference is bold."""
    if score is None or not np.isfinite(score.value):
        return Cell("–")
    errors = {"draws": score.over_draws, "objects": score.error}
    notes = [f"± {error:.3f} {what}" for what, error in errors.items() if np.isfinite(error)]
    text = f"{score.value:{sign}.3f}".replace("-", "−")
    return Cell(text, tuple(notes), bold=bool(sign) and is_significant(score))


def is_significant(difference: Score) -> bool:
    """Whether a difference is two errors or more from zero, with draws and objects combined."""
    of_draws = difference.over_draws / np.sqrt(difference.n_draws)
    total = np.hypot(np.nan_to_num(of_draws), np.nan_to_num(difference.error))
    return bool(total > 0 and abs(difference.value) >= _SIGNIFICANT_ERRORS * total)


def _heads(first, second, sizes):
    group = {"group": "Real labels per class"}
    heads = [Column(first, text=True)] + [Column(second)] * bool(second)
    return [*heads, *(Column(str(k) if k else "none", **group) for k in sizes)]
