"""The command ``classify``."""

from __future__ import annotations

from pathlib import Path

from classifier.dataset import DatasetSplit
from classifier.evaluation import evaluate, summary_table, write_predictions, write_report
from classifier.features.feature_table import data_identity
from classifier.image_selection import SelectedSplit
from classifier.models.registry import check_fit, open_model
from classifier.reports.evaluation_page import PAGE
from classifier.reports.object_page import draw_object_summary, object_summary_path
from classifier.reports.object_summary import rows_of
from skyreel.commands import Work, check_report, interruptible, progress_bars
from skyreel.errors import ClassifierError
from skyreel.provenance import versions


@interruptible
def classify_split(work: Work, *, model, split: str, report, any_survey: bool, plot=()) -> None:
    """Classify one split of a data set, and draw the objects named in ``plot``.

    Raises
    ------
    ClassifierError, OutputError
    """
    work.check_output()
    chosen = DatasetSplit(work.data, split)
    opened = open_model(model, threads=work.cores())
    check_fit(model, opened, chosen, any_survey=any_survey)
    if opened.survey != chosen.survey:
        work.console.print(f"Note: {model} was trained on {opened.survey}, not {chosen.survey}.")
    if work.out.is_dir():
        raise ClassifierError(f"--out {work.out} is a folder; predictions are a Parquet file.")
    check_report(report)
    rows = rows_of(chosen, plot)
    if report is not None and not (chosen.labels >= 0).any():
        raise ClassifierError(f"{work.data}/{split} has no labels; there is nothing to report.")
    predictions = _predict(work, opened, chosen, work.out, report)
    shown = SelectedSplit(chosen, opened.selection) if rows else None
    for row, name in zip(rows, plot, strict=True):
        picture = object_summary_path(work.out, name)
        try:
            draw_object_summary(picture, shown, row, predictions)
        except ClassifierError as error:
            work.console.print(f"Not drawn: {error}")
        else:
            work.console.print(f"Object summary of {name}: {picture}")


def evaluate_test(work: Work, model) -> None:
    """Classify the test split with a model just trained, into its folder."""
    try:
        split = DatasetSplit(work.data, "test")
    except ClassifierError as error:
        work.console.print(f"Nothing is evaluated: {error}")
        return
    if not (split.labels >= 0).any():
        work.console.print(f"{work.data} has no labelled test split; nothing is evaluated.")
        return
    report = work.out / "evaluation"
    _predict(work, model, split, work.out / "predictions.parquet", report)


def _predict(work, model, split, out, report):
    console = work.console
    with progress_bars(console) as progress:
        task = progress.add_task("classifying", total=len(split))
        predictions = model.predict(
            split, threads=work.cores(), on_progress=lambda n: progress.advance(task, n)
        )
    attributes = {
        "model": str(model.folder),
        "trained_on": model.card["trained_on"],
        "data": {"path": str(work.data), **data_identity(split)},
        "versions": versions("skyreel", "numpy"),
    }
    write_predictions(out, predictions, attributes)
    console.print(f"Predictions after every image of {len(split):,} objects: {out}")
    if (predictions.label >= 0).any():
        selected = SelectedSplit(split, model.selection)
        title = f"{model.name} on {Path(split.path).name}, {split.name}"
        facts = {"Model": str(model.folder), "Data": str(split.path), "Survey": split.survey}
        facts |= {"Versions": ", ".join(f"{k} {v}" for k, v in attributes["versions"].items())}
        _score(predictions, report, console, title, selected=selected, facts=facts)
    return predictions


def _score(predictions, report, console, title, **more):
    evaluation = evaluate(predictions)
    console.print(summary_table(evaluation))
    if report is not None:
        write_report(evaluation, report, title, predictions=predictions, **more)
        console.print(f"The report: {Path(report) / PAGE}")
