"""Speed of training and classification with networks: ``python -m benchmarks.networks --data D``.

For each network and precision: sequences a second of training steps on data already in memory, of
the input pipeline by itself (read from the data set, and simulated on the fly), and of whole
training, where the share of time spent waiting for data identifies the bottleneck.
Then sequences and images a second of classifying.
"""

from __future__ import annotations

import argparse
import itertools
import time
from pathlib import Path

import numpy as np

from benchmarks.machine import describe_machine
from classifier.dataset import DatasetSplit
from classifier.image_selection import ImageSelection
from classifier.models.recurrent import build_network
from classifier.models.recurrent.trained_network import Network
from classifier.training.options import NetworkOptions
from classifier.training.sources import Batches, EndlessSource, StoredSource
from classifier.training.train import compile_for, for_keras

POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
RUNS = (("compact", 64, 30), ("rcnn", 16, 3))  # network, batch, steps timed


def batches_of(split, source, size):
    """The batches of a training."""
    return Batches(source(split, ImageSelection(), 0, size))


def pipeline_rate(split, source, blocks=4) -> float:
    """Sequences a second of one thread that makes blocks of batches."""
    batches = batches_of(split, source, 64)
    batches.block(0, 0, 0)  # compiles
    start = time.perf_counter()
    made = [len(batches.block(k, 0, 0)) for k in range(1, blocks + 1)]
    return 64 * sum(made) / (time.perf_counter() - start)


def step_rate(name, size, steps, precision, split) -> float:
    """Sequences a second of training steps, data in memory."""
    options = NetworkOptions(network=name, batch=size, precision=precision)
    n_classes = len(split.classes)
    variants = build_network(
        name, size_pix=split.size_pix, n_classes=n_classes, dtype=POLICIES[precision]
    )
    compile_for(variants.whole, options)
    ready = list(itertools.islice(batches_of(split, StoredSource, size).starting_at(0), 4))
    fed = [for_keras(*batch) for batch in ready]
    for batch in fed[:2]:
        variants.whole.train_on_batch(*batch)
    start = time.perf_counter()
    for k in range(steps):
        variants.whole.train_on_batch(*fed[k % len(fed)])
    return size * steps / (time.perf_counter() - start)


def waiting(split, source, steps=60) -> tuple[float, float]:
    """Sequences a second of whole training of ``compact``, and the share of time it waited."""
    options = NetworkOptions(network="compact")
    variants = build_network(
        "compact",
        size_pix=split.size_pix,
        n_classes=len(split.classes),
        dtype=POLICIES[options.precision],
    )
    compile_for(variants.whole, options)
    run, waited = batches_of(split, source, options.batch).starting_at(0), 0.0
    variants.whole.train_on_batch(*for_keras(*next(run)))
    start = time.perf_counter()
    for _ in range(steps):
        asked = time.perf_counter()
        batch = next(run)
        waited += time.perf_counter() - asked
        variants.whole.train_on_batch(*for_keras(*batch))
    seconds = time.perf_counter() - start
    run.close()
    return options.batch * steps / seconds, waited / seconds


def classification_rate(network: Network, split: DatasetSplit) -> tuple[float, float]:
    """Sequences and images a second of ``Network.predict``."""
    network.predict(split)
    start = time.perf_counter()
    predictions = network.predict(split)
    seconds = time.perf_counter() - start
    return len(split) / seconds, float(np.sum(predictions.n_images)) / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="a simulated data set")
    parser.add_argument("--model", type=Path, help="folder of a trained network, to classify with")
    chosen = parser.parse_args()
    print(describe_machine())
    train = DatasetSplit(chosen.data, "train")
    for name, source in (("read", StoredSource), ("simulated", EndlessSource)):
        print(
            f"input pipeline, {name}, one thread: {pipeline_rate(train, source):,.0f} sequences/s"
        )
    for name, size, steps in RUNS:
        for precision in POLICIES:
            rate = step_rate(name, size, steps, precision, train)
            print(f"training steps of {name}, batch {size}, {precision}: {rate:,.1f} sequences/s")
    for name, source in (("read", StoredSource), ("on the fly", EndlessSource)):
        rate, share = waiting(train, source)
        print(f"training compact, {name}: {rate:,.0f} sequences/s, {share:.1%} spent waiting")
    if chosen.model:
        rate, images = classification_rate(
            Network.open(chosen.model), DatasetSplit(chosen.data, "test")
        )
        print(f"classifying: {rate:,.0f} sequences/s, {images:,.0f} images/s")


if __name__ == "__main__":
    main()
