"""``survey``: list the surveys, show one with its sources, check a profile of your own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from survey_profiles.plugins import PluginGroup

app = typer.Typer(
    cls=PluginGroup,
    help="Survey profiles: what a survey can see, when, and where each number comes from.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
BAD_ARGUMENT, FAILED_RUN = 2, 1
NAME_HELP = "a survey (see `survey list`) or the path of a TOML file"


@app.command("list")
def list_profiles():
    """List the surveys that come with the package."""
    from survey_profiles.loading import load_profile, profile_names

    for name in profile_names():
        typer.echo(f"{name:<8}{load_profile(name).title}")


@app.command()
def show(
    name: Annotated[str, typer.Argument(help=NAME_HELP)],
    plot: Annotated[
        Path | None,
        typer.Option(help="write an image: cadence, seeing, sky and depth of drawn pointings"),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="seed of the drawn pointings")] = 0,
    pointings: Annotated[int, typer.Option(min=1, max=100_000, help="how many to draw")] = 512,
    toml: Annotated[
        bool, typer.Option("--toml", help="print the profile's file, to start your own from")
    ] = False,
):
    """Show every number of a survey with its source."""
    profile = _load(name)
    if toml:
        from survey_profiles.loading import profile_text

        typer.echo(profile_text(name), nl=False)
        return
    if plot is not None:
        _require_image(plot)
    _print_table(profile)
    if plot is not None:
        _save_plot(profile, seed, pointings, plot)


@app.command()
def check(file: Annotated[str, typer.Argument(help=NAME_HELP)]):
    """Check a profile: every problem at once, each with what was found and what is allowed."""
    profile = _load(file)
    bands = ", ".join(profile.band_names)
    typer.echo(f"{file}: OK ({profile.title}; bands {bands})")


def _fail(message, code=BAD_ARGUMENT):
    typer.echo(message, err=True)
    raise typer.Exit(code)


def _load(name):
    from skyreel.errors import ProfileError
    from survey_profiles.loading import load_profile

    try:
        return load_profile(name)
    except ProfileError as error:
        _fail(str(error))


def _print_table(profile):
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from survey_profiles.sources import flat_items

    table = Table(title=Text(f"{profile.name}: {profile.title}"), title_justify="left")
    table.add_column("key", no_wrap=True)
    table.add_column("value", justify="right", overflow="fold", max_width=34)
    table.add_column("source", overflow="fold")
    for key, value in flat_items(profile.model_dump(exclude={"sources"})):
        table.add_row(key, Text(value_text(value)), Text(_source_text(profile, key, value)))
    # Where the output is no terminal nothing may be cut: give the table room.
    width = None if sys.stdout.isatty() else 160
    Console(width=width).print(table)


def _source_text(profile, key, value):
    from survey_profiles.sources import holds_number

    return profile.source(key) if holds_number(value) else ""


def value_text(value) -> str:
    """A value as the table shows it; lists of tables are counted, not spelt out."""
    if isinstance(value, tuple | list):
        if value and isinstance(value[0], dict):
            return f"{len(value)} entries"
        return " ".join(value_text(v) for v in value) or "none"
    if value is None:
        return "none"
    return f"{value:.8g}" if isinstance(value, float) else str(value)


def _require_image(path):
    allowed = (".png", ".pdf", ".svg", ".jpg")
    if path.suffix.lower() not in allowed:
        _fail(f"--plot {path}: allowed are files ending in {', '.join(allowed)}.")
    if path.is_dir() or not path.absolute().parent.is_dir():
        _fail(f"--plot {path}: cannot be written there; give a file in an existing folder.")


def _save_plot(profile, seed, count, path):
    from skyreel.errors import ProfileError
    from survey_profiles.conditions import draw_pointings
    from survey_profiles.plots import save_overview

    try:
        save_overview(profile, draw_pointings(profile, seed, count), path)
    except ProfileError as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"--plot {path}: cannot be written ({error.strerror or error}).", FAILED_RUN)
    typer.echo(f"wrote {path}")


def main():
    """Entry point of the console script."""
    app()


if __name__ == "__main__":
    main()
