"""Reading a data set in random order: ``python -m benchmarks.reading --data hits.zarr``.

Prints sequences per second of three ways to read the images of a split: object by object in random
order, in blocks in the order of the file, and with `shuffled_batches`.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import zarr

from benchmarks.machine import describe_machine
from simulator import open_dataset
from simulator.dataset.batches import shuffled_batches

BLOCK_OBJECTS = 1024
RANDOM_OBJECTS = 500


def random_access(images: zarr.Array, rng: np.random.Generator) -> float:
    """Sequences per second, one at a time in random order."""
    rows = rng.permutation(images.shape[0])[:RANDOM_OBJECTS]
    start = time.perf_counter()
    for row in rows:
        images[int(row)]
    return len(rows) / (time.perf_counter() - start)


def in_blocks(images: zarr.Array) -> float:
    """Sequences per second, block after block."""
    start = time.perf_counter()
    for first in range(0, images.shape[0], BLOCK_OBJECTS):
        images[first : first + BLOCK_OBJECTS]
    return images.shape[0] / (time.perf_counter() - start)


def shuffled(path: str, split: str) -> float:
    """Sequences per second of one pass of shuffled batches."""
    start, n = time.perf_counter(), 0
    for batch in shuffled_batches(path, split, arrays=("images",)):
        n += len(batch["images"])
    return n / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="data set of some thousand sequences")
    parser.add_argument("--split", default="train")
    arguments = parser.parse_args()
    images = open_dataset(arguments.data)[arguments.split]["images"]
    print(f"{describe_machine()}; {images.shape[0]:,} sequences of {images.shape[1:]}")
    in_blocks(images)  # the file is in the cache of the system from here on
    blocks, mixed = in_blocks(images), shuffled(arguments.data, arguments.split)
    alone = random_access(images, np.random.default_rng(0))
    print(f"object by object, random order {alone:9,.0f} sequences/s")
    print(f"blocks of {BLOCK_OBJECTS}, file order {blocks:9,.0f} sequences/s")
    print(f"shuffled_batches               {mixed:9,.0f} sequences/s")
    print(f"blocks over shuffled_batches   {blocks / mixed:9.2f}")
    print(f"shuffled_batches over random   {mixed / alone:9.0f}")


if __name__ == "__main__":
    main()
