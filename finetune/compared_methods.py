"""Who learns the same draws: the network by several methods, and what it is compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from classifier.dataset import DatasetSplit
from classifier.features.handcrafted_features import handcrafted_features
from classifier.features.pipeline import FeatureConfig
from classifier.image_selection import SelectedSplit
from classifier.models.ensemble import TreeTrainingSet, joined
from classifier.models.recurrent import built
from classifier.models.recurrent.backend import keras
from classifier.models.recurrent.network import Network
from classifier.network_inputs import Inputs
from finetune.adaptation.augmented_forest import (
    MOST_SIMULATED,
    NOISY,
    AugmentedForest,
    measured,
)
from finetune.adaptation.fine_tuner import FineTuner
from finetune.adaptation.methods import Steps, method_named
from finetune.adaptation.simulated_sequences import simulated_sequences
from finetune.few_shot import Draw
from finetune.homogenise import Homogenising
from finetune.options import Options
from finetune.real_sequences import RealSet

Scores = Callable[[Draw], np.ndarray]
SIMULATED = 4096
RESAMPLED = 0.5
FRESH = Steps(part="all", simulated=0.0, learning_rate=1e-3, batch=16)
"""How a network with fresh weights learns a few sequences."""


@dataclass(frozen=True)
class ComparedMethods:
    """Everything that is taught draws of the same real set."""

    network: Network
    real: RealSet
    options: Options
    threads: int
    _trees: dict = field(default_factory=dict, repr=False)

    def all(self) -> Iterator[tuple[str, Scores]]:
        """Names, and what gives probabilities (object, image, class) having learnt a draw."""
        options = self.options
        yield "network", self.scores_of(options.method)
        for name in options.also:
            yield f"network {name}", self.scores_of(name)
        if options.homogenised:
            yield "network, stamps as published", self._as_published()
        yield "real-only", self.real_only
        if options.simulated:
            yield "forest", self._forest_scores
        if options.scratch:
            yield "scratch", self._scratch

    def fine_tuner(self, method: str) -> FineTuner:
        """The network, to be adapted by a method."""
        return FineTuner(
            self.network, method_named(method), self.options.iterations, self.simulated
        )

    def simulated(self, n: int = SIMULATED) -> tuple[Inputs, np.ndarray]:
        """Simulated sequences that look as the real ones are shown, and their labels.

        Raises
        ------
        FinetuneError
            The network's survey cannot be simulated.
        """
        share = RESAMPLED if self.options.homogenised else 0.0
        return simulated_sequences(
            self.network, self.real.selection, n, seed=self.options.seed, resampled=share
        )

    def scores_of(self, name: str) -> Scores:
        """What the network says having learnt a draw by a method."""
        fine_tuner, weight, real = self.fine_tuner(name), method_named(name).trees, self.real

        def scores(draw: Draw):
            if draw.per_class:
                fine_tuner.learn(
                    real.inputs.of(draw.taught),
                    real.labels[draw.taught],
                    seed=self.options.seed + draw.trial,
                )
            found = self.network.probabilities(real.inputs)
            fine_tuner.reset()
            if draw.per_class and weight:
                return joined(found, self.real_only(draw), weight)
            return found

        return scores

    def _as_published(self) -> Scores:
        """The method on the same images of the same objects, not registered."""
        options = self.options
        alike = Homogenising(registration=False)
        real = RealSet.read(options.real, options.split, self.network, alike)
        others = ComparedMethods(self.network, real, options, self.threads)
        return others.scores_of(options.method)

    def taught(self, rows, seed: int) -> TreeTrainingSet:
        """What trees on some of the real objects are grown on."""
        real = self.real
        return TreeTrainingSet(
            self._real_only_features[rows], real.inputs.n_images[rows], real.labels[rows], seed
        )

    @cached_property
    def _real_only_features(self):
        return handcrafted_features(SelectedSplit(self.real.split, self.real.selection))

    def real_only(self, draw: Draw):
        """What trees say that were grown on a draw alone."""
        if draw.name not in self._trees:
            taught = self.taught(draw.taught, self.options.seed + draw.trial)
            self._trees[draw.name] = taught.scores(
                self._real_only_features, self.real.inputs.n_images, self.real.classes
            )
        return self._trees[draw.name]

    @cached_property
    def _forest(self) -> AugmentedForest:
        classes = self.real.classes
        simulated = DatasetSplit(self.options.simulated, "train")
        config = self.real.config(FeatureConfig(band=self.network.selection.band))
        return AugmentedForest(
            measured(simulated, config, classes, most=MOST_SIMULATED),
            measured(self.real.split, config, classes, copies=NOISY),
            classes,
        )

    def _forest_scores(self, draw: Draw):
        seed = self.options.seed + draw.trial
        return self._forest.scores(draw.taught, seed=seed, threads=self.threads)

    def _scratch(self, draw: Draw):
        keras.utils.set_random_seed(self.options.seed + draw.trial)
        card = self.network.card
        variants = built(
            card["network"],
            size_pix=self.network.size_pix,
            n_classes=len(self.network.classes),
            **card["choices"],
        )
        fresh = replace(self.network, variants=variants)
        fine_tuner = FineTuner(fresh, FRESH, self.options.iterations, self.simulated)
        real = self.real
        fine_tuner.learn(
            real.inputs.of(draw.taught),
            real.labels[draw.taught],
            seed=self.options.seed + draw.trial,
        )
        return fresh.probabilities(real.inputs)
