"""The random forest on simulated and real sequences: ``python -m benchmarks.forest --data D``.

Trains a forest on the training split, its size chosen on the validation split, and scores it on
the test split after every number of images; then grows others with other seeds, of the same
size, for the predictions after all images. With ``--real`` they are also scored on real sequences,
on which nothing was chosen.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.machine import describe_machine
from classifier.dataset import DatasetSplit
from classifier.evaluation import Evaluation, Predictions, evaluate, over_runs, write_report
from classifier.features.feature_table import FeatureTable
from classifier.features.pipeline import FeatureConfig, FeaturePipeline
from classifier.models.forest.growing import Shape, grown, probabilities
from classifier.models.forest.training import ForestOptions, ForestTraining

THREADS = 2
THESIS_SEQUENCES = 686_000


def feature_seconds(data, objects=50_000) -> tuple[int, float]:
    """Curves measured and described, and the seconds it took."""
    split = DatasetSplit(data, "train")
    objects = min(objects, len(split))
    blocks = [(i, min(i + 1024, objects)) for i in range(0, objects, 1024)]
    split.blocks = lambda: iter(blocks)
    config = FeatureConfig(images=split.longest, light_curves="science")
    with tempfile.TemporaryDirectory() as folder:
        table = FeatureTable(Path(folder) / "f.parquet", split, config, every=False)
        pipeline = FeaturePipeline(split, config)
        curves = pipeline.light_curves(0, 2)  # compiles
        pipeline.features(curves, curves.n_epochs.astype(int))
        start = time.perf_counter()
        table.make(threads=THREADS)
        return objects, time.perf_counter() - start


class LastPredictions:
    """Predictions after all selected images, of forests of any seed."""

    def __init__(self, training: ForestTraining, split: DatasetSplit, folder: Path):
        self._training, self._split = training, split
        self._classes = training.splits["train"].classes
        self._labels = split.labels_among(self._classes)
        table = FeatureTable(folder, split, training.config, every=False)
        table.make(threads=THREADS)
        self._rows = {k: table.read(k) for k in range(1, training.config.images + 1)}

    def scores(self, forests) -> Evaluation:
        """The evaluation of forests by number of images."""
        scores = np.full((len(self._split), len(self._classes)), np.nan, dtype=np.float32)
        for k, (features, index) in self._rows.items():
            if index.size:
                scores[index] = probabilities(forests(k), features, len(self._classes))
        seen = np.isfinite(scores).all(axis=1)
        count, unknown = seen.astype(int), np.full(len(scores), np.nan)
        names = self._split.object_ids
        return evaluate(
            Predictions(self._classes, scores[:, None], self._labels, count, unknown, names)
        )


class Forests:
    """Forests of one shape and seed, grown on first use and kept."""

    def __init__(self, training, shape, seed, largest):
        self._training, self._shape, self._seed, self._largest = training, shape, seed, largest
        self._grown = {}

    def __call__(self, n_images):
        k = min(n_images, self._largest)
        if k not in self._grown:
            sample, seed = self._training.sample("train", k), self._seed + k
            self._grown[k] = grown(sample, self._shape, seed=seed, threads=THREADS)
        return self._grown[k]


def line(name, scalars) -> str:
    """The scores of one set in one line."""
    recalls = " ".join(
        f"{key.removeprefix('recall_')} {found.value:.3f}"
        for key, found in scalars.items()
        if key.startswith("recall_") and np.isfinite(found.value)
    )
    scores = [
        f"{key} {scalars[key].value:.4f} +- {scalars[key].error:.4f}"
        for key in ("accuracy", "mean_recall", "matched_mean_recall")
        if np.isfinite(scalars[key].value)
    ]
    return f"{name}: {', '.join(scores)}; recall {recalls}"


def run(arguments) -> None:
    """Train, score and print."""
    options = ForestOptions(
        start=arguments.start,
        images=arguments.images,
        light_curves=arguments.light_curves,
        trees=arguments.trees,
        depth=arguments.depth,
        keep_features=True,
    )
    training = ForestTraining(arguments.data, arguments.out / "forest", options, THREADS)
    forest = training.run()
    shape = Shape(forest.card["trees"], forest.card["depth"])
    print(f"{shape}, up to {forest.largest} images, {forest.card['seconds']:.0f} s", flush=True)
    sets = {"simulated": DatasetSplit(arguments.data, "test")}
    if arguments.real:
        sets["real"] = DatasetSplit(arguments.real, "test")
    for name, split in sets.items():
        found = evaluate(forest.predict(split, threads=THREADS))
        write_report(found, arguments.out / name, f"forest, {name}")
        print(line(f"{name}, seed 0, with bootstrap errors", found.summary()), flush=True)
        print(f"    accuracy by images {np.round(found.by_images.accuracy, 3).tolist()}")
        print(f"    mean recall by images {np.round(found.by_images.mean_recall, 3).tolist()}")
    _seeds(arguments, training, shape, forest.largest, sets)


def _seeds(arguments, training, shape, largest, sets):
    last = {
        name: LastPredictions(training, split, arguments.out / f"{name}.parquet")
        for name, split in sets.items()
    }
    found = {name: [] for name in sets}
    for seed in range(arguments.seeds):
        forests = Forests(training, shape, 1000 * seed, largest)
        for name, predictions in last.items():
            found[name].append(predictions.scores(forests))
    for name, evaluations in found.items():
        scalars = over_runs(evaluations).scalars
        print(
            line(f"{name}, {arguments.seeds} seeds, standard deviation", scalars),
            flush=True,
        )


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--real", type=Path)
    parser.add_argument("--out", type=Path, help="folder for the models and reports")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--start", default="first")
    parser.add_argument("--light-curves", default="both")
    parser.add_argument("--images", type=int, default=22)
    parser.add_argument("--trees", type=int)
    parser.add_argument("--depth", type=int)
    arguments = parser.parse_args()
    print(describe_machine())
    objects, seconds = feature_seconds(arguments.data)
    print(
        f"light curves and features of {objects:,} sequences: {seconds:.0f} s; of "
        f"{THESIS_SEQUENCES:,}: {seconds / objects * THESIS_SEQUENCES / 60:.0f} min",
        flush=True,
    )
    if arguments.out:
        run(arguments)


if __name__ == "__main__":
    main()
