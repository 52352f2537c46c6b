"""Peak memory of commands against the number of sequences: ``python -m benchmarks.memory``.

Simulates data sets of several sizes, trains a small forest on the smallest, and runs every command
on each set. Prints the largest resident memory of each command and its growth per sequence.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.machine import describe_machine

SIZES = (2_000, 10_000, 50_000)
MODEL = "forest"
_ALL_TRAIN = ("--validation", "0", "--test", "0")


def peak_memory(command: Sequence[str], folder: Path) -> tuple[float, float]:
    """Largest resident memory [MB] of a command run in ``folder``, and its time [s].

    Raises
    ------
    subprocess.CalledProcessError
    """
    start = time.perf_counter()
    program = Path(sys.executable).with_name(command[0])
    process = subprocess.Popen([program, *command[1:], "--quiet"], cwd=folder)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return usage.ru_maxrss / 1024, time.perf_counter() - start


def commands(n: int, threads: str) -> dict[str, list[str]]:
    """The commands that are measured on the data set of ``n`` sequences."""
    data = ["--data", f"{n}.zarr", "--split", "train", "--threads", threads]
    return {
        "classify": ["classify", "--model", MODEL, *data, "--out", f"{n}.p.parquet"],
        "classify --report": [
            *("classify", "--model", MODEL, *data),
            *("--out", f"{n}.r.parquet", "--report", f"{n}.report"),
        ],
        "features": ["features", *data, "--out", f"{n}.f.parquet"],
        "features --every": ["features", *data, "--every", "--out", f"{n}.e.parquet"],
        "compare": ["compare", MODEL, *data, "--out", f"{n}.comparison"],
        "ingest": ["ingest", f"{n}.zarr", "--from", "zarr", "--out", f"{n}.copy.zarr"],
    }


def measured(
    sizes: Sequence[int], folder: Path, threads: str, only: Sequence[str]
) -> dict[str, dict[int, tuple]]:
    """Peak memory and time of the commands, all without ``only``, for every size."""
    found: dict[str, dict[int, tuple]] = {}
    for n in sizes:
        make = ["simulate", "--survey", "hits", "--n", str(n), *_ALL_TRAIN, "--out", f"{n}.zarr"]
        found.setdefault("simulate", {})[n] = peak_memory([*make, "--threads", threads], folder)
        if n == sizes[0]:
            small = ["--trees", "10", "--depth", "8", "--images", "6", "--threads", threads]
            train = ["train", "--model", "forest", "--data", f"{n}.zarr", *small, "--out", MODEL]
            peak_memory(train, folder)
        for name, command in commands(n, threads).items():
            if only and name not in only:
                continue
            found.setdefault(name, {})[n] = peak_memory(command, folder)
            print(f"  {n:,} {name}: {found[name][n][0]:.0f} MB", file=sys.stderr, flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--threads", default="1")
    parser.add_argument("--only", nargs="+", default=(), help="commands, by name in the table")
    arguments = parser.parse_args()
    sizes = sorted(arguments.sizes)
    print(f"{describe_machine()}; --threads {arguments.threads}; peak resident memory [MB]")
    with tempfile.TemporaryDirectory() as folder:
        found = measured(sizes, Path(folder), arguments.threads, arguments.only)
    print(f"{'command':20}" + "".join(f"{n:>10,}" for n in sizes) + "  kB a sequence")
    for name, by_size in found.items():
        memory = [by_size[n][0] for n in sizes]
        slope = 1024 * (memory[-1] - memory[0]) / max(sizes[-1] - sizes[0], 1)
        print(f"{name:20}" + "".join(f"{m:10.0f}" for m in memory) + f"{slope:15.2f}")


if __name__ == "__main__":
    main()
