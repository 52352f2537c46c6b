"""Errors of every package. Commands catch two: invalid input and a failed run.

A `UserError` is invalid input, correctable by the user (exit code 2): its message says where, what
was found, what is allowed and what to do. A `RunError` is a run that failed on this machine (exit
code 1), for instance because a disk is full.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

MOST_NAMES = 15


class UserError(ValueError):
    """Invalid input, correctable by the user."""


class RunError(RuntimeError):
    """A run that failed on this machine."""


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
    """An invalid survey profile; ``problems`` lists every error in it."""

    def __init__(self, where: str, problems: list[Problem]) -> None:
        self.where = where
        self.problems = list(problems)
        super().__init__("\n".join(f"{where}: {problem}" for problem in self.problems))

    def __reduce__(self):
        return type(self), (self.where, self.problems)


class ExposureTableError(UserError):
    """An unreadable or invalid exposure table."""


class SimulationError(UserError):
    """Invalid options or data for a simulation."""


class SubtractionError(UserError):
    """Images that cannot be subtracted from each other."""


class ClassifierError(UserError):
    """Invalid options, data or model for training or classification."""


class EvaluationError(ClassifierError):
    """Invalid options or predictions for an evaluation."""


class IngestError(UserError):
    """Invalid options or data for the ingestion of real sequences."""


class SequenceError(UserError):
    """One invalid file or object; the others are kept."""


class DomainGapError(UserError):
    """Invalid options or data for a comparison of simulated and real images."""


class FinetuneError(UserError):
    """Invalid options or data for an adaptation."""


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
