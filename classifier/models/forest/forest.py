"""A trained forest on disk: a folder of one JSON card and one skops file per number of images.

skops files hold data, not code: only types on its own list of safe ones are built, and the arrays
of trees, which are checked before they are used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar
from zipfile import ZIP_DEFLATED

import numpy as np
import skops.io
from scipy.stats import norm, rankdata
from sklearn.ensemble import RandomForestClassifier

from classifier.dataset import DatasetSplit
from classifier.evaluation.predictions import Predictions, joined
from classifier.features.pipeline import FeatureConfig, FeaturePipeline, median_magnitudes
from classifier.image_selection import ImageSelection
from classifier.models.forest.growing import probabilities
from classifier.models.model_card import CARD, ShowsCard, read_card
from classifier.models.protocol import Embedding
from skyreel.array_archives import check_archive
from skyreel.atomic_files import whole_file
from skyreel.console import printable
from skyreel.errors import ClassifierError

KIND = "forest"
FORMAT_VERSION = 1
_TRUSTED = ["sklearn.tree._tree.Tree"]  # arrays only; checked by ``_is_sound``
_CARD_KEYS = ("feature_config", "features", "largest", "trees", "depth", "trained_on")
_EMBEDDED_FEATURES = 6


def forest_path(folder: Path, n_images: int) -> Path:
    """File of the forest for ``n_images`` images."""
    return folder / f"forest_{n_images:02d}.skops"


def save_forest(forest: RandomForestClassifier, path: Path) -> None:
    """Write a forest, whole or not at all.

    Raises
    ------
    OutputError
    """
    with whole_file(path) as unfinished, unfinished.open("wb") as file:
        skops.io.dump(forest, file, compression=ZIP_DEFLATED, compresslevel=6)


def read_forest(path: Path, n_features: int, n_classes: int) -> RandomForestClassifier:
    """Read a forest.

    Raises
    ------
    ClassifierError
        The file is missing, damaged, or holds anything but a random forest of ``n_features``
        and ``n_classes``.
    """
    check_archive(path, "Train it again.")
    try:
        unknown = set(skops.io.get_untrusted_types(file=path)) - set(_TRUSTED)
        found = None if unknown else skops.io.load(path, trusted=_TRUSTED)
    except Exception as error:  # a damaged file can fail in any way
        reason = printable(error).split("\n")[0][:200]
        raise ClassifierError(f"{path} is missing or damaged ({reason}). Train it again.") from None
    if not isinstance(found, RandomForestClassifier):
        raise ClassifierError(f"{path} holds no random forest; it is not used.")
    try:
        sound = _is_sound_forest(found, n_features, n_classes)
    except (AttributeError, TypeError, ValueError, IndexError, OverflowError):
        sound = False
    if not sound:
        raise ClassifierError(
            f"{path} is damaged: its trees are broken, or of other features or classes. "
            "Train it again."
        )
    found.n_jobs = 1
    return found


def _is_sound_forest(forest, n_features, n_classes) -> bool:
    classes = np.asarray(forest.classes_)
    known = classes.dtype.kind in "iu" and classes.min() >= 0 and classes.max() < n_classes
    known = known and classes.ndim == 1 and np.unique(classes).size == classes.size
    estimators = (forest, *forest.estimators_)
    fitting = all(_is_number(each.n_features_in_, n_features) for each in estimators)
    fitting = fitting and all(_is_number(each.n_outputs_, 1) for each in estimators)
    fitting = fitting and all(_is_number(each.n_classes_, classes.size) for each in estimators)
    trees = [tree.tree_ for tree in forest.estimators_]
    return bool(known and fitting and all(_is_sound(t, n_features, classes.size) for t in trees))


def _is_number(found, expected):
    return np.ndim(found) == 0 and found == expected


def _is_sound(tree, n_features, n_classes) -> bool:
    """Whether every branch leads to a later node, and every split uses a known feature."""
    left, right, node = tree.children_left, tree.children_right, np.arange(tree.node_count)
    inner = left != -1
    ahead = (left > node) & (right > node) & (left < node.size) & (right < node.size)
    asked = (tree.feature >= 0) & (tree.feature < n_features)
    whole = 1 <= tree.node_count <= tree.capacity and tree.value.shape == (node.size, 1, n_classes)
    whole = whole and tree.n_features == n_features
    return bool(whole and np.all(np.where(inner, ahead & asked, right == -1)))


@dataclass(frozen=True)
class Forest(ShowsCard):
    """Random forests, one per number of images: a `classifier.models.protocol.Model`.

    ``classes`` are in the order of the probabilities; ``largest`` is the number of images
    beyond which predictions do not change.
    """

    packages: ClassVar[tuple[str, ...]] = ()
    size_pix: ClassVar[None] = None
    states: ClassVar[None] = None
    folder: Path
    classes: tuple[str, ...]
    survey: str
    config: FeatureConfig
    largest: int
    card: dict[str, Any]
    _loaded: dict = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.folder.name

    @property
    def prediction_selection(self) -> ImageSelection:
        """The images of a sequence that it predicts from."""
        return self.selection

    @property
    def selection(self) -> ImageSelection:
        """Which images of a sequence it is given."""
        return self.config

    @property
    def bands(self) -> tuple[str, ...]:
        """The bands whose images it uses."""
        return self.config.bands

    @classmethod
    def open(cls, folder: str | Path) -> Forest:
        """A model that was trained before.

        Raises
        ------
        ClassifierError
            No model is there, it is unfinished, or of another format.
        """
        folder = Path(folder)
        card = read_card(folder, kind=KIND, version=FORMAT_VERSION, keys=_CARD_KEYS)
        try:
            config, largest = FeatureConfig.of_dict(card["feature_config"]), int(card["largest"])
            classes = tuple(str(name) for name in card["classes"])
        except (KeyError, TypeError, ValueError) as error:
            raise ClassifierError(f"{folder / CARD} is damaged ({error}). Train again.") from None
        if card["features"] != list(config.feature_names):
            raise ClassifierError(
                f"{folder} was trained on other features than this version computes; train again."
            )
        if not 1 <= largest <= config.images:
            raise ClassifierError(f"{folder / CARD}: largest = {largest}; train again.")
        return cls(folder, classes, str(card["survey"]), config, largest, card)

    def after(self, n_images: int) -> RandomForestClassifier:
        """The forest for ``n_images`` images.

        Raises
        ------
        ClassifierError
            Its file is missing or damaged.
        """
        k = min(n_images, self.largest)
        if k not in self._loaded:
            n_features, n_classes = len(self.config.feature_names), len(self.classes)
            self._loaded[k] = read_forest(forest_path(self.folder, k), n_features, n_classes)
        return self._loaded[k]

    def predict(
        self,
        split: DatasetSplit,
        *,
        threads: int = 1,
        on_progress: Callable[[int], None] = lambda _: None,
    ) -> Predictions:
        """Class probabilities of every object of a split after 1, 2, ... images.

        Raises
        ------
        ClassifierError
            No objects, classes that the forest does not have, or damaged files.
        """
        return joined(self.predict_blocks(split, threads=threads, on_progress=on_progress))

    def predict_blocks(
        self,
        split: DatasetSplit,
        *,
        threads: int = 1,
        on_progress: Callable[[int], None] = lambda _: None,
    ) -> Iterator[Predictions]:
        """The same, of one block of objects after another."""
        split.refuse_empty()
        labels, names = split.labels_among(self.classes), split.object_ids
        pipeline = FeaturePipeline(split, self.config)
        for k in range(1, self.largest + 1):
            self.after(k)

        def block(bounds):
            rows = slice(*bounds)
            scores, n_images, magnitude = self._predict_block(pipeline, *bounds)
            on_progress(bounds[1] - bounds[0])
            known = labels[rows], n_images, magnitude, names[rows]
            return Predictions(self.classes, scores, *known)

        with ThreadPoolExecutor(threads) as pool:
            blocks = list(split.blocks())
            for first in range(0, len(blocks), 4 * threads):  # no more are kept in memory
                yield from pool.map(block, blocks[first : first + 4 * threads])

    def _predict_block(self, pipeline, first, end):
        curves = pipeline.light_curves(first, end)
        n_images = curves.n_epochs.astype(int)
        scores = np.full((end - first, self.config.images, len(self.classes)), np.nan, np.float32)
        for k in range(1, int(n_images.max(initial=0)) + 1):
            rows = np.flatnonzero(n_images >= k)
            if k > self.largest:
                scores[rows, k - 1] = scores[rows, k - 2]
                continue
            features = pipeline.features(curves.of(rows), np.full(rows.size, k))
            scores[rows, k - 1] = probabilities(self.after(k), features, len(self.classes))
        return scores, n_images, median_magnitudes(curves, n_images)

    def embedding(self, split: DatasetSplit, rows: np.ndarray, *, threads: int = 1) -> Embedding:
        """The six most important features after all images, as normal deviates of their ranks."""
        values, names = self.best_features(split, rows, threads=threads)
        return Embedding(normal_ranks(values), f"best features: {', '.join(names)}")

    def best_features(
        self, split: DatasetSplit, rows: np.ndarray, *, threads: int = 1
    ) -> tuple[np.ndarray, list[str]]:
        """The most important features (object, 6) of some objects, and their names.

        Importance is the mean decrease of impurity in the forest for most images; values are
        those after all images of an object. ``rows`` of the split increase.
        """
        importances = self.after(self.largest).feature_importances_
        best = np.argsort(-importances, kind="stable")[:_EMBEDDED_FEATURES]
        pipeline = FeaturePipeline(split, self.config)

        def block(bounds):
            first, end = bounds
            wanted = rows[(rows >= first) & (rows < end)] - first
            curves = pipeline.light_curves(first, end).of(wanted)
            return pipeline.features(curves, curves.n_epochs.astype(int))[:, best]

        needed = [(a, b) for a, b in split.blocks() if ((rows >= a) & (rows < b)).any()]
        with ThreadPoolExecutor(threads) as pool:
            values = np.concatenate(list(pool.map(block, needed)))
        return values, [self.config.feature_names[k] for k in best]


def normal_ranks(values: np.ndarray) -> np.ndarray:
    """Columns of values (object, feature) as normal deviates of their ranks, NaN as the median.

    Like a tree, this depends on the order of values only, however long their tails.
    """
    rank = rankdata(values, axis=0, nan_policy="omit")
    n_known = np.isfinite(rank).sum(axis=0)
    return np.nan_to_num(norm.ppf((rank - 0.5) / np.maximum(n_known, 1)))
