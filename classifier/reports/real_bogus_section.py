"""The section of a report about real detections and artefacts, of models with the class BOGUS."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import FuncFormatter, NullFormatter

from classifier.evaluation.evaluation import Evaluation
from classifier.evaluation.real_bogus import BOGUS, SCORES, RealBogus
from skyreel.report.figures import Figure, legend, line, points, styled
from skyreel.report.page import Note, Section
from skyreel.report.tables import Cell, Table, columns, number
from skyreel.report.theme import FAINT, model_styles

FIGURE_FILE = "det_curve.png"
_HEADS = {"accuracy": "Accuracy", "precision": "Precision", "recall": "Recall", "f1": "F1"}
_DIGITS = 4
_CURVE = (
    "Detection error tradeoff: real detections that are called artefacts against artefacts that "
    "are called real, for all thresholds of p(real) = 1 − p(BOGUS). Towards the lower left is "
    "better. Points: false-negative rates at the false-positive rates of the table, with standard "
    "errors."
)
_SCORES = (
    "Positives are real detections; they are called real where p(real) exceeds 0.5. A "
    "false-negative rate is the smallest whose false-positive rate (FPR) is at most that of the "
    "column; the threshold of p(real) is below it. Errors are from resamples of the objects, each "
    "with a threshold of its own."
)
_BY_MAGNITUDE = (
    "The same in whole magnitudes, with the thresholds of all objects. A bin that has no real "
    "detection or no artefact has no number for it."
)


def real_bogus_section(evaluations: Mapping[str, Evaluation]) -> Section | None:
    """Curve and tables of the models that have the class BOGUS; None where no model has it."""
    scores = scores_of_models(evaluations)
    if not scores:
        return None
    parts: list = []
    if drawn := _with_curves(scores):
        parts.append(Figure(det_curves(drawn), _CURVE, "det_curve"))
    else:
        parts.append(Note("A curve needs real detections and artefacts among the objects."))
    parts.append(_table(scores))
    parts += [_magnitude_table(s) for s in scores.values() if len(scores) == 1 and len(s.bins)]
    return Section("Real or bogus", parts)


def scores_of_models(evaluations: Mapping[str, Evaluation]) -> dict[str, RealBogus]:
    """Scores of real detections by model, of those that have them."""
    return {name: e.real_bogus for name, e in evaluations.items() if e.real_bogus is not None}


@styled
def det_curves(figure: Drawing, scores: Mapping[str, RealBogus]) -> None:
    """False-negative rate against false-positive rate of every model, both logarithmic."""
    figure.set_size_inches(4.8, 4.0)
    axes = figure.add_subplot()
    axes.set(xlabel="False-positive rate", ylabel="False-negative rate")
    axes.set(xscale="log", yscale="log")
    axes.set(xlim=(0.5 / max(s.n_bogus for s in scores.values()), 1.1))
    axes.set(ylim=(0.5 / max(s.n_real for s in scores.values()), 1.1))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda rate, _: f"{rate:g}"))
        axis.set_minor_formatter(NullFormatter())
    for name, (colour, marker) in model_styles(scores).items():
        s = scores[name]
        curve = s.curve.false_positive_rate, s.curve.false_negative_rate
        line(axes, *curve, label=name, color=colour, lw=1.3)
        value = s.total.values["false_negative_rate"]
        error = s.total.errors["false_negative_rate"]
        known = np.isfinite(value) & (value > 0)
        found = s.false_positive_rates[known], value[known], error[known]
        points(axes, *found, color=colour, marker=marker)
    for rate in next(iter(scores.values())).false_positive_rates:
        axes.axvline(rate, color=FAINT, lw=0.8, ls=(0, (4, 3)), zorder=0)
    axes.grid()
    legend(figure, axes, columns=2)


def false_negatives(scores: RealBogus, k: int) -> Cell:
    """The false-negative rate at the false-positive rate ``k``, or why there is none."""
    if not scores.allowed[k]:
        least = int(np.ceil(1 / scores.false_positive_rates[k]))
        return Cell("not resolved", (f"{scores.n_bogus:,} {BOGUS}, {least:,} needed",))
    value, error = (
        part["false_negative_rate"][k] for part in (scores.total.values, scores.total.errors)
    )
    if value == 0:
        return Cell("0", (f"none of {scores.n_real:,}", f"p > {scores.thresholds[k]:.3f}"))
    cell = number(value, error, digits=_DIGITS)
    return Cell(cell.text, (*cell.notes, f"p > {scores.thresholds[k]:.3f}"))


def _with_curves(scores):
    return {name: s for name, s in scores.items() if s.curve.false_positive_rate.size}


def _rate_heads(scores):
    return [f"FNR at FPR {rate:g}" for rate in scores.false_positive_rates]


def _table(scores):
    single, rows = len(scores) == 1, []
    for name, (colour, _) in model_styles(scores).items():
        s = scores[name]
        rows.append(
            [
                Cell("All" if single else name, colour=colour),
                f"{s.n_real:,}",
                f"{s.n_bogus:,}",
                *(number(s.total.values[k], s.total.errors[k], digits=_DIGITS) for k in SCORES),
                *(false_negatives(s, k) for k in range(len(s.allowed))),
            ]
        )
    heads = columns("Objects" if single else "Model", "Real", BOGUS, *_HEADS.values())
    return Table([*heads, *columns(*_rate_heads(s))], rows, _SCORES)


def _magnitude_table(s):
    values, errors, rows = s.in_bins.values, s.in_bins.errors, []
    for k, (low, high) in enumerate(s.bins):
        rates = zip(values["false_negative_rate"][k], errors["false_negative_rate"][k], strict=True)
        rows.append(
            [
                f"{low:g} to {high:g}",
                f"{s.n_real_in_bins[k]:,}",
                f"{s.n_bogus_in_bins[k]:,}",
                *(number(values[name][k], errors[name][k], digits=_DIGITS) for name in SCORES),
                *(number(*pair, digits=_DIGITS) for pair in rates),
            ]
        )
    heads = columns("Magnitude", "Real", BOGUS, *_HEADS.values(), *_rate_heads(s))
    return Table(heads, rows, _BY_MAGNITUDE)
