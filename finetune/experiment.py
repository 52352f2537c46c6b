"""One adaptation experiment in a folder: draws, predictions of every method, the adapted model.

Predictions of every method on every draw are files of their own, whole or absent, so an
interrupted experiment continues where it stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from classifier.dataset import DatasetSplit
from classifier.evaluation import write_predictions
from classifier.features.feature_table import dataset_identity
from classifier.image_selection import SelectedSplit
from classifier.models.model_card import CARD, upgraded
from classifier.models.recurrent.trained_network import Network
from classifier.models.registry import check_fit, model_folder, open_model
from classifier.models.stamp.stamp_classifier import StampClassifier
from classifier.same_survey import SurveyInput, check_same_survey
from finetune.adaptation.methods import method_named
from finetune.compared_alert_methods import ComparedAlertMethods, check_options
from finetune.compared_methods import WITHOUT_ZERO, ComparedMethods
from finetune.few_shot import Draw, drawn
from finetune.homogenise import Homogenising
from finetune.left_out import left_out_record
from finetune.options import Options
from finetune.real_alerts import RealAlerts
from finetune.real_sequences import RealSet
from skyreel.atomic_files import claim_folder, locked_folder, write_arrays
from skyreel.errors import FinetuneError
from skyreel.json_io import write_json
from skyreel.provenance import versions

MODEL = "model"
RUN, DRAWS, PREDICTIONS, STATES = "run.json", "draws.json", "predictions", "states.npz"
OnStep = Callable[[str, int, int], None]


@dataclass
class Experiment:
    """Everything that one folder holds.

    Parameters
    ----------
    options : Options
    folder : Path
        Made if it does not exist.
    threads : int
    command : str
        The command line, kept in the results.

    Raises
    ------
    FinetuneError, ClassifierError
        The options cannot be followed, or the folder holds something else.
    """

    options: Options
    folder: Path
    threads: int
    command: str = ""
    network: Network | StampClassifier = field(init=False)
    real: RealSet | RealAlerts = field(init=False)
    methods: ComparedMethods | ComparedAlertMethods = field(init=False)
    draws: list[Draw] = field(init=False)
    notes: list[str] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        options, self.folder = self.options, Path(self.folder)
        self.network = self._network()
        if isinstance(self.network, StampClassifier):
            check_options(options)
            options = self.options = replace(options, homogenised=False)
            self.real = RealAlerts.read(options.real, options.split, self.network)
            self.methods = ComparedAlertMethods(self.network, self.real, options)
        else:
            self._check_simulated()
            homogenised = options.homogenised
            homogenising = Homogenising(registration=homogenised, length=homogenised)
            self.real = RealSet.read(options.real, options.split, self.network, homogenising)
            self.methods = ComparedMethods(self.network, self.real, options, self.threads)
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
        complete = (self.folder / RUN).is_file()
        claim_folder(self.folder, self._settings(), complete=complete, upgrade=upgraded)

    def _network(self):
        options = self.options
        opened = open_model(options.model, threads=self.threads)
        if not isinstance(opened, Network | StampClassifier):
            raise FinetuneError(
                f"--model {options.model} is a {opened.card['kind']}; give a network. A forest is "
                "adapted beside it with --simulated."
            )
        split = DatasetSplit(options.real, options.split)
        survey = {"any_survey": options.any_survey}
        self.notes += check_fit(options.model, opened, split, any_class=True, **survey)
        if isinstance(opened, StampClassifier):
            return opened
        methods = [method_named(name) for name in (options.method, *options.also)]
        if opened.survey != split.survey and any(method.simulated for method in methods):
            self.notes.append(
                f"the simulated sequences that are mixed with the real ones are of {opened.survey}."
            )
        return opened

    def _check_simulated(self):
        """Refuse a simulated data set that the forest beside the network cannot be trained on."""
        options, network = self.options, self.network
        if not options.simulated:
            return
        simulated = DatasetSplit(options.simulated, "train")
        real = DatasetSplit(options.real, options.split)
        simulated.refuse_empty()
        self.notes += check_same_survey(
            SurveyInput.of_split(simulated),
            SurveyInput.of_split(real),
            any_survey=options.any_survey,
            hint="Give --simulated of the survey of --real, or --any-survey.",
            error=FinetuneError,
        )
        SelectedSplit(simulated, network.selection)  # refuses another band
        _refuse_other_classes(simulated, real, network.classes)
        if simulated.size_pix != real.size_pix:
            self.notes.append(
                f"{options.simulated} has stamps of {simulated.size_pix} pixels, {options.real} of "
                f"{real.size_pix}: the forest's photometry has borders of different sizes."
            )

    def _settings(self):
        chosen = {**asdict(self.options), "real": None, "simulated": None, "model": None}
        found = {"options": chosen, "real": dataset_identity(self.real.split)}
        found["model"] = self.network.card
        if self.options.simulated:
            found["simulated"] = dataset_identity(DatasetSplit(self.options.simulated, "train"))
        return {**found, "versions": versions("skyreel", "keras", "numpy", "scikit-learn")}

    def run(self, on_step: OnStep = lambda name, done, total: None) -> None:
        """Do what is not done yet.

        Parameters
        ----------
        on_step : callable
            Called with (name of the method, draws done since the last call, draws in all).

        Raises
        ------
        FinetuneError, ClassifierError, OutputError
        """
        start = time.perf_counter()
        with locked_folder(self.folder):
            self._write_draws()
            for name, scores in self.methods.all():
                todo = list(self._missing(name))
                if todo:
                    on_step(name, 0, len(todo))
                for path, draw in todo:
                    found = self.real.predictions(scores(draw))
                    write_predictions(path, found, {"command": self.command})
                    on_step(name, 1, len(todo))
            self._write_states()
            self._write_model()
            if not (self.folder / RUN).is_file():
                write_json(self.folder / RUN, self._record(time.perf_counter() - start))

    def _write_draws(self):
        draws = [
            {
                "per_class": d.per_class,
                "trial": d.trial,
                "training": self.real.names(d.training),
                "test": self.real.names(d.test),
            }
            for d in self.draws
        ]
        write_json(self.folder / DRAWS, draws)

    def _missing(self, name) -> Iterator[tuple[Path, Draw]]:
        """Predictions that are not written yet: file and draw."""
        before = Draw(0, 0, np.zeros(0, dtype=int), np.flatnonzero(self.real.labels >= 0))
        old = self.folder / PREDICTIONS / name.replace("ensemble", "committee")  # before 0.2
        if old.is_dir() and not (self.folder / PREDICTIONS / name).exists():
            old.rename(self.folder / PREDICTIONS / name)
        for draw in ([] if name in WITHOUT_ZERO else [before]) + self.draws:
            path = self.folder / PREDICTIONS / name / f"{draw.name}.parquet"
            if not path.is_file():
                yield path, draw

    def _write_states(self):
        """Hidden states of simulated and real sequences in the network before adaptation."""
        path = self.folder / STATES
        if path.is_file():
            return
        states = self.methods.hidden_states()
        if states is not None:
            write_arrays(path, states)

    def _write_model(self):
        """The model to use: adapted to every labelled object."""
        folder, real = self.folder / MODEL, self.real
        if (folder / CARD).is_file():
            return
        adapted = {
            "real": dataset_identity(real.split),
            "objects": int((real.labels >= 0).sum()),
            "homogenised": self.options.homogenised,
            "command": self.command,
        }
        self.methods.save(folder, adapted)

    def _record(self, seconds) -> dict[str, Any]:
        options = self.options
        copied = ("per_class", "trials", "real", "split", "method", "homogenised", "disjoint")
        return {
            **{name: getattr(options, name) for name in (*copied, "seed", "iterations")},
            "classes": self.real.classes,
            "present": self.real.present,
            "model": str(options.model),
            "model_folder": model_folder(options.model),
            "selection": self.real.selection.as_dict(),
            "first_alerts": getattr(self.network, "n_alerts", 0),
            "left_out": left_out_record(self.real.left_out),
            "notes": [*self.notes, *self.real.split.notes()],
            "command": self.command,
            "seconds": round(seconds, 1),
            "versions": versions("skyreel", "keras", "numpy"),
        }


def _refuse_other_classes(simulated, real, classes):
    """Refuse a simulation with classes that a network lacks, or without one that it needs."""
    simulated.labels_among(classes)
    found, needed = (
        {split.classes[label] for label in split.labels if label >= 0}
        for split in (simulated, real)
    )
    missing = [name for name in classes if name in needed - found]
    if missing:
        raise FinetuneError(
            f"{simulated.path} has no sequences of the class {', '.join(missing)}, which "
            f"{real.path} has. Simulate these, too."
        )
