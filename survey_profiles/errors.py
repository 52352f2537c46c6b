"""What can be wrong with a user's profile or exposure table, said so that it can be put right."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

MOST_NAMES = 15


def nearest(name, known) -> str:
    """A hint that names the closest known name, or the first few if none is close."""
    known = [str(k) for k in known]
    close = get_close_matches(str(name), known, n=1, cutoff=0.5)
    if close:
        return f"Did you mean {close[0]!r}?"
    more = ", ..." if len(known) > MOST_NAMES else ""
    return f"Known: {', '.join(known[:MOST_NAMES])}{more}."


@dataclass(frozen=True)
class Problem:
    """One thing wrong in a profile: the dotted ``key``, what was ``found``, what is ``allowed``."""

    key: str
    found: str
    allowed: str

    def __str__(self):
        return f"{self.key}: found {self.found}; {self.allowed}"


class ProfileError(ValueError):
    """A survey profile that cannot be used; ``problems`` lists everything wrong with it."""

    def __init__(self, where: str, problems: list[Problem]):
        self.where = where
        self.problems = list(problems)
        super().__init__("\n".join(f"{where}: {problem}" for problem in self.problems))

    def __reduce__(self):
        return type(self), (self.where, self.problems)


class ExposureTableError(ValueError):
    """An exposure table from which no sequence of exposures can be made."""
