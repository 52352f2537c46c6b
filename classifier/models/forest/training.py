"""From a data set to a trained forest; a run that was stopped continues where it was."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from classifier.dataset import DatasetSplit
from classifier.features.feature_table import FeatureTable, dataset_identity
from classifier.features.pipeline import FeatureConfig
from classifier.models.forest.forest import (
    FORMAT_VERSION,
    KIND,
    Forest,
    forest_path,
    read_forest,
    save_forest,
)
from classifier.models.forest.growing import (
    DEPTHS,
    TREES,
    Sample,
    Shape,
    grown,
    recalls,
    refuse_one_class,
    smallest_as_good,
)
from classifier.models.model_card import CARD, upgraded, write_card
from skyreel.atomic_files import claim_folder, locked_folder, whole_file
from skyreel.errors import ClassifierError
from skyreel.provenance import versions

MAX_SEED = 2**31
LEAST_OBJECTS = 10
"""Training objects of every class that a forest for some number of images needs."""
_PACKAGES = ("skyreel", "scikit-learn", "skops", "numpy")
Step = Callable[[str, int, int], None]


@dataclass(frozen=True, kw_only=True)
class ForestOptions:
    """Options of one training run; ``trees`` and ``depth`` None: chosen on the validation set.

    Raises
    ------
    ClassifierError
        A number out of range.
    """

    start: str = "first"
    images: int = 22
    band: str | None = None
    light_curves: str = "both"
    trees: int | None = None
    depth: int | None = None
    seed: int = 0
    keep_features: bool = False

    def __post_init__(self):
        for name in ("trees", "depth"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ClassifierError(f"--{name} {value}: at least 1.")
        if not 0 <= self.seed <= MAX_SEED:
            raise ClassifierError(f"--seed {self.seed}; allowed are 0 to {MAX_SEED}.")

    @property
    def has_choice(self) -> bool:
        """Whether depth or number of trees is to be chosen."""
        return self.trees is None or self.depth is None

    def grid(self) -> list[tuple[int, tuple[int, ...]]]:
        """Depths, each with the numbers of trees, to try."""
        trees = TREES if self.trees is None else (self.trees,)
        return [(depth, trees) for depth in (DEPTHS if self.depth is None else (self.depth,))]


@dataclass
class ForestTraining:
    """One training run in one folder.

    Parameters
    ----------
    data : path
        A data set; its split validation is needed where a shape is to be chosen.
    folder : Path
    options : ForestOptions
    threads : int
    command : str
        For the model's card.

    Raises
    ------
    ClassifierError
        The data cannot be used, or the folder holds something else.
    """

    data: Path
    folder: Path
    options: ForestOptions
    threads: int
    command: str = ""
    splits: dict[str, DatasetSplit] = field(init=False)
    config: FeatureConfig = field(init=False)

    def __post_init__(self):
        needed = ("train", "validation") if self.options.has_choice else ("train",)
        self.splits = {name: DatasetSplit(self.data, name) for name in needed}
        for name, split in self.splits.items():
            refuse_one_class(split.labels, f"{self.data}/{name}")
        options = self.options
        self.config = FeatureConfig.for_training(
            self.splits["train"],
            start=options.start,
            band=options.band,
            images=options.images,
            light_curves=options.light_curves,
        )
        claim_folder(self.folder, self._settings(), complete=self.is_complete(), upgrade=upgraded)

    def _settings(self):
        options = self.options
        return {
            "data": {name: dataset_identity(split) for name, split in self.splits.items()},
            "feature_config": self.config.as_dict(),
            "grid": options.grid(),
            "seed": options.seed,
            "versions": versions(*_PACKAGES),
        }

    def feature_table(self, name: str) -> FeatureTable:
        """Features of one split after every number of images."""
        path = self.folder / f"features_{name}.parquet"
        return FeatureTable(path, self.splits[name], self.config, every=True)

    def sample(self, name: str, n_images: int) -> Sample:
        """Labelled objects of a split that have so many images."""
        features, index = self.feature_table(name).read(n_images)
        labels = self.splits[name].labels[index]
        return Sample(features[labels >= 0], labels[labels >= 0])

    def run(self, on_step: Step = lambda name, done, total: None) -> Forest:
        """Do what is not done yet.

        ``on_step`` is called with the name of a step, how much more of it is done, and its total.

        Raises
        ------
        ClassifierError, OutputError
        """
        start = time.perf_counter()
        with locked_folder(self.folder):
            if not self.is_complete():
                for name, split in self.splits.items():
                    self._make_features(name, len(split), on_step)
                largest = self.largest()
                shape = self.choose(largest, on_step)
                self.grow(shape, largest, on_step)
                self.finish(shape, largest, time.perf_counter() - start)
            self.tidy()
        return Forest.open(self.folder)

    def _make_features(self, name, total, on_step):
        self.feature_table(name).make(
            threads=self.threads, on_progress=lambda n: on_step(f"features of {name}", n, total)
        )

    def largest(self) -> int:
        """The largest number of images that enough objects of every class of a split reach."""
        for k in range(self.config.images, 0, -1):
            if all(self._is_enough(name, k) for name in self.splits):
                return k
        raise ClassifierError(
            f"{self.data}: every class needs {LEAST_OBJECTS} objects or more with an image in "
            f"band {self.config.band!r} in {' and '.join(self.splits)}."
        )

    def _is_enough(self, name, n_images):
        found = np.bincount(self.sample(name, n_images).labels, minlength=256)
        needed = np.unique(self.splits[name].labels)
        return bool((found[needed[needed >= 0]] >= LEAST_OBJECTS).all())

    def choose(self, largest: int, on_step: Step) -> Shape:
        """Depth and trees, by the mean validation recall after half and all of the images."""
        grid = self.options.grid()
        if not self.options.has_choice:
            return Shape(grid[0][1][0], grid[0][0])
        places = sorted({max(1, round(largest * part)) for part in (0.5, 1)})
        scores: dict[Shape, list[float]] = {}
        for k in places:
            train, check = self.sample("train", k), self.sample("validation", k)
            for depth, trees in grid:
                seed, threads = self.options.seed, self.threads
                found = recalls(train, check, depth, trees, seed=seed, threads=threads)
                for shape, score in found.items():
                    scores.setdefault(shape, []).append(score)
                on_step("choosing the size", 1, len(places) * len(grid))
        self._write_grid(places, scores)
        means = {shape: float(np.mean(values)) for shape, values in scores.items()}
        return smallest_as_good(means, len(check.labels))

    def _write_grid(self, places, scores):
        with whole_file(self.folder / "grid.csv") as path, path.open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["trees", "depth", *(f"recall_after_{k}" for k in places), "mean"])
            for shape, values in sorted(scores.items()):
                numbers = [f"{value:.5f}" for value in (*values, np.mean(values))]
                rows.writerow([shape.trees, shape.depth, *numbers])

    def grow(self, shape: Shape, largest: int, on_step: Step) -> None:
        """Grow and save the forest for every number of images that is not there yet."""
        n_features, n_classes = len(self.config.feature_names), len(self.splits["train"].classes)
        importances = []
        for k in range(1, largest + 1):
            path = forest_path(self.folder, k)
            if path.exists():
                forest = read_forest(path, n_features, n_classes)
            else:
                sample, seed = self.sample("train", k), self.options.seed + k
                forest = grown(sample, shape, seed=seed, threads=self.threads)
                save_forest(forest, path)
            importances.append(forest.feature_importances_)
            on_step("growing forests", 1, largest)
        write_importances(self.folder, self.config.feature_names, importances)

    def finish(self, shape: Shape, largest: int, seconds: float) -> None:
        """Write the card, which makes the folder a model.

        Raises
        ------
        OutputError
        """
        train = self.splits["train"]
        card = {
            "format_version": FORMAT_VERSION,
            "kind": KIND,
            "classes": list(train.classes),
            "survey": train.survey,
            "feature_config": self.config.as_dict(),
            "features": list(self.config.feature_names),
            "largest": largest,
            "trees": shape.trees,
            "depth": shape.depth,
            "trained_on": dataset_identity(train),
            "profile": train.attributes["profile"],
            "seed": self.options.seed,
            "seconds": round(seconds, 1),
            "command": self.command,
            "versions": versions(*_PACKAGES),
        }
        write_card(self.folder, card)

    def is_complete(self) -> bool:
        """Whether the model is finished."""
        return (self.folder / CARD).is_file()

    def tidy(self) -> None:
        """Remove the features, the largest files."""
        if not self.options.keep_features:
            for name in self.splits:
                self.feature_table(name).path.unlink(missing_ok=True)


_PLOTTED = 25


def write_importances(
    folder: Path, names: Sequence[str], importances: Sequence[np.ndarray]
) -> None:
    """Write importances (number of images, feature) as ``importances.csv`` and ``.png``."""
    with whole_file(folder / "importances.csv") as path, path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["n_images", *names])
        for k, row in enumerate(importances, start=1):
            rows.writerow([k, *(f"{value:.5f}" for value in row)])
    _plot(folder / "importances.png", np.asarray(names), np.asarray(importances))


def _plot(path, names, importances):
    """Plot shares: rows are the features most important on average, columns numbers of images."""
    share = importances / np.maximum(importances.max(axis=1, keepdims=True), 1e-12)
    order = np.argsort(share.mean(axis=0))[::-1][:_PLOTTED]
    figure = Figure(figsize=(7.0, 0.24 * order.size + 1.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    grid = axes.imshow(
        share[:, order].T,
        aspect="auto",
        cmap="viridis",
        vmin=0,
        vmax=1,
        extent=(0.5, len(share) + 0.5, order.size - 0.5, -0.5),
    )
    axes.set_yticks(range(order.size), names[order], fontsize=8)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("number of images")
    figure.colorbar(grid, label="importance / that of the most important feature")
    with whole_file(path) as unfinished:
        figure.savefig(unfinished, dpi=150, format="png")
