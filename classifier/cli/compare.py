"""The command ``compare``: models, their predictions, and the report."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import numpy as np
from rich.table import Table

from classifier.dataset import DatasetSplit
from classifier.evaluation import read_attributes
from classifier.evaluation.compared_models import MADE, answers_of, compared_models
from classifier.evaluation.comparison import compare
from classifier.evaluation.embedding import MOST_OBJECTS, balanced, map_of
from classifier.models.forest.forest import Forest
from classifier.reports.comparison_page import Report, write_comparison
from classifier.reports.evaluation_page import PAGE
from skyreel.atomic_files import alone_in
from skyreel.commands import Work, interruptible, progress_bars
from skyreel.errors import ClassifierError

_PRINTED = ("accuracy", "mean_recall", "log_loss")
_SEED = 0  # of the objects on the maps


@interruptible
def compare_models(work: Work, *, models, names=(), split: str, any_survey: bool) -> None:
    """Compare models on one split of a data set; ``work.out`` is the folder of the report.

    Raises
    ------
    ClassifierError, OutputError
    """
    if work.out.exists() and not work.out.is_dir():
        raise ClassifierError(f"--out {work.out} is a file; a comparison is a folder.")
    work.check_output()
    threads, chosen = work.cores(), DatasetSplit(work.data, split)
    chosen.refuse_empty()
    if not (chosen.labels >= 0).any():
        raise ClassifierError(f"{work.data}/{split} has no labels; there is nothing to score.")
    found = compared_models(models, names, chosen, any_survey=any_survey, threads=threads)
    with alone_in(work.out):
        with progress_bars(work.console) as bars:
            report = _report(work.out, found, chosen, threads, bars)
        write_comparison(report, work.out)
    work.console.print(_table(report.comparison))
    work.console.print(f"The whole comparison: {work.out / PAGE}")


def _report(folder, found, split, threads, bars):
    predictions, paths = {}, {}
    for compared in found:
        task = bars.add_task(f"{compared.name}: classifying", total=len(split))
        path = paths[compared.name] = predictions_path(folder, compared)
        predictions[compared.name] = answers_of(
            compared,
            split,
            path,
            threads=threads,
            on_progress=lambda n, task=task: bars.advance(task, n),
        )
    comparison = compare(predictions)
    mapped = balanced(comparison.labels, most=MOST_OBJECTS, seed=_SEED)
    # Rows of the split increase for it to be read in order, those of the comparison with the names.
    rows = _rows_in(split, comparison.object_id[mapped])
    order = np.argsort(rows)
    maps, task = {}, bars.add_task("maps", total=len(found))
    for compared in found:
        maps[compared.name] = map_of(compared.model, split, rows[order], threads=threads)
        bars.advance(task)
    title = f"{_number_of(found)} on {Path(split.path).name}, {split.name}"
    about = _about(split, comparison, found, paths.values())
    return Report(comparison, found, maps, mapped[order], title, about, split)


def predictions_path(folder: Path, compared) -> Path:
    """Where a comparison keeps the predictions of a model."""
    return Path(folder) / "predictions" / f"{compared.file_name}.parquet"


def _rows_in(split, object_id):
    order = np.argsort(split.object_ids)
    return order[np.searchsorted(split.object_ids, object_id, sorter=order)]


def _number_of(found):
    return "1 model" if len(found) == 1 else f"{len(found)} models"


def _about(split, comparison, found, paths):
    counts = np.bincount(comparison.labels, minlength=len(comparison.classes))
    left_out = len(split) - len(comparison.labels)
    objects = f"{len(comparison.labels):,}"
    if left_out:
        objects += f" ({left_out:,} left out: no label, or no image for some model)"
    packages = ["skyreel", "numpy", "scikit-learn"]
    packages += ["keras"] * any(not isinstance(c.model, Forest) for c in found)
    return {
        "Models": "; ".join(comparison.scores),
        "Data": f"{split.path}, split {split.name}",
        "Survey": split.survey + _other_surveys(split, found),
        "Objects": objects,
        "Classes": ", ".join(
            f"{name}\N{NO-BREAK SPACE}{n:,}"
            for name, n in zip(comparison.classes, counts, strict=True)
        ),
        "Predicted on": ", ".join(sorted({read_attributes(path)[MADE] for path in paths})),
        "Versions": ", ".join(f"{name} {version(name)}" for name in packages),
    }


def _other_surveys(split, found):
    others = [f"{c.name}: {c.model.survey}" for c in found if c.model.survey != split.survey]
    return f" (but trained on another: {', '.join(others)})" if others else ""


def _table(comparison):
    table = Table(title=f"{len(comparison.labels):,} objects", title_justify="left")
    table.add_column("model")
    for key in _PRINTED:
        table.add_column(key.replace("_", " "), justify="right")
    for name, scores in comparison.scores.items():
        table.add_row(name, *("{:.3f} ± {:.3f}".format(*scores[key]) for key in _PRINTED))
    return table
