"""The command ``train``."""

from __future__ import annotations

from dataclasses import replace

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from classifier.cli.classify import evaluate_test
from skyreel.commands import Work, interruptible, progress_bars
from skyreel.errors import ClassifierError, OutputError, ProfileError, SimulationError, StoreError
from skyreel.provenance import command_line

_FLAGS = {"choices": "choice", "rotate": "turned"}
MODELS = ("compact", "rcnn", "forest")
TRAIN, VALIDATION, TEST = 1_024, 4_096, 14_000


@interruptible
def run_training(work: Work, *, model, survey, common, of_networks, of_forests) -> None:
    """Train a model of any kind.

    Parameters
    ----------
    work : Work
        Without data, they are simulated for ``survey``.
    model : str
    survey : str or None
    common, of_networks, of_forests : dict
        Options of all models, of networks and of forests; None where the user said nothing.

    Raises
    ------
    ClassifierError, OutputError
    """
    if model not in MODELS:
        raise ClassifierError(f"--model {model!r}; known models: {', '.join(MODELS)}.")
    if (work.data is None) == (survey is None):
        what = "--data or --survey" if survey is None else "--data or --survey, not both"
        raise ClassifierError(f"give {what}.")
    work.check_output()
    own, others = (of_forests, of_networks) if model == "forest" else (of_networks, of_forests)
    foreign = [_FLAGS.get(name, name) for name, value in others.items() if value is not None]
    if foreign:
        flags = ", ".join("--" + name.replace("_", "-") for name in foreign)
        raise ClassifierError(f"{flags}: not an option of --model {model}.")
    chosen = {**common, **{name: value for name, value in own.items() if value is not None}}
    if model == "forest":
        if survey is not None:
            raise ClassifierError("--survey: a forest learns from a data set; give --data.")
        train_forest(work, **chosen)
        return
    from classifier.training.options import NetworkOptions, parsed_choices

    if "choices" in chosen:
        chosen["choices"] = parsed_choices(chosen["choices"])
    options = NetworkOptions(network=model, **chosen)
    from classifier.models.recurrent.backend import use_cores

    use_cores(work.cores())
    if survey is not None:
        options, out = replace(options, on_the_fly=True), work.out.absolute()
        work = replace(work, data=out.with_name(out.name + ".zarr"))
        make_data_for(survey, work, options.seed)
    train_network(work, options)


def train_forest(work: Work, **choices) -> None:
    """Train a forest, evaluate it on the test split, and say how it did.

    Raises
    ------
    ClassifierError, OutputError
    """
    from classifier.models.forest.training import ForestOptions, ForestTraining

    options, command = ForestOptions(**choices), command_line("train")
    training = ForestTraining(work.data, work.out, options, work.cores(), command)
    _say_if_complete(work, training)
    with progress_bars(work.console) as progress:
        forest = training.run(_Steps(progress))
    shape = f"{forest.card['trees']} trees of depth {forest.card['depth']}"
    work.console.print(f"{work.out}: {shape} for each of 1 to {forest.largest} images.")
    evaluate_test(work, forest)


def train_network(work: Work, options) -> None:
    """Train a network, evaluate it on the test split, and say how it did.

    Raises
    ------
    ClassifierError, OutputError
    """
    from classifier.training.train import NetworkTraining

    training = NetworkTraining(work.data, work.out, options, command_line("train"))
    _say_if_complete(work, training)
    with _learning_bar(work.console) as progress:
        network = training.run(_Learning(progress, options))
    best = network.card["best"]
    work.console.print(
        f"{work.out}: {network.card['parameters']:,} parameters, kept as after iteration "
        f"{best['iteration']:,}, validation accuracy {best['accuracy']:.3f}."
    )
    evaluate_test(work, network)


def make_data_for(survey: str, work: Work, seed: int) -> None:
    """Simulate the validation and test sequences of a training that has no data set.

    They stay beside the model, in ``work.data``.

    Raises
    ------
    ClassifierError, OutputError
    """
    from simulator.dataset.plan import make_plan
    from simulator.dataset.run import execute, writer_for
    from simulator.options import Options

    try:
        plan = make_plan(
            survey, Options(seed=seed), work.data, n=TRAIN, validation=VALIDATION, test=TEST
        )
        with progress_bars(work.console) as progress, writer_for(plan) as writer:
            task = progress.add_task(f"simulating {work.data.name}", total=plan.total)
            execute(
                plan, writer, threads=work.cores(), on_progress=lambda n: progress.advance(task, n)
            )
    except (SimulationError, ProfileError) as error:
        raise ClassifierError(str(error)) from None
    except StoreError as error:
        raise OutputError(str(error)) from None
    work.console.print(f"Validation and test sequences: {work.data}")


def _say_if_complete(work, training):
    if training.is_complete():
        work.console.print(f"{work.out} is trained already; it is only tested again.")


class _Steps:
    """Progress bars, one for every kind of step, as they are heard of."""

    def __init__(self, progress):
        self._progress, self._tasks = progress, {}

    def __call__(self, name, done, total):
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=total)
        self._progress.advance(self._tasks[name], done)


class _Learning:
    """One bar with the loss, the last validation accuracy and the time left."""

    def __init__(self, progress, options):
        self._progress = progress
        self._task = progress.add_task(
            "training", total=options.iterations, numbers="", start=False
        )

    def __call__(self, done, total, numbers):
        self._progress.start_task(self._task)
        words = [f"{name} {value:.3f}" for name, value in numbers.items()]
        self._progress.update(self._task, completed=done, numbers="  ".join(words))


def _learning_bar(console):
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TextColumn("{task.fields[numbers]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )
