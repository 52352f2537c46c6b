"""Kill a run at random moments, finish it, and compare its bytes with an uninterrupted one.

    python -m benchmarks.resume --kills 20
"""

from __future__ import annotations

import argparse
import hashlib
import random
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
    with tempfile.TemporaryDirectory() as scratch:
        whole, broken = Path(scratch) / "whole" / "d.zarr", Path(scratch) / "broken" / "d.zarr"
        start = time.monotonic()
        subprocess.run(command(whole), check=True)
        duration = time.monotonic() - start
        moments = random.Random(args.seed)
        interrupted = 0
        for _ in range(args.kills):
            process = subprocess.Popen(command(broken))
            time.sleep(moments.uniform(0.3, 1.0) * duration)
            interrupted += process.poll() is None
            process.send_signal(signal.SIGKILL)
            process.wait()
        subprocess.run(command(broken), check=True)
        same = digest(whole) == digest(broken)
    verdict = "the same bytes" if same else "DIFFERENT bytes"
    print(f"{interrupted} of {args.kills} kills hit a running job; resumed: {verdict}")
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
