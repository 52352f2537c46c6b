"""``compare``: models on the same objects, and one page about them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skyreel import commands
from skyreel.commands import command, list_option, n_cores, new_app, split_list
from skyreel.errors import ClassifierError
from skyreel.output_paths import check_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from classifier.dataset import DatasetSplit
    from classifier.evaluation.compared_models import ComparedModel
    from classifier.evaluation.comparison import Comparison

app = new_app()
_PRINTED = ("accuracy", "mean_recall", "log_loss")
_SEED = 0  # of the objects on the maps


@command(app)
def compare(
    data: Annotated[Path, commands.DATA],
    out: Annotated[Path, typer.Option(help="Folder of the report.")],
    model: Annotated[
        list[str] | None,
        typer.Argument(metavar="MODEL...", help="Shipped models by name, or folders."),
    ] = None,
    models: Annotated[
        str | None, list_option(metavar="MODEL", help="Same as the argument MODEL.")
    ] = None,
    names: Annotated[
        str | None,
        list_option(
            metavar="NAME", help="Names of the models on the page.", show_default="their own names"
        ),
    ] = None,
    split: commands.Split = "test",
    any_survey: commands.AnySurvey = False,
    threads: commands.Threads = None,
    quiet: commands.Quiet = False,
) -> None:
    """Compare models on the same objects: one HTML page of scores, differences and plots.

    Run again with the same arguments to finish a run that stopped; predictions are kept.
    """
    from skyreel.console import new_console, status

    console, cores = new_console(quiet), n_cores(threads)
    asked = (*(model or ()), *split_list(models))
    check_folder(out)
    with status(console, "Opening the data and the models"):
        found, chosen = open_models(
            asked, _called(names), data, split, any_survey=any_survey, threads=cores
        )
    compare_models(found, chosen, out, cores, console)


def _called(names):
    """Names as given, empty ones too, which are refused."""
    return () if names is None else tuple(map(str.strip, names.split(",")))


def open_models(
    models: Sequence[str],
    names: Sequence[str],
    data: Path,
    split: str,
    *,
    any_survey: bool,
    threads: int,
) -> tuple[list[ComparedModel], DatasetSplit]:
    """The models and the split of a comparison, all checked before Keras is imported.

    Raises
    ------
    ClassifierError
    """
    from classifier.dataset import DatasetSplit
    from classifier.models.registry import model_folder

    if not models:
        raise ClassifierError("give models: names of shipped ones, or folders.")
    for name in models:
        model_folder(name)
    chosen = DatasetSplit(data, split)
    chosen.refuse_empty()
    if not (chosen.labels >= 0).any():
        raise ClassifierError(f"{data}/{split} has no labels; there is nothing to score.")
    from classifier.evaluation.compared_models import compared_models

    found = compared_models(models, names, chosen, any_survey=any_survey, threads=threads)
    return found, chosen


def compare_models(
    found: list[ComparedModel], split: DatasetSplit, out: Path, threads: int, console: Console
) -> Comparison:
    """Compare opened models on a split; ``out`` is the folder of the report.

    Raises
    ------
    ClassifierError, OutputError
    """
    from classifier.reports.comparison_page import write_comparison
    from classifier.reports.evaluation_page import PAGE
    from skyreel.atomic_files import locked_folder
    from skyreel.console import Bars

    with locked_folder(out):
        with Bars(console) as bars:
            report = _report(out, found, split, threads, bars)
        write_comparison(report, out)
    for note in report.notes:
        console.print(f"Note: {note}")
    console.print(_table(report.comparison))
    console.print(f"The whole comparison: {out / PAGE}")
    return report.comparison


def _report(folder, found, split, threads, bars):
    import numpy as np

    from classifier.evaluation.compared_models import predictions_of
    from classifier.evaluation.comparison import compare
    from classifier.evaluation.embedding import MOST_OBJECTS, balanced, map_of
    from classifier.reports.comparison_page import Report

    predictions, paths = {}, {}
    for compared in found:
        path = paths[compared.name] = predictions_path(folder, compared)
        predictions[compared.name] = predictions_of(
            compared,
            split,
            path,
            threads=threads,
            on_progress=bars.add(f"{compared.name}: classifying", len(split)),
        )
    comparison = compare(predictions)
    mapped = balanced(comparison.labels, most=MOST_OBJECTS, seed=_SEED)
    # Rows of the split increase for it to be read in order, those of the comparison with the names.
    rows = _rows_in(split, comparison.object_id[mapped])
    order = np.argsort(rows)
    maps, advance = {}, bars.add("maps", len(found))
    for compared in found:
        maps[compared.name] = map_of(compared.model, split, rows[order], threads=threads)
        advance(1)
    title = f"{_number_of(found)} on {Path(split.path).name}, {split.name}"
    about = _about(split, comparison, found, paths.values())
    notes = _notes(found, split, predictions)
    return Report(comparison, found, maps, mapped[order], title, about, split, notes)


def _notes(found, split, predictions):
    """What a reader must know of data and models, each sentence once."""
    from classifier.prediction_notes import (
        beyond_the_longest,
        trained_on_these,
        without_prediction,
    )

    notes = split.notes()
    for compared in found:
        notes += compared.notes
        made = predictions[compared.name]
        notes += without_prediction(made.n_images, made.object_id, compared.model)
        notes += beyond_the_longest(compared.model, split)
        notes += trained_on_these(compared.model, split)
    return list(dict.fromkeys(notes))


def predictions_path(folder: Path, compared: ComparedModel) -> Path:
    """Where a comparison keeps the predictions of a model."""
    return Path(folder) / "predictions" / f"{compared.file_name}.parquet"


def _rows_in(split, object_id):
    import numpy as np

    order = np.argsort(split.object_ids)
    return order[np.searchsorted(split.object_ids, object_id, sorter=order)]


def _number_of(found):
    return "1 model" if len(found) == 1 else f"{len(found)} models"


def _about(split, comparison, found, paths):
    from classifier.evaluation import read_attributes
    from classifier.evaluation.compared_models import MADE
    from classifier.reports.comparison_page import PREDICTED_ON
    from skyreel.provenance import versions

    counts = [int((comparison.labels == k).sum()) for k in range(len(comparison.classes))]
    left_out = len(split) - len(comparison.labels)
    objects = f"{len(comparison.labels):,}"
    if left_out:
        objects += f" ({left_out:,} left out: no label, or no image for some model)"
    packages = ["skyreel", "numpy", "scikit-learn"]
    packages += sorted({package for compared in found for package in compared.model.packages})
    return {
        "Models": "; ".join(comparison.scores),
        "Data": f"{split.path}, split {split.name}",
        "Survey": split.survey + _other_surveys(split, found),
        "Objects": objects,
        "Classes": ", ".join(
            f"{name}\N{NO-BREAK SPACE}{n:,}"
            for name, n in zip(comparison.classes, counts, strict=True)
        ),
        PREDICTED_ON: ", ".join(sorted({read_attributes(path)[MADE] for path in paths})),
        "Versions": ", ".join(f"{name} {number}" for name, number in versions(*packages).items()),
    }


def _other_surveys(split, found):
    others = [f"{c.name}: {c.model.survey}" for c in found if c.model.survey != split.survey]
    return f" (but trained on another: {', '.join(others)})" if others else ""


def _table(comparison):
    from rich.table import Table

    table = Table(title=f"{len(comparison.labels):,} objects", title_justify="left")
    table.add_column("model")
    for key in _PRINTED:
        table.add_column(key.replace("_", " "), justify="right")
    for name, scores in comparison.scores.items():
        table.add_row(name, *("{:.3f} ± {:.3f}".format(*scores[key]) for key in _PRINTED))
    return table


if __name__ == "__main__":
    app()
