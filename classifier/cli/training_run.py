"""One training from the command line: its data simulated or checked, the model, its evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from classifier.cli.train_options import ALERT_BASELINES, ALERT_FORESTS, CLUSTERING, options_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from classifier.models.forest.training import ForestOptions
    from classifier.models.protocol import Model
    from classifier.training.by_network import AnyOptions
    from simulator.dataset.plan import Plan

TRAIN, VALIDATION, TEST = 1_024, 4_096, 14_000


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
