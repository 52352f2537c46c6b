"""The command ``simulate``: labelled image sequences of a survey, in one line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def simulate(
    survey: Annotated[str, typer.Option(help="Survey profile: a name, or a TOML file.")],
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
    classes: Annotated[
        str, typer.Option(help="Classes, with weights if they differ: SN:2,RRL,NV.")
    ] = "SN,RRL,CEP,EB,NV,GAL,AST",
    magnitudes: Annotated[
        str,
        typer.Option(help="'survey', 'thesis', or a table with a column 'magnitude'."),
    ] = "survey",
    exposures: Annotated[
        str | None,
        typer.Option(help="Real observing conditions: ECSV, CSV, Parquet or OpSim SQLite."),
    ] = None,
    templates: Annotated[
        str | None, typer.Option(help="Folder of published light-curve templates.")
    ] = None,
    profile_set: Annotated[
        list[str] | None,
        typer.Option(help="Another number for the profile: camera.gain_e_per_adu=4.1."),
    ] = None,
    stamp_size: Annotated[int, typer.Option(help="Rows and columns of a stamp, odd.")] = 21,
    seed: Annotated[int, typer.Option(help="Same seed, same data.")] = 0,
    threads: Annotated[int | None, typer.Option(help="Threads.", show_default="all cores")] = None,
    preview: Annotated[
        list[Path] | None,
        typer.Option(help="Also draw examples: a .png contact sheet or a .gif movie."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, print the plan, stop.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing but errors.")] = False,
):
    """Make labelled image sequences of a survey.

    Run again with the same arguments to finish a run that stopped. Any object can be made
    again by itself from the profile, the seed and its index.
    """
    from simulator.simulate_command import Request, run_request

    run_request(
        Request(
            survey=survey,
            n=n,
            validation=validation,
            test=test,
            out=out or Path(f"{Path(survey).stem}.zarr"),
            classes=classes,
            magnitudes=magnitudes,
            exposures=exposures,
            templates=templates,
            profile_set=tuple(profile_set or ()),
            stamp_size_pix=stamp_size,
            seed=seed,
            threads=threads,
            previews=tuple(preview or ()),
            dry_run=dry_run,
            quiet=quiet,
        )
    )


def main() -> None:
    """Entry point: one sentence and exit code 2 for a bad request, 1 for a failed run."""
    from skyreel.errors import (
        ExposureTableError,
        Interrupted,
        ProfileError,
        SimulationError,
        StoreError,
    )

    try:
        app()
    except (SimulationError, ProfileError, ExposureTableError) as error:
        print(f"simulate: {error}", file=sys.stderr)
        sys.exit(2)
    except StoreError as error:
        print(f"simulate: {error}", file=sys.stderr)
        sys.exit(1)
    except Interrupted:
        print("simulate: stopped. Run the same command again to finish.", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
