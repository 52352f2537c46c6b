"""``search``: a random search over hyperparameters, and Welch tests between networks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skyreel import commands
from skyreel.commands import command, list_option, n_cores, new_app, split_list
from skyreel.errors import ClassifierError
from skyreel.output_paths import check_folder

app = new_app()


@command(app)
def search(
    data: Annotated[Path, commands.DATA],
    out: Annotated[Path, typer.Option(help="Folder of the search.")],
    vary: Annotated[
        list[str],
        typer.Option(
            metavar="NAME=VALUES",
            help="A hyperparameter, an option of train or a --choice of a network: NAME=A|B|C, or "
            "NAME=LOW..HIGH, whose logarithm is uniform.",
        ),
    ],
    model: Annotated[
        str, list_option(metavar="MODEL", help="Networks to compare, as in train --model.")
    ] = "compact",
    combinations: Annotated[int, typer.Option(help="Combinations of each network.")] = 20,
    repeats: Annotated[
        int, typer.Option(help="Trainings of the best combination of each network.")
    ] = 5,
    iterations: Annotated[int, typer.Option(help="Training steps of every training.")] = 2_000,
    validate_every: Annotated[
        int | None,
        typer.Option(
            help="Networks: steps between validations, each with a checkpoint.",
            show_default="a tenth of --iterations",
        ),
    ] = None,
    early_stopping: Annotated[
        bool,
        typer.Option(
            "--early-stopping/--no-early-stopping",
            help="Stop trainings below the median of the earlier ones.",
        ),
    ] = True,
    images: Annotated[
        int | None,
        typer.Option(
            help="Largest number of images of a sequence.", show_default="the network's own"
        ),
    ] = None,
    start: commands.Start = "first",
    band: Annotated[str | None, commands.BAND] = None,
    planes: Annotated[
        str | None,
        typer.Option(metavar="PLANE,PLANE", help="As in train --planes.", show_default="none"),
    ] = None,
    merge: Annotated[str | None, commands.MERGE] = None,
    seed: commands.Seed = 0,
    threads: commands.Threads = None,
    quiet: commands.Quiet = False,
) -> None:
    """Search the hyperparameters of networks, and test which network is best.

    Run again with the same arguments to go on with a search that stopped.
    """
    from skyreel.console import Bars, new_console, status

    console, cores = new_console(quiet), n_cores(threads)
    check_folder(out)
    names = split_list(model)
    if not names or len(set(names)) < len(names):
        raise ClassifierError(f"--model {model!r}: give different networks.")
    with status(console, "Loading the networks"):
        from classifier.models.recurrent.backend import use_cores

        use_cores(cores)
        from classifier.search.random_search import HyperparameterSearch
        from classifier.search.results import results_table, write_results
        from classifier.search.space import SearchSpace

        steps = {
            "iterations": iterations,
            "validate_every": validate_every or max(1, iterations // 10),
        }
        of_sequences = {"images": images, "start": start, "band": band, "planes": planes}
        bases = tuple(_base(name, steps, of_sequences, merge) for name in names)
        running = HyperparameterSearch(
            data,
            out,
            bases,
            SearchSpace.parsed(vary, names),
            combinations=combinations,
            repeats=repeats,
            seed=seed,
            threads=cores,
            early_stopping=early_stopping,
        )
    with Bars(console) as bars:
        trials = running.run(bars.reach)
    write_results(out, trials)
    console.print(results_table(trials))
    console.print(f"All trials: {out / 'trials.csv'}; scores and tests: {out / 'search.json'}")


def _base(network, steps, of_sequences, merge):
    """What is not varied of a network."""
    from classifier.models.card_schema import STAMP_NETWORKS
    from classifier.training.options import NetworkOptions
    from classifier.training.stamp_options import StampOptions, parsed_merge

    if network in STAMP_NETWORKS:
        if any(of_sequences[name] for name in ("images", "band", "planes")):
            raise ClassifierError(f"--images, --band, --planes: not options of --model {network}.")
        return StampOptions(network=network, merge=parsed_merge(merge), **steps)
    if merge is not None:
        raise ClassifierError(f"--merge: not an option of --model {network}.")
    return NetworkOptions(
        network=network, **{**of_sequences, "planes": split_list(of_sequences["planes"])}, **steps
    )


if __name__ == "__main__":
    app()
