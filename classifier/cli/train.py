"""``train``: a network or a forest, trained on a data set or a survey, and evaluated."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from classifier.cli.train_options import (
    OF_ALERTS,
    check_model,
    check_source,
    given_options,
)
from classifier.cli.training_run import TEST, TRAIN, VALIDATION, train_model
from skyreel import commands
from skyreel.commands import command, n_cores, new_app
from skyreel.output_paths import check_folder
from skyreel.provenance import command_line

app = new_app()
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
            "normalisation, times, plain_steps; of first alerts: encoder, rotations, "
            "preprocessing, metadata, snr_difference, kernel, dropout, beta; vae and vade: "
            "clusters, latent, filters, brightness, pretraining.",
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
    alerts_per_object: Annotated[
        int | None,
        typer.Option(
            help="First alerts: with --which-alerts any, so many different alerts of every object.",
            show_default="1",
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
    of_stamps = {
        "merge": merge,
        "balance": balance,
        "alerts": which_alerts,
        "alerts_per_object": alerts_per_object,
        "crop_pix": crop,
    }
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


if __name__ == "__main__":
    app()
