"""One call of a command: what is asked of all of them, and how they talk to the user."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import wraps
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from skyreel.errors import ClassifierError, Interrupted

MAX_THREADS = 256


@dataclass(frozen=True, kw_only=True)
class Work:
    """What every command is asked."""

    data: Path | None
    out: Path
    threads: int | None
    quiet: bool

    @property
    def console(self) -> Console:
        """Where to talk to the user."""
        return Console(quiet=self.quiet, highlight=False)

    def cores(self) -> int:
        """Threads to use.

        Raises
        ------
        ClassifierError
        """
        affinity = getattr(os, "sched_getaffinity", None)
        cores = len(affinity(0)) if affinity else os.cpu_count()
        threads = cores if self.threads is None else self.threads
        if not 1 <= threads <= MAX_THREADS:
            raise ClassifierError(f"--threads {threads}; allowed are 1 to {MAX_THREADS}.")
        return threads

    def check_output(self) -> None:
        """Say what is wrong with the output path before anything is computed.

        Raises
        ------
        ClassifierError
        """
        if (self.out / "zarr.json").exists():
            raise ClassifierError(f"{self.out} is a data set; write elsewhere.")
        place = self.out.absolute()
        if not place.is_dir():
            place = place.parent
        while not place.exists():
            place = place.parent
        if not place.is_dir() or not os.access(place, os.W_OK):
            raise ClassifierError(f"{self.out}: {place} is not a folder that can be written to.")


def check_report(folder) -> None:
    """Refuse a place for a report that is a file.

    Raises
    ------
    ClassifierError
    """
    if folder is not None and Path(folder).exists() and not Path(folder).is_dir():
        raise ClassifierError(f"--report {folder} is a file; a report is a folder.")
    if folder is not None and (Path(folder) / "zarr.json").exists():
        raise ClassifierError(f"--report {folder} is a data set; write elsewhere.")


def interruptible(command):
    """A command that says how to go on when the user stops it."""

    @wraps(command)
    def run(*arguments, **options):
        try:
            return command(*arguments, **options)
        except KeyboardInterrupt:
            raise Interrupted from None

    return run


def progress_bars(console):
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )
