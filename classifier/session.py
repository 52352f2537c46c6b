"""One call of a command: what is done, and what the user sees of it."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from dataclasses import dataclass
from functools import wraps
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from classifier.curve_table import write_curve_features
from classifier.errors import ClassifierError
from classifier.evaluation import evaluate, summary_table, write_predictions, write_report
from classifier.feature_table import FeatureTable, data_identity
from classifier.files import whole_file
from classifier.forest.model import Forest
from classifier.forest.training import ForestOptions, ForestTraining, versions
from classifier.recipe import Recipe
from classifier.stamps import Split
from simulator.errors import Interrupted

MAX_THREADS = 256
MODELS = ("forest",)


@dataclass(frozen=True, kw_only=True)
class Work:
    """What every command is asked."""

    data: Path
    out: Path
    threads: int | None
    quiet: bool

    @property
    def console(self) -> Console:
        """Where to talk to the user."""
        return Console(quiet=self.quiet, highlight=False)

    def cores(self) -> int:
        """Threads to use.

        Raises
        ------
        ClassifierError
        """
        affinity = getattr(os, "sched_getaffinity", None)
        cores = len(affinity(0)) if affinity else os.cpu_count()
        threads = cores if self.threads is None else self.threads
        if not 1 <= threads <= MAX_THREADS:
            raise ClassifierError(f"--threads {threads}; allowed are 1 to {MAX_THREADS}.")
        return threads

    def check_output(self) -> None:
        """Say what is wrong with the output path before anything is computed.

        Raises
        ------
        ClassifierError
        """
        place = self.out.absolute()
        if not place.is_dir():
            place = place.parent
        while not place.exists():
            place = place.parent
        if not place.is_dir() or not os.access(place, os.W_OK):
            raise ClassifierError(f"{self.out}: {place} is not a folder that can be written to.")


def check_report(folder) -> None:
    """Refuse a place for a report that is a file.

    Raises
    ------
    ClassifierError
    """
    if folder is not None and Path(folder).exists() and not Path(folder).is_dir():
        raise ClassifierError(f"--report {folder} is a file; a report is a folder.")


def interruptible(command):
    """A command that says how to go on when the user stops it."""

    @wraps(command)
    def run(*arguments, **options):
        try:
            return command(*arguments, **options)
        except KeyboardInterrupt:
            raise Interrupted from None

    return run


@interruptible
def train_forest(work: Work, *, model: str, **choices) -> None:
    """Train a forest, evaluate it on the test split, and say how it did.

    Raises
    ------
    ClassifierError, OutputError
    """
    if model not in MODELS:
        raise ClassifierError(f"--model {model!r}; known models: {', '.join(MODELS)}.")
    work.check_output()
    options, command = ForestOptions(**choices), _command_line("train")
    training = ForestTraining(work.data, work.out, options, work.cores(), command)
    if training.is_complete():
        work.console.print(f"{work.out} is trained already; it is only tested again.")
    with _progress(work.console) as progress:
        forest = training.run(_Steps(progress))
    shape = f"{forest.card['trees']} trees of depth {forest.card['depth']}"
    work.console.print(f"{work.out}: {shape} for each of 1 to {forest.largest} images.")
    _evaluate_test(work, forest, work.console)


class _Steps:
    """Progress bars, one for every kind of step, as they are heard of."""

    def __init__(self, progress):
        self._progress, self._tasks = progress, {}

    def __call__(self, name, done, total):
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=total)
        self._progress.advance(self._tasks[name], done)


def _evaluate_test(work, forest, console):
    split = Split(work.data, "test")
    if not (split.labels >= 0).any():
        console.print(f"{work.data} has no labelled test split; nothing is evaluated.")
        return
    report = work.out / "evaluation"
    _predict(work, forest, split, work.out / "predictions.parquet", report, console)


@interruptible
def classify_split(work: Work, *, model: Path, split: str, report, any_survey: bool) -> None:
    """Classify one split of a data set.

    Raises
    ------
    ClassifierError, OutputError
    """
    work.check_output()
    forest, chosen = Forest.open(model), Split(work.data, split)
    if forest.survey != chosen.survey and not any_survey:
        raise ClassifierError(
            f"{model} was trained on {forest.survey}, {work.data} is {chosen.survey}. To use it "
            "all the same: --any-survey."
        )
    check_report(report)
    if report is not None and not (chosen.labels >= 0).any():
        raise ClassifierError(f"{work.data}/{split} has no labels; there is nothing to report.")
    _predict(work, forest, chosen, work.out, report, work.console)


def _predict(work, forest, split, out, report, console):
    with _progress(console) as progress:
        task = progress.add_task("classifying", total=len(split))
        predictions = forest.predict(
            split, threads=work.cores(), on_progress=lambda n: progress.advance(task, n)
        )
    attributes = {
        "model": str(forest.folder),
        "trained_on": forest.card["trained_on"],
        "data": {"path": str(work.data), **data_identity(split)},
        "versions": versions(),
    }
    write_predictions(out, predictions, attributes)
    console.print(f"Predictions after every image of {len(split):,} objects: {out}")
    if (predictions.label >= 0).any():
        _score(predictions, report, console, f"{forest.folder.name} on {split.path}")


def _score(predictions, report, console, title):
    evaluation = evaluate(predictions)
    console.print(summary_table(evaluation))
    if report is not None:
        write_report(evaluation, report, title)
        console.print(f"Scores and plots: {report}")


@interruptible
def make_features(work: Work, *, split: str, every: bool, start: str, band, **choices) -> None:
    """Compute the features of one split of a data set.

    Raises
    ------
    ClassifierError, OutputError
    """
    work.check_output()
    chosen = Split(work.data, split)
    law_from = Split(work.data, "train") if start == "alert" else chosen
    recipe = Recipe.for_training(law_from, start=start, band=band, **choices)
    table, console, began = FeatureTable(work.out, chosen, recipe, every), work.console, time.time()
    complete = table.is_complete()
    with _progress(console) as progress:
        task = progress.add_task(work.out.name, total=len(chosen))
        table.make(threads=work.cores(), on_progress=lambda n: progress.advance(task, n))
    if complete:
        console.print(f"{work.out} is complete.")
        return
    seconds = time.time() - began
    _write_record(work.out, table.settings(), seconds)
    console.print(
        f"{len(recipe.feature_names)} features of {len(chosen):,} objects in {seconds:.1f} s: "
        f"{work.out}"
    )


@interruptible
def make_curve_features(work: Work) -> None:
    """Compute the features of a table of light curves.

    Raises
    ------
    ClassifierError, OutputError
    """
    work.check_output()
    if work.out.exists():
        raise ClassifierError(f"{work.out} exists already. Give another --out, or remove it.")
    threads, began = work.cores(), time.time()
    with _progress(work.console) as progress:
        task = progress.add_task(work.out.name, total=None)
        n_curves = write_curve_features(
            work.data, work.out, threads=threads,
            on_progress=lambda n: progress.advance(task, n),
        )  # fmt: skip
    seconds = time.time() - began
    work.console.print(f"Features of {n_curves:,} light curves in {seconds:.1f} s: {work.out}")


def _write_record(out, settings, seconds):
    path = out.with_name(out.name + ".json")
    record = {"command": _command_line("features"), "seconds": round(seconds, 2), **settings}
    with whole_file(path) as unfinished:
        unfinished.write_text(json.dumps(record, indent=1))


def _command_line(name):
    return shlex.join([name, *sys.argv[1:]])


def _progress(console):
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        TimeRemainingColumn(), console=console,
    )  # fmt: skip
