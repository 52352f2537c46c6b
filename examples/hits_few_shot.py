"""What a few real HiTS sequences buy: ``python examples/hits_few_shot.py SEQUENCES``.

SEQUENCES is a folder of CLASS/*.fits.gz as docs/real_data.md describes. Runs the commands of the
README, each shown before it runs, and prints the headline table again from the report's JSON.
Made again it goes on from where it was; all of it takes about half an hour on two cores, most of
that for the forest, which ``--no-forest`` leaves out.
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


def run(*command) -> None:
    """Show a command and run it; its failure ends this one with its exit code."""
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
        run(
            "simulate",
            "--survey",
            "hits",
            "--n",
            "14000",
            "--validation",
            "7",
            "--test",
            "7",
            "--out",
            simulated,
        )
        forest = ["--simulated", simulated]
    run(
        "finetune",
        "--model",
        "hits-compact",
        "--real",
        real,
        "--per-class",
        *SIZES,
        "--trials",
        chosen.trials,
        *forest,
        "--out",
        tuned,
    )
    Console().print(headline_table(headline(tuned)))


if __name__ == "__main__":
    main()
