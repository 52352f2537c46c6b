"""Methods compared on first alerts: networks with an adapted last layer, and real alerts alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import log_softmax, softmax

from classifier.features.alert_features import first_alert_features
from classifier.models.alert_ensemble import save_alert_ensemble, with_trees
from classifier.models.ensemble import NETWORK as NETWORK_FOLDER
from classifier.models.forest.extra_trees import TreeTrainingSet
from classifier.models.model_card import write_card
from classifier.models.recurrent.trained_network import WEIGHTS, save_weights
from classifier.models.stamp.stamp_classifier import StampClassifier
from finetune.adaptation.head import fitted_head
from finetune.adaptation.methods import method_named
from finetune.compared_methods import NETWORK, REAL_ONLY
from finetune.few_shot import Draw
from finetune.options import Options
from finetune.real_alerts import RealAlerts
from skyreel.errors import FinetuneError

METHODS = ("ensemble", "head")
PENALTIES = tuple(10.0**power for power in (1.0, 0.0, -1.0, -2.0, -3.0))
"""On the squared change of the last layer, from stiff to loose."""
_MOST_FOLDS = 5


def check_options(options: Options) -> None:
    """Refuse what only networks of sequences have.

    Raises
    ------
    FinetuneError
    """
    given = {
        f"--method {options.method}": options.method not in METHODS,
        f"--also {','.join(options.also)}": not set(options.also) <= set(METHODS),
        "--simulated": options.simulated is not None,
        "--scratch": options.scratch,
    }
    if chosen := [name for name, is_given in given.items() if is_given]:
        raise FinetuneError(
            f"{', '.join(chosen)}: only the last layer of a classifier of first alerts is adapted "
            f"(--method {' or '.join(METHODS)}), beside a learner of the real alerts alone."
        )


@dataclass(frozen=True)
class ComparedAlertMethods:
    """Every method of one experiment, on the first alerts of one set of real objects."""

    model: StampClassifier
    real: RealAlerts
    options: Options
    _trees: dict[str, np.ndarray] = field(default_factory=dict, repr=False)

    def all(self) -> Iterator[tuple[str, Callable[[Draw], np.ndarray]]]:
        """Names of the methods, and functions that give probabilities (object, class)."""
        yield NETWORK, self.scores_of(self.options.method)
        for name in self.options.also:
            yield f"{NETWORK} {name}", self.scores_of(name)
        yield REAL_ONLY, self.real_only

    def scores_of(self, method: str) -> Callable[[Draw], np.ndarray]:
        """The network adapted by a method; as it is where a draw has no training objects."""
        weight = method_named(method).tree_weight

        def scores(draw: Draw) -> np.ndarray:
            found = self.adapted(draw)
            if draw.per_class and weight:
                return with_trees(found, self.real_only(draw), weight)
            return found

        return scores

    def adapted(self, draw: Draw) -> np.ndarray:
        """The network with its last layer fitted to the training objects of a draw, if any."""
        kernel, bias = self.model.last_layer
        if draw.per_class:
            seed = self.options.seed + draw.trial
            kernel, bias, _ = self._fitted(draw.training, seed)
        return softmax(self.real.features @ kernel + bias, axis=1)

    def real_only(self, draw: Draw) -> np.ndarray:
        """Trees on hand-made features of the alerts, trained on the training objects alone."""
        if draw.name not in self._trees:
            training = self._tree_training_set(draw.training, self.options.seed + draw.trial)
            found = training.scores_of_alerts(self._hand_made, self.real.classes)
            self._trees[draw.name] = found
        return self._trees[draw.name]

    def _tree_training_set(self, rows, seed):
        usable = rows[np.isfinite(self._hand_made[rows]).all(axis=1)]
        return TreeTrainingSet.of_alerts(self._hand_made[usable], self.real.labels[usable], seed)

    @cached_property
    def _hand_made(self):
        """Features (object, feature) of the first alert; NaN where they cannot be measured."""
        return first_alert_features(self.real.split)

    def hidden_states(self) -> None:
        """None: simulated alerts are not made again."""

    def save(self, folder: Path, adapted: dict[str, Any]) -> None:
        """Write the model adapted to every labelled object as a folder.

        Raises
        ------
        OutputError
        """
        known, seed = np.flatnonzero(self.real.labels >= 0), self.options.seed
        weight = method_named(self.options.method).tree_weight
        kernel, bias, penalty = self._fitted(known, seed)
        method = {"part": "head", "penalty": penalty}
        card = {**self.model.card, "adapted": {"method": method, **adapted}}
        trained = self.model.last_layer
        self.model.set_last_layer(kernel, bias)
        network = folder / NETWORK_FOLDER if weight else folder
        save_weights(self.model.model, network / WEIGHTS)
        self.model.set_last_layer(*trained)
        write_card(network, card)
        if weight:
            save_alert_ensemble(folder, card, self._tree_training_set(known, seed), weight)

    def _fitted(self, rows, seed):
        """Kernel and bias of the last layer, and the penalty of the best cross-validation."""
        features, labels = self.real.features[rows], self.real.labels[rows]
        kernel, bias = self.model.last_layer
        penalty = chosen_penalty(features, labels, kernel, bias, seed=seed)
        return *balanced_head(features, labels, kernel, bias, penalty), penalty


def balanced_head(
    features: np.ndarray, labels: np.ndarray, kernel: np.ndarray, bias: np.ndarray, penalty: float
) -> tuple[np.ndarray, np.ndarray]:
    """`fitted_head` with equal weights of the classes, at a penalty per mean squared feature."""
    classes, place, counts = np.unique(labels, return_inverse=True, return_counts=True)
    weights = 1.0 / (classes.size * counts[place])
    scaled = penalty * max(float(np.mean(features**2)), 1e-12)
    return fitted_head(features, labels, weights, kernel, bias, penalty=scaled)


def chosen_penalty(
    features: np.ndarray,
    labels: np.ndarray,
    kernel: np.ndarray,
    bias: np.ndarray,
    *,
    seed: int,
) -> float:
    """The penalty with the least cross-entropy of training objects held out, of ``PENALTIES``.

    Objects of every class are divided among up to five folds. With one object of a class none can
    be held out: the stiffest penalty.
    """
    counts = np.unique(labels, return_counts=True)[1]
    n_folds = min(int(counts.min()), _MOST_FOLDS)
    if n_folds < 2:
        return PENALTIES[0]
    fold = _folds(labels, n_folds, np.random.default_rng([seed, n_folds]))
    losses = []
    for penalty in PENALTIES:
        entropy = np.empty(labels.size)
        for k in range(n_folds):
            held, kept = fold == k, fold != k
            fitted = balanced_head(features[kept], labels[kept], kernel, bias, penalty)
            log_p = log_softmax(features[held] @ fitted[0] + fitted[1], axis=1)
            entropy[held] = -log_p[np.arange(held.sum()), labels[held]]
        by_class = [entropy[labels == label].mean() for label in np.unique(labels)]
        losses.append(np.mean(by_class))
    return PENALTIES[int(np.argmin(losses))]


def _folds(labels, n_folds, rng):
    """A fold (object,) of every object; every class is in all."""
    fold = np.empty(labels.size, dtype=int)
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        fold[rows] = np.arange(rows.size) % n_folds
    return fold
