"""The commands ``train``, ``features``, ``classify`` and ``compare``."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer


def _app() -> typer.Typer:
    return typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


_train, _features, _classify = _app(), _app(), _app()
_compare = _app()

Threads = Annotated[int | None, typer.Option(help="Cores to use.", show_default="all")]
_OWN = "the network's own"
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
_LIGHT_CURVES = (
    "'science': fluxes of the images; 'difference': after a template of the earliest images is "
    "taken off; 'both'."
)
LightCurves = Annotated[str, typer.Option(help=_LIGHT_CURVES)]
Seed = Annotated[int, typer.Option(help="Same seed, same result.")]


@_train.command()
def train(
    out: Annotated[Path, typer.Option(help="Folder of the model.")],
    data: Annotated[
        Path | None, typer.Option(help="Data set with the splits train, validation, test; or:")
    ] = None,
    survey: Annotated[
        str | None,
        typer.Option(
            help="Survey, by name or TOML file, to simulate as training goes on; validation and "
            "test sequences are kept in OUT.zarr."
        ),
    ] = None,
    model: Annotated[
        str, typer.Option(help="'compact', 'rcnn' (the thesis's network) or 'forest'.")
    ] = "compact",
    images: Images = 22,
    start: Start = "first",
    band: Band = None,
    seed: Seed = 0,
    threads: Threads = None,
    quiet: Quiet = False,
    on_the_fly: Annotated[
        bool | None,
        typer.Option(
            "--on-the-fly", help="Networks: simulate training sequences as needed, never one twice."
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
    begin_with: Annotated[
        str | None,
        typer.Option(help="Networks: trained network to go on from, by name or folder."),
    ] = None,
    iterations: Annotated[
        int | None, typer.Option(help="Networks: training steps.", show_default=_OWN)
    ] = None,
    batch: Annotated[
        int | None, typer.Option(help="Networks: sequences per step.", show_default=_OWN)
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(help="Networks: how large a step training takes.", show_default=_OWN),
    ] = None,
    schedule: Annotated[
        str | None,
        typer.Option(
            help="Networks: learning rate 'constant', or 'cosine', which ends near nothing.",
            show_default=_OWN,
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            help="Networks: numbers of the convolutions, 'float32', or 'bfloat16', which is faster "
            "on some processors.",
            show_default="what this processor is best at",
        ),
    ] = None,
    turned: Annotated[
        bool | None,
        typer.Option(
            "--turned/--not-turned",
            help="Networks: rotate and mirror training sequences at random.",
            show_default="turned",
        ),
    ] = None,
    validate_every: Annotated[
        int | None,
        typer.Option(
            help="Networks: steps between looks at the validation split, each with a checkpoint.",
            show_default="500",
        ),
    ] = None,
    validation: Annotated[
        int | None,
        typer.Option(help="Networks: validation sequences looked at.", show_default="4096"),
    ] = None,
    choice: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Networks: a choice of the network's own, as window=1 of rcnn (docs/networks.md).",
        ),
    ] = None,
    light_curves: Annotated[
        str | None, typer.Option(help=f"Forests: {_LIGHT_CURVES}", show_default="both")
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
):
    """Train a classifier on a data set, or on a survey, and evaluate it on the test split.

    Takes minutes to hours. Run again with the same arguments to finish a run that stopped.
    """
    from classifier.cli.train import run_training
    from skyreel.commands import Work

    run_training(
        Work(data=data, out=out, threads=threads, quiet=quiet),
        model=model,
        survey=survey,
        common={"images": images, "start": start, "band": band, "seed": seed},
        of_networks={
            "on_the_fly": on_the_fly,
            "resampled": resampled,
            "begin_with": begin_with,
            "iterations": iterations,
            "batch": batch,
            "learning_rate": learning_rate,
            "schedule": schedule,
            "precision": precision,
            "rotate": turned,
            "validate_every": validate_every,
            "validation": validation,
            "choices": choice or None,
        },
        of_forests={
            "light_curves": light_curves,
            "trees": trees,
            "depth": depth,
            "keep_features": keep_features,
        },
    )


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
    from classifier.cli.features import make_curve_features, make_features
    from skyreel.commands import Work
    from skyreel.errors import ClassifierError

    if (data is None) == (curves is None):
        raise ClassifierError("give --data or --curves.")
    work = Work(data=data or curves, out=out, threads=threads, quiet=quiet)
    if curves is not None:
        make_curve_features(work)
        return
    make_features(
        work,
        split=split,
        every=every,
        images=images,
        start=start,
        band=band,
        light_curves=light_curves,
    )


@_classify.command()
def classify(
    model: Annotated[str, typer.Option(help="Shipped model by name, or a folder.")],
    data: Data,
    out: Annotated[Path, typer.Option(help="Parquet file of the predictions.")],
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "test",
    report: Annotated[
        Path | None, typer.Option(help="Folder for scores and plots, where labels are known.")
    ] = None,
    plot: Annotated[
        list[str] | None,
        typer.Option(
            metavar="OBJECT ...",
            help="Draw objects, by name (of simulations, number): images, light curve and answers, "
            "one PNG each beside --out.",
        ),
    ] = None,
    any_survey: Annotated[
        bool, typer.Option("--any-survey", help="Use the model on another survey all the same.")
    ] = False,
    threads: Threads = None,
    quiet: Quiet = False,
):
    """Classify sequences: probabilities after every image."""
    from classifier.cli.classify import classify_split
    from skyreel.commands import Work

    classify_split(
        Work(data=data, out=out, threads=threads, quiet=quiet),
        model=model,
        split=split,
        report=report,
        any_survey=any_survey,
        plot=plot or (),
    )


@_compare.command()
def compare(
    models: Annotated[
        list[str], typer.Option(metavar="MODEL ...", help="Shipped models by name, or folders.")
    ],
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder of the report.")],
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "test",
    names: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME ...", help="What to call them.", show_default="their own names"),
    ] = None,
    any_survey: Annotated[
        bool, typer.Option("--any-survey", help="Use models on another survey all the same.")
    ] = False,
    threads: Threads = None,
    quiet: Quiet = False,
):
    """Compare models on the same objects: one HTML page of scores, differences and plots.

    Run again with the same arguments to finish a run that stopped; predictions are kept.
    """
    from classifier.cli.compare import compare_models
    from skyreel.commands import Work

    compare_models(
        Work(data=data, out=out, threads=threads, quiet=quiet),
        models=models,
        names=names or (),
        split=split,
        any_survey=any_survey,
    )


def _main(name, app) -> None:
    """One sentence and exit code 2 for a bad request, 1 for a failed run."""
    from skyreel.errors import ClassifierError, Interrupted, OutputError

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
    _main("classify", partial(_classify, one_by_one(sys.argv[1:], "--plot")))


def compare_main() -> None:
    """Entry point of ``compare``."""
    _main("compare", partial(_compare, one_by_one(sys.argv[1:], "--models", "--names")))


def one_by_one(arguments, *options) -> list[str]:
    """Arguments with an option of many values before each of them, as Typer wants it."""
    found, option = [], None
    for k, argument in enumerate(arguments):
        if argument.startswith("-"):
            option = argument if argument in options else None
        elif option and arguments[k - 1] != option:
            found.append(option)
        found.append(argument)
    return found
