"""``finetune``: a trained network adapted to a few real sequences, and its report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finetune.adaptation.methods import DEFAULT
from skyreel import commands
from skyreel.commands import command, list_option, n_cores, new_app, split_list
from skyreel.errors import FinetuneError
from skyreel.output_paths import check_folder
from skyreel.provenance import command_line

if TYPE_CHECKING:
    from rich.console import Console

    from classifier.models.protocol import Model
    from finetune.options import Options

app = new_app()


@command(app)
def finetune(
    real: Annotated[Path, commands.REAL],
    out: Annotated[Path, typer.Option(help="Folder of the adapted model and the report.")],
    model: Annotated[str, commands.MODEL] = "hits-compact",
    per_class: Annotated[
        str,
        list_option(metavar="K", help="Real sequences per class to train on; several: a curve."),
    ] = "10",
    trials: Annotated[int, typer.Option(help="Random draws of these sequences.")] = 5,
    method: Annotated[
        str,
        typer.Option(
            help="'ensemble': head and trees on the real data; 'head': the last layer; "
            "'reader': the recurrent and later layers; 'mixed': all weights; 'plain': all weights, "
            "without simulated sequences."
        ),
    ] = DEFAULT,
    also: Annotated[
        str | None, list_option(metavar="METHOD", help="Other methods to report beside it.")
    ] = None,
    simulated: Annotated[
        Path | None,
        typer.Option(help="Simulated data set: adapt a random forest on the same draws, too."),
    ] = None,
    scratch: Annotated[
        bool,
        typer.Option("--scratch", help="Also train a network with fresh weights on the draws."),
    ] = False,
    homogenise: Annotated[
        bool,
        typer.Option(
            "--homogenise/--as-published",
            help="Resample all stamps in the same way and limit all classes to a common number "
            "of images.",
        ),
    ] = True,
    any_survey: commands.AnySurvey = False,
    disjoint: Annotated[
        str,
        typer.Option(
            help="'field': test on objects of other fields than those trained on; 'object': on "
            "any other objects."
        ),
    ] = "field",
    iterations: Annotated[
        int, typer.Option(help="Training steps of reader, mixed, plain and --scratch.")
    ] = 1000,
    split: commands.Split = "test",
    seed: commands.Seed = 0,
    threads: commands.Threads = None,
    quiet: commands.Quiet = False,
) -> None:
    """Adapt a network to a few real sequences per class, and report the gain.

    OUT/model is adapted to all labelled sequences. The report evaluates networks adapted to the
    drawn sequences on the remaining ones. Run again with the same arguments to finish a run that
    stopped.
    """
    from skyreel.console import new_console, status

    console, cores = new_console(quiet), n_cores(threads)
    check_folder(out)
    counts = _numbers("--per-class", per_class)
    with status(console, "Opening the data and the model"):
        from finetune.options import Options

        options = Options(
            model=model,
            real=real,
            split=split,
            per_class=counts,
            trials=trials,
            method=method,
            also=split_list(also),
            simulated=simulated,
            scratch=scratch,
            homogenised=homogenise,
            any_survey=any_survey,
            disjoint=disjoint,
            iterations=iterations,
            seed=seed,
        )
        _check_inputs(options)
    adapt_and_report(options, out, cores, console, command_line("finetune"))


def _numbers(flag, text):
    try:
        return tuple(map(int, split_list(text)))
    except ValueError:
        raise FinetuneError(f"{flag} {text}: give whole numbers, as 1,2,5,10,20.") from None


def _check_inputs(options):
    """Refuse data sets and models that are not there before anything heavy is imported."""
    from classifier.dataset import DatasetSplit
    from classifier.models.registry import model_folder

    DatasetSplit(options.real, options.split)
    if options.simulated is not None:
        DatasetSplit(options.simulated, "train")
    model_folder(options.model)


def adapt_and_report(
    options: Options, out: Path, threads: int, console: Console, command: str
) -> Model:
    """Adapt a network, score it on draws, and write the report; the adapted model.

    Raises
    ------
    FinetuneError, ClassifierError, OutputError
    """
    from classifier.models.registry import open_model
    from skyreel.console import Bars, status

    with status(console, "Loading the network"):
        from finetune.experiment import MODEL, Experiment
        from finetune.reports import write_few_shot_report

        experiment = Experiment(options, out, threads, command)
    _describe(experiment, console)
    real = experiment.real
    with Bars(console) as bars:
        experiment.run(bars.step)
    write_few_shot_report(out, real.split, console=console)
    console.print(
        f"The model to use: {out / MODEL}. It is trained on all {(real.labels >= 0).sum()} "
        "sequences, so its scores on these are not meaningful."
    )
    return open_model(out / MODEL, threads=threads)


def _describe(experiment, console):
    """Print what is used and what is not."""
    from classifier.prediction_notes import first_alerts_of
    from finetune.left_out import left_out_text

    real = experiment.real
    counts = ", ".join(f"{(real.labels == real.classes.index(c)).sum()} {c}" for c in real.present)
    used = f"{(real.labels >= 0).sum():,} of {len(real.labels):,} sequences are used ({counts})"
    read = first_alerts_of(experiment.network) or f"at most {real.selection.images} images"
    console.print(f"{real.split.path}: {used}, {read} of each.")
    if real.left_out:
        console.print(left_out_text(real.left_out))
    if real.other_classes:
        console.print(
            "An adapted network has the classes it was trained on. To classify "
            f"{', '.join(real.other_classes)}, register classes with --plugin of simulate, and "
            "train a network on simulations with them."
        )
    for note in real.split.notes():
        console.print(note)
    for note in experiment.notes:
        console.print(f"Note: {note}")


if __name__ == "__main__":
    app()
