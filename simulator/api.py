"""``simulate``: plan a data set, preview it, write it, and report what was made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from simulator.alerts.alert_run import AlertOptions, write_alerts
from simulator.alerts.archive import TRUTH
from simulator.dataset.plan import Plan, make_plan
from simulator.dataset.reader import Dataset, is_complete, open_dataset
from simulator.dataset.run import Outcome, execute, write_record, writer_for
from simulator.dataset.settings import refuse_other_settings
from simulator.difference.planes import fill_planes
from simulator.options import Options, parse_classes, parse_planes
from simulator.plugins import load_plugins
from simulator.preview import SUFFIXES, preview
from simulator.scene.render import render
from simulator.simulator import Simulator
from skyreel.commands import PLANNED, n_cores, named_conditions
from skyreel.console import Bars, new_console, status
from skyreel.output_paths import check_file, check_folder


def simulate(
    survey: str | Path,
    *,
    out: str | Path | None = None,
    n: int = 2000,
    validation: int | None = None,
    test: int | None = None,
    classes: str | Mapping[str, float] | None = None,
    magnitudes: str | Path = "survey",
    exposures: str | Path | None = None,
    position: str | None = None,
    programme: str = "all",
    dates: str | None = None,
    season: int | None = None,
    templates: str | Path | None = None,
    profile_overrides: Mapping[str, object] | None = None,
    conditions: str = PLANNED,
    condition_error: float = 0.0,
    plugins: Iterable[str | Path] = (),
    stamp_size_pix: int = 21,
    planes: str | Iterable[str] = "science",
    artefacts: str | float = "",
    seed: int = 0,
    threads: int | None = None,
    previews: Iterable[str | Path] = (),
    alerts: str | Path | None = None,
    schema: str | None = None,
    alert_files: str = "container",
    dry_run: bool = False,
    quiet: bool = False,
) -> Dataset | None:
    """Make labelled image sequences of a survey, or finish a data set that was begun.

    Parameters
    ----------
    survey : str or path
        Survey profile, by name or TOML file.
    out : path, optional
        Data set to write; by default SURVEY.zarr in the working folder.
    n, validation, test : int
        Sequences of the three splits; validation and test are n/8 by default.
    classes : str or mapping of str to float, optional
        Classes with weights, as ``"SN:2,RRL"`` or ``{"SN": 2, "RRL": 1}``; by default all.
    magnitudes : str or path
        "survey", "flat", "thesis", or a table with a column ``magnitude`` [AB mag].
    exposures : path, optional
        Table of exposures or visits: ECSV, CSV, Parquet, JSON or SQLite.
    position, programme, dates, season : optional
        Visits of the table to use, as in `survey_profiles.VisitSelection`.
    templates : path, optional
        Folder of published light-curve templates.
    profile_overrides : mapping, optional
        Replaced numbers of the profile, by dotted key.
    conditions : str
        Conditions that the profile has beside "planned": "delivered" for LSST.
    condition_error : float
        Size of random errors of the conditions, drawn for every object: 1 as published, 0 none.
    plugins : iterable of path
        Python files that register light-curve classes.
    stamp_size_pix : int
        Rows and columns of a stamp, odd.
    planes : str or iterable of str
        Images of every exposure, as ``"science,template,difference"``.
    artefacts : str or float
        Chance that an exposure has an artefact, or kinds with chances, as ``"ghost:0.1"``.
    seed : int
        Object i of a split depends on the profile, these options, the seed and i alone.
    threads : int, optional
        By default the number of CPU cores.
    previews : iterable of path
        Pictures of examples to write: a .png contact sheet or an animated .gif.
    alerts : path, optional
        Folder for an alert packet of every detection in the differences; needs all three planes.
    schema : str, optional
        Of the packets: "ztf", "rubin" or "rubin-v10"; by default that of the survey.
    alert_files : str
        "packets", "container" or "tar": see `simulator.alerts.alert_run.write_alerts`.
    dry_run : bool
        Check everything, print the plan, write no data.
    quiet : bool
        Whether nothing is printed.

    Returns
    -------
    Dataset or None
        The finished data set; None after a dry run.

    Raises
    ------
    UserError, RunError

    Examples
    --------
    >>> dataset = simulate("hits", out="tour.zarr", n=14, quiet=True)
    >>> dataset["train"]["images"].shape[2:]
    (21, 21)
    """
    console, cores = new_console(quiet), n_cores(threads)
    out = Path(out or f"{Path(survey).stem}.zarr")
    previews = [Path(path) for path in previews]
    check_folder(out, dataset=True)
    for path in previews:
        check_file(path, "--preview", SUFFIXES, in_folder=True)
    packets = AlertOptions.of(alerts, schema, alert_files)
    with status(console, "Preparing"):
        load_plugins([Path(path) for path in plugins])
        named = {} if classes is None else {"classes": _weights(classes)}
        options = Options(
            **named,
            magnitudes=str(magnitudes),
            exposures=_text(exposures),
            position=position,
            programme=programme,
            dates=dates,
            season=season,
            templates=_text(templates),
            condition_error=condition_error,
            stamp_size_pix=stamp_size_pix,
            planes=parse_planes(planes) if isinstance(planes, str) else tuple(planes),
            artefacts=str(artefacts),
            seed=seed,
        )
        counts = {"n": n, "validation": validation, "test": test}
        overrides = {**(profile_overrides or {}), **named_conditions(conditions)}
        if packets:
            packets.check(options.planes, out)
        plan = make_plan(survey, options, out, **counts, overrides=overrides)
        other_versions = refuse_other_settings(plan.path, plan.settings())
    if is_complete(out) and not (dry_run or previews):
        console.print(_already_complete(plan, other_versions))
    else:
        _run(plan, previews, cores, console, dry_run=dry_run)
    if packets and not dry_run:
        _write_alerts(plan, packets, cores, console)
    return None if dry_run else open_dataset(out)


def _weights(classes):
    return parse_classes(classes) if isinstance(classes, str) else dict(classes)


def _text(path):
    return None if path is None else str(path)


def _run(plan: Plan, previews, threads: int, console: Console, *, dry_run: bool):
    with status(console, _estimating(plan)):
        expected_bytes, expected_seconds = plan.estimate(threads)
    console.print(_headline(plan, expected_bytes, expected_seconds), _class_table(plan))
    plan.check_disk(expected_bytes)
    for path in previews:
        preview(plan.simulator, path)
        console.print(f"Preview: {path}")
    if not dry_run:
        _make(plan, threads, console, expected_bytes)


def _write_alerts(plan: Plan, options: AlertOptions, threads: int, console: Console):
    with Bars(console) as bars:
        advance = bars.add(options.folder.name, plan.total, unit="objects")
        outcome = write_alerts(
            plan.path, options, simulator=plan.simulator, threads=threads, on_progress=advance
        )
    if outcome.was_complete:
        console.print(f"{options.folder} is complete: {outcome.packets:,} alerts.")
        return
    speed = outcome.packets / max(outcome.seconds, 1e-9)
    console.print(
        f"Wrote {outcome.packets:,} alerts of {outcome.nights:,} nights in "
        f"{_duration(outcome.seconds)}, {speed:,.0f} a second, to {options.folder}; their true "
        f"classes are in {options.folder / TRUTH}."
    )
    for note in outcome.notes:
        console.print(note)


def _estimating(plan: Plan):
    """Announce the compilation of the kernels, where Numba has no machine code of them yet."""
    with_planes = plan.simulator.options.has_planes
    kernels = (render, fill_planes) if with_planes else (render,)
    minutes = "a minute or two" if with_planes else "about half a minute"
    first = f"; the kernels are compiled first, once, for {minutes}"
    return "Estimating size and time" + ("" if all(map(_is_compiled, kernels)) else first)


def _is_compiled(kernel):
    cache, source = Path(kernel.stats.cache_path), Path(kernel.py_func.__code__.co_filename)
    return any(
        index.stat().st_mtime >= source.stat().st_mtime
        for index in cache.glob(f"{source.stem}.*.nbi")
    )


def _make(plan: Plan, threads: int, console: Console, expected_bytes: float):
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
        f"epochs in {', '.join(bands)}, {size} x {size} pixels"
        f"{_planes(simulator)}; "
        f"about {expected_bytes / 1e9:.2f} GB and {_duration(expected_seconds)}."
        f"{_exposures_used(simulator) if simulator.options.exposures else ''}"
    )


def _planes(simulator: Simulator) -> str:
    options = simulator.options
    return f" of {', '.join(options.planes)}" if options.has_planes else ""


def _exposures_used(simulator: Simulator) -> str:
    """How a table of exposures is used, in a few lines."""
    path, cadence = simulator.options.exposures, simulator.profile.cadence
    in_use = "[" + ",".join(f'"{band}"' for band in cadence.bands) + "]"
    lines = [f"{path}: {simulator.n_pointings:,} pointings."]
    for reason, count in simulator.unused_exposures.items():
        unused = reason == "band not in use"
        hint = f" (in use: --profile-set 'cadence.bands={in_use}')" if unused else ""
        lines.append(f"{count:,} row{'s' if count > 1 else ''} left out: {reason}{hint}.")
    lines.extend(simulator.exposure_notes)
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
        f"what was done is in {plan.path}.json.{_not_copied(plan)}"
    )


def _not_copied(plan: Plan) -> str:
    """Input folders that are too large for the data set, one line each."""
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
