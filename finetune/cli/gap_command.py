"""The command ``survey gap``; ``survey`` finds it by its entry point and imports it late."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def gap(
    real: Annotated[Path, typer.Option(help="Data set of real objects, as ingest makes it.")],
    out: Annotated[Path, typer.Option(help="Folder for the report.")] = Path("gap"),
    survey: Annotated[
        str | None,
        typer.Option(help="Survey profile: a name, or a TOML file.", show_default="the data set's"),
    ] = None,
    exposures: Annotated[
        Literal["drawn", "real"],
        typer.Option(
            help="Simulate in drawn exposures, or in those of the real objects: then only what "
            "the images show is compared."
        ),
    ] = "drawn",
    images: Annotated[int, typer.Option(min=3, help="At most so many of an object.")] = 22,
    matched: Annotated[
        int, typer.Option(min=1, max=100, help="Simulated objects for every real one.")
    ] = 5,
    lanczos_order: Annotated[
        int,
        typer.Option(
            min=0,
            max=7,
            help="Resampling of the partners of resampled stamps; 0: leave them as recorded.",
        ),
    ] = 2,
    split: Annotated[str, typer.Option(help="Split of the data set.")] = "test",
    profile_set: Annotated[
        list[str] | None,
        typer.Option(help="Replace a number of the profile: KEY=VALUE. May be given often."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the simulation and of errors.")] = 0,
    bootstrap: Annotated[int, typer.Option(min=10, max=10_000, help="Resamples for errors.")] = 100,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing but errors.")] = False,
):
    """Measure how far simulated images are from real ones, and what would bring them nearer."""
    from finetune.cli.domain_gap import Request, answer

    code = answer(
        Request(
            real=real,
            out=out,
            survey=survey,
            own_exposures=exposures == "real",
            images=images,
            matched=matched,
            lanczos_order=lanczos_order,
            split=split,
            profile_set=tuple(profile_set or ()),
            seed=seed,
            n_bootstrap=bootstrap,
            quiet=quiet,
        )
    )
    if code:
        raise typer.Exit(code)
