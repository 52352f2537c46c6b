"""Many sequences of few: real ones turned, begun later, and with images left out."""

from __future__ import annotations

import numpy as np

from classifier.network_inputs import Inputs

MOST_LEFT_OUT = 0.3
LATEST_START = 3
_LEAST_IMAGES = 5


def variants(inputs: Inputs, rows, draws: np.random.Generator) -> Inputs:
    """Every object of ``rows`` (with repetitions) rotated and mirrored, and thinned, at random.

    A variant begins up to three images late and lacks up to three images in ten; one that would
    have fewer than five images stays whole.
    """
    chosen = inputs.of(rows).turned(draws.integers(8, size=len(rows)))
    n, length = chosen.shown.shape
    there = chosen.shown > 0
    kept = draws.random((n, length)) >= draws.uniform(0, MOST_LEFT_OUT, n)[:, None]
    kept &= there & (np.arange(length) >= draws.integers(LATEST_START + 1, size=n)[:, None])
    whole = kept.sum(axis=1) < _LEAST_IMAGES
    kept[whole] = there[whole]
    return thinned(chosen, kept)


def thinned(inputs: Inputs, kept) -> Inputs:
    """Sequences without the images that are not ``kept``, bool (object, image)."""
    order, rows = np.argsort(~kept, axis=1, kind="stable"), np.arange(len(inputs))[:, None]
    arrays = {name: values[rows, order] for name, values in inputs.arrays().items()}
    n_images = kept.sum(axis=1)
    shown = np.arange(kept.shape[1]) < n_images[:, None]
    days = (arrays["days"] - arrays["days"][:, :1]) * shown
    arrays |= {"shown": shown.astype(np.float32), "days": days.astype(np.float32)}
    return Inputs(**arrays, n_images=n_images)
