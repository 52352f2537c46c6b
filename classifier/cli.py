"""The commands ``train``, ``features`` and ``classify``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def _app() -> typer.Typer:
    return typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


_train, _features, _classify = _app(), _app(), _app()

Threads = Annotated[int | None, typer.Option(help="Threads.", show_default="all cores")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Say nothing but errors.")]
Data = Annotated[Path, typer.Option(help="Data set, simulated or real.")]
Images = Annotated[int, typer.Option(help="Show at most so many images of a sequence.")]
Start = Annotated[
    str,
    typer.Option(
        help="'first': show sequences from their first image; 'alert': from five images before "
        "the first alert (docs/forest.md says what that gives away)."
    ),
]
Band = Annotated[
    str | None, typer.Option(help="Band of the light curves.", show_default="the reference band")
]
LightCurves = Annotated[
    str,
    typer.Option(
        help="'science': fluxes of the images; 'difference': after a template of the earliest "
        "images is taken off; 'both'."
    ),
]
Seed = Annotated[int, typer.Option(help="Same seed, same result.")]


@_train.command()
def train(
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder of the model.")],
    model: Annotated[str, typer.Option(help="Kind of model: forest.")] = "forest",
    images: Images = 22,
    start: Start = "first",
    band: Band = None,
    light_curves: LightCurves = "both",
    trees: Annotated[
        int | None, typer.Option(help="Trees of a forest.", show_default="chosen on validation")
    ] = None,
    depth: Annotated[
        int | None, typer.Option(help="Depth of a tree.", show_default="chosen on validation")
    ] = None,
    seed: Seed = 0,
    keep_features: Annotated[
        bool, typer.Option("--keep-features", help="Keep the features as Parquet.")
    ] = False,
    threads: Threads = None,
    quiet: Quiet = False,
):
    """Train a classifier on a data set and evaluate it on the set's test split.

    Takes minutes to hours. Run again with the same arguments to finish a run that stopped.
    """
    from classifier.session import Work, train_forest

    train_forest(
        Work(data=data, out=out, threads=threads, quiet=quiet), model=model, images=images,
        start=start, band=band, light_curves=light_curves, trees=trees, depth=depth, seed=seed,
        keep_features=keep_features,
    )  # fmt: skip


@_features.command()
def features(
    out: Annotated[Path, typer.Option(help="Parquet file to make or to finish.")],
    data: Annotated[Path | None, typer.Option(help="Data set, simulated or real; or:")] = None,
    curves: Annotated[
        Path | None,
        typer.Option(help="Table of light curves: object, mjd, magnitude, error."),
    ] = None,
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "train",
    every: Annotated[
        bool, typer.Option("--every", help="Features after 1, 2, ... images, not only after all.")
    ] = False,
    images: Images = 22,
    start: Start = "first",
    band: Band = None,
    light_curves: LightCurves = "science",
    threads: Threads = None,
    quiet: Quiet = False,
):
    """Compute FATS features of the light curves of a data set, or of your own.

    Run again with the same arguments to finish a run that stopped.
    """
    from classifier.errors import ClassifierError
    from classifier.session import Work, make_curve_features, make_features

    if (data is None) == (curves is None):
        raise ClassifierError("give --data or --curves.")
    work = Work(data=data or curves, out=out, threads=threads, quiet=quiet)
    if curves is not None:
        make_curve_features(work)
        return
    make_features(
        work, split=split, every=every, images=images, start=start, band=band,
        light_curves=light_curves,
    )  # fmt: skip


@_classify.command()
def classify(
    model: Annotated[Path, typer.Option(help="Folder of a trained model.")],
    data: Data,
    out: Annotated[Path, typer.Option(help="Parquet file of the predictions.")],
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "test",
    report: Annotated[
        Path | None, typer.Option(help="Folder for scores and plots, where labels are known.")
    ] = None,
    any_survey: Annotated[
        bool, typer.Option("--any-survey", help="Use the model on another survey all the same.")
    ] = False,
    threads: Threads = None,
    quiet: Quiet = False,
):
    """Classify sequences: probabilities after every image."""
    from classifier.session import Work, classify_split

    classify_split(
        Work(data=data, out=out, threads=threads, quiet=quiet), model=model, split=split,
        report=report, any_survey=any_survey,
    )  # fmt: skip


def _main(name, app) -> None:
    """One sentence and exit code 2 for a bad request, 1 for a failed run."""
    from classifier.errors import ClassifierError, OutputError
    from simulator.errors import Interrupted

    try:
        app()
    except ClassifierError as error:
        print(f"{name}: {error}", file=sys.stderr)
        sys.exit(2)
    except OutputError as error:
        print(f"{name}: {error}", file=sys.stderr)
        sys.exit(1)
    except Interrupted:
        print(f"{name}: stopped. Run the same command again to finish.", file=sys.stderr)
        sys.exit(130)


def train_main() -> None:
    """Entry point of ``train``."""
    _main("train", _train)


def features_main() -> None:
    """Entry point of ``features``."""
    _main("features", _features)


def classify_main() -> None:
    """Entry point of ``classify``."""
    _main("classify", _classify)
