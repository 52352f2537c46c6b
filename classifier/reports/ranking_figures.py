"""ROC and precision-recall curves of every class."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_curve

from classifier.evaluation.predictions import Predictions
from skyreel.report.figures import legend, line, score_axis, styled
from skyreel.report.theme import FAINT, class_styles

_CURVE_POINTS = 400


def class_rankings(predictions: Predictions) -> dict[str, dict]:
    """How well the probability of a class ranks its objects above all others, by class.

    After all images. ``auc`` is the area under the ROC curve, ``average_precision`` that of
    precision against recall. Classes without objects, or with all of them, are left out.
    """
    known = predictions.of((predictions.label >= 0) & (predictions.n_images > 0))
    final, found = known.after(max(1, known.longest)), {}
    for k, name in enumerate(known.classes):
        true, score = known.label == k, final[:, k]
        if not true.any() or true.all():
            continue
        false_positive, true_positive, _ = roc_curve(true, score)
        precision, recall, _ = precision_recall_curve(true, score, drop_intermediate=True)
        found[name] = {
            "n": int(true.sum()),
            "auc": float(auc(false_positive, true_positive)),
            "average_precision": float(average_precision_score(true, score)),
            "roc": (false_positive, true_positive),
            "precision_recall": (recall[::-1], precision[::-1]),
        }
    return found


@styled
def ranking_curves(figure: Figure, rankings: Mapping[str, Mapping]) -> None:
    """ROC and precision-recall curves of every class against all others."""
    figure.set_size_inches(7.6, 3.9)
    roc, precision = figure.subplots(1, 2)
    roc.plot([0, 1], [0, 1], color=FAINT, lw=0.8, ls=(0, (4, 3)), zorder=0)
    for (name, found), (colour, _) in zip(rankings.items(), class_styles(rankings), strict=True):
        for axes, key in ((roc, "roc"), (precision, "precision_recall")):
            x, y = found[key]
            kept = np.unique(np.linspace(0, x.size - 1, min(x.size, _CURVE_POINTS)).astype(int))
            line(axes, x[kept], y[kept], label=name, color=colour, lw=1.3)
    roc.set(xlabel="False positive rate", ylabel="True positive rate (recall)")
    precision.set(xlabel="Recall (completeness)", ylabel="Precision (purity)")
    for axes, title in ((roc, "ROC"), (precision, "Precision and recall")):
        axes.set_title(title)
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.03), aspect="equal")
        score_axis(axes)
    legend(figure, roc, columns=9)
