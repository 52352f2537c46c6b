"""From a data set to a trained, evaluated forest; a run that stops goes on where it was."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import numpy as np

from classifier.errors import ClassifierError
from classifier.feature_table import FeatureTable, data_identity
from classifier.files import whole_file
from classifier.forest.growing import (
    DEPTHS,
    TREES,
    Sample,
    Shape,
    accuracies,
    grown,
    refuse_one_class,
    smallest_as_good,
)
from classifier.forest.importances import write_importances
from classifier.forest.model import (
    CARD,
    FORMAT_VERSION,
    Forest,
    forest_path,
    read_forest,
    save_forest,
)
from classifier.recipe import Recipe
from classifier.stamps import Split

_SETTINGS = "training.json"


@dataclass(frozen=True, kw_only=True)
class ForestOptions:
    """What can be chosen about a forest and its training.

    ``trees`` and ``depth`` None: chosen on the validation set.
    """

    start: str = "alert"
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

    @property
    def has_choice(self) -> bool:
        """Whether depth or number of trees is to be found."""
        return self.trees is None or self.depth is None

    def grid(self) -> list[tuple[int, tuple[int, ...]]]:
        """(depth, numbers of trees) to be tried."""
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
        Kept in the model's card.

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
    splits: dict[str, Split] = field(init=False)
    recipe: Recipe = field(init=False)

    def __post_init__(self):
        needed = ("train", "validation") if self.options.has_choice else ("train",)
        self.splits = {name: Split(self.data, name) for name in needed}
        for name, split in self.splits.items():
            refuse_one_class(split.labels, f"{self.data}/{name}")
        options = self.options
        self.recipe = Recipe.for_training(
            self.splits["train"], start=options.start, band=options.band, images=options.images,
            light_curves=options.light_curves,
        )  # fmt: skip
        self._claim_folder()

    def _claim_folder(self):
        settings = json.loads(json.dumps(self._settings()))
        marker = self.folder / _SETTINGS
        if marker.exists():
            if json.loads(marker.read_text()) != settings:
                raise ClassifierError(
                    f"{self.folder} holds a model of other data or options. Give another --out."
                )
            return
        if self.folder.exists() and (not self.folder.is_dir() or any(self.folder.iterdir())):
            raise ClassifierError(f"{self.folder} is not empty. Give another --out.")
        self.folder.mkdir(parents=True, exist_ok=True)
        marker.write_text(json.dumps(settings))

    def _settings(self):
        options = self.options
        return {
            "data": {name: data_identity(split) for name, split in self.splits.items()},
            "recipe": self.recipe.as_dict(),
            "grid": options.grid(),
            "seed": options.seed,
            "versions": versions(),
        }

    def feature_table(self, name: str) -> FeatureTable:
        """Features of one split after every number of images."""
        path = self.folder / f"features_{name}.parquet"
        return FeatureTable(path, self.splits[name], self.recipe, every=True)

    def sample(self, name: str, n_images: int) -> Sample:
        """Labelled objects of a split that have so many images."""
        features, index = self.feature_table(name).read(n_images)
        labels = self.splits[name].labels[index]
        return Sample(features[labels >= 0], labels[labels >= 0])

    def largest(self) -> int:
        """The largest number of images that all classes of the training set reach."""
        split, images = self.splits["train"], self.recipe.images
        for k in range(images, 0, -1):
            labels = self.sample("train", k).labels
            if np.unique(labels).size == np.unique(split.labels[split.labels >= 0]).size:
                return k
        raise ClassifierError(f"{self.data}/train has no image in band {self.recipe.band!r}.")

    def rounds(self, largest: int) -> int:
        """How many forests will be grown to choose a shape."""
        return len(_places(largest)) * len(self.options.grid()) if self.options.has_choice else 0

    def choose(self, largest: int, on_progress=lambda: None) -> Shape:
        """Depth and trees, by the mean validation accuracy after half and all of the images."""
        grid = self.options.grid()
        if not self.options.has_choice:
            return Shape(grid[0][1][0], grid[0][0])
        places = _places(largest)
        scores: dict[Shape, list[float]] = {}
        for k in places:
            train, check = self.sample("train", k), self.sample("validation", k)
            for depth, trees in grid:
                seed, threads = self.options.seed, self.threads
                found = accuracies(train, check, depth, trees, seed=seed, threads=threads)
                for shape, score in found.items():
                    scores.setdefault(shape, []).append(score)
                on_progress()
        self._write_grid(places, scores)
        means = {shape: float(np.mean(values)) for shape, values in scores.items()}
        return smallest_as_good(means, len(self.splits["validation"]))

    def _write_grid(self, places, scores):
        with (self.folder / "grid.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["trees", "depth", *(f"accuracy_after_{k}" for k in places), "mean"])
            for shape, values in sorted(scores.items()):
                numbers = [f"{value:.5f}" for value in (*values, np.mean(values))]
                rows.writerow([shape.trees, shape.depth, *numbers])

    def grow(self, shape: Shape, largest: int, on_progress=lambda: None) -> None:
        """Grow and save the forest for every number of images that is not there yet."""
        importances = []
        for k in range(1, largest + 1):
            path = forest_path(self.folder, k)
            if path.exists():
                forest = read_forest(path)
            else:
                seed = self.options.seed + k
                forest = grown(self.sample("train", k), shape, seed=seed, threads=self.threads)
                save_forest(forest, path)
            importances.append(forest.feature_importances_)
            on_progress()
        write_importances(self.folder, self.recipe.feature_names, importances)

    def finish(self, shape: Shape, largest: int, seconds: float) -> Forest:
        """Write the card, which makes the folder a model."""
        train = self.splits["train"]
        card = {
            "format_version": FORMAT_VERSION,
            "kind": "forest",
            "classes": list(train.classes),
            "survey": train.survey,
            "recipe": self.recipe.as_dict(),
            "features": list(self.recipe.feature_names),
            "largest": largest,
            "trees": shape.trees,
            "depth": shape.depth,
            "trained_on": data_identity(train),
            "profile": train.attributes["profile"],
            "seed": self.options.seed,
            "seconds": round(seconds, 1),
            "command": self.command,
            "versions": versions(),
        }
        with whole_file(self.folder / CARD) as path:
            path.write_text(json.dumps(card, indent=1))
        return Forest.open(self.folder)

    def is_complete(self) -> bool:
        """Whether the model is there."""
        return (self.folder / CARD).is_file()

    def tidy(self) -> None:
        """Remove the features, which take most of the room."""
        if not self.options.keep_features:
            for name in self.splits:
                self.feature_table(name).path.unlink(missing_ok=True)


def _places(largest):
    """Numbers of images at which shapes are compared."""
    return sorted({max(1, round(largest * part)) for part in (0.5, 1)})


def versions() -> dict[str, str]:
    """Versions of the packages that decide what a forest is."""
    return {name: version(name) for name in ("skyreel", "scikit-learn", "skops", "numpy")}
