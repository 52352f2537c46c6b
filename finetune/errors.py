"""Errors a user can act on: where it is, what was found, what would do."""

from __future__ import annotations


class IngestError(ValueError):
    """A request to read real sequences that cannot be carried out as written."""


class SequenceError(ValueError):
    """One file or object that cannot be used; the others are kept."""


class DomainGapError(ValueError):
    """A comparison of simulated and real images that cannot be made as asked."""


class FinetuneError(ValueError):
    """An adaptation that cannot be made as asked."""
