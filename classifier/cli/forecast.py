"""``forecast``: how well and how soon a trained model would classify what a survey observes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skyreel import commands
from skyreel.commands import command, list_option, n_cores, new_app, split_list
from skyreel.errors import ClassifierError
from skyreel.output_paths import check_folder
from skyreel.provenance import command_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.console import Console

    from classifier.forecast.results import Results
    from classifier.forecast.schedules import Schedule
    from classifier.models.protocol import Model

app = new_app()
N_OBJECTS = 20_000


@command(app)
def forecast(
    survey: Annotated[str, typer.Option(help=commands.SURVEY)],
    model: Annotated[
        str,
        list_option(
            metavar="MODEL",
            help="Shipped model by name, or a folder; several of equal classes: training seeds.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the page, the JSON and the tables.")],
    schedule: Annotated[
        str,
        typer.Option(
            help="Table of exposures or visits, as of Rubin's OpSim; 'drawn': from the profile; "
            "or conditions of the profile, for LSST 'delivered'."
        ),
    ] = "drawn",
    position: commands.Position = None,
    programme: commands.Programme = "all",
    dates: commands.Dates = None,
    season: commands.Season = None,
    against: Annotated[
        str | None,
        typer.Option(help="Another schedule, 'drawn', or another survey profile to compare with."),
    ] = None,
    against_model: Annotated[
        str | None,
        list_option(
            metavar="MODEL",
            help="Models for --against, if others.",
            show_default="those of --model",
        ),
    ] = None,
    n: Annotated[
        int, typer.Option(help="Objects with images: those that a schedule detects.")
    ] = N_OBJECTS,
    area_deg2: Annotated[
        float | None,
        typer.Option(
            help="Area of the survey, for the numbers a year.",
            show_default="the profile's footprint",
        ),
    ] = None,
    profile_set: commands.ProfileSet = None,
    plugin: commands.Plugin = None,
    any_survey: commands.AnySurvey = False,
    seed: commands.Seed = 0,
    threads: commands.Threads = None,
    quiet: commands.Quiet = False,
) -> None:
    """Forecast a survey: recall and purity in time, efficiencies, numbers a year.

    Takes minutes. Run again with the same arguments to finish a run that stopped.
    """
    asked = {
        "survey": survey,
        "schedule": schedule,
        "against": against,
        "models": split_list(model),
        "against_models": split_list(against_model),
        "n": n,
        "area_deg2": area_deg2,
        "overrides": commands.profile_overrides(profile_set),
        "visits": visits(position, programme, dates, season),
        "any_survey": any_survey,
        "seed": seed,
    }
    make_forecast(out, asked, plugin or [], n_cores(threads), quiet, command_line("forecast"))


def visits(
    position: str | None, programme: str, dates: str | None, season: int | None
) -> dict[str, Any]:
    """The choice of visits of a schedule as options of a simulation; empty where there is none."""
    chosen = {"position": position, "programme": programme, "dates": dates, "season": season}
    return {k: v for k, v in chosen.items() if v not in (None, "all")}


def make_forecast(
    out: Path,
    asked: Mapping[str, Any],
    plugins: Iterable[Path],
    threads: int,
    quiet: bool,
    called: str,
) -> Results:
    """Make a forecast as ``asked``; ``called`` is the command or call, for the record.

    Raises
    ------
    UserError, RunError
    """
    from skyreel.console import new_console, status

    console = new_console(quiet)
    check_folder(out)
    check_numbers(asked)
    with status(console, "Opening the schedules and the models"):
        from classifier.forecast.blocks import refuse_filled
        from simulator.plugins import load_plugins

        refuse_filled(out)
        load_plugins(plugins)
        schedules = open_schedules(asked, threads)
    return _made(schedules, out, asked, threads, console, called)


def check_numbers(asked: Mapping[str, Any]) -> None:
    """Check counts and areas before anything is opened.

    Raises
    ------
    ClassifierError
    """
    if asked["n"] < 1:
        raise ClassifierError(f"--n {asked['n']}: at least one object is needed.")
    area = asked["area_deg2"]
    if area is not None and not 0 < area <= 41_253:
        raise ClassifierError(f"--area-deg2 {area:g}; allowed: above 0, up to 41253 (the sky).")
    if not 0 <= asked["seed"] < 2**64:
        raise ClassifierError(f"--seed {asked['seed']}; allowed: 0 to {2**64 - 1}.")
    if not asked["models"]:
        raise ClassifierError("--model names no model; give a shipped one by name, or a folder.")
    schedules = {asked["schedule"], asked["against"]} - {None, "drawn"}
    if asked["visits"] and not any(Path(each).is_file() for each in schedules):
        raise ClassifierError(
            f"--{', --'.join(asked['visits'])}: visits are chosen from a table; give --schedule."
        )
    if asked["against_models"] and asked["against"] is None:
        raise ClassifierError("--against-model needs --against.")


def open_schedules(asked: Mapping[str, Any], threads: int) -> list[Schedule]:
    """The schedules that were asked for, of one population, with their models.

    Raises
    ------
    UserError
    """
    from classifier.forecast.schedules import check_classes, of_one_population, open_schedule
    from classifier.models.registry import model_folder

    for name in (*asked["models"], *asked["against_models"]):
        model_folder(name)
    models = _opened(asked["models"], threads)
    others = _opened(asked["against_models"], threads) or models
    check_classes([*models, *others])
    if asked["against"] is not None and len(others) != len(models):
        raise ClassifierError("--against-model: give as many models as --model has.")
    options = {k: asked[k] for k in ("seed", "overrides", "area_deg2", "any_survey")}
    options["choices"] = asked["visits"]
    found = [open_schedule(asked["survey"], asked["schedule"], models, **options)]
    if asked["against"] is not None:
        survey, schedule = against(asked["survey"], asked["against"])
        if survey != asked["survey"]:
            options |= {"overrides": None, "area_deg2": None}
        found.append(open_schedule(survey, schedule, others, **options))
    return of_one_population(found)


def against(survey: str, asked: str) -> tuple[str, str]:
    """Survey and schedule of ``--against``: a file, "drawn", or the name of a survey.

    Raises
    ------
    ClassifierError
        It is none of these.
    """
    from classifier.forecast.schedules import is_drawn
    from survey_profiles.loading import condition_names, profile_names

    if asked in profile_names() or Path(asked).suffix == ".toml":
        return asked, "drawn"
    if not (is_drawn(survey, asked) or Path(asked).exists()):
        raise ClassifierError(
            f"--against {asked}: there is no such file, and no such survey profile "
            f"({', '.join(profile_names())}), and {survey} has no such conditions "
            f"({', '.join(('drawn', *condition_names(survey)))})."
        )
    return survey, asked


def _opened(names: Sequence[str], threads: int) -> list[Model]:
    from classifier.models.registry import open_model

    return [open_model(name, threads=threads) for name in names]


def _made(schedules, out, asked, threads, console: Console, called: str) -> Results:
    from classifier.forecast.blocks import unfinished_folder
    from classifier.forecast.forecast import run_forecast
    from classifier.forecast.results import results_of
    from classifier.forecast.tables import RECORD, write_record, write_tables
    from classifier.reports.evaluation_page import PAGE
    from classifier.reports.forecast_page import write_page
    from skyreel.console import Bars, status

    settings = _settings(schedules, asked)
    with unfinished_folder(out, settings) as folder:
        with Bars(console) as bars:
            run = run_forecast(schedules, asked["n"], folder, threads=threads, progress=bars)
        with status(console, "Scoring"):
            results = results_of(run, seed=asked["seed"] % 2**32)
            about = {**_about(schedules, asked), "Command": called}
            write_tables(run, results, folder)
            write_page(results, about, folder)
            write_record(results, {**about, "settings": settings}, folder / RECORD)
    for note in results.notes:
        console.print(f"Note: {note}")
    console.print(_table(results))
    console.print(f"The whole forecast: {out / PAGE}")
    return results


def _settings(schedules, asked):
    """Everything that the blocks of a run depend on."""
    from classifier.models.model_card import model_identity
    from simulator.plugins import plugins_of
    from simulator.simulator import VALUES_VERSION
    from skyreel.provenance import file_digest, versions

    return {
        "asked": dict(asked),
        "schedules": [
            {
                **each.settings,
                "file": file_digest(each.asked) if each.simulator.options.exposures else None,
                "models": [model_identity(model.folder, model.card) for model in each.models],
                "plugins": plugins_of(each.simulator.classes),
            }
            for each in schedules
        ],
        "versions": {**versions("skyreel", "numpy"), "simulated_values": VALUES_VERSION},
    }


def _about(schedules, asked):
    from skyreel.provenance import versions

    found = {}
    for number, each in enumerate(schedules):
        head = "Schedule" if not number else "Against"
        found[head] = f"{each.name}: {each.asked}, {each.simulator.n_pointings:,} sequences"
        found[f"{head}: models"] = ", ".join(str(model.folder) for model in each.models)
    packages = versions("skyreel", "numpy", "keras")
    return {
        **found,
        "Objects": f"{asked['n']:,} detected by a schedule, seed {asked['seed']}",
        "Versions": ", ".join(f"{name} {number}" for name, number in packages.items()),
    }


def _table(results: Results):
    from rich.table import Table

    table = Table(title="After the last image", title_justify="left")
    for k, head in enumerate(("schedule", "class", "drawn", "detected", "recall", "purity", "F1")):
        table.add_column(head, justify="left" if k < 2 else "right")
    for schedule in results.schedules:
        final = schedule.models[0].final
        for k, name in enumerate(results.classes):
            scores = [
                f"{final.values[s][k]:.3f} ± {final.errors[s][k]:.3f}"
                for s in ("recall", "purity", "f1")
            ]
            counts = [f"{counts[k]:,}" for counts in (schedule.n_drawn, schedule.n_detected)]
            table.add_row(schedule.name, name, *counts, *scores)
    return table


if __name__ == "__main__":
    app()
