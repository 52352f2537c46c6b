"""One call of the command: plan, preview, run, and what the user sees of it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from simulator.dataset.plan import Plan, make_plan
from simulator.dataset.reader import is_complete
from simulator.dataset.run import execute, write_record, writer_for
from simulator.dataset.settings import refuse_other_settings
from simulator.options import Options, parse_classes
from simulator.preview import check_preview, preview
from skyreel.errors import Interrupted, SimulationError

MAX_THREADS = 256


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the command line asked for."""

    survey: str
    n: int
    validation: int | None
    test: int | None
    out: Path
    classes: str
    magnitudes: str
    exposures: str | None
    templates: str | None
    profile_set: tuple[str, ...]
    stamp_size_pix: int
    seed: int
    threads: int | None
    previews: tuple[Path, ...]
    dry_run: bool
    quiet: bool


def run_request(request: Request) -> None:
    """Do what was asked.

    Raises
    ------
    SimulationError, StoreError, Interrupted, survey_profiles.ProfileError,
    survey_profiles.ExposureTableError
    """
    try:
        _run(request)
    except KeyboardInterrupt:
        raise Interrupted from None


def _run(request):
    console = Console(quiet=request.quiet, highlight=False)
    threads = _threads(request.threads)
    _refuse_bad_output(request.out)
    for path in request.previews:
        check_preview(path)
    preparing = "Preparing; the first run on a machine compiles for half a minute"
    if not console.is_terminal:
        console.print(f"{preparing}.")
    with console.status(preparing):
        plan = _plan(request)
        other_versions = refuse_other_settings(plan.path, plan.settings())
        if is_complete(plan.path) and not (request.dry_run or request.previews):
            console.print(_already_complete(plan, other_versions))
            return
        expected_bytes, expected_seconds = plan.estimate(threads)
    console.print(_headline(plan, expected_bytes, expected_seconds), _class_table(plan))
    plan.check_disk(expected_bytes)
    _draw_previews(plan, request.previews, console)
    if request.dry_run:
        return
    with writer_for(plan) as writer, _progress(console) as progress:
        task = progress.add_task(plan.path.name, total=plan.total, each=expected_bytes / plan.total)
        outcome = execute(
            plan, writer, threads=threads, on_progress=lambda n: progress.update(task, advance=n)
        )
    if outcome.made:
        write_record(plan, outcome, expected_bytes)
    console.print(_summary(plan, outcome))


def _threads(asked):
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count()
    threads = cores if asked is None else asked
    if not 1 <= threads <= MAX_THREADS:
        raise SimulationError(f"--threads {threads}; allowed are 1 to {MAX_THREADS}.")
    return threads


def _refuse_bad_output(path: Path):
    """Say what is wrong with an output path before anything is computed."""
    if path.is_file():
        raise SimulationError(f"{path} is a file; a data set is a folder. Give another --out.")
    parent = path.absolute().parent
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise SimulationError(f"{path}: {parent} is not a folder that can be written to.")


def _plan(request: Request) -> Plan:
    options = Options(
        classes=parse_classes(request.classes),
        magnitudes=request.magnitudes,
        exposures=request.exposures,
        templates=request.templates,
        stamp_size_pix=request.stamp_size_pix,
        seed=request.seed,
    )
    return make_plan(
        request.survey,
        options,
        request.out,
        n=request.n,
        validation=request.validation,
        test=request.test,
        overrides=_overrides(request.profile_set),
    )


def _overrides(settings):
    overrides = {}
    for setting in settings:
        key, sign, value = setting.partition("=")
        if not sign or not key.strip():
            raise SimulationError(
                f"--profile-set {setting!r}: write KEY=VALUE, as in camera.gain_e_per_adu=4.1."
            )
        overrides[key.strip()] = value.strip()
    return overrides


def _draw_previews(plan, paths, console):
    for path in paths:
        preview(plan.simulator, path)
        console.print(f"Preview: {path}")


def _headline(plan: Plan, expected_bytes, expected_seconds) -> str:
    simulator = plan.simulator
    size, bands = simulator.options.stamp_size_pix, simulator.profile.cadence.bands
    return (
        f"{simulator.profile.title}: {plan.total:,} sequences of up to {simulator.n_epochs} "
        f"epochs in {', '.join(bands)}, {size} x {size} pixels; "
        f"about {expected_bytes / 1e9:.2f} GB and {_duration(expected_seconds)}."
        f"{_exposures_used(simulator) if simulator.options.exposures else ''}"
    )


def _exposures_used(simulator) -> str:
    """What became of a table of exposures, in a few lines."""
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


def _summary(plan: Plan, outcome) -> str:
    if not outcome.made:
        return _already_complete(plan, [])
    size = sum(f.stat().st_size for f in plan.path.rglob("*") if f.is_file())
    speed = outcome.made / max(outcome.seconds, 1e-9)
    continued = "" if outcome.made == outcome.total else f" ({outcome.total:,} in all)"
    return (
        f"Made {outcome.made:,} sequences{continued} in {_duration(outcome.seconds)}, "
        f"{speed:,.0f} a second; {size / 1e9:.2f} GB in {plan.path}.\n"
        f"Open it with zarr.open_group({str(plan.path)!r}, mode='r')['train']; "
        f"what was done is in {plan.path}.json.{_not_copied(plan)}"
    )


def _not_copied(plan: Plan) -> str:
    return "".join(
        f"\n{file.path} ({file.size_bytes / 1e9:.1f} GB) is too large to be copied into the data "
        "set: keep it to regenerate sequences."
        for file in plan.inputs.values()
        if not file.is_copied
    )


def _duration(seconds):
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class _RateColumn(ProgressColumn):
    """Sequences per second and gigabytes so far."""

    def render(self, task):
        speed = task.finished_speed or task.speed
        rate = f"{speed:,.0f} seq/s" if speed else "- seq/s"
        return Text(f"{rate}, {task.completed * task.fields['each'] / 1e9:.2f} GB")


def _progress(console):
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _RateColumn(),
        TimeRemainingColumn(),
        console=console,
    )
