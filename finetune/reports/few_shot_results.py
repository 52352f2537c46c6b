"""A folder of ``finetune``: draws, and the predictions of every method on each.

A method is an adapted model (``network``, ``forest``) or one trained on the drawn objects alone
(``real-only``, ``scratch``). Predictions of all methods are brought to the same objects.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from classifier.evaluation import EvaluationError, Predictions, read_predictions
from classifier.evaluation.comparison import on_the_same_objects
from finetune.reports.run_files import DrawRecord, Run, read_draws, read_run
from skyreel.errors import FinetuneError

NETWORK, FOREST, REAL_ONLY, SCRATCH = "network", "forest", "real-only", "scratch"
KNOWN = (NETWORK, FOREST, REAL_ONLY, SCRATCH)
RUN, DRAWS, PREDICTIONS, STATES = "run.json", "draws.json", "predictions", "states.npz"
_FILE = re.compile(r"k(\d+)_t(\d+)\.parquet")


@dataclass(frozen=True)
class Tested:
    """Test objects of one draw: bool (object,)."""

    per_class: int
    trial: int
    objects: np.ndarray


@dataclass(frozen=True)
class FewShot:
    """Draws and predictions of the same objects, in the order of their names.

    Attributes
    ----------
    run : Run
        The settings that are used.
    record : dict
        All settings.
    methods : tuple of str
        Those that have predictions, the known ones first.
    draws : dict of int to tuple of Tested
        By number of training objects per class; for 0 there is one draw that tests all objects.
    predictions : dict of (str, int, int) to Predictions
        By method, training objects per class, and draw.
    missing : tuple of str
        Results that are missing, in words.
    left_out : int
        Objects without a label, or without an image for some method.
    """

    run: Run
    record: Mapping
    methods: tuple[str, ...]
    draws: Mapping[int, tuple[Tested, ...]]
    predictions: Mapping[tuple[str, int, int], Predictions]
    missing: tuple[str, ...]
    left_out: int

    @property
    def reference(self) -> Predictions:
        """Predictions of one method; labels, names and magnitudes are the same in all."""
        return next(iter(self.predictions.values()))

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes of the models."""
        return self.reference.classes

    @property
    def labels(self) -> np.ndarray:
        """True class of every object."""
        return self.reference.label

    @property
    def present(self) -> np.ndarray:
        """Numbers of the classes that have objects."""
        return np.unique(self.labels)

    @property
    def object_id(self) -> np.ndarray:
        """Name of every object, as text."""
        return self.reference.object_id.astype(str)

    @property
    def longest(self) -> int:
        """Images of the longest sequence."""
        return max(p.longest for p in self.predictions.values())

    def per_class(self, method: str) -> list[int]:
        """Numbers of training objects per class that a method has predictions for."""
        return sorted({k for name, k, _ in self.predictions if name == method})

    def draws_of(self, method: str, k: int, *, before: bool = False) -> list[Tested]:
        """Draws of ``k`` per class with predictions; with ``before``, also without any label."""
        if before and (method, 0, 0) not in self.predictions:
            return []
        return [
            draw for draw in self.draws.get(k, ()) if (method, k, draw.trial) in self.predictions
        ]

    def predictions_of(self, method: str, draw: Tested, *, before: bool = False) -> Predictions:
        """Predictions for all objects, after or before the method was trained on the draw."""
        return self.predictions[(method, 0, 0) if before else (method, draw.per_class, draw.trial)]


def read_few_shot(folder: str | Path) -> FewShot:
    """Everything in a folder written by ``finetune``.

    Raises
    ------
    FinetuneError
        The folder is not one of these, holds no predictions, or an object of a draw is both a
        training and a test object.
    """
    folder = Path(folder)
    (record, run), draws = read_run(folder / RUN), read_draws(folder / DRAWS)
    paths = _paths(folder / PREDICTIONS)
    if not paths:
        raise FinetuneError(f"{folder / PREDICTIONS} holds no predictions. Run finetune again.")
    try:
        read = {"/".join(map(str, key)): read_predictions(path) for key, path in paths.items()}
        chosen = on_the_same_objects(read)
    except EvaluationError as error:
        raise FinetuneError(str(error)) from None
    predictions = dict(zip(paths, chosen.values(), strict=True))
    names = next(iter(chosen.values())).object_id.astype(str)
    tested = {0: (Tested(0, 0, np.ones(names.size, dtype=bool)),)}
    tested |= _tested(draws, names, folder / DRAWS)
    known = set(np.concatenate([p.object_id[p.label >= 0] for p in read.values()]).tolist())
    found = {name for name, _, _ in predictions}
    methods = [*(n for n in KNOWN if n in found), *sorted(found - set(KNOWN))]
    missing = (*_missing_methods(found), *_missing_predictions(methods, predictions, tested, run))
    return FewShot(
        run, record, tuple(methods), tested, predictions, missing, len(known) - names.size
    )


def _paths(folder):
    """Paths of predictions by (method, training objects per class, draw)."""
    found = {}
    for path in sorted(folder.glob("*/*.parquet")):
        name = _FILE.fullmatch(path.name)
        if name:
            found[path.parent.name, int(name[1]), int(name[2])] = path
    return found


def _tested(draws: list[DrawRecord], names, path):
    by_size: dict[int, list[Tested]] = {}
    for draw in draws:
        k, trial = draw.per_class, draw.trial
        trained, tested = (np.array(part, dtype=str) for part in (draw.training, draw.test))
        both = np.intersect1d(trained, tested)
        if both.size:
            raise FinetuneError(
                f"{path}: object {both[0]} is a training and a test object of draw {trial} of {k} "
                f"per class ({both.size} objects are); its score would be biased."
            )
        objects = np.isin(names, tested)
        if not objects.any():
            raise FinetuneError(
                f"{path}: no object that draw {trial} of {k} per class tests is among the "
                "predictions; are they of other sequences?"
            )
        if k > 0:
            by_size.setdefault(k, []).append(Tested(k, trial, objects))
    return {k: tuple(sorted(by_size[k], key=lambda d: d.trial)) for k in sorted(by_size)}


def _missing_methods(found):
    return [f"{name}: no predictions" for name in KNOWN if name not in found]


def _missing_predictions(methods, predictions, tested, run):
    sizes = sorted({*tested, *(int(k) for k in run.per_class)})
    for name in methods:
        lacking = []
        for k in sizes:
            if k == 0 and name not in (NETWORK, FOREST):
                continue
            draws = tested.get(k, ())
            n = sum((name, k, draw.trial) not in predictions for draw in draws)
            if not draws or n == len(draws):
                lacking.append(f"{k} per class")
            elif n:
                lacking.append(f"{n} of {len(draws)} draws of {k} per class")
        if lacking:
            yield f"{name}: {', '.join(lacking)}"
