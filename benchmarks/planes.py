"""Epochs per second with template and difference, against science images alone.

    python -m benchmarks.planes --n 140 --out /tmp/planes.zarr

ZTF sequences of all classes, in stamps of 63 and of 21 pixels, made in memory and written to
disk. Prints one line per case: epochs per second of wall-clock time, and per second of CPU time
times the number of threads, which other work on the machine hardly changes. ``--parts`` selects
what is measured. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.machine import describe_machine
from simulator.dataset.plan import make_plan
from simulator.dataset.run import execute, writer_for
from simulator.options import PLANES, Options

SURVEY = "ztf"
BATCH_OBJECTS = {63: 28, 21: 112}
TIMES_MORE = {63: 1, 21: 8}  # sequences of small stamps, of those asked for
CASES = (PLANES[:1], PLANES[:2], PLANES)
PARTS = ("memory", "disk")


class Speed(NamedTuple):
    """Epochs per second of wall-clock time, and per CPU second times threads."""

    wall: float
    cpu: float

    def __str__(self) -> str:
        return f"{self.wall:,.0f} epochs/s; {self.cpu:,.0f} by CPU time"


def timed(work, n_epochs, threads):
    """The speed of a piece of work on this many epochs."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Speed(n_epochs / wall, n_epochs / cpu * threads)


def plan_of(size, planes, n, path):
    """A run of n sequences, all for training."""
    options = Options(seed=1, stamp_size_pix=size, planes=planes)
    return make_plan(SURVEY, options, path, n=n, validation=0, test=0)


def in_memory(plan, n, threads, size):
    """The speed of making sequences, in batches that the threads share."""
    firsts = range(0, n, BATCH_OBJECTS[size])

    def make(first):
        plan.simulator.batch("train", np.arange(first, min(first + BATCH_OBJECTS[size], n)))

    def work():
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(make, firsts))

    return timed(work, epochs_of(plan, n), threads)


def to_disk(plan, n, threads):
    """The speed of making and writing sequences, and bytes per epoch."""
    shutil.rmtree(plan.path, ignore_errors=True)
    with writer_for(plan) as writer:
        speed = timed(lambda: execute(plan, writer, threads=threads), epochs_of(plan, n), threads)
    size = sum(f.stat().st_size for f in plan.path.rglob("*") if f.is_file())
    shutil.rmtree(plan.path)
    return speed, size / epochs_of(plan, n)


def epochs_of(plan, n):
    """Epochs of the first n sequences."""
    simulator = plan.simulator
    return int(simulator.pointings.n_epochs[simulator.pointing_numbers("train", range(n))].sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--n", type=int, default=448, help="sequences of 63 x 63 pixels")
    parser.add_argument("--out", type=Path, default=Path("planes.zarr"), help="scratch data set")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    arguments = parser.parse_args()
    print(describe_machine())
    for size, more in TIMES_MORE.items():
        alone = {}
        for planes in CASES:
            n = arguments.n * more
            plan = plan_of(size, planes, n, arguments.out)
            plan.simulator.batch("train", [0])  # compile
            found = {}
            if "memory" in arguments.parts:
                found["in memory"] = in_memory(plan, n, arguments.threads, size)
            n_bytes = ""
            if "disk" in arguments.parts:
                found["to disk"], each = to_disk(plan, n, arguments.threads)
                n_bytes = f", {each / 1e3:.1f} kB an epoch"
            for name, speed in found.items():
                alone.setdefault(name, speed)
                print(
                    f"{size} x {size}, {', '.join(planes)}, {name}, {arguments.threads} threads: "
                    f"{speed}; {speed.cpu / alone[name].cpu:.2f} of science alone"
                    f"{n_bytes if name == 'to disk' else ''}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
