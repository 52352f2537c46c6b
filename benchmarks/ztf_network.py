"""``hits-compact`` on single ZTF alerts: ``python -m benchmarks.ztf_network two.zarr``.

Prints what the network, which was trained on HiTS, predicts after one image for the real supernovae
and asteroids of a data set of stamps of 21 pixels, and for as many simulated HiTS sequences of each
class as are asked for.
"""

from __future__ import annotations

import argparse

import numpy as np

from benchmarks.machine import describe_machine
from classifier.dataset import DatasetSplit
from classifier.image_selection import ImageSelection
from classifier.models.recurrent.trained_network import Network
from classifier.models.registry import SHIPPED
from classifier.network_inputs import inputs_of
from classifier.stamp_batch import stamp_batch_of
from simulator.options import Options
from simulator.simulator import Simulator
from survey_profiles import load_profile

CLASSES = ("SN", "AST")


def table(network: Network, first: np.ndarray, names: np.ndarray, title: str) -> None:
    """Print how many objects of each class are predicted as which, from probabilities."""
    predicted = np.array(network.classes)[first.argmax(axis=1)]
    print(title)
    for name in CLASSES:
        found = predicted[names == name]
        counts = ", ".join(f"{(found == c).sum()} {c}" for c in network.classes if c in found)
        share = (found == name).mean() if found.size else np.nan
        print(f"  {found.size} {name}: {counts}; recall {share:.2f}")


def real(network: Network, path: str) -> None:
    """Predictions for a data set of real sequences."""
    split = DatasetSplit(path, "test")
    found = network.predict(split)
    used = (found.label >= 0) & (found.n_images > 0)
    names = np.array([*network.classes, ""])[found.label]
    print(f"{used.sum()} of {len(split)} objects have a usable image in {network.selection.band}")
    table(network, found.after(1)[used], names[used], f"after one image of {path}")


def simulated(network: Network, n: int, seed: int) -> None:
    """Predictions for simulated sequences of the network's survey."""
    profile = load_profile(network.survey)
    simulator = Simulator(profile, Options(classes=dict.fromkeys(CLASSES, 1.0), seed=seed))
    batch = simulator.batch("test", np.arange(n * len(CLASSES)))
    stamps = stamp_batch_of(batch.images, batch.mask, {**batch.epochs, **batch.objects}, profile)
    selection = ImageSelection(images=1, bands=network.bands)
    starts = np.zeros(len(stamps), dtype=int)
    first = selection.of(stamps, starts, profile, simulator.band_names)
    inputs = inputs_of(first)
    used = inputs.n_images > 0
    names = np.array(simulator.classes)[batch.objects["label"]]
    scores = network.probabilities(inputs)[used, 0]
    table(network, scores, names[used], f"after one image of {n} simulated sequences of a class")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", help="real ZTF sequences of 21 pixels with SN and AST")
    parser.add_argument("--n", type=int, default=300, help="simulated sequences of a class")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    network = Network.open(SHIPPED / "hits-compact")
    print(describe_machine())
    real(network, arguments.data)
    simulated(network, arguments.n, arguments.seed)


if __name__ == "__main__":
    main()
