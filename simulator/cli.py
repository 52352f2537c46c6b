"""``simulate``: labelled image sequences of a survey, planned, previewed and written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skyreel import commands
from skyreel.commands import check_file, check_folder, command, n_cores, new_app

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from simulator.dataset.plan import Plan
    from simulator.dataset.run import Outcome
    from simulator.simulator import Simulator

app = new_app()
DEFAULT_CLASSES = "SN,RRL,CEP,EB,NV,GAL,AST"
PREVIEW_SUFFIXES = (".png", ".gif")


@command(app)
def simulate(
    survey: Annotated[str, typer.Option(help=commands.SURVEY)],
    n: Annotated[int, typer.Option(help="Sequences for training.")] = 2000,
    validation: Annotated[
        int | None, typer.Option(help="Sequences for validation.", show_default="n/8")
    ] = None,
    test: Annotated[
        int | None, typer.Option(help="Sequences for testing.", show_default="n/8")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Data set to make or to finish.", show_default="SURVEY.zarr"),
    ] = None,
    classes: Annotated[str, commands.CLASSES] = DEFAULT_CLASSES,
    magnitudes: Annotated[
        str,
        typer.Option(help="'survey', 'thesis', or a table with a column 'magnitude'."),
    ] = "survey",
    exposures: Annotated[str | None, commands.EXPOSURES] = None,
    templates: Annotated[
        str | None, typer.Option(help="Folder of published light-curve templates.")
    ] = None,
    profile_set: commands.ProfileSet = None,
    plugin: commands.Plugin = None,
    stamp_size: Annotated[int, typer.Option(help="Rows and columns of a stamp, odd.")] = 21,
    seed: commands.Seed = 0,
    threads: commands.Threads = None,
    preview: Annotated[
        list[Path] | None,
        typer.Option(help="Also draw examples: a .png contact sheet or an animated .gif."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, print the plan, stop.")
    ] = False,
    quiet: commands.Quiet = False,
) -> None:
    """Make labelled image sequences of a survey.

    Run again with the same arguments to finish a run that stopped. Any object can be made
    again by itself from the profile, the seed and its index.
    """
    from skyreel.console import new_console, status

    console, cores = new_console(quiet), n_cores(threads)
    out = out or Path(f"{Path(survey).stem}.zarr")
    check_folder(out, dataset=True)
    for path in preview or ():
        check_file(path, "--preview", PREVIEW_SUFFIXES, in_folder=True)
    with status(console, "Preparing"):
        from simulator.dataset.plan import make_plan
        from simulator.dataset.reader import is_complete
        from simulator.dataset.settings import refuse_other_settings
        from simulator.options import Options, parse_classes
        from simulator.plugins import load_plugins

        load_plugins(plugin)
        options = Options(
            classes=parse_classes(classes),
            magnitudes=magnitudes,
            exposures=exposures,
            templates=templates,
            stamp_size_pix=stamp_size,
            seed=seed,
        )
        plan = make_plan(
            survey,
            options,
            out,
            n=n,
            validation=validation,
            test=test,
            overrides=commands.profile_overrides(profile_set),
        )
        other_versions = refuse_other_settings(plan.path, plan.settings())
    if is_complete(plan.path) and not (dry_run or preview):
        console.print(_already_complete(plan, other_versions))
        return
    _run(plan, preview or (), cores, console, dry_run=dry_run)


def _run(plan: Plan, previews, threads: int, console: Console, *, dry_run: bool):
    from simulator.preview import preview
    from skyreel.console import status

    with status(console, _estimating()):
        expected_bytes, expected_seconds = plan.estimate(threads)
    console.print(_headline(plan, expected_bytes, expected_seconds), _class_table(plan))
    plan.check_disk(expected_bytes)
    for path in previews:
        preview(plan.simulator, path)
        console.print(f"Preview: {path}")
    if not dry_run:
        _make(plan, threads, console, expected_bytes)


def _estimating():
    """Announce the compilation of the kernels, where Numba has no machine code of them yet."""
    from simulator.scene.render import render

    cache, source = Path(render.stats.cache_path), Path(render.py_func.__code__.co_filename)
    compiled = any(
        index.stat().st_mtime >= source.stat().st_mtime
        for index in cache.glob(f"{source.stem}.*.nbi")
    )
    first = "; the kernels are compiled first, once, for about half a minute"
    return "Estimating size and time" + ("" if compiled else first)


def _make(plan: Plan, threads: int, console: Console, expected_bytes: float):
    from simulator.dataset.run import execute, write_record, writer_for
    from skyreel.console import Bars

    with writer_for(plan) as writer, Bars(console) as bars:
        pending = sum(end - first for _, _, first, end in writer.pending())
        advance = bars.add(
            plan.path.name,
            plan.total,
            earlier=plan.total - pending,
            unit="seq",
            each_bytes=expected_bytes / plan.total,
        )
        outcome = execute(plan, writer, threads=threads, on_progress=advance)
    if outcome.made:
        write_record(plan, outcome, expected_bytes)
    console.print(_summary(plan, outcome))


def _headline(plan: Plan, expected_bytes: float, expected_seconds: float) -> str:
    simulator = plan.simulator
    size, bands = simulator.options.stamp_size_pix, simulator.profile.cadence.bands
    return (
        f"{simulator.profile.title}: {plan.total:,} sequences of up to {simulator.n_epochs} "
        f"epochs in {', '.join(bands)}, {size} x {size} pixels; "
        f"about {expected_bytes / 1e9:.2f} GB and {_duration(expected_seconds)}."
        f"{_exposures_used(simulator) if simulator.options.exposures else ''}"
    )


def _exposures_used(simulator: Simulator) -> str:
    """How a table of exposures is used, in a few lines."""
    path, cadence = simulator.options.exposures, simulator.profile.cadence
    in_use = "[" + ",".join(f'"{band}"' for band in cadence.bands) + "]"
    lines = [
        f"{path}: {simulator.n_pointings:,} pointings; longer ones were cut into consecutive "
        f"ones of cadence.max_epochs = {cadence.max_epochs}."
    ]
    for reason, count in simulator.unused_exposures.items():
        hint = f" (in use: --profile-set 'cadence.bands={in_use}')" if "band" in reason else ""
        if count:
            lines.append(f"{count:,} rows left out: {reason}{hint}.")
    return "".join(f"\n{line}" for line in lines)


def _class_table(plan: Plan) -> Table:
    from rich.table import Table

    table = Table("class")
    for split in plan.counts:
        table.add_column(split, justify="right")
    for name, counts in plan.class_counts().items():
        table.add_row(name, *(f"{counts[split]:,}" for split in plan.counts))
    return table


def _already_complete(plan: Plan, other_versions: list[str]) -> str:
    size = sum(f.stat().st_size for f in plan.path.rglob("*") if f.is_file())
    versions = f" Made with other versions: {'; '.join(other_versions)}." if other_versions else ""
    return f"{plan.path} is complete: {plan.total:,} sequences, {size / 1e9:.2f} GB.{versions}"


def _summary(plan: Plan, outcome: Outcome) -> str:
    if not outcome.made:
        return _already_complete(plan, [])
    size = sum(f.stat().st_size for f in plan.path.rglob("*") if f.is_file())
    speed = outcome.made / max(outcome.seconds, 1e-9)
    continued = "" if outcome.made == outcome.total else f" ({outcome.total:,} in all)"
    return (
        f"Made {outcome.made:,} sequences{continued} in {_duration(outcome.seconds)}, "
        f"{speed:,.0f} a second; {size / 1e9:.2f} GB in {plan.path}.\n"
        f"Open it with zarr.open_group({str(plan.path)!r}, mode='r')['train']; "
        f"what was done is in {plan.path}.json."
    )


def _duration(seconds):
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


if __name__ == "__main__":
    app()
