"""``simulate``: labelled image sequences of a survey, planned, previewed and written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skyreel import commands
from skyreel.commands import command, new_app
from skyreel.output_paths import check_file, check_folder

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
        typer.Option(
            help="'survey', 'flat' (as many stars at every magnitude), 'thesis' (Carrasco-Davis "
            "2019), or a table with a column 'magnitude'."
        ),
    ] = "survey",
    exposures: Annotated[str | None, commands.EXPOSURES] = None,
    position: commands.Position = None,
    programme: commands.Programme = "all",
    dates: commands.Dates = None,
    season: commands.Season = None,
    templates: Annotated[
        str | None, typer.Option(help="Folder of published light-curve templates.")
    ] = None,
    conditions: commands.Conditions = commands.PLANNED,
    condition_error: Annotated[float, commands.CONDITION_ERROR] = 0.0,
    profile_set: commands.ProfileSet = None,
    plugin: commands.Plugin = None,
    stamp_size: Annotated[int, typer.Option(help="Rows and columns of a stamp, odd.")] = 21,
    planes: Annotated[
        str,
        typer.Option(
            help="Images of every exposure: science, and with stamps of 21 to 63 pixels also "
            "template and difference, separated by commas."
        ),
    ] = "science",
    artefacts: Annotated[
        str,
        typer.Option(
            help="Chance that an exposure has an artefact, as 0.05, or kinds with chances, as "
            "ghost:0.1,satellite_trail:0.05.",
            show_default="none",
        ),
    ] = "",
    seed: commands.Seed = 0,
    threads: commands.Threads = None,
    preview: Annotated[
        list[Path] | None,
        typer.Option(help="Also draw examples: a .png contact sheet or an animated .gif."),
    ] = None,
    alerts: Annotated[
        Path | None,
        typer.Option(help="Folder for alert packets of the detections in the differences."),
    ] = None,
    schema: Annotated[
        str | None,
        typer.Option(
            help="Schema of the packets: ztf, rubin or rubin-v10.",
            show_default="ztf for survey ztf, else rubin",
        ),
    ] = None,
    alert_files: Annotated[
        str,
        typer.Option(
            help="Packets in files of their own ('packets'), in one Avro file a night "
            "('container'), or in one .tar.gz a night ('tar')."
        ),
    ] = "container",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, print the plan, stop.")
    ] = False,
    quiet: commands.Quiet = False,
) -> None:
    """Make labelled image sequences of a survey.

    Run again with the same arguments to finish a run that stopped. Any single object can be
    regenerated from profile, options, seed and index.
    """
    check_folder(out, dataset=True)
    check_folder(alerts, "--alerts")
    for path in preview or ():
        check_file(path, "--preview", PREVIEW_SUFFIXES, in_folder=True)
    from skyreel.console import new_console, status

    with status(new_console(quiet), "Loading the simulator"):
        from simulator import api
    api.simulate(
        survey,
        out=out,
        n=n,
        validation=validation,
        test=test,
        classes=classes,
        magnitudes=magnitudes,
        exposures=exposures,
        position=position,
        programme=programme,
        dates=dates,
        season=season,
        templates=templates,
        condition_error=condition_error,
        profile_overrides=commands.profile_overrides(profile_set, conditions),
        plugins=plugin or (),
        stamp_size_pix=stamp_size,
        planes=planes,
        artefacts=artefacts,
        seed=seed,
        threads=threads,
        previews=preview or (),
        alerts=alerts,
        schema=schema,
        alert_files=alert_files,
        dry_run=dry_run,
        quiet=quiet,
    )


if __name__ == "__main__":
    app()
