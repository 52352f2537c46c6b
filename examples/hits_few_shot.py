"""Accuracy gained from a few real HiTS labels: ``python examples/hits_few_shot.py SEQUENCES``.

SEQUENCES is a folder of CLASS/*.fits.gz as docs/guides/own_images.md describes. The script prints
and runs the commands of docs/guides/few_shot.md, and then prints the headline table of the report.
A second call continues an interrupted one. It takes about half an hour on two cores, most of it for
the random forest, which ``--no-forest`` leaves out.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from pathlib import Path

from rich.console import Console

from finetune.reports import headline, headline_table

SIZES = ("1", "2", "5", "10", "20")


def run(*command: object) -> None:
    """Print a command and run it; exit with its code if it fails."""
    words = [str(word) for word in command]
    print("+", shlex.join(words), flush=True)
    done = subprocess.run(words)
    if done.returncode:
        sys.exit(done.returncode)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("sequences", type=Path, help="folder of CLASS/*.fits.gz")
    parser.add_argument("--out", type=Path, default=Path("hits_few_shot"), help="folder to make")
    parser.add_argument("--trials", default="5", help="draws for every number of labels")
    parser.add_argument("--no-forest", action="store_true", help="leave out the random forest")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    real, simulated, tuned = (chosen.out / n for n in ("real.zarr", "hits.zarr", "tuned"))
    run("ingest", "--from", "hits", chosen.sequences, "--out", real)
    forest = []
    if not chosen.no_forest:
        counts = ("--n", "14000", "--validation", "7", "--test", "7")
        run("simulate", "--survey", "hits", *counts, "--out", simulated)
        forest = ["--simulated", simulated]
    draws = ("--per-class", *SIZES, "--trials", chosen.trials)
    run("finetune", "--model", "hits-compact", "--real", real, *draws, *forest, "--out", tuned)
    Console().print(headline_table(headline(tuned)))


if __name__ == "__main__":
    main()
