"""Sequences of more images than a network was trained with: four ways to read them.

``python -m benchmarks.long_sequences --data long.zarr --model lsst-multiband --after 60,100,150``

"cut" uses the first images of the length of the training (n), "read on" all images (as `classify`
does), "last window" those from the last multiple of n / 3 on that leaves at most n, and "joined
windows" multiplies the probabilities after consecutive windows of n (the last one shorter; one of
fewer than n / 2 images is replaced by the last window). Macro F1 of the objects of the test split
that have the largest number of images; differences to "cut" are paired, errors are from resampling
objects within each class.
"""

from __future__ import annotations

import argparse

import numpy as np

from benchmarks.machine import describe_machine
from classifier.dataset import DatasetSplit
from classifier.evaluation.bootstrap import spread
from classifier.forecast.scores_in_time import bootstrap_weights, class_scores
from classifier.models.registry import open_model
from classifier.network_inputs import inputs_of

RESAMPLES = 200
_BLOCK = 128
_LEAST = 1e-6  # probability


def probabilities(network, stamps, first, end):
    """Probabilities (object, image, class) of a network that begins at image ``first``."""
    places = np.tile(np.arange(first, end), (len(stamps), 1))
    window = stamps.rearranged(places, np.clip(stamps.n_epochs.astype(int) - first, 0, end - first))
    return network.probabilities(inputs_of(window, multiband=network.selection.multiband))


def read(network, stamps, images):
    """Probabilities (object, class) by way and number of images, and images of each object."""
    n, longest, found, windows = network.selection.images, max(images), {}, {}
    inputs = inputs_of(stamps, multiband=network.selection.multiband)
    whole = network.probabilities(inputs.of(slice(None), longest))

    def after(first, k):
        if first not in windows:
            windows[first] = probabilities(network, stamps, first, min(first + n, longest))
        return windows[first][:, k - first - 1]

    for k in images:
        step = max(n // 3, 1)
        last = after(step * max(-(-(k - n) // step), 0), k)
        parts = [after(first, first + n) for first in range(0, k - n + 1, n)]
        rest = k % n
        if rest or not parts:
            parts.append(after(k - rest, k) if 2 * rest >= n or not parts else last)
        product = np.exp(np.mean(np.log(np.maximum(parts, _LEAST)), axis=0))
        found["cut", k] = whole[:, min(k, n) - 1]
        found["read on", k] = whole[:, k - 1]
        found["last window", k] = last
        found["joined windows", k] = product
    return found, inputs.n_images


def main() -> None:
    """Print one line for each number of images and way."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", required=True, help="data set of long sequences")
    parser.add_argument("--model", default="lsst-multiband")
    parser.add_argument("--after", default="60,100,150", help="numbers of images")
    given = parser.parse_args()
    network, split = open_model(given.model, threads=1), DatasetSplit(given.data, "test")
    images = [int(k) for k in given.after.split(",")]
    selected = network.selected(split, network.prediction_selection)
    blocks = [read(network, selected.stamps(*b), images) for b in split.blocks(_BLOCK)]
    used = np.concatenate([n for _, n in blocks]) >= max(images)
    label = split.labels_among(network.classes)[used]
    weights = bootstrap_weights(label, RESAMPLES, seed=0)
    print(f"{describe_machine()}; {network.name}, trained with {network.selection.images} images")
    print(f"{used.sum():,} of {len(split):,} objects have {max(images)} images or more")
    for k in images:
        scores = {}
        for way in ("cut", "read on", "last window", "joined windows"):
            p = np.concatenate([found[way, k] for found, _ in blocks])[used]
            scores[way] = class_scores(p.argmax(axis=1), label, weights, len(network.classes))
            f1, cut = scores[way]["macro_f1"], scores["cut"]["macro_f1"]
            recall = " ".join(
                f"{name} {value:.2f}"
                for name, value in zip(network.classes, scores[way]["recall"][0], strict=True)
            )
            print(
                f"after {k} images, {way}: {f1[0]:.3f} +- {spread(f1):.3f}, more than cut by "
                f"{f1[0] - cut[0]:+.3f} +- {spread(f1 - cut):.3f}; recalls {recall}"
            )


if __name__ == "__main__":
    main()
