"""Scores of predictions by number of images and by magnitude, with errors, for any model.

>>> from classifier.evaluation import evaluate, read_predictions
>>> evaluation = evaluate(read_predictions("predictions.parquet"))
>>> sorted(evaluation.summary())[:2]
['accuracy', 'brier']
"""

from __future__ import annotations

from skyreel.lazy import attach

_HOMES = {
    "Estimate": "classifier.evaluation.evaluation",
    "Evaluation": "classifier.evaluation.evaluation",
    "EvaluationError": "skyreel.errors",
    "Predictions": "classifier.evaluation.predictions",
    "RealBogus": "classifier.evaluation.real_bogus",
    "Runs": "classifier.evaluation.runs",
    "evaluate": "classifier.evaluation.evaluation",
    "metadata_importance": "classifier.evaluation.metadata_importance",
    "over_runs": "classifier.evaluation.runs",
    "plot_comparison": "classifier.reports.evaluation_figures",
    "read_attributes": "classifier.evaluation.prediction_table",
    "read_predictions": "classifier.evaluation.prediction_table",
    "real_bogus_of": "classifier.evaluation.real_bogus",
    "summary_table": "classifier.reports.evaluation_files",
    "write_predictions": "classifier.evaluation.prediction_table",
    "write_report": "classifier.reports.evaluation_page",
}
__getattr__, __dir__, __all__ = attach(__name__, _HOMES)
