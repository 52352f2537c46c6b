"""Speed of stamp classifiers: ``python -m benchmarks.stamp_classifiers``.

For each choice of convolutions and rotations, of stamps of science, template and difference drawn
at random: stamps a second of training steps with data in memory, alerts a second in batches of 256,
and milliseconds of one alert (the median). The first row, the network as published, is the peer.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from benchmarks.machine import describe_machine
from classifier.models.stamp.loss import RegularisedCrossEntropy
from classifier.models.stamp.networks import build_stamp_network
from classifier.training.keras_training import set_optimiser
from classifier.training.stamp_options import StampOptions

CHOICES = (("deep-hits", "average"), ("deep-hits", "none"), ("strided", "none"))
BATCH = 256
N_PLANES, N_CLASSES = 3, 5


def fastest(call, repeats: int) -> float:
    """Seconds of the fastest of some calls, after two that are not timed."""
    call(), call()
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        found.append(time.perf_counter() - start)
    return min(found)


def rates(encoder: str, rotations: str, size_pix: int, batch: int, repeats: int) -> list[float]:
    """Stamps a second of training, alerts a second in batches, milliseconds of one alert."""
    rng = np.random.default_rng(0)
    stamps = rng.normal(size=(BATCH, size_pix, size_pix, N_PLANES)).astype(np.float32)
    labels = rng.integers(N_CLASSES, size=batch)
    model = build_stamp_network(
        "alerce-stamp",
        size_pix=size_pix,
        n_planes=N_PLANES,
        n_classes=N_CLASSES,
        encoder=encoder,
        rotations=rotations,
    )
    set_optimiser(model, StampOptions(), RegularisedCrossEntropy(1e-3))
    few, one = {"stamps_1": stamps[:batch]}, {"stamps_1": stamps[:1]}
    training = fastest(lambda: model.train_on_batch(few, labels), repeats)
    answers = fastest(lambda: model.predict_on_batch({"stamps_1": stamps}), repeats)
    for _ in range(3):
        model.predict_on_batch(one)
    single = []
    for _ in range(10 * repeats):
        start = time.perf_counter()
        model.predict_on_batch(one)
        single.append(time.perf_counter() - start)
    return [batch / training, BATCH / answers, 1000 * float(np.median(single))]


def main() -> None:
    """Print one row for each choice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, nargs="+", default=[21, 31], metavar="PIX")
    parser.add_argument("--batch", type=int, default=64, help="stamps of a training step")
    parser.add_argument("--repeats", type=int, default=15)
    given = parser.parse_args()
    print(describe_machine())
    for size_pix in given.size:
        peer = None
        for encoder, rotations in CHOICES:
            found = rates(encoder, rotations, size_pix, given.batch, given.repeats)
            peer = peer or found
            print(
                f"{size_pix} x {size_pix}, {encoder}, rotations {rotations}: training "
                f"{found[0]:,.0f} stamps/s ({found[0] / peer[0]:.1f} times the first), "
                f"{found[1]:,.0f} alerts/s in batches ({found[1] / peer[1]:.1f} times), "
                f"one alert {found[2]:.2f} ms ({peer[2] / found[2]:.1f} times faster)",
                flush=True,
            )


if __name__ == "__main__":
    main()
