"""``classify``: class probabilities of sequences after every image, with scores and plots."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skyreel import commands
from skyreel.commands import command, list_option, n_cores, new_app
from skyreel.errors import ClassifierError
from skyreel.output_paths import check_file, check_folder
from skyreel.tables import SUFFIXES

if TYPE_CHECKING:
    import numpy as np
    from rich.console import Console

    from classifier.dataset import DatasetSplit
    from classifier.evaluation import Predictions
    from classifier.evaluation.stored_predictions import StoredPredictions
    from classifier.models.protocol import Model

app = new_app()


@command(app)
def classify(
    model: Annotated[str, commands.MODEL],
    data: Annotated[Path, commands.DATA],
    out: Annotated[
        Path,
        typer.Option(
            help="Table of the predictions, or of clusters: .parquet, .csv, .ecsv or .fits."
        ),
    ],
    split: commands.Split = "test",
    report: Annotated[
        Path | None,
        typer.Option(
            help="Folder for scores and plots, where labels are known; of clusters always."
        ),
    ] = None,
    plot: Annotated[
        str | None,
        list_option(
            metavar="OBJECT",
            help="Objects to plot: name, or index for simulated data. Images, light curve and "
            "predictions, one PNG each beside --out.",
        ),
    ] = None,
    sky_map: Annotated[
        Path | None,
        typer.Option(
            "--map", help="PNG to write: predicted classes on the sky, where positions are known."
        ),
    ] = None,
    importance: Annotated[
        int | None,
        typer.Option(
            metavar="REPEATS",
            help="Models of first alerts: shuffle every column of the metadata so many times and "
            "print how much worse the predictions become.",
        ),
    ] = None,
    any_survey: commands.AnySurvey = False,
    threads: commands.Threads = None,
    quiet: commands.Quiet = False,
) -> None:
    """Classify sequences: probabilities after every image. Models vae and vade cluster."""
    from skyreel.console import new_console, status

    console, cores, objects = new_console(quiet), n_cores(threads), commands.split_list(plot)
    check_file(out, suffixes=SUFFIXES)
    check_folder(report, "--report")
    check_file(sky_map, "--map", (".png",))
    with status(console, "Opening the data and the model"):
        from classifier.cli.cluster_report import cluster_split, refuse_plots
        from classifier.dataset import DatasetSplit
        from classifier.models.registry import (
            check_fit,
            makes_clusters,
            model_folder,
            open_model,
        )

        chosen = DatasetSplit(data, split)
        model_folder(model)
        rows = _rows_of(chosen, objects)
        positions = None if sky_map is None else known_positions(chosen)
        opened = open_model(model, threads=cores)
        clusters = makes_clusters(opened)
        if clusters:
            refuse_plots(plot, sky_map)
        elif report is not None:
            refuse_unlabelled(chosen)
        notes = check_fit(model, opened, chosen, any_survey=any_survey, any_class=clusters)
        _check_importance(importance, opened)
    for note in notes:
        console.print(f"Note: {note}")
    if clusters:
        cluster_split(opened, chosen, out, report, console)
        return
    predictions = predict_split(opened, chosen, out, report, cores, console)
    _draw(out, chosen, opened, objects, rows, predictions, console)
    if sky_map is not None:
        draw_map(sky_map, positions, predictions, console)
    if importance is not None:
        _print_importance(importance, opened, chosen, console)


def _check_importance(repeats, model):
    if repeats is None:
        return
    from classifier.evaluation.metadata_importance import check_metadata_model

    if repeats < 1:
        raise ClassifierError(f"--importance {repeats}: at least 1.")
    check_metadata_model(model)


def _print_importance(repeats, model, split, console):
    from classifier.evaluation.metadata_importance import metadata_importance
    from classifier.reports.evaluation_files import importance_table
    from skyreel.console import Bars

    alerts = model.alerts_of(split)
    labels = split.labels_among(model.classes, model.class_parts)[alerts.rows]
    with Bars(console) as bars:
        advance = bars.add("shuffling metadata", repeats * len(alerts.columns))
        found = metadata_importance(model, alerts, labels, repeats=repeats, on_progress=advance)
    console.print(importance_table(found))


def refuse_unlabelled(split: DatasetSplit) -> None:
    """Check that there is a label, without which there is nothing to report.

    Raises
    ------
    ClassifierError
    """
    if not (split.labels >= 0).any():
        raise ClassifierError(
            f"{split.path}/{split.name} has no labels; there is nothing to report."
        )


def known_positions(split: DatasetSplit) -> tuple[np.ndarray, np.ndarray]:
    """Right ascensions and declinations of the objects of a split, for `draw_map`.

    Raises
    ------
    ClassifierError
        No object has a position.
    """
    from classifier.reports.sky_map import positions_of

    return positions_of(split)


def draw_map(
    path: Path,
    positions: tuple[np.ndarray, np.ndarray],
    predictions: Predictions | StoredPredictions,
    console: Console,
) -> None:
    """Draw the predicted classes on the sky and print the distances from both planes.

    Raises
    ------
    ClassifierError
        No object has both a position and a prediction.
    """
    from classifier.reports.sky_map import PredictedSky, save_sky_map

    sky = PredictedSky.of(positions, predictions)
    save_sky_map(path, sky)
    for line in sky.summary():
        console.print(line)
    without = f"; {sky.n_without:,} objects are not on it" if sky.n_without else ""
    console.print(f"Predicted classes on the sky: {path}{without}")


def _rows_of(split, objects):
    if not objects:
        return []
    from classifier.reports.object_summary import rows_of

    return rows_of(split, objects)


def _draw(out, split, model, objects, rows, predictions, console):
    if not rows:
        return
    from classifier.image_selection import images_of
    from classifier.reports.object_page import draw_object_summary, object_summary_path

    selected = images_of(model, split)
    for row, name in zip(rows, objects, strict=True):
        picture = object_summary_path(out, name)
        try:
            draw_object_summary(picture, selected, row, predictions)
        except ClassifierError as error:
            console.print(f"Not drawn: {error}")
        else:
            console.print(f"Object summary of {name}: {picture}")


def evaluate_test(model: Model, data: Path, out: Path, threads: int, console: Console) -> None:
    """Classify or cluster the test split with a model just trained, into its folder."""
    from classifier.cli.cluster_report import cluster_split
    from classifier.dataset import DatasetSplit
    from classifier.models.registry import makes_clusters

    try:
        split = DatasetSplit(data, "test")
    except ClassifierError as error:
        console.print(f"Nothing is evaluated: {error}")
        return
    if makes_clusters(model):
        cluster_split(model, split, out / "clusters.parquet", out / "evaluation", console)
        return
    if not (split.labels >= 0).any():
        console.print(f"{data} has no labelled test split; nothing is evaluated.")
        return
    path, report = out / "predictions.parquet", out / "evaluation"
    try:
        predict_split(model, split, path, report, threads, console)
    except ClassifierError as error:
        console.print(f"Nothing is evaluated: {error}")


def predict_split(
    model: Model,
    split: DatasetSplit,
    out: Path,
    report: Path | None,
    threads: int,
    console: Console,
) -> Predictions | StoredPredictions:
    """Predict a split, write the predictions, and score them where labels are known.

    Raises
    ------
    ClassifierError
        No object has an image that the model can use.
    """
    from classifier import prediction_notes
    from classifier.features.feature_table import dataset_identity
    from skyreel.console import Bars
    from skyreel.provenance import versions

    attributes = {
        "model": str(model.folder),
        "trained_on": model.card["trained_on"],
        "data": {"path": str(split.path), **dataset_identity(split)},
        "versions": versions("skyreel", "numpy"),
    }

    def notes(predicted):
        prediction_notes.refuse_unusable(predicted.n_images, split, model)
        unused = prediction_notes.without_prediction(predicted.n_images, predicted.object_id, model)
        longer = prediction_notes.beyond_the_longest(model, split)
        return [*split.notes(), *unused, *longer, *prediction_notes.trained_on_these(model, split)]

    with Bars(console) as bars:
        advance = bars.add("classifying", len(split), unit="seq")
        options = {"threads": threads, "on_progress": advance, "notes": notes}
        predictions = _predict_to(out, model, split, attributes, options)
    for note in notes(predictions):
        console.print(f"Note: {note}")
    n_predicted = int((predictions.n_images > 0).sum())
    console.print(f"Predictions after every image of {n_predicted:,} objects: {out}")
    if (predictions.label >= 0).any():
        _score(
            predictions, report, console, model, split, attributes["versions"], notes(predictions)
        )
    return predictions


def _predict_to(out, model, split, attributes, options):
    """Predictions in ``out``; those in another format than Parquet are read whole."""
    from tempfile import TemporaryDirectory

    from classifier.evaluation import read_predictions
    from classifier.evaluation.stored_predictions import predict_to_file
    from skyreel.tables import export_table

    if out.suffix.lower() == ".parquet":
        return predict_to_file(out, model, split, attributes, **options)
    with TemporaryDirectory() as folder:
        table = Path(folder) / "p.parquet"
        predict_to_file(table, model, split, attributes, **options)
        export_table(table, out)
        return read_predictions(table)


def _score(predictions, report, console, model, split, package_versions, notes):
    from classifier.evaluation import evaluate, summary_table, write_report
    from classifier.image_selection import images_of
    from classifier.reports.evaluation_page import PAGE

    if report is None and not ((predictions.label >= 0) & (predictions.n_images > 0)).any():
        console.print("Nothing is scored: no object has a label and a prediction.")
        return
    evaluation = evaluate(predictions)
    console.print(summary_table(evaluation))
    if report is not None:
        write_report(
            evaluation,
            report,
            f"{model.name} on {Path(split.path).name}, {split.name}",
            predictions=predictions,
            selected=images_of(model, split),
            facts={
                "Model": str(model.folder),
                "Data": str(split.path),
                "Survey": split.survey,
                "Versions": ", ".join(f"{k} {v}" for k, v in package_versions.items()),
            },
            notes=notes,
        )
        console.print(f"The report: {Path(report) / PAGE}")


if __name__ == "__main__":
    app()
