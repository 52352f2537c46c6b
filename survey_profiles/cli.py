"""``survey``: list the surveys, show one with its sources, check a profile file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skyreel.commands import (
    PLANNED,
    SURVEY,
    Conditions,
    Dates,
    Position,
    Programme,
    Season,
    Seed,
    command,
    new_app,
)
from skyreel.errors import UserError
from skyreel.output_paths import check_file

if TYPE_CHECKING:
    from survey_profiles.profile import Profile

app = new_app(
    "survey", "Survey profiles: instrument, observing conditions and cadence, with sources."
)
PLOT_SUFFIXES = (".png", ".pdf", ".svg", ".jpg")
Name = Annotated[str, typer.Argument(help="Survey: a name (see `survey list`), or a TOML file.")]


@command(app, "list")
def list_profiles() -> None:
    """List the surveys that come with the package."""
    from survey_profiles.loading import condition_names, load_profile, profile_names

    for name in profile_names():
        others = ", ".join(condition_names(name)[1:])
        hint = f"  (--conditions {others})" if others else ""
        typer.echo(f"{name:<8}{load_profile(name).title}{hint}")


@command(app)
def show(
    name: Name,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "--plot",
            help="Image to write: cadence, seeing, sky and depth of drawn pointings.",
        ),
    ] = None,
    seed: Seed = 0,
    pointings: Annotated[int, typer.Option(min=1, max=100_000, help="Pointings to draw.")] = 512,
    conditions: Conditions = PLANNED,
    toml: Annotated[
        bool, typer.Option("--toml", help="Print the profile's TOML file, to start a new one from.")
    ] = False,
) -> None:
    """Show every number of a survey with its source."""
    from survey_profiles.loading import load_profile, profile_text

    if toml and out is not None:
        raise UserError("--toml prints the profile; give it without --out, as in --toml > FILE.")
    check_file(out, suffixes=PLOT_SUFFIXES, in_folder=True)
    profile = load_profile(name, conditions=conditions)
    if toml:
        typer.echo(profile_text(name), nl=False)
        return
    _print_table(profile)
    if out is not None:
        _save_plot(profile, seed, pointings, out)


@command(app)
def check(name: Name) -> None:
    """Check a profile: every problem at once, each with what was found and what is allowed."""
    from survey_profiles.loading import condition_names, load_profile

    profile = load_profile(name)
    for conditions in condition_names(name):
        load_profile(name, conditions=conditions)
    typer.echo(f"{name}: OK ({profile.title}; bands {', '.join(profile.band_names)})")


@command(app)
def schedule(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="Schedule or table of visits.")],
    survey: Annotated[str, typer.Option(help=SURVEY)] = "lsst",
    position: Position = None,
    programme: Programme = "all",
    dates: Dates = None,
    season: Season = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Image to write: sky map, visits in time, seeing and depth."),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="JSON file to write the numbers to.")] = None,
    seed: Seed = 0,
) -> None:
    """Show what a schedule holds: visits, gaps, depth, seeing, and what is derived."""
    from skyreel.console import new_console
    from skyreel.json_io import write_json
    from survey_profiles.loading import load_profile
    from survey_profiles.schedule_summary import read_schedule, summary_tables
    from survey_profiles.visit_selection import VisitSelection

    check_file(out, suffixes=PLOT_SUFFIXES, in_folder=True)
    check_file(json, "--json", (".json",), in_folder=True)
    profile = load_profile(survey)
    selection = VisitSelection(position, programme, dates, season)
    visits, summary = read_schedule(path, profile, selection, seed)
    console = new_console()
    for part in summary_tables(summary):
        console.print(part)
    if json is not None:
        write_json(json, summary)
        typer.echo(f"wrote {json}")
    if out is not None:
        from survey_profiles.plots import save_schedule

        _save(out, lambda: save_schedule(profile, visits, out))


def _print_table(profile):
    from rich.table import Table

    from skyreel.console import new_console
    from survey_profiles.sources import flat_items, holds_number

    table = Table(title=f"{profile.name}: {profile.title}", title_justify="left")
    table.add_column("key", no_wrap=True)
    table.add_column("value", justify="right", overflow="fold", max_width=34)
    table.add_column("source", overflow="fold")
    for key, value in flat_items(profile.model_dump(exclude={"sources"})):
        source = profile.source(key) if holds_number(value) else ""
        table.add_row(key, value_text(value), source)
    new_console().print(table)


def value_text(value: object) -> str:
    """A value as the table shows it; lists of tables are counted, not spelt out."""
    if isinstance(value, tuple | list):
        if value and isinstance(value[0], dict):
            return f"{len(value)} entries"
        return " ".join(value_text(v) for v in value) or "none"
    if value is None:
        return "none"
    return f"{value:.8g}" if isinstance(value, float) else str(value)


def _save_plot(profile: Profile, seed: int, count: int, path: Path):
    from survey_profiles.observing_conditions import draw_pointings
    from survey_profiles.plots import save_overview

    _save(path, lambda: save_overview(profile, draw_pointings(profile, seed, count), path))


def _save(path, draw):
    from skyreel.errors import OutputError

    try:
        draw()
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error}).") from error
    typer.echo(f"wrote {path}")


if __name__ == "__main__":
    app()
