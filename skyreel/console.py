"""What commands print: text without markup or control characters, and bars with rates."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from itertools import islice
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

_WIDTH_OFF_TERMINAL = 160  # nothing is cut where the output is a file


def printable(text: object) -> str:
    """Text with its control characters, and others that cannot be seen, written as escapes.

    Names of objects and files come from elsewhere: a terminal would execute what is in them.
    Line breaks stay.
    """
    return "".join(
        c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode()
        for c in str(text)
    )


MOST_NAMES = 5


def first_names(names: Iterable[object], most: int = MOST_NAMES) -> str:
    """The first few of many names, printable and by comma."""
    few = list(islice(names, most + 1))
    return ", ".join(map(printable, few[:most])) + (", ..." if len(few) > most else "")


class _PlainConsole(Console):
    """A console that prints text as it is, in messages and in tables."""

    def render_str(self, text: str, **settings: Any) -> Text:
        return super().render_str(printable(text), **settings)


def new_console(quiet: bool = False) -> Console:
    """A console that prints names with brackets or control characters in them as text."""
    width = None if sys.stdout.isatty() else _WIDTH_OFF_TERMINAL
    return _PlainConsole(quiet=quiet, highlight=False, markup=False, emoji=False, width=width)


def status(console: Console, text: str) -> AbstractContextManager:
    """Show what goes on before there is a bar: a spinner, or one line where it is no terminal."""
    if console.is_terminal:
        return console.status(Text(printable(text)))
    console.print(f"{text}.")
    return nullcontext()


def size_text(n_bytes: float) -> str:
    """A size with a unit that leaves figures to see: ``"3.2 GB"``, ``"40 kB"``."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6)):
        if n_bytes >= scale:
            return f"{n_bytes / scale:.{1 if n_bytes < 100 * scale else 0}f} {unit}"
    return f"{n_bytes / 1e3:.0f} kB"


class Bars:
    """Progress bars, in a ``with`` block.

    Parameters
    ----------
    console : Console
    """

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            _Note(),
            TimeElapsedColumn(),
            _Remaining(),
            console=console,
        )
        self._tasks: dict[str, int] = {}

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def add(
        self,
        name: str,
        total: int | None,
        *,
        earlier: int = 0,
        unit: str = "",
        each_bytes: float = 0,
    ) -> Callable[[int], None]:
        """Add a bar; returns the function that advances it.

        Parameters
        ----------
        name : str
        total : int or None
            None where it is not known.
        earlier : int
            How much an earlier run has done; the bar is advanced by it, too, but rates are
            without it.
        unit : str
            What is counted, to show a rate.
        each_bytes : float
            Size of one, to show the sum.
        """
        task = self._progress.add_task(
            printable(name), total=total, earlier=earlier, unit=unit, each_bytes=each_bytes, note=""
        )
        return lambda n: self._progress.advance(task, n)

    def step(self, name: str, done: int, total: int) -> None:
        """Advance the bar of this name, which is added when it is new."""
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(printable(name), total=total)
        self._progress.advance(self._tasks[name], done)

    def reach(self, name: str, done: int, total: int, note: str = "") -> None:
        """Move the bar of this name to ``done``; what it starts with is of an earlier run."""
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(printable(name), total=total, earlier=done)
        self._progress.update(self._tasks[name], completed=done, note=note)


def rate_of(task: Task) -> float | None:
    """Steps per second of this run; None before there are any."""
    elapsed = task.finished_time if task.finished else task.elapsed
    done = task.completed - task.fields.get("earlier", 0)
    return done / elapsed if elapsed and done > 0 else None


class _Note(ProgressColumn):
    """Rate, size and other words of a bar."""

    def render(self, task: Task) -> Text:
        words = [task.fields["note"]] if task.fields.get("note") else []
        if task.fields.get("unit"):
            rate = rate_of(task)
            words.append(f"{rate:,.0f} {task.fields['unit']}/s" if rate else "")
        if task.fields.get("each_bytes"):
            words.append(f"{task.completed * task.fields['each_bytes'] / 1e9:.2f} GB")
        return Text(", ".join(filter(None, words)))


class _Remaining(ProgressColumn):
    """Time left, from the rate of this run."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        rate = rate_of(task)
        if not rate or task.total is None:
            return Text("-:--:--", style="progress.remaining")
        left = timedelta(seconds=int(max(task.total - task.completed, 0) / rate))
        return Text(str(left), style="progress.remaining")
