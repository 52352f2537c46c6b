"""The command ``finetune``: a trained network adapted to a few real sequences, and its report."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from classifier.cli import one_by_one
from finetune.adaptation.methods import DEFAULT, METHODS

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def finetune(
    real: Annotated[Path, typer.Option(help="Data set of real labelled sequences (see ingest).")],
    out: Annotated[Path, typer.Option(help="Folder of the adapted model and the report.")],
    model: Annotated[
        str, typer.Option(help="Shipped model by name, or a folder.")
    ] = "hits-compact",
    per_class: Annotated[
        list[int] | None,
        typer.Option(
            metavar="K ...",
            help="Real sequences taught per class; several: a curve.",
            show_default="10",
        ),
    ] = None,
    trials: Annotated[int, typer.Option(help="Draws of these sequences.")] = 5,
    method: Annotated[
        str, typer.Option(help=f"How to adapt: {', '.join(METHODS)} (docs/finetune.md).")
    ] = DEFAULT,
    also: Annotated[
        list[str] | None,
        typer.Option(metavar="METHOD ...", help="Other methods to report beside it."),
    ] = None,
    simulated: Annotated[
        Path | None,
        typer.Option(help="Simulated data set: adapt a random forest on the same draws, too."),
    ] = None,
    scratch: Annotated[
        bool,
        typer.Option("--scratch", help="Also teach the draws to a network with fresh weights."),
    ] = False,
    homogenise: Annotated[
        bool,
        typer.Option(
            "--homogenise/--as-published",
            help="Resample all stamps alike and show as many images of every class.",
        ),
    ] = True,
    any_survey: Annotated[
        bool, typer.Option("--any-survey", help="Teach it another survey's sequences all the same.")
    ] = False,
    disjoint: Annotated[
        str,
        typer.Option(
            help="'field': test on objects of other fields than those taught; 'object': on any "
            "other objects."
        ),
    ] = "field",
    iterations: Annotated[
        int, typer.Option(help="Steps of methods that take steps, and of --scratch.")
    ] = 1000,
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "test",
    seed: Annotated[int, typer.Option(help="Same seed, same draws.")] = 0,
    threads: Annotated[int | None, typer.Option(help="Cores to use.", show_default="all")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing but errors.")] = False,
):
    """Adapt a network to a few real sequences per class, and tell what that bought.

    OUT/model is taught every labelled sequence: it is the one to use. The report scores networks
    taught a few, on the others. Run again with the same arguments to finish a run that stopped.
    """
    from finetune.options import Options
    from skyreel.commands import Work, interruptible

    adapt = interruptible(adapt_and_report)
    adapt(
        Work(data=real, out=out, threads=threads, quiet=quiet),
        Options(
            model=model,
            real=real,
            split=split,
            per_class=tuple(per_class or (10,)),
            trials=trials,
            method=method,
            also=tuple(also or ()),
            simulated=simulated,
            scratch=scratch,
            homogenised=homogenise,
            any_survey=any_survey,
            disjoint=disjoint,
            iterations=iterations,
            seed=seed,
        ),
    )


def main() -> None:
    """Entry point: one sentence and exit code 2 for a bad request, 1 for a failed run."""
    from skyreel.errors import ClassifierError, FinetuneError, Interrupted, OutputError, StoreError

    try:
        partial(app, one_by_one(sys.argv[1:], "--per-class", "--also"))()
    except (FinetuneError, ClassifierError) as error:
        print(f"finetune: {error}", file=sys.stderr)
        sys.exit(2)
    except (OutputError, StoreError) as error:
        print(f"finetune: {error}", file=sys.stderr)
        sys.exit(1)
    except Interrupted:
        print("finetune: stopped. Run the same command again to finish.", file=sys.stderr)
        sys.exit(130)


def adapt_and_report(work, options) -> None:
    """Adapt a network, score it on draws, and write the report.

    Raises
    ------
    FinetuneError, ClassifierError, OutputError
    """
    from finetune.experiment import MODEL, Experiment
    from finetune.reports import write_few_shot_report
    from skyreel.commands import progress_bars
    from skyreel.provenance import command_line

    work.check_output()
    experiment = Experiment(options, work.out, work.cores(), command_line("finetune"))
    real, console = experiment.real, work.console
    counts = ", ".join(f"{(real.labels == real.classes.index(c)).sum()} {c}" for c in real.present)
    console.print(f"{options.real}: {counts}; at most {real.selection.images} images of each.")
    with progress_bars(console) as progress:
        tasks = {}

        def on_step(name, done, total):
            if name not in tasks:
                tasks[name] = progress.add_task(name, total=total)
            progress.advance(tasks[name], done)

        experiment.run(on_step)
    write_few_shot_report(work.out, real.split, console=console)
    taught = (real.labels >= 0).sum()
    console.print(
        f"The model to use: {work.out / MODEL}. It was taught all {taught}, so its scores on these "
        "would mean nothing."
    )


if __name__ == "__main__":
    main()
