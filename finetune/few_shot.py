"""Which real objects a model is taught, and which it is tested on.

Draws are stratified by class and never overlap; where fields are known, no tested object lies in
a field of a taught one, so that nothing about a field (its nights, its sky) can be learnt by
heart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skyreel.errors import FinetuneError

MODES = ("field", "object")
_TRIES = 2000


@dataclass(frozen=True)
class Draw:
    """Rows of the objects to be taught and of those to be tested, both sorted."""

    per_class: int
    trial: int
    taught: np.ndarray
    tested: np.ndarray

    @property
    def name(self) -> str:
        """Name in files."""
        return f"k{self.per_class}_t{self.trial}"


def drawn(labels, fields, *, per_class: int, trial: int, seed: int, disjoint: str) -> Draw:
    """One draw.

    Parameters
    ----------
    labels : int (object,)
        -1 where unknown; these are neither taught nor tested.
    fields : int (object,) or None
        -1 where unknown: such an object is a field of its own.
    per_class : int
        Objects taught of every class there is; 0: none, and all are tested.
    trial, seed : int
    disjoint : str
        "field", or "object".

    Raises
    ------
    FinetuneError
        A class has too few objects for some to be taught and some to be tested.
    """
    labels = np.asarray(labels)
    classes, counts = np.unique(labels[labels >= 0], return_counts=True)
    if per_class == 0:
        return Draw(0, trial, np.zeros(0, dtype=int), np.flatnonzero(labels >= 0))
    draws = np.random.default_rng([seed, per_class, trial])
    groups = _groups(labels, fields if disjoint == "field" else None)
    for _ in range(_TRIES if counts.min() > per_class else 0):
        taught, tested = _attempt(draws, labels, classes, groups, per_class)
        if all((labels[tested] == label).any() for label in classes):
            return Draw(per_class, trial, taught, tested)
    raise FinetuneError(
        f"--per-class {per_class}: no way was found to teach so many objects of every class and to "
        f"test others{' of other fields' if disjoint == 'field' else ''}. Give fewer"
        f"{', or --disjoint object' if disjoint == 'field' else ''}."
    )


def _groups(labels, fields):
    """A number for every object; objects that share it are never taught and tested at once."""
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
    taught = [
        draws.permutation(np.flatnonzero(within & (labels == label)))[:per_class]
        for label in classes
    ]
    taught = np.sort(np.concatenate(taught))
    if taught.size < per_class * classes.size:
        return taught, np.zeros(0, dtype=int)
    closed = np.isin(groups, groups[taught])
    return taught, np.flatnonzero(~closed & (labels >= 0))
