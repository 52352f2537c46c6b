"""One call of the command ``finetune``: draws, contenders taught on each, the model, the report.

Predictions of every contender on every draw are files of their own, whole or absent, so a run
that was stopped goes on where it was.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from classifier.dataset import DatasetSplit
from classifier.evaluation import write_predictions
from classifier.features.feature_table import dataset_identity
from classifier.models.ensemble import NETWORK, save_ensemble
from classifier.models.model_card import CARD
from classifier.models.recurrent.network import Network
from classifier.models.registry import check_fit, model_folder, open_model
from finetune.adaptation.methods import method_named
from finetune.compared_methods import ComparedMethods
from finetune.few_shot import Draw, drawn
from finetune.homogenise import Homogenising
from finetune.options import Options
from finetune.real_sequences import RealSet
from skyreel.atomic_files import alone_in, claim, whole_file, write_arrays
from skyreel.errors import FinetuneError
from skyreel.provenance import versions

MODEL = "model"
_MAPPED = 1024
OnStep = Callable[[str, int, int], None]


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
    methods: ComparedMethods = field(init=False)
    draws: list[Draw] = field(init=False)

    def __post_init__(self):
        options = self.options
        opened = open_model(options.model, threads=self.threads)
        if not isinstance(opened, Network):
            raise FinetuneError(
                f"--model {options.model} is a {opened.card['kind']}; give a network. A forest is "
                "adapted beside it with --simulated."
            )
        check_fit(
            options.model,
            opened,
            DatasetSplit(options.real, options.split),
            any_survey=options.any_survey,
        )
        homogenising = Homogenising(registration=options.homogenised, length=options.homogenised)
        self.network = opened
        self.real = RealSet.read(options.real, options.split, opened, homogenising)
        self.methods = ComparedMethods(opened, self.real, options, self.threads)
        self.draws = [
            drawn(
                self.real.labels,
                self.real.fields,
                per_class=k,
                trial=trial,
                seed=options.seed,
                disjoint=options.disjoint,
            )
            for k in options.per_class
            if k
            for trial in range(options.trials)
        ]
        claim(self.folder, self._settings(), complete=(self.folder / "run.json").is_file())

    def _settings(self):
        chosen = {**asdict(self.options), "real": None, "simulated": None, "model": None}
        found = {"options": chosen, "real": dataset_identity(self.real.split)}
        found["model"] = self.network.card
        if self.options.simulated:
            simulated = DatasetSplit(self.options.simulated, "train")
            simulated.labels_among(self.network.classes)  # refuses classes it does not know
            found["simulated"] = dataset_identity(simulated)
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
            for name, scores in self.methods.all():
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
            {
                "per_class": d.per_class,
                "trial": d.trial,
                "taught": self.real.names(d.taught),
                "tested": self.real.names(d.tested),
            }
            for d in self.draws
        ]
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

    def _write_states(self):
        """What the network remembers of simulated and real sequences, before it is adapted."""
        path = self.folder / "states.npz"
        if path.is_file():
            return
        try:
            inputs, labels = self.methods.simulated(_MAPPED)
        except FinetuneError:
            return  # a survey that cannot be simulated here has no map
        known = np.flatnonzero(self.real.labels >= 0)
        write_arrays(
            path,
            {
                "simulated": self.network.hidden_state_of(inputs),
                "simulated_label": labels,
                "real": self.network.hidden_state_of(self.real.inputs.of(known)),
                "real_label": self.real.labels[known],
            },
        )

    def _write_model(self):
        """The model to use: taught every labelled object."""
        folder, real, options = self.folder / MODEL, self.real, self.options
        if (folder / CARD).is_file():
            return
        known, weight = np.flatnonzero(real.labels >= 0), method_named(options.method).trees
        fine_tuner = self.methods.fine_tuner(options.method)
        fine_tuner.learn(real.inputs.of(known), real.labels[known], seed=options.seed)
        told = {
            "real": dataset_identity(real.split),
            "objects": len(known),
            "homogenised": options.homogenised,
            "command": self.command,
        }
        card = fine_tuner.save(folder / NETWORK if weight else folder, told)
        if weight:
            taught = self.methods.taught(known, options.seed)
            save_ensemble(folder, card, taught, weight)
        fine_tuner.reset()

    def _write_run(self, seconds):
        options = self.options
        told = {
            "per_class": list(options.per_class),
            "trials": options.trials,
            "classes": list(self.real.classes),
            "present": list(self.real.present),
            "model": str(options.model),
            "model_folder": str(model_folder(options.model)),
            "real": str(options.real),
            "split": options.split,
            "method": options.method,
            "homogenised": options.homogenised,
            "disjoint": options.disjoint,
            "seed": options.seed,
            "iterations": options.iterations,
            "showing": self.real.selection.as_dict(),
            "command": self.command,
            "seconds": round(seconds, 1),
            "versions": versions("skyreel", "keras", "numpy"),
        }
        if not (self.folder / "run.json").is_file():
            with whole_file(self.folder / "run.json") as path:
                path.write_text(json.dumps(told, indent=1))
