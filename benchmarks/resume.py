"""Kill a run at random moments, finish it, and compare its bytes with an uninterrupted one.

python -m benchmarks.resume --kills 20
"""

from __future__ import annotations

import argparse
import hashlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.machine import describe_machine

N = 12_000


def command(out):
    """A run of some seconds, as its own process."""
    arguments = ["--survey", "hits", "--n", str(N), "--out", str(out), "--quiet"]
    return [sys.executable, "-m", "simulator.cli", *arguments]


def digest(folder: Path) -> str:
    """Hash over names and bytes of all files of a data set."""
    total = hashlib.sha256()
    for file in sorted(f for f in folder.rglob("*") if f.is_file()):
        total.update(str(file.relative_to(folder)).encode() + file.read_bytes())
    return total.hexdigest()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    print(describe_machine())
    moments = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as scratch:
        whole = Path(scratch) / "whole.zarr"
        for out in (Path(scratch) / "warm.zarr", whole):
            start = time.monotonic()
            subprocess.run(command(out), check=True)
            duration = time.monotonic() - start
        trials = [
            killed_once(Path(scratch) / f"{k}.zarr", moments.uniform(0.4, 0.95) * duration)
            for k in range(args.kills)
        ]
        same = sum(found == digest(whole) for _, found in trials)
    interrupted = sum(hit for hit, _ in trials)
    print(
        f"{interrupted} of {args.kills} kills hit a running job of {duration:.1f} s; "
        f"{same} of {args.kills} ended with the same bytes as the whole run"
    )
    sys.exit(0 if same == args.kills else 1)


def killed_once(out: Path, seconds: float) -> tuple[bool, str]:
    """(whether it still ran, hash in the end) of a run killed after some seconds and resumed."""
    process = subprocess.Popen(command(out))
    time.sleep(seconds)
    running = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    subprocess.run(command(out), check=True)
    found = digest(out)
    shutil.rmtree(out)
    return running, found


if __name__ == "__main__":
    main()
