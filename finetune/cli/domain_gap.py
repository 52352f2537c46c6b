"""``survey gap``: how far simulated images are from real ones, as a page and a record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from skyreel import commands
from skyreel.commands import command, new_app, profile_overrides
from skyreel.errors import DomainGapError
from skyreel.output_paths import check_folder
from skyreel.provenance import command_line

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from classifier.dataset import DatasetSplit
    from finetune.domain_gap.gap import DomainGap, Settings
    from survey_profiles.profile import Profile

app = new_app("survey")
_MOST_ROWS = 20


@command(app, stopped=commands.NOTHING_WRITTEN)
def gap(
    real: Annotated[Path, commands.REAL],
    out: Annotated[Path, typer.Option(help="Folder of the report.")] = Path("gap"),
    survey: Annotated[
        str | None, typer.Option(help=commands.SURVEY, show_default="the data set's")
    ] = None,
    real_exposures: Annotated[
        bool,
        typer.Option(
            "--real-exposures",
            help="Simulate with the exposures of the real objects instead of exposures drawn from "
            "the profile.",
        ),
    ] = False,
    exposures: Annotated[Literal["drawn", "real"], typer.Option(hidden=True)] = "drawn",
    images: commands.Images = 22,
    matched: Annotated[
        int,
        typer.Option(
            "--matched",
            "--partners",  # former name
            min=1,
            max=100,
            help="Simulated objects per real one.",
        ),
    ] = 5,
    lanczos_order: Annotated[
        int,
        typer.Option(
            min=0,
            max=7,
            help="Order of resampling of simulations matched to resampled stamps; 0: none.",
        ),
    ] = 2,
    split: commands.Split = "test",
    profile_set: commands.ProfileSet = None,
    plugin: commands.Plugin = None,
    seed: commands.Seed = 0,
    bootstrap: Annotated[int, typer.Option(min=10, max=10_000, help="Resamples for errors.")] = 100,
    quiet: commands.Quiet = False,
) -> None:
    """Measure how far simulated images are from real ones, and which parameters to change."""
    from skyreel.console import new_console, status

    console = new_console(quiet)
    check_folder(out)
    own_exposures = real_exposures or exposures == "real"
    if images < 3:
        raise DomainGapError(f"--images {images}; allowed are 3 and more.")
    if seed < 0:
        raise DomainGapError(f"--seed {seed}; allowed are 0 and more.")
    with status(console, "Opening the data"):
        from classifier.dataset import DatasetSplit
        from simulator.plugins import load_plugins

        load_plugins(plugin)
        chosen = DatasetSplit(real, split)
        chosen.refuse_empty()
        profile = profile_for(chosen, survey, profile_overrides(profile_set))
        from finetune.domain_gap.gap import Settings

        settings = Settings(
            images=images,
            matched=matched,
            lanczos_order=lanczos_order,
            own_exposures=own_exposures,
            seed=seed,
            n_bootstrap=bootstrap,
        )
    if profile.name != chosen.survey:
        console.print(f"Note: {real} is of {chosen.survey}; simulated is {profile.name}.")
    compare_and_report(chosen, profile, settings, out, console, command_line("survey"))


def profile_for(split: DatasetSplit, survey: str | None, overrides: dict[str, str]) -> Profile:
    """The profile of a survey, or that of the data set, with some values replaced.

    Raises
    ------
    DomainGapError
        Its bands or its pixel scale are not those of the data set.
    """
    from classifier.same_survey import SurveyInput, check_same_survey
    from survey_profiles import load_profile

    if not survey and not overrides:
        return split.profile
    profile = load_profile(survey or split.profile.name, overrides or None)
    if tuple(profile.bands) != tuple(split.bands):
        raise DomainGapError(
            f"the survey {profile.name!r} has the bands {', '.join(profile.bands)}, and "
            f"{split.path} has {', '.join(split.bands)}."
        )
    given, data = SurveyInput.of_profile(profile), SurveyInput.of_split(split)
    check_same_survey(replace(given, survey=data.survey), data, hint="", error=DomainGapError)
    return profile


def compare_and_report(
    split: DatasetSplit,
    profile: Profile,
    settings: Settings,
    out: Path,
    console: Console,
    command: str,
) -> DomainGap:
    """Measure the gap, write the report and print a summary.

    Raises
    ------
    UserError, OutputError
    """
    from finetune.domain_gap.gap import measure_gap
    from finetune.reports.domain_gap_page import PAGE, write_gap
    from simulator.dataset.plan import PACKAGES
    from skyreel.console import Bars
    from skyreel.provenance import versions

    with Bars(console) as bars:
        found = measure_gap(split, profile, settings, bars.step)
    about = {
        "command": command,
        "survey": profile.name,
        "title": profile.title,
        "settings": asdict(settings),
        "versions": versions(*PACKAGES),
    }
    write_gap(found, about, out)
    for part in summary(found):
        console.print(part)
    for note in (*notes(found), *split.notes()):
        console.print(note)
    console.print(f"The report is {out / PAGE}.")
    return found


def summary(gap: DomainGap) -> Iterator[Table]:
    """Tables to print."""
    yield _areas(gap)
    yield _gaps(gap)


def notes(gap: DomainGap) -> Iterator[str]:
    """Sentences about what is left out."""
    from finetune.left_out import left_out_text

    if gap.left_out:
        yield f"{len(gap.real):,} objects are compared. {left_out_text(gap.left_out)}"
    if gap.not_measured:
        yield (
            f"Left out, as no object has a value: {', '.join(gap.not_measured)} "
            f"({len(gap.not_measured)} of {gap.real.shape[1]} quantities)."
        )


def _areas(gap):
    import numpy as np
    from rich.table import Table

    names = np.unique(gap.class_names)
    title = "classifier two-sample test: AUC (0.5: indistinguishable)"
    table = Table(title=title, title_justify="left")
    table.add_column("features used")
    for name in ("all", *names):
        table.add_column(name, justify="right")
    for label, found in (("all quantities", gap.overall), *gap.by_group.items()):
        cells = [found.by_class[name] for name in names]
        table.add_row(label, *map(_area_text, [(found.auc, found.error), *cells]))
    return table


def _area_text(area):
    value, error = area
    return f"{value:.3f} ± {error:.3f}" if value == value else "-"


def _gaps(gap):
    from rich.table import Table

    from finetune.domain_gap.distances import NO_DISCREPANCY
    from finetune.domain_gap.quantities import QUANTITIES, SELECTION

    distances = {**gap.distances, **gap.selection.distances}
    found = [(distances[q.name], q) for q in (*QUANTITIES, *SELECTION)]
    found = sorted(
        (f for f in found if f[0].verdict not in NO_DISCREPANCY),
        key=lambda f: -f[0].excess,
    )
    table = Table(
        title=f"{len(found)} of {len(distances)} measurements are not consistent",
        title_justify="left",
    )
    for name in ("measurement", "real", "simulated", "distance", "verdict"):
        left = name in ("measurement", "verdict")
        table.add_column(name, justify="left" if left else "right", no_wrap=True)
    table.add_column("suggested parameter", overflow="fold")
    for d, q in found[:_MOST_ROWS]:
        table.add_row(
            q.name,
            f"{d.real_median:.4g}",
            f"{d.simulated_median:.4g}",
            f"{d.wasserstein:.2f} ± {d.wasserstein_error:.2f}",
            d.verdict,
            q.hint,
        )
    return table


if __name__ == "__main__":
    app()
