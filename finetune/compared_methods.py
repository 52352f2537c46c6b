"""Methods compared on the same draws: adapted networks, and the baselines beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from classifier.dataset import DatasetSplit
from classifier.features.handcrafted_features import handcrafted_features
from classifier.features.pipeline import FeatureConfig
from classifier.image_selection import ImageSelection, SelectedSplit
from classifier.models.ensemble import NETWORK as NETWORK_FOLDER
from classifier.models.ensemble import joined, save_ensemble
from classifier.models.forest.extra_trees import TreeTrainingSet
from classifier.models.recurrent import build_network
from classifier.models.recurrent.backend import keras
from classifier.models.recurrent.trained_network import Network
from classifier.network_inputs import Inputs
from classifier.training.sources import EndlessSource
from finetune.adaptation.augmented_forest import (
    MOST_SIMULATED,
    NOISY,
    AugmentedForest,
    measured_features,
)
from finetune.adaptation.fine_tuner import FineTuner
from finetune.adaptation.methods import GradientMethod, method_named
from finetune.few_shot import Draw
from finetune.homogenise import Homogenising
from finetune.options import Options
from finetune.real_sequences import RealSet
from simulator.options import Options as SimulationOptions
from simulator.simulator import Simulator
from skyreel.errors import FinetuneError, SimulationError
from survey_profiles.profile import Profile

_BATCH = 64
SEED_OFFSET = 1_000_000  # other sequences than those of trainings with small seeds


def simulator_for(network: Network) -> Simulator:
    """A simulator of the survey and the classes of a network.

    Raises
    ------
    FinetuneError
        Its card has no profile, or a class that cannot be simulated.
    """
    try:
        profile = Profile.model_validate(network.card["profile"])
        classes = dict.fromkeys(network.classes, 1.0)
        return Simulator(
            profile, SimulationOptions(classes=classes, stamp_size_pix=network.size_pix)
        )
    except (KeyError, ValueError, SimulationError) as error:
        reason = str(error).split("\n")[0]
        raise FinetuneError(
            f"{network.folder}: its training sequences cannot be simulated again ({reason}). Use "
            "--method plain, which uses no simulated sequences."
        ) from None


def simulated_sequences(
    network: Network, selection: ImageSelection, n: int, *, seed: int, resampled: float
) -> tuple[Inputs, np.ndarray]:
    """``n`` sequences or more, whole blocks of 1,024, and their labels among the network's classes.

    ``resampled`` is the share whose stamps are registered on their source.
    """
    source = EndlessSource(simulator_for(network), selection, SEED_OFFSET + seed, _BATCH, resampled)
    parts, found = [], 0
    while found < n:
        parts.append(source.block(len(parts), 0))
        found += len(parts[-1][1])
    inputs, labels = zip(*parts, strict=True)
    return Inputs.joined(inputs), np.concatenate(labels)


Scores = Callable[[Draw], np.ndarray]
"""Trains on a draw and gives probabilities (object, image, class) of all real objects."""
NETWORK, REAL_ONLY, FOREST, SCRATCH = "network", "real-only", "forest", "scratch"
WITHOUT_ZERO = (REAL_ONLY, SCRATCH)
"""Methods that need training objects: they have no predictions before adaptation."""
_SIMULATED = 4096
_EMBEDDED = 1024  # simulated sequences in the joint embedding of hidden states
_RESAMPLED_SHARE = 0.5
_FROM_SCRATCH = GradientMethod(part="all", simulated=0.0, learning_rate=1e-3, batch=16)


@dataclass(frozen=True)
class ComparedMethods:
    """Every method of one experiment, on one set of real sequences."""

    network: Network
    real: RealSet
    options: Options
    threads: int
    _real_only: dict[str, np.ndarray] = field(default_factory=dict, repr=False)

    def all(self) -> Iterator[tuple[str, Scores]]:
        """Names and functions of the methods."""
        options = self.options
        yield NETWORK, self.scores_of(options.method)
        for name in options.also:
            yield f"{NETWORK} {name}", self.scores_of(name)
        if options.homogenised:
            yield f"{NETWORK}, stamps as published", self._as_published()
        yield REAL_ONLY, self.real_only
        if options.simulated:
            yield FOREST, self._forest_scores
        if options.scratch:
            yield SCRATCH, self._from_scratch

    def fine_tuner(self, method: str) -> FineTuner:
        """The network with a method that adapts it."""
        return FineTuner(
            self.network, method_named(method), self.options.iterations, self.simulated
        )

    def simulated(self, n: int = _SIMULATED) -> tuple[Inputs, np.ndarray]:
        """About ``n`` simulated sequences with the image selection of the real ones; their labels.

        Raises
        ------
        FinetuneError
            The network's survey cannot be simulated.
        """
        share = _RESAMPLED_SHARE if self.options.homogenised else 0.0
        return simulated_sequences(
            self.network, self.real.selection, n, seed=self.options.seed, resampled=share
        )

    def scores_of(self, name: str) -> Scores:
        """The network adapted by a method; as it is where a draw has no training objects."""
        fine_tuner, weight = self.fine_tuner(name), method_named(name).tree_weight

        def scores(draw: Draw) -> np.ndarray:
            if draw.per_class:
                self._fit(fine_tuner, draw)
            found = self.network.probabilities(self.real.inputs)
            fine_tuner.reset()
            if draw.per_class and weight:
                return joined(found, self.real_only(draw), weight)
            return found

        return scores

    def _fit(self, fine_tuner, draw):
        rows, seed = draw.training, self.options.seed + draw.trial
        fine_tuner.fit(self.real.inputs.of(rows), self.real.labels[rows], seed=seed)

    def _as_published(self) -> Scores:
        """The same method on the same images of the same objects, without registration."""
        options = self.options
        homogenising = Homogenising(registration=False)
        real = RealSet.read(options.real, options.split, self.network, homogenising)
        others = ComparedMethods(self.network, real, options, self.threads)
        return others.scores_of(options.method)

    def hidden_states(self) -> dict[str, np.ndarray] | None:
        """Of simulated and real sequences in the network before adaptation, with labels.

        None for a survey that cannot be simulated.
        """
        try:
            inputs, labels = self.simulated(_EMBEDDED)
        except FinetuneError:
            return None
        known = np.flatnonzero(self.real.labels >= 0)
        return {
            "simulated": self.network.last_hidden_states(inputs),
            "simulated_label": labels,
            "real": self.network.last_hidden_states(self.real.inputs.of(known)),
            "real_label": self.real.labels[known],
        }

    def save(self, folder: Path, adapted: dict[str, Any]) -> None:
        """Write the model adapted to every labelled object as a folder.

        Raises
        ------
        OutputError
        """
        real, options = self.real, self.options
        known, weight = np.flatnonzero(real.labels >= 0), method_named(options.method).tree_weight
        fine_tuner = self.fine_tuner(options.method)
        fine_tuner.fit(real.inputs.of(known), real.labels[known], seed=options.seed)
        card = fine_tuner.save(folder / NETWORK_FOLDER if weight else folder, adapted)
        if weight:
            trees = self.tree_training_set(known, options.seed)
            save_ensemble(folder, card, trees, weight, real.split.profile)
        fine_tuner.reset()

    def tree_training_set(self, rows: ArrayLike, seed: int) -> TreeTrainingSet:
        """Training set of trees: features and labels of some of the real objects."""
        real = self.real
        return TreeTrainingSet(
            self._real_only_features[rows], real.inputs.n_images[rows], real.labels[rows], seed
        )

    @cached_property
    def _real_only_features(self):
        selected = SelectedSplit(self.real.split, self.real.selection)
        return handcrafted_features(selected, beta=self.network.assumed_psf.beta)

    def real_only(self, draw: Draw) -> np.ndarray:
        """The real-only baseline: trees trained on the training objects of a draw alone."""
        if draw.name not in self._real_only:
            trees = self.tree_training_set(draw.training, self.options.seed + draw.trial)
            self._real_only[draw.name] = trees.scores(
                self._real_only_features, self.real.inputs.n_images, self.real.classes
            )
        return self._real_only[draw.name]

    @cached_property
    def _forest(self) -> AugmentedForest:
        classes = self.real.classes
        simulated = DatasetSplit(self.options.simulated, "train")
        config = self.real.config(FeatureConfig(bands=self.network.bands))
        return AugmentedForest(
            measured_features(simulated, config, classes, most=MOST_SIMULATED),
            measured_features(self.real.split, config, classes, copies=NOISY),
            classes,
        )

    def _forest_scores(self, draw):
        seed = self.options.seed + draw.trial
        return self._forest.scores(draw.training, seed=seed, threads=self.threads)

    def _from_scratch(self, draw):
        """A network of the same architecture with initial weights drawn at random."""
        keras.utils.set_random_seed(self.options.seed + draw.trial)
        card = self.network.card
        variants = build_network(
            card["network"],
            size_pix=self.network.size_pix,
            n_classes=len(self.network.classes),
            **card["choices"],
        )
        network = replace(self.network, variants=variants)
        iterations = self.options.iterations
        self._fit(FineTuner(network, _FROM_SCRATCH, iterations, self.simulated), draw)
        return network.probabilities(self.real.inputs)
