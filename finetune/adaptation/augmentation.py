"""Augmentation of a few sequences: rotated and flipped, begun later, with images left out."""

from __future__ import annotations

import numpy as np

from classifier.network_inputs import Inputs

MOST_LEFT_OUT = 0.3
LATEST_START = 3
_LEAST_IMAGES = 5


def variants(inputs: Inputs, rows: np.ndarray, draws: np.random.Generator) -> Inputs:
    """Objects ``rows`` (with repetitions), each randomly rotated, flipped and thinned.

    A variant begins up to three images late and lacks up to 30 % of its images; one that would
    have fewer than five images keeps all.
    """
    chosen = inputs.of(rows).rotated(draws.integers(8, size=len(rows)))
    n, length = chosen.present.shape
    present = chosen.present > 0
    kept = draws.random((n, length)) >= draws.uniform(0, MOST_LEFT_OUT, n)[:, None]
    kept &= present & (np.arange(length) >= draws.integers(LATEST_START + 1, size=n)[:, None])
    whole = kept.sum(axis=1) < _LEAST_IMAGES
    kept[whole] = present[whole]
    return thinned(chosen, kept)


def thinned(inputs: Inputs, kept: np.ndarray) -> Inputs:
    """Sequences without the images that are not ``kept``, bool (object, image)."""
    order, rows = np.argsort(~kept, axis=1, kind="stable"), np.arange(len(inputs))[:, None]
    arrays = {name: values[rows, order] for name, values in inputs.arrays().items()}
    n_images = kept.sum(axis=1)
    present = np.arange(kept.shape[1]) < n_images[:, None]
    days = (arrays["days"] - arrays["days"][:, :1]) * present
    arrays |= {"present": present.astype(np.float32), "days": days.astype(np.float32)}
    return Inputs(**arrays, n_images=n_images)


def balanced_rows(labels: np.ndarray, n: int, draws: np.random.Generator) -> np.ndarray:
    """``n`` rows or more, equally many of every class; every object at least once."""
    classes = np.unique(labels)
    each = max(-(-n // classes.size), *(int((labels == c).sum()) for c in classes))
    return np.concatenate(
        [np.resize(draws.permutation(np.flatnonzero(labels == c)), each) for c in classes]
    )


def augmented(
    inputs: Inputs, labels: np.ndarray, *, thin: bool, n: int, seed: int
) -> tuple[Inputs, np.ndarray]:
    """``n`` variants or more, equally many of every class, and the object (variant,) of each."""
    draws = np.random.default_rng([seed, 5])
    rows = balanced_rows(labels, n, draws)
    if thin:
        return variants(inputs, rows, draws), rows
    return inputs.of(rows).rotated(draws.integers(8, size=len(rows))), rows
