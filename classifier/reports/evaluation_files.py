"""An evaluation as JSON and CSV files, and as a table for the terminal."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.table import Table

from classifier.evaluation.evaluation import Evaluation
from classifier.evaluation.metrics import PER_CLASS, SCALARS, Scores
from classifier.evaluation.real_bogus import SCORES
from skyreel.atomic_files import whole_file
from skyreel.json_io import plain, write_json

if TYPE_CHECKING:
    from classifier.evaluation.metadata_importance import MetadataImportance

NAMES = {
    "accuracy": "accuracy",
    "mean_recall": "mean recall",
    "mean_f1": "mean F1",
    "log_loss": "log loss",
    "brier": "Brier score",
    "calibration_error": "calibration error",
    "matched_mean_recall": "matched mean recall",
}


def write_files(
    evaluation: Evaluation, folder: Path, title: str, notes: Sequence[str] = ()
) -> None:
    """Write ``evaluation.json``, ``notes`` in it, and three CSV tables, each whole or not at all.

    Raises
    ------
    OutputError
        The folder cannot be written.
    """
    _write_csv(folder / "by_images.csv", _by_images_rows(evaluation))
    columns = _magnitude_row(evaluation.classes, (0, 0), evaluation.final, evaluation.final_error)
    _write_csv(folder / "by_magnitude.csv", _by_magnitude_rows(evaluation), columns)
    _write_csv(folder / "confusion.csv", _confusion_rows(evaluation))
    write_json(folder / "evaluation.json", {**as_dict(evaluation, title), "notes": list(notes)})


def as_dict(evaluation: Evaluation, title: str) -> dict:
    """Everything in an evaluation as plain lists and numbers, None where undefined."""
    summary = {name: found._asdict() for name, found in evaluation.summary().items()}
    return plain({"title": title, "summary": summary, **asdict(evaluation)})


def summary_table(evaluation: Evaluation) -> Table:
    """Scores after the first image and after all, the recall of every class, and of real ones."""
    first, last = (int(evaluation.images[k]) for k in (0, -1))
    table = Table(title=_title(evaluation), title_justify="left")
    table.add_column("score")
    table.add_column("objects", justify="right")
    if last > first:
        table.add_column("after 1 image", justify="right")
    table.add_column(f"after all (up to {last})", justify="right")
    columns = _table_columns(evaluation) if last > first else _table_columns(evaluation)[-1:]
    for name, n_objects in _table_rows(evaluation):
        table.add_row(
            NAMES.get(name, name.replace("fnr_at_fpr_", "FNR at FPR ")),
            n_objects,
            *(_text(c, name) for c in columns),
            end_section=name == "matched_mean_recall",
        )
    return table


def importance_table(found: MetadataImportance) -> Table:
    """What a model loses when each column of its metadata is shuffled, with the spread."""
    repeats = found.recall_loss.shape[1]
    title = (
        f"{found.n_objects:,} objects: mean recall {found.mean_recall:.3f}, log loss "
        f"{found.log_loss:.3f}; changes where a column is shuffled, mean and standard deviation of "
        f"{repeats}"
    )
    table = Table(title=title, title_justify="left")
    table.add_column("metadata")
    table.add_column("loss of mean recall", justify="right")
    table.add_column("gain of log loss", justify="right")
    for name, *changes in zip(found.columns, found.recall_loss, found.log_loss_gain, strict=True):
        table.add_row(name, *(_mean_and_spread(each) for each in changes))
    return table


def _mean_and_spread(values):
    spread = values.std(ddof=1) if values.size > 1 else np.nan
    return f"{values.mean():.4f}" + (f" ± {spread:.4f}" if np.isfinite(spread) else "")


def _title(evaluation):
    left_out = {
        "without a label": evaluation.n_unlabelled,
        "without an image": evaluation.n_without_images,
    }
    notes = [f"{n:,} {why} left out" for why, n in left_out.items() if n]
    return ", ".join([f"{evaluation.n_objects:,} objects", *notes])


def _table_rows(evaluation):
    yield from ((name, "") for name in (*SCALARS, "matched_mean_recall"))
    n_by_class = evaluation.final.n_by_class
    for k, name in enumerate(evaluation.classes):
        yield f"recall_{name}", f"{n_by_class[k]:,.0f}"

    if evaluation.real_bogus is not None:
        yield from _real_bogus_rows(evaluation.real_bogus)


def _real_bogus_rows(scores):
    for name in SCORES:
        yield f"real_{name}", f"{scores.n_real:,}"
    for rate, allowed in zip(scores.false_positive_rates, scores.allowed, strict=True):
        yield f"fnr_at_fpr_{rate:g}", f"{allowed:,} BOGUS allowed"


def _table_columns(evaluation):
    first, error = evaluation.by_images.at(0), evaluation.by_images_error.at(0)
    early = {name: (getattr(first, name), getattr(error, name)) for name in SCALARS}
    for k, name in enumerate(evaluation.classes):
        early[f"recall_{name}"] = (first.recall[k], error.recall[k])
    return early, evaluation.summary()


def _text(column, name):
    value, error = column.get(name, (np.nan, np.nan))
    if not np.isfinite(value):
        return "not resolved" if name.startswith("fnr") else "-"
    digits = 4 if name.startswith("fnr") else 3
    return f"{value:.{digits}f}" + (f" ± {error:.{digits}f}" if np.isfinite(error) else "")


def _by_images_rows(evaluation):
    for k, n_images in enumerate(evaluation.images):
        keys = {"n_images": int(n_images), "n_with_k": int(evaluation.n_with_k[k])}
        scores, errors = evaluation.by_images.at(k), evaluation.by_images_error.at(k)
        yield keys | _score_columns(scores, errors, evaluation.classes)


def _by_magnitude_rows(evaluation):
    for k, bin_edges in enumerate(evaluation.magnitude_bins):
        scores, errors = evaluation.by_magnitude.at(k), evaluation.by_magnitude_error.at(k)
        yield _magnitude_row(evaluation.classes, bin_edges, scores, errors)


def _magnitude_row(classes, bin_edges, scores, errors):
    row = {"low_mag": float(bin_edges[0]), "high_mag": float(bin_edges[1])}
    row["n_objects"] = int(scores.n_objects)
    row |= {f"n_{name}": int(n) for name, n in zip(classes, scores.n_by_class, strict=True)}
    return row | _score_columns(scores, errors, classes)


def _confusion_rows(evaluation):
    for name, row in zip(evaluation.classes, evaluation.final.confusion, strict=True):
        counts = zip(evaluation.classes, row, strict=True)
        yield {"true": name} | {f"predicted_{other}": int(n) for other, n in counts}


def _score_columns(scores: Scores, errors: Scores, classes):
    columns = {}
    for name in SCALARS:
        columns |= {name: getattr(scores, name), f"{name}_error": getattr(errors, name)}
    for name in PER_CLASS:
        for k, class_name in enumerate(classes):
            key = f"{name}_{class_name}"
            columns |= {key: getattr(scores, name)[k], f"{key}_error": getattr(errors, name)[k]}
    return {name: float(value) if np.isfinite(value) else "" for name, value in columns.items()}


def _write_csv(path, rows, columns=None):
    """Write rows, under the names in ``columns`` where there may be none."""
    rows = list(rows)
    with whole_file(path) as unfinished, unfinished.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(columns or rows[0]))
        writer.writeheader()
        writer.writerows(rows)
