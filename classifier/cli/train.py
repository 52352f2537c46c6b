"""``train``: a network or a forest, trained on a data set or a survey, and evaluated."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from classifier.cli.train_options import (
    ALERT_BASELINES,
    ALERT_FORESTS,
    CLUSTERING,
    OF_ALERTS,
    check_model,
    check_source,
    given_options,
    options_of,
)
from skyreel import commands
from skyreel.commands import command, n_cores, new_app
from skyreel.output_paths import check_folder
from skyreel.provenance import command_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from classifier.models.forest.training import ForestOptions
    from classifier.models.protocol import Model
    from classifier.training.by_network import AnyOptions
    from simulator.dataset.plan import Plan

app = new_app()
TRAIN, VALIDATION, TEST = 1_024, 4_096, 14_000
_OWN = "the network's own"


@command(app)
def train(
    out: Annotated[Path, typer.Option(help="Folder of the model.")],
    data: Annotated[Path | None, commands.DATA] = None,
    survey: Annotated[
        str | None,
        typer.Option(
            help=f"{commands.SURVEY} Instead of --data: {TRAIN:,} training, {VALIDATION:,} "
            f"validation and {TEST:,} test sequences are written to OUT.zarr; training "
            "itself uses newly simulated ones."
        ),
    ] = None,
    exposures: Annotated[str | None, commands.EXPOSURES] = None,
    classes: Annotated[str | None, commands.CLASSES] = None,
    conditions: commands.Conditions = commands.PLANNED,
    profile_set: commands.ProfileSet = None,
    plugin: commands.Plugin = None,
    model: Annotated[
        str,
        typer.Option(
            help="Of sequences: 'compact', 'multiband', 'rcnn' (Carrasco-Davis 2019) or 'forest'; "
            "of first alerts: " + ", ".join(f"'{name}'" for name in OF_ALERTS) + " (the last two "
            "cluster without labels)."
        ),
    ] = "compact",
    images: Annotated[
        int | None,
        typer.Option(
            help="Largest number of images of a sequence.", show_default="22; multiband: 60"
        ),
    ] = None,
    start: commands.Start = "first",
    band: Annotated[str | None, commands.BAND] = None,
    planes: Annotated[
        str | None,
        typer.Option(
            metavar="PLANE,PLANE",
            help="Networks compact and multiband: images read beside those of the exposures, "
            "'template', 'difference' or both by comma; a data set needs them, --survey makes "
            "them.",
            show_default="none",
        ),
    ] = None,
    seed: commands.Seed = 0,
    threads: commands.Threads = None,
    quiet: commands.Quiet = False,
    on_the_fly: Annotated[
        bool | None,
        typer.Option(
            "--on-the-fly", help="Networks: simulate training sequences as needed, none twice."
        ),
    ] = None,
    resampled: Annotated[
        float | None,
        typer.Option(
            help="Networks: share of sequences simulated on the fly that are registered by Lanczos "
            "resampling, as stamps from difference pipelines are.",
            show_default="0",
        ),
    ] = None,
    condition_error: Annotated[float | None, commands.CONDITION_ERROR] = None,
    begin_with: Annotated[
        str | None,
        typer.Option(help="Networks: trained network to start from, by name or folder."),
    ] = None,
    iterations: Annotated[
        int | None, typer.Option(help="Networks: training steps.", show_default=_OWN)
    ] = None,
    batch: Annotated[
        int | None, typer.Option(help="Networks: sequences per step.", show_default=_OWN)
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Networks: learning rate.", show_default=_OWN)
    ] = None,
    schedule: Annotated[
        str | None,
        typer.Option(
            help="Networks: learning rate 'constant', or 'cosine', which ends near zero.",
            show_default=_OWN,
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            help="Networks: precision of the convolutions, 'float32', or 'bfloat16', which is "
            "faster on some processors.",
            show_default="bfloat16 where the processor supports it, else float32",
        ),
    ] = None,
    rotated: Annotated[
        bool | None,
        typer.Option(
            "--rotated/--not-rotated",
            "--turned/--not-turned",
            help="Networks: rotate and flip training sequences at random.",
            show_default="rotated",
        ),
    ] = None,
    validate_every: Annotated[
        int | None,
        typer.Option(
            help="Networks: steps between validations, each with a checkpoint.", show_default="500"
        ),
    ] = None,
    validation: Annotated[
        int | None, typer.Option(help="Networks: validation sequences used.", show_default="4096")
    ] = None,
    choice: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Networks: a hyperparameter. compact: beta, filters, embedding, units, times, "
            "conditions; multiband: also encoder; rcnn: window, filters, dense, units, dropout, "
            "normalisation, times, plain_steps; of first alerts: rotations, preprocessing, "
            "metadata, snr_difference, kernel, dropout, beta; vae and vade: clusters, latent, "
            "filters, brightness, pretraining.",
        ),
    ] = None,
    merge: Annotated[str | None, commands.MERGE] = None,
    balance: Annotated[
        str | None,
        typer.Option(
            help="First alerts: unequal classes: 'batches' with as many of each, 'oversample', "
            "'undersample', 'weights' of the loss, or 'none'.",
            show_default="batches",
        ),
    ] = None,
    which_alerts: Annotated[
        str | None,
        typer.Option(
            help="First alerts: train on the 'first' alerts of every object, or on 'any' of its "
            "alerts, drawn at random.",
            show_default="first",
        ),
    ] = None,
    crop: Annotated[
        int | None,
        typer.Option(
            help="First alerts: rows and columns read of larger stamps.", show_default="all"
        ),
    ] = None,
    light_curves: Annotated[
        str | None,
        typer.Option(help=f"Forests: {commands.LIGHT_CURVES}", show_default="both"),
    ] = None,
    trees: Annotated[
        int | None, typer.Option(help="Forests: trees.", show_default="chosen on validation")
    ] = None,
    depth: Annotated[
        int | None,
        typer.Option(help="Forests: depth of a tree.", show_default="chosen on validation"),
    ] = None,
    keep_features: Annotated[
        bool | None,
        typer.Option("--keep-features", help="Forests: keep the features as Parquet."),
    ] = None,
) -> None:
    """Train a classifier on a data set, or on a survey, and evaluate it on the test split.

    Takes minutes to hours. Run again with the same arguments to finish a run that stopped.
    """
    of_networks = {
        "planes": planes,
        "on_the_fly": on_the_fly,
        "resampled": resampled,
        "condition_error": condition_error,
        "begin_with": begin_with,
        "iterations": iterations,
        "batch": batch,
        "learning_rate": learning_rate,
        "schedule": schedule,
        "precision": precision,
        "rotate": rotated,
        "validate_every": validate_every,
        "validation": validation,
        "choices": choice or None,
    }
    of_forests = {
        "light_curves": light_curves,
        "trees": trees,
        "depth": depth,
        "keep_features": keep_features,
    }
    of_stamps = {"merge": merge, "balance": balance, "alerts": which_alerts, "crop_pix": crop}
    common = {"images": images, "start": start, "band": band, "seed": seed}
    overrides = commands.profile_overrides(profile_set, conditions) or None
    simulated = {"exposures": exposures, "classes": classes, "profile_set": overrides}
    check_model(model, of_networks, of_forests, of_stamps)
    check_source(model, data, survey, simulated)
    check_folder(out)
    own = of_networks | of_forests | of_stamps
    given = given_options(model, common, {k: v for k, v in own.items() if v is not None})
    cores, called = n_cores(threads), command_line("train")
    train_model(model, out, data, survey, simulated, plugin, given, cores, quiet, called)


def train_model(
    model: str,
    out: Path,
    data: Path | None,
    survey: str | None,
    simulated: dict[str, Any],
    plugins: Iterable[Path] | None,
    given: dict[str, Any],
    threads: int,
    quiet: bool,
    command: str,
) -> Model:
    """Train a model and evaluate it; ``simulated`` and ``given`` are options by name.

    Raises
    ------
    UserError, RunError
    """
    from simulator.plugins import load_plugins
    from skyreel.console import new_console, status

    console = new_console(quiet)
    with status(console, "Preparing"):
        load_plugins(plugins)
        if survey is None:
            _check_data(data, model, given)
            options = options_of(model, given)
        else:
            options = options_of(model, {**given, "on_the_fly": True})
            data = out.absolute().with_name(out.absolute().name + ".zarr")
            plan = _plan(survey, data, options.seed, options.planes, **simulated)
    if survey is not None:
        _simulate(plan, threads, console)
    trained = _train_forest if model == "forest" else _train_network
    if model in ALERT_BASELINES:
        trained = _train_alert_forest if model in ALERT_FORESTS else _train_logistic
    return trained(data, out, options, threads, console, command)


def _check_data(data, model, given):
    from classifier.dataset import DatasetSplit

    if model in CLUSTERING:  # of any split
        return
    sized = model in ALERT_BASELINES
    sized |= model == "forest" and None not in (given.get("trees"), given.get("depth"))
    for split in ("train",) if sized else ("train", "validation"):
        DatasetSplit(data, split)


def _plan(survey, path, seed, planes, *, exposures, classes, profile_set) -> Plan:
    """Validation and test sequences of a training that has no data set."""
    from simulator.dataset.plan import make_plan
    from simulator.dataset.settings import refuse_other_settings
    from simulator.options import Options, parse_classes

    chosen = {} if classes is None else {"classes": parse_classes(classes)}
    plan = make_plan(
        survey,
        Options(seed=seed, exposures=exposures, planes=("science", *planes), **chosen),
        path,
        n=TRAIN,
        validation=VALIDATION,
        test=TEST,
        overrides=profile_set,
    )
    refuse_other_settings(plan.path, plan.settings())
    return plan


def _simulate(plan: Plan, threads: int, console: Console):
    from simulator.dataset.run import execute, writer_for
    from skyreel.console import Bars

    with Bars(console) as bars, writer_for(plan) as writer:
        pending = sum(end - first for _, _, first, end in writer.pending())
        advance = bars.add(
            f"simulating {plan.path.name}", plan.total, earlier=plan.total - pending, unit="seq"
        )
        execute(plan, writer, threads=threads, on_progress=advance)
    console.print(f"Validation and test sequences: {plan.path}")


def _train_forest(data, out: Path, options: ForestOptions, threads, console: Console, command):
    from classifier.cli.classify import evaluate_test
    from classifier.models.forest.training import ForestTraining
    from skyreel.console import Bars

    training = ForestTraining(data, out, options, threads, command)
    _report_complete(training, out, console)
    with Bars(console) as bars:
        forest = training.run(bars.step)
    shape = f"{forest.card['trees']} trees of depth {forest.card['depth']}"
    console.print(f"{out}: {shape} for each of 1 to {forest.largest} images.")
    evaluate_test(forest, data, out, threads, console)
    return forest


def _train_alert_forest(data, out: Path, options, threads, console: Console, command):
    from classifier.training.alert_forest_training import train_alert_forest

    made = train_alert_forest(data, out, options, threads=threads, command=command)
    what = f"{options.trees} trees on the {options.inputs} of first alerts"
    return _evaluated_baseline(made, what, data, out, threads, console)


def _train_logistic(data, out: Path, options, threads, console: Console, command):
    from classifier.training.logistic_training import train_logistic_regression

    made = train_logistic_regression(data, out, options, threads=threads, command=command)
    what = f"logistic regression on {len(made[0].scale.columns)} features of first alerts"
    return _evaluated_baseline(made, what, data, out, threads, console)


def _evaluated_baseline(made, what, data, out, threads, console):
    from classifier.cli.classify import evaluate_test

    model, notes = made
    for note in notes:
        console.print(f"Note: {note}")
    console.print(f"{out}: {what}.")
    evaluate_test(model, data, out, threads, console)
    return model


def _train_network(data, out: Path, options: AnyOptions, threads, console: Console, command):
    from skyreel.console import Bars, status

    with status(console, "Loading the network"):
        from classifier.models.recurrent.backend import use_cores

        use_cores(threads)
        from classifier.cli.classify import evaluate_test
        from classifier.models.registry import makes_clusters
        from classifier.training.by_network import training_of

        training = training_of(data, out, options, command)
    _report_complete(training, out, console)
    for note in training.notes():
        console.print(f"Note: {note}")
    with Bars(console) as bars:

        def on_step(done: int, total: int, numbers: dict[str, float]):
            note = "  ".join(f"{name} {value:.3f}" for name, value in numbers.items())
            bars.reach("training", done, total, note)

        network = training.run(on_step)
    best, clusters = network.card["best"], makes_clusters(network)
    scored = "loss" if clusters else "accuracy"
    value = best["validation_loss" if clusters else "accuracy"]
    console.print(
        f"{out}: {network.card['parameters']:,} parameters, those after iteration "
        f"{best['iteration']:,}, validation {scored} {value:.3f}."
    )
    evaluate_test(network, data, out, threads, console)
    return network


def _report_complete(training, out, console):
    if training.is_complete():
        console.print(f"{out} is already trained; evaluating again.")


if __name__ == "__main__":
    app()
