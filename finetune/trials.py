"""One call of the command ``finetune``: draws, contenders taught on each, the model, the report.

Predictions of every contender on every draw are files of their own, whole or absent, so a run
that was stopped goes on where it was.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from classifier.arrays import write_arrays
from classifier.card import CARD, versions
from classifier.evaluation import write_predictions
from classifier.feature_table import data_identity
from classifier.files import alone_in, claim, whole_file
from classifier.inputs import Inputs
from classifier.models import model_folder, open_model
from classifier.networks import built
from classifier.networks.backend import keras
from classifier.networks.model import Network
from classifier.recipe import Recipe
from classifier.stamps import Split
from finetune.adaptation.forest import MOST_SIMULATED, TaughtForest, measured
from finetune.adaptation.methods import METHODS, method_named
from finetune.adaptation.pupil import Pupil
from finetune.adaptation.simulated import simulated_sequences
from finetune.errors import FinetuneError
from finetune.few_shot import MODES, Draw, drawn
from finetune.homogenise import Homogenising
from finetune.real_only import real_only_features, real_only_predictions
from finetune.real_set import RealSet

MODEL = "model"
SIMULATED = 4096
RESAMPLED = 0.5
_MAPPED = 1024
OnStep = Callable[[str, int, int], None]


@dataclass(frozen=True, kw_only=True)
class Options:
    """What can be chosen.

    Parameters
    ----------
    model : str
    real : path
    split : str
    per_class : tuple of int
    trials : int
    method : str
    also : tuple of str
        Other methods to report beside it.
    simulated : path or None
        Simulated data set the forest learns from; None: no forest.
    scratch : bool
        Whether a network with fresh weights learns the same objects.
    homogenised : bool
    disjoint : str
    iterations : int
    seed : int

    Raises
    ------
    FinetuneError
    """

    model: str
    real: Path
    split: str = "test"
    per_class: tuple[int, ...] = (10,)
    trials: int = 5
    method: str = "head"
    also: tuple[str, ...] = ()
    simulated: Path | None = None
    scratch: bool = False
    homogenised: bool = True
    disjoint: str = "field"
    iterations: int = 1000
    seed: int = 0

    def __post_init__(self):
        for name in (self.method, *self.also):
            method_named(name)
        if self.disjoint not in MODES:
            raise FinetuneError(f"--disjoint {self.disjoint!r}; allowed: {', '.join(MODES)}.")
        if not self.per_class or min(self.per_class) < 0:
            raise FinetuneError("--per-class: give one number or more, none below 0.")
        for name in ("trials", "iterations"):
            if getattr(self, name) < 1:
                raise FinetuneError(f"--{name} {getattr(self, name)}: at least 1.")
        if not 0 <= self.seed < 2**31:
            raise FinetuneError(f"--seed {self.seed}; allowed are 0 to {2**31 - 1}.")
        sizes = tuple(sorted({0, *self.per_class}))
        object.__setattr__(self, "per_class", sizes)


@dataclass
class Trials:
    """Everything one folder is to hold.

    Raises
    ------
    FinetuneError, ClassifierError
        It cannot be done as asked, or the folder holds something else.
    """

    options: Options
    folder: Path
    threads: int
    command: str = ""
    network: Network = field(init=False)
    real: RealSet = field(init=False)
    draws: list[Draw] = field(init=False)

    def __post_init__(self):
        options = self.options
        opened = open_model(options.model, threads=self.threads)
        if not isinstance(opened, Network):
            raise FinetuneError(
                f"--model {options.model} is a forest; give a network. A forest is adapted beside "
                "it with --simulated."
            )
        homogenising = Homogenising(registration=options.homogenised, length=options.homogenised)
        self.network = opened
        self.real = RealSet.read(options.real, options.split, opened, homogenising)
        self._homogenising = homogenising
        self.draws = [
            drawn(
                self.real.labels, self.real.fields, per_class=k, trial=trial, seed=options.seed,
                disjoint=options.disjoint,
            )
            for k in options.per_class if k for trial in range(options.trials)
        ]  # fmt: skip
        claim(self.folder, self._settings(), complete=(self.folder / "run.json").is_file())

    def _settings(self):
        chosen = {**asdict(self.options), "real": None, "simulated": None, "model": None}
        found = {"options": chosen, "real": data_identity(self.real.split)}
        found["model"] = self.network.card
        if self.options.simulated:
            found["simulated"] = data_identity(Split(self.options.simulated, "train"))
        return {**found, "versions": versions("skyreel", "keras", "numpy", "scikit-learn")}

    def run(self, on_step: OnStep = lambda name, done, total: None) -> None:
        """Do what is not done yet; ``on_step`` is told (what, how much more, of how much).

        Raises
        ------
        FinetuneError, ClassifierError, OutputError
        """
        start = time.perf_counter()
        with alone_in(self.folder):
            self._write_draws()
            for name, scores in self._contenders():
                todo = list(self._missing(name))
                for place, (path, draw) in enumerate(todo):
                    if not place:
                        on_step(name, 0, len(todo))
                    write_predictions(
                        path, self.real.predictions(scores(draw)), {"command": self.command}
                    )
                    on_step(name, 1, len(todo))
            self._write_states()
            self._write_model()
            self._write_run(time.perf_counter() - start)

    def _write_draws(self):
        told = [
            {"per_class": d.per_class, "trial": d.trial, "taught": self.real.names(d.taught),
             "tested": self.real.names(d.tested)}
            for d in self.draws
        ]  # fmt: skip
        with whole_file(self.folder / "draws.json") as path:
            path.write_text(json.dumps(told, indent=1))

    def _missing(self, name) -> Iterator[tuple[Path, Draw]]:
        """Predictions to be made: file and draw."""
        before = Draw(0, 0, np.zeros(0, dtype=int), np.flatnonzero(self.real.labels >= 0))
        taught_only = name in ("real-only", "scratch")
        for draw in ([] if taught_only else [before]) + self.draws:
            path = self.folder / "predictions" / name / f"{draw.name}.parquet"
            if not path.is_file():
                yield path, draw

    def _contenders(self):
        """Names, and what gives scores (object, image, class) for a draw."""
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
        return Pupil(self.network, method_named(method), self.options.iterations, self._simulated)

    def _simulated(self) -> tuple[Inputs, np.ndarray]:
        share = RESAMPLED if self.options.homogenised else 0.0
        return simulated_sequences(
            self.network, self.real.showing, SIMULATED, seed=self.options.seed, resampled=share
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
        from classifier.showing import ShownSplit

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
        method = replace(METHODS["plain"], thinned=True, learning_rate=1e-3, batch=16)
        pupil = Pupil(fresh, method, self.options.iterations, self._simulated)
        real = self.real
        pupil.learn(real.inputs.of(draw.taught), real.labels[draw.taught],
                    seed=self.options.seed + draw.trial)  # fmt: skip
        return fresh.probabilities(real.inputs)

    def _write_states(self):
        """What the network remembers of simulated and real sequences, before it is adapted."""
        path = self.folder / "states.npz"
        if path.is_file():
            return
        try:
            inputs, labels = self._simulated_for_map()
        except FinetuneError:
            return  # a survey that cannot be simulated here has no map
        known = np.flatnonzero(self.real.labels >= 0)
        write_arrays(path, {
            "simulated": self.network.memory_of(inputs), "simulated_label": labels,
            "real": self.network.memory_of(self.real.inputs.of(known)),
            "real_label": self.real.labels[known],
        })  # fmt: skip

    def _simulated_for_map(self):
        inputs, labels = simulated_sequences(
            self.network, self.real.showing, _MAPPED, seed=self.options.seed, resampled=RESAMPLED
        )
        return inputs.of(slice(0, _MAPPED)), labels[:_MAPPED]

    def _write_model(self):
        """The model to use: taught every labelled object."""
        folder = self.folder / MODEL
        if (folder / CARD).is_file():
            return
        known = np.flatnonzero(self.real.labels >= 0)
        pupil = self.pupil(self.options.method)
        pupil.learn(self.real.inputs.of(known), self.real.labels[known], seed=self.options.seed)
        told = {"real": data_identity(self.real.split), "objects": len(known),
                "homogenised": self.options.homogenised, "command": self.command}  # fmt: skip
        pupil.save(folder, told)
        pupil.begin_again()

    def _write_run(self, seconds):
        options = self.options
        told = {
            "per_class": list(options.per_class), "trials": options.trials,
            "classes": list(self.real.classes), "present": list(self.real.present),
            "model": str(options.model), "model_folder": str(model_folder(options.model)),
            "real": str(options.real), "split": options.split, "method": options.method,
            "homogenised": options.homogenised, "disjoint": options.disjoint,
            "seed": options.seed, "iterations": options.iterations,
            "showing": self.real.showing.as_dict(), "command": self.command,
            "seconds": round(seconds, 1), "versions": versions("skyreel", "keras", "numpy"),
        }  # fmt: skip
        if not (self.folder / "run.json").is_file():
            with whole_file(self.folder / "run.json") as path:
                path.write_text(json.dumps(told, indent=1))
