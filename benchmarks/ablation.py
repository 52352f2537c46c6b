"""Gain from each part of the networks: ``python -m benchmarks.ablation --data D``.

Every line is a training of its own with the same sequences (simulated on the fly), steps, schedule
and seed, and one thing changed; accuracy is that of the validation split, at the end. ``rcnn`` is
the thesis's network at a quarter of its width, because two cores cannot train the whole one.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.machine import describe_machine
from classifier.training.history import read_history
from classifier.training.options import NetworkOptions
from classifier.training.train import NetworkTraining

QUARTER = {"filters": 16, "dense": 256, "units": 128}
LINES = {
    "compact": ("compact", {}, {}),
    "compact, without times": ("compact", {"times": False}, {}),
    "compact, without seeing and noise": ("compact", {"conditions": False}, {}),
    "compact, sequences not rotated": ("compact", {}, {"rotate": False}),
    "rcnn/4": ("rcnn", {}, {}),
    "rcnn/4, single images (n_w = 1)": ("rcnn", {"window": 1}, {}),
    "rcnn/4, batch normalisation": ("rcnn", {"normalisation": "batch"}, {}),
    "rcnn/4, no normalisation": ("rcnn", {"normalisation": "none"}, {}),
    "rcnn/4, without times": ("rcnn", {"times": False}, {}),
    "rcnn/4, sequences not rotated": ("rcnn", {}, {"rotate": False}),
}
VALIDATION = 14_000


def trained(line, data, folder, iterations, seed):
    """The last validation record of one training, and its seconds."""
    name, choices, options = LINES[line]
    if name == "rcnn":
        choices = {**QUARTER, "plain_steps": max(1, iterations // 10), **choices}
    chosen = NetworkOptions(
        network=name,
        choices=choices,
        on_the_fly=True,
        iterations=iterations,
        batch=64,
        learning_rate=1e-3,
        schedule="cosine",
        validate_every=iterations,
        validation=VALIDATION,
        seed=seed,
        **options,
    )
    start = time.perf_counter()
    NetworkTraining(data, folder / "run", chosen).run()
    return read_history(folder / "run" / "history.csv")[-1], time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="a simulated data set")
    parser.add_argument("--iterations", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--lines", nargs="*", default=list(LINES), choices=list(LINES))
    chosen = parser.parse_args()
    print(describe_machine())
    print(f"{chosen.iterations} steps of 64 sequences, seed {chosen.seed}")
    for line in chosen.lines:
        with tempfile.TemporaryDirectory() as folder:
            record, seconds = trained(
                line, chosen.data, Path(folder), chosen.iterations, chosen.seed
            )
        error = np.sqrt(record.accuracy * (1 - record.accuracy) / VALIDATION)
        print(
            f"{line}: accuracy {record.accuracy:.3f} +- {error:.3f}, after 10 images "
            f"{record.accuracy_10:.3f}, after 3 {record.accuracy_3:.3f}; {seconds:.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
