"""Random search over the hyperparameters of networks; a search that stopped goes on.

Every combination is trained once (Bergstra & Bengio 2012, JMLR 13, 281). A training whose best
validation accuracy is below the median of the earlier trials at the same iteration is stopped
(the median rule of Golovin et al. 2017, section 3.2.2). The best combination of each network, by
validation accuracy, is trained again with other seeds, and those are scored on the test split.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from classifier.dataset import DatasetSplit
from classifier.evaluation.stored_predictions import predict_to_file
from classifier.features.feature_table import dataset_identity
from classifier.models.recurrent.backend import keras
from classifier.models.stamp.preprocessing import check_cut
from classifier.search.space import SearchSpace
from classifier.training.by_network import AnyOptions, training_of
from classifier.training.history import read_history
from classifier.training.keras_training import BEST, CHECKPOINT, HISTORY
from skyreel.atomic_files import claim_folder, locked_folder
from skyreel.errors import ClassifierError
from skyreel.json_io import write_json

_TRIAL, _PREDICTIONS = "trial.json", "predictions.parquet"
_LEAST_EARLIER = 4  # trials that the median rule needs
OnTrial = Callable[[str, int, int, str], None]


@dataclass(frozen=True)
class Trial:
    """One combination of hyperparameters, trained once.

    Attributes
    ----------
    network : str
    number : int
        Of the combination.
    seed : int
        Of the training.
    values : dict
        The hyperparameters that were drawn.
    accuracies : dict
        Best validation accuracy so far by iteration.
    stopped : bool
        Whether the training ended early.
    test_accuracy, test_mean_recall, ms_each : float or None
        Of the test split, and milliseconds for one sequence of it; None where it was not scored.
    """

    network: str
    number: int
    seed: int
    values: dict[str, Any]
    accuracies: dict[int, float] = field(default_factory=dict)
    stopped: bool = False
    test_accuracy: float | None = None
    test_mean_recall: float | None = None
    ms_each: float | None = None

    @property
    def accuracy(self) -> float:
        """Best validation accuracy; 0 before the first validation."""
        return max(self.accuracies.values(), default=0.0)


class _EarlyStopError(Exception):
    """A training is ended by the median rule."""


@dataclass
class HyperparameterSearch:
    """A search in one folder.

    Parameters
    ----------
    data : path
        A data set with the splits train, validation and test.
    folder : Path
    networks : tuple of NetworkOptions or StampOptions
        What is not varied, one for each network.
    space : SearchSpace
    combinations : int
        Trials of each network.
    repeats : int
        Trainings of the best combination of each network, with different seeds.
    seed : int
    threads : int
    early_stopping : bool
        Whether the median rule ends trainings.

    Raises
    ------
    ClassifierError
        The data or a combination cannot be used, or the folder holds another search.
    """

    data: Path
    folder: Path
    networks: tuple[AnyOptions, ...]
    space: SearchSpace
    combinations: int = 70
    repeats: int = 5
    seed: int = 0
    threads: int = 1
    early_stopping: bool = True

    def __post_init__(self):
        if self.combinations < 1 or self.repeats < 2:
            raise ClassifierError(
                f"{self.combinations} combinations, {self.repeats} repeats: at least 1 and 2."
            )
        self._test = DatasetSplit(self.data, "test")
        if not (self._test.labels >= 0).any():
            raise ClassifierError(f"{self.data}/test has no labels; nothing can be scored.")
        for base in self.networks:
            for number in range(self.combinations):
                options = self.space.options(base, self.space.draw(self.seed, number))
                if cut := getattr(options, "crop_pix", None):
                    check_cut(self._test.size_pix, cut)
        claim_folder(self.folder, self._settings(), complete=False)

    def _settings(self):
        return {
            "data": dataset_identity(self._test),
            "networks": [base.as_dict() for base in self.networks],
            "vary": [vars(each) for each in self.space.parameters],
            "combinations": self.combinations,
            "repeats": self.repeats,
            "seed": self.seed,
            "early_stopping": self.early_stopping,
        }

    @property
    def n_trainings(self) -> int:
        """Trainings of the whole search."""
        return len(self.networks) * (self.combinations + self.repeats)

    def run(self, on_trial: OnTrial = lambda name, done, total, note: None) -> list[list[Trial]]:
        """Do what is not done yet.

        ``on_trial`` is called with the name of a training, its iterations done and in total, and
        a note.

        Returns
        -------
        list of list of Trial
            For each network all its trials, the repeats of the best last.
        """
        with locked_folder(self.folder):
            return [[*self._of_network(base, on_trial)] for base in self.networks]

    def _of_network(self, base, on_trial) -> Iterator[Trial]:
        done: list[Trial] = []
        for number in range(self.combinations):
            values = self.space.draw(self.seed, number)
            trial = Trial(base.network, number, self.seed, values)
            folder = self.folder / base.network / f"trial_{number:03d}"
            earlier = done if self.early_stopping else []
            done.append(self._trained(trial, base, folder, earlier, on_trial))
            yield done[-1]
        best = max(done, key=lambda trial: trial.accuracy)
        for k in range(1, self.repeats + 1):
            trial = replace(best, seed=self.seed + k, accuracies={}, stopped=False)
            folder = self.folder / base.network / f"best_seed_{trial.seed}"
            yield self._scored(self._trained(trial, base, folder, [], on_trial), folder)

    def _trained(self, trial, base, folder, earlier, on_trial):
        """A trial that has ended, now or in an earlier run."""
        if (folder / _TRIAL).is_file():
            return _stored(folder / _TRIAL)
        options = replace(self.space.options(base, trial.values), seed=trial.seed)
        keras.utils.clear_session()
        training = training_of(self.data, folder, options, f"search in {self.folder}")

        def on_step(done: int, total: int, numbers: dict[str, float]):
            note = "  ".join(f"{name} {value:.3f}" for name, value in numbers.items())
            on_trial(f"{base.network} {folder.name}", done, total, note)
            if done < total and done % options.validate_every == 0:
                _refuse_worse_than_median(folder, done, earlier)

        try:
            training.run(on_step)
        except _EarlyStopError:
            trial = replace(trial, stopped=True)
            for name in (BEST, CHECKPOINT):
                (folder / name).unlink(missing_ok=True)
        trial = replace(trial, accuracies=_best_so_far(folder))
        write_json(folder / _TRIAL, vars(trial))
        return trial

    def _scored(self, trial, folder):
        if trial.test_accuracy is not None:
            return trial
        from classifier.models.registry import open_model

        model, began = open_model(folder), time.perf_counter()
        predictions = predict_to_file(
            folder / _PREDICTIONS, model, self._test, {"model": str(folder)}, threads=self.threads
        )
        seconds = time.perf_counter() - began
        used = (predictions.label >= 0) & (predictions.n_images > 0)
        label = predictions.label[used]
        right = predictions.after(max(1, predictions.longest))[used].argmax(axis=1) == label
        trial = replace(
            trial,
            test_accuracy=float(right.mean()),
            test_mean_recall=float(np.mean([right[label == k].mean() for k in np.unique(label)])),
            ms_each=1e3 * seconds / len(self._test),
        )
        write_json(folder / _TRIAL, vars(trial))
        return trial


def _stored(path):
    try:
        found = json.loads(path.read_text())
        accuracies = {int(k): float(v) for k, v in found["accuracies"].items()}
        return Trial(**{**found, "accuracies": accuracies})
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        raise ClassifierError(
            f"{path} is damaged. Delete {path.parent} and search again."
        ) from None


def _best_so_far(folder):
    records = read_history(folder / HISTORY)
    best = np.maximum.accumulate([record.accuracy for record in records])
    return {r.iteration: float(a) for r, a in zip(records, best, strict=True)}


def _refuse_worse_than_median(folder, iteration, earlier):
    at = [trial.accuracies[iteration] for trial in earlier if iteration in trial.accuracies]
    if len(at) >= _LEAST_EARLIER and _best_so_far(folder)[iteration] < np.median(at):
        raise _EarlyStopError
