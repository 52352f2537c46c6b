"""Errors a user can act on: where it is, what was found, what would do."""

from __future__ import annotations


class SimulationError(ValueError):
    """A request that cannot be carried out as written."""


class Interrupted(Exception):  # noqa: N818 - nothing is wrong
    """The user stopped a run; what is finished stays."""


class StoreError(RuntimeError):
    """A data set that cannot be written or read where it was asked for."""
