"""Errors of every package. Commands catch two: the user's mistake and the failed run.

A `UserError` is what the user can put right (exit code 2): its message says where, what was
found, what is allowed and what to do. A `RunError` is a run that could not be carried out on
this machine (exit code 1), for instance because a disk is full.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

MOST_NAMES = 15


class UserError(ValueError):
    """A request, a file or a value that cannot be used as given."""


class RunError(RuntimeError):
    """A run that cannot be carried out or finished on this machine."""


class Interrupted(Exception):  # noqa: N818 - nothing is wrong
    """The user stopped a run; what is finished stays."""


@dataclass(frozen=True)
class Problem:
    """One error in a profile: the dotted ``key``, what was ``found``, what is ``allowed``."""

    key: str
    found: str
    allowed: str

    def __str__(self) -> str:
        return f"{self.key}: found {self.found}; {self.allowed}"


class ProfileError(UserError):
    """A survey profile that cannot be used; ``problems`` lists every error in it."""

    def __init__(self, where: str, problems: list[Problem]) -> None:
        self.where = where
        self.problems = list(problems)
        super().__init__("\n".join(f"{where}: {problem}" for problem in self.problems))

    def __reduce__(self):
        return type(self), (self.where, self.problems)


class ExposureTableError(UserError):
    """An exposure table that cannot be read or used."""


class SimulationError(UserError):
    """A simulation that cannot be made as asked, or a data set that cannot be used."""


class ClassifierError(UserError):
    """A request, a data set or a model that cannot be used as asked."""


class EvaluationError(ClassifierError):
    """Predictions that cannot be read, or cannot be evaluated as asked."""


class IngestError(UserError):
    """Real sequences that cannot be read as asked."""


class SequenceError(UserError):
    """One file or object that cannot be used; the others are kept."""


class DomainGapError(UserError):
    """A comparison of simulated and real images that cannot be made as asked."""


class FinetuneError(UserError):
    """An adaptation that cannot be made as asked."""


class StoreError(RunError):
    """A data set that cannot be written or read at its path."""


class OutputError(RunError):
    """A result that cannot be written at its path."""


def nearest(name: object, known: Iterable[object]) -> str:
    """A hint that names the closest known name, or the first few if none is close."""
    known = [str(k) for k in known]
    close = get_close_matches(str(name), known, n=1, cutoff=0.5)
    if close:
        return f"Did you mean {close[0]!r}?"
    more = ", ..." if len(known) > MOST_NAMES else ""
    return f"Known: {', '.join(known[:MOST_NAMES])}{more}."
