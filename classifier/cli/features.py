"""``features``: FATS features of the light curves of a data set, or of a table of light curves."""

from __future__ import annotations

import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from skyreel import commands
from skyreel.commands import command, n_cores, new_app
from skyreel.console import first_names
from skyreel.errors import ClassifierError
from skyreel.output_paths import check_file
from skyreel.tables import SUFFIXES

if TYPE_CHECKING:
    from rich.console import Console

    from classifier.features.feature_table import FeatureTable

app = new_app()


@command(app)
def features(
    out: Annotated[
        Path,
        typer.Option(help="Table to make or to finish: .parquet, .csv, .ecsv or .fits."),
    ],
    data: Annotated[Path | None, commands.DATA] = None,
    curves: Annotated[
        Path | None,
        typer.Option(
            help="Instead of --data: table of light curves with object, mjd, magnitude, error."
        ),
    ] = None,
    split: commands.Split = "train",
    every: Annotated[
        bool, typer.Option("--every", help="Features after 1, 2, ... images, not only after all.")
    ] = False,
    images: commands.Images = 22,
    start: commands.Start = "first",
    band: Annotated[str | None, commands.BAND] = None,
    light_curves: Annotated[str, typer.Option(help=commands.LIGHT_CURVES)] = "science",
    threads: commands.Threads = None,
    quiet: commands.Quiet = False,
) -> None:
    """Compute FATS features of the light curves of a data set, or of a table.

    Run again with the same arguments to finish a run that stopped.
    """
    from skyreel.console import new_console, status

    console, cores = new_console(quiet), n_cores(threads)
    if (data is None) == (curves is None):
        raise ClassifierError("give --data or --curves.")
    check_file(out, suffixes=SUFFIXES)
    if curves is not None:
        _make_curve_features(curves, out, cores, console)
        return
    with status(console, "Opening the data"):
        from classifier.dataset import DatasetSplit

        chosen = DatasetSplit(data, split)
        first = _split_of_starts(data, chosen) if start == "alert" else chosen
        from classifier.features.feature_table import FeatureTable
        from classifier.features.pipeline import FeatureConfig

        config = FeatureConfig.for_training(
            first, start=start, band=band, images=images, light_curves=light_curves
        )
        table = FeatureTable(_parquet(out), chosen, config, every)
    _make_features(table, out, cores, console)


def _split_of_starts(data, chosen):
    """The split whose alerts say where sequences start: train, or the one asked for without it."""
    from classifier.dataset import DatasetSplit
    from simulator.dataset.reader import open_dataset

    return DatasetSplit(data, "train") if "train" in open_dataset(data) else chosen


def _parquet(out):
    """The Parquet file that ``out`` is, or is exported from."""
    return out if out.suffix.lower() == ".parquet" else out.with_name(f"{out.name}.parquet")


def _make_features(table: FeatureTable, out: Path, threads: int, console: Console):
    from skyreel.console import Bars
    from skyreel.tables import export_table

    start, exported = time.time(), table.path != out
    if exported and out.exists():
        _check_same(out, table)
    if out.exists() if exported else table.is_complete():
        console.print(f"{out} is complete.")
        return
    with Bars(console) as bars:
        advance = bars.add(out.name, len(table.split), earlier=table.n_finished(), unit="objects")
        table.make(threads=threads, on_progress=advance)
    notes = [*table.split.notes(), *_without_images(table)]
    _write_record(out, {**table.settings(), "notes": notes})
    if exported:
        export_table(table.path, out)
        table.path.unlink()
    for note in notes:
        console.print(f"Note: {note}")
    console.print(
        f"{len(table.config.feature_names)} features of {len(table.split):,} objects in "
        f"{time.time() - start:.1f} s: {out}"
    )


def _without_images(table):
    """One sentence about the objects without features, or none."""
    rows = table.without_images()
    if not rows.size:
        return []
    named = first_names(table.split.object_ids[rows])
    return [
        f"{rows.size:,} of {len(table.split):,} objects have no image in the band "
        f"{table.config.band} that can be measured, and no features (NaN): {named}."
    ]


def _record(out):
    return out.with_name(f"{out.name}.json")


def _check_same(out, table):
    """Refuse to replace a table of other data or settings."""
    try:
        found = json.loads(_record(out).read_text())
    except (OSError, ValueError, RecursionError):
        found = {}
    found = found if isinstance(found, dict) else {}
    if any(found.get(key) != value for key, value in table.settings().items()):
        raise ClassifierError(
            f"{out} is not a feature table of these data and settings. Give another --out, or "
            "remove it."
        )


def _make_curve_features(curves, out, threads, console):
    if out.exists():
        raise ClassifierError(f"{out} exists already. Give another --out, or remove it.")
    if not curves.exists():
        raise ClassifierError(f"{curves}: there is no such file.")
    from classifier.features.curve_table import read_curves, write_curve_features
    from skyreel.console import Bars, status
    from skyreel.tables import export_table

    start = time.time()
    with status(console, "Reading the light curves"):
        table = read_curves(curves)
    with Bars(console) as bars, TemporaryDirectory() as folder:
        advance = bars.add(out.name, len(table.names), unit="curves")
        exported = out.suffix.lower() != ".parquet"
        parquet = Path(folder) / "features.parquet" if exported else out
        n_curves = write_curve_features(table, parquet, threads=threads, on_progress=advance)
        if exported:
            export_table(parquet, out)
    seconds = time.time() - start
    _write_record(out, {"curves": str(curves), **table.record()})
    if summary := table.summary():
        console.print(summary)
    console.print(f"Features of {n_curves:,} light curves in {seconds:.1f} s: {out}")


def _write_record(out, settings):
    """Everything but times: records of equal runs are equal."""
    from skyreel.json_io import write_json
    from skyreel.provenance import command_line

    record = {"command": command_line("features"), **settings}
    write_json(_record(out), record)


if __name__ == "__main__":
    app()
