"""The command ``features``."""

from __future__ import annotations

import json
import time

from classifier.dataset import DatasetSplit
from classifier.features.curve_table import write_curve_features
from classifier.features.feature_table import FeatureTable
from classifier.features.pipeline import FeatureConfig
from skyreel.atomic_files import whole_file
from skyreel.commands import Work, interruptible, progress_bars
from skyreel.errors import ClassifierError
from skyreel.provenance import command_line


@interruptible
def make_features(work: Work, *, split: str, every: bool, start: str, band, **choices) -> None:
    """Compute the features of one split of a data set.

    Raises
    ------
    ClassifierError, OutputError
    """
    work.check_output()
    chosen = DatasetSplit(work.data, split)
    law_from = DatasetSplit(work.data, "train") if start == "alert" else chosen
    config = FeatureConfig.for_training(law_from, start=start, band=band, **choices)
    table, console, began = FeatureTable(work.out, chosen, config, every), work.console, time.time()
    complete = table.is_complete()
    with progress_bars(console) as progress:
        task = progress.add_task(work.out.name, total=len(chosen))
        table.make(threads=work.cores(), on_progress=lambda n: progress.advance(task, n))
    if complete:
        console.print(f"{work.out} is complete.")
        return
    seconds = time.time() - began
    _write_record(work.out, table.settings(), seconds)
    console.print(
        f"{len(config.feature_names)} features of {len(chosen):,} objects in {seconds:.1f} s: "
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
    with progress_bars(work.console) as progress:
        task = progress.add_task(work.out.name, total=None)
        n_curves = write_curve_features(
            work.data,
            work.out,
            threads=threads,
            on_progress=lambda n: progress.advance(task, n),
        )
    seconds = time.time() - began
    work.console.print(f"Features of {n_curves:,} light curves in {seconds:.1f} s: {work.out}")


def _write_record(out, settings, seconds):
    path = out.with_name(out.name + ".json")
    record = {"command": command_line("features"), "seconds": round(seconds, 2), **settings}
    with whole_file(path) as unfinished:
        unfinished.write_text(json.dumps(record, indent=1))
