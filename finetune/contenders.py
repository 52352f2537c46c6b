"""Who learns the same draws: the network by several methods, and what it is compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from classifier.inputs import Inputs
from classifier.networks import built
from classifier.networks.backend import keras
from classifier.networks.model import Network
from classifier.recipe import Recipe
from classifier.showing import ShownSplit
from classifier.stamps import Split
from finetune.adaptation.forest import MOST_SIMULATED, TaughtForest, measured
from finetune.adaptation.methods import Steps, method_named
from finetune.adaptation.pupil import Pupil
from finetune.adaptation.simulated import simulated_sequences
from finetune.few_shot import Draw
from finetune.homogenise import Homogenising
from finetune.options import Options
from finetune.real_only import real_only_features, real_only_predictions
from finetune.real_set import RealSet

Scores = Callable[[Draw], np.ndarray]
SIMULATED = 4096
RESAMPLED = 0.5
FRESH = Steps(part="all", simulated=0.0, learning_rate=1e-3, batch=16)
"""How a network with fresh weights learns a few sequences."""


@dataclass(frozen=True)
class Contenders:
    """Everything that is taught draws of the same real set."""

    network: Network
    real: RealSet
    options: Options
    threads: int

    def all(self) -> Iterator[tuple[str, Scores]]:
        """Names, and what gives probabilities (object, image, class) having learnt a draw."""
        options = self.options
        yield "network", self._pupil_scores(options.method, self.real)
        for name in options.also:
            yield f"network {name}", self._pupil_scores(name, self.real)
        if options.homogenised:
            yield (
                "network, stamps as published",
                self._pupil_scores(options.method, self._published),
            )
        yield "real-only", self._real_only
        if options.simulated:
            yield "forest", self._forest_scores
        if options.scratch:
            yield "scratch", self._scratch

    def pupil(self, method: str) -> Pupil:
        """The network, to be adapted by a method."""
        return Pupil(self.network, method_named(method), self.options.iterations, self.simulated)

    def simulated(self, n: int = SIMULATED) -> tuple[Inputs, np.ndarray]:
        """Simulated sequences that look as the real ones are shown, and their labels.

        Raises
        ------
        FinetuneError
            The network's survey cannot be simulated.
        """
        share = RESAMPLED if self.options.homogenised else 0.0
        return simulated_sequences(
            self.network, self.real.showing, n, seed=self.options.seed, resampled=share
        )

    def _pupil_scores(self, method, real: RealSet):
        pupil = self.pupil(method)

        def scores(draw: Draw):
            if draw.per_class:
                pupil.learn(
                    real.inputs.of(draw.taught), real.labels[draw.taught],
                    seed=self.options.seed + draw.trial,
                )  # fmt: skip
            found = self.network.probabilities(real.inputs)
            pupil.begin_again()
            return found

        return scores

    @cached_property
    def _published(self) -> RealSet:
        """The same images of the same objects, not registered."""
        alike = Homogenising(registration=False)
        return RealSet.read(self.options.real, self.options.split, self.network, alike)

    @cached_property
    def _real_only_features(self):
        return real_only_features(ShownSplit(self.real.split, self.real.showing))

    def _real_only(self, draw: Draw):
        return real_only_predictions(
            self._real_only_features, self.real.inputs.n_images, self.real.labels, draw.taught,
            self.real.classes, seed=self.options.seed + draw.trial,
        )  # fmt: skip

    @cached_property
    def _forest(self) -> TaughtForest:
        classes = self.real.classes
        simulated = Split(self.options.simulated, "train")
        recipe = self.real.recipe(Recipe(band=self.network.showing.band))
        return TaughtForest(
            measured(simulated, recipe, classes, most=MOST_SIMULATED),
            measured(self.real.split, recipe, classes), classes,
        )  # fmt: skip

    def _forest_scores(self, draw: Draw):
        seed = self.options.seed + draw.trial
        return self._forest.scores(draw.taught, seed=seed, threads=self.threads)

    def _scratch(self, draw: Draw):
        keras.utils.set_random_seed(self.options.seed + draw.trial)
        card = self.network.card
        forms = built(
            card["network"], size_pix=self.network.size_pix, n_classes=len(self.network.classes),
            **card["choices"],
        )  # fmt: skip
        fresh = replace(self.network, forms=forms)
        pupil = Pupil(fresh, FRESH, self.options.iterations, self.simulated)
        real = self.real
        pupil.learn(real.inputs.of(draw.taught), real.labels[draw.taught],
                    seed=self.options.seed + draw.trial)  # fmt: skip
        return fresh.probabilities(real.inputs)
