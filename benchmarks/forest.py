"""The random forest on simulated and real sequences: ``python -m benchmarks.forest --data D``.

Grows one forest a seed on the training split, its size chosen on the validation split unless
given, and scores it on the test split; with ``--real``, on real sequences too, on which nothing
was chosen.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.machine import describe_machine
from classifier.evaluation import Evaluation, evaluate, over_runs
from classifier.feature_table import FeatureTable
from classifier.forest.model import Forest
from classifier.forest.training import ForestOptions, ForestTraining
from classifier.recipe import Recipe
from classifier.stamps import Split

THREADS = 2


def train(data, folder, options: ForestOptions, features: Path | None) -> tuple[Forest, float]:
    """A forest and the seconds its training took.

    ``features`` names the folder of another forest whose features it can use: they do not depend
    on the seed.
    """
    start = time.perf_counter()
    training = ForestTraining(data, folder, options, THREADS)
    if training.is_complete():
        forest = Forest.open(folder)
        return forest, forest.card["seconds"]
    for name in training.splits:
        table = training.feature_table(name)
        if features and not table.path.exists():
            os.link(features / table.path.name, table.path)
        table.make(threads=THREADS)
    largest = training.largest()
    shape = training.choose(largest)
    training.grow(shape, largest)
    seconds = time.perf_counter() - start
    return training.finish(shape, largest, seconds), seconds


def scores(forest, split) -> tuple[Evaluation, Evaluation]:
    """Evaluations on a split, and on its objects with as many images as the forest can use."""
    found = forest.predict(split, threads=THREADS)
    complete = found.of(np.flatnonzero(found.n_images >= forest.largest))
    return evaluate(found), evaluate(complete)


def feature_speed(data, objects=50_000, target=686_000):
    """Seconds to measure and describe so many curves, and what that means for the thesis's."""
    split = Split(data, "train")
    split.blocks = lambda: ((i, min(i + 1024, objects)) for i in range(0, objects, 1024))
    with tempfile.TemporaryDirectory() as folder:
        table = FeatureTable(Path(folder) / "f.parquet", split, Recipe(images=30), every=False)
        start = time.perf_counter()
        table.make(threads=THREADS)
        seconds = time.perf_counter() - start
    return seconds, seconds * target / objects


def line(name, runs) -> str:
    """One row of the table: mean and spread over seeds."""
    recalls = " ".join(
        f"{key.removeprefix('recall_')} {found.value:.2f}"
        for key, found in runs.scalars.items()
        if key.startswith("recall_") and np.isfinite(found.value)
    )
    shown = [
        f"{key} {runs.scalars[key].value:.3f} +- {runs.scalars[key].error:.3f}"
        for key in ("accuracy", "mean_recall", "matched_mean_recall")
    ]
    return f"{name}: {', '.join(shown)}; recall {recalls}"


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--real", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="folder for the models")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--start", default="alert")
    parser.add_argument("--light-curves", default="both")
    parser.add_argument("--images", type=int, default=22)
    parser.add_argument("--trees", type=int)
    parser.add_argument("--depth", type=int)
    parser.add_argument("--speed", action="store_true", help="only time the features")
    arguments = parser.parse_args()
    print(describe_machine())
    if arguments.speed:
        seconds, all_ = feature_speed(arguments.data)
        print(f"features of 50,000 sequences: {seconds:.0f} s; of 686,000: {all_ / 60:.0f} min")
        return
    run(arguments)


def run(arguments):
    """Train and score every seed."""
    simulated, complete, real = [], [], []
    for seed in range(arguments.seeds):
        options = ForestOptions(
            start=arguments.start, images=arguments.images, seed=seed,
            light_curves=arguments.light_curves, trees=arguments.trees, depth=arguments.depth,
        )  # fmt: skip
        folder = arguments.out / f"seed{seed}"
        features = arguments.out / "seed0" if seed else None
        forest, seconds = train(arguments.data, folder, options, features)
        shape = f"{forest.card['trees']} trees, depth {forest.card['depth']}"
        print(f"seed {seed}: {shape}, {seconds:.0f} s", flush=True)
        test = Split(arguments.data, "test")
        for kept, found in zip((simulated, complete), scores(forest, test), strict=True):
            kept.append(found)
        if arguments.real:
            real.append(scores(forest, Split(arguments.real, "test"))[0])
    report(arguments, {"simulated": simulated, "simulated, all images": complete, "real": real})


def report(arguments, sets):
    """Print and keep the means over seeds."""
    kept = {}
    for name, evaluations in sets.items():
        if evaluations:
            runs = over_runs(evaluations)
            print(line(name, runs))
            kept[name] = {key: list(found) for key, found in runs.scalars.items()}
            kept[name]["accuracy_by_images"] = runs.accuracy.tolist()
            kept[name]["mean_recall_by_images"] = runs.mean_recall.tolist()
    (arguments.out / "scores.json").write_text(json.dumps(kept, indent=1))


if __name__ == "__main__":
    main()
