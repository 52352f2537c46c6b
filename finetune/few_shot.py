"""Draws of training objects and test objects from a few labelled real sequences.

Draws are stratified by class, and training and test objects never overlap. Where fields are
known, no test object lies in the field of a training object: a model cannot score by recognising
the nights or the sky of a field.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from skyreel.errors import FinetuneError

MODES = ("field", "object")
_TRIES = 2000


@dataclass(frozen=True)
class Draw:
    """Rows of the training objects and of the test objects, int (object,), both sorted."""

    per_class: int
    trial: int
    training: np.ndarray
    test: np.ndarray

    @property
    def name(self) -> str:
        """Stem of file names."""
        return f"k{self.per_class}_t{self.trial}"


def drawn(
    labels: ArrayLike,
    fields: ArrayLike | None,
    *,
    per_class: int,
    trial: int,
    seed: int,
    disjoint: str,
) -> Draw:
    """One draw.

    Parameters
    ----------
    labels : int (object,)
        -1 where unknown; such objects are in neither set.
    fields : int (object,) or None
        -1 where unknown: such an object is a field of its own.
    per_class : int
        Training objects of every class that has objects; 0: none, and all are test objects.
    trial, seed : int
    disjoint : str
        What training and test objects must not share: "field", or only "object".

    Raises
    ------
    FinetuneError
        A class has too few objects for both sets.
    """
    labels = np.asarray(labels)
    classes, counts = np.unique(labels[labels >= 0], return_counts=True)
    if per_class == 0:
        return Draw(0, trial, np.zeros(0, dtype=int), np.flatnonzero(labels >= 0))
    draws = np.random.default_rng([seed, per_class, trial])
    groups = _groups(labels, fields if disjoint == "field" else None)
    for _ in range(_TRIES if counts.min() > per_class else 0):
        training, test = _attempt(draws, labels, classes, groups, per_class)
        if all((labels[test] == label).any() for label in classes):
            return Draw(per_class, trial, training, test)
    by_field = disjoint == "field"
    raise FinetuneError(
        f"--per-class {per_class}: there are not enough objects of every class to train on so many "
        f"and to test on others{' of other fields' if by_field else ''}. Give fewer"
        f"{', or --disjoint object' if by_field else ''}."
    )


def _groups(labels, fields):
    """A number (object,); objects that share it are never in both sets."""
    own = -1 - np.arange(len(labels))
    if fields is None:
        return own
    fields = np.asarray(fields)
    return np.where(fields >= 0, fields, own)


def _attempt(draws, labels, classes, groups, per_class):
    """Open groups in random order until every class has enough, then choose among them."""
    order = draws.permutation(np.unique(groups[labels >= 0]))
    found = {label: 0 for label in classes}
    opened = []
    for group in order:
        inside = labels[groups == group]
        short = [label for label in classes if found[label] < per_class]
        if not short:
            break
        if not np.isin(inside, short).any():
            continue
        opened.append(group)
        for label in classes:
            found[label] += int((inside == label).sum())
    within = np.isin(groups, opened)
    training = [
        draws.permutation(np.flatnonzero(within & (labels == label)))[:per_class]
        for label in classes
    ]
    training = np.sort(np.concatenate(training))
    if training.size < per_class * classes.size:
        return training, np.zeros(0, dtype=int)
    closed = np.isin(groups, groups[training])
    return training, np.flatnonzero(~closed & (labels >= 0))
