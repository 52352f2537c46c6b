"""Errors a user can act on: where it is, what was found, what would do."""

from __future__ import annotations


class ClassifierError(ValueError):
    """A request, a data set or a model that cannot be used as asked."""


class OutputError(RuntimeError):
    """A result that cannot be written where it was asked for."""


class EvaluationError(ClassifierError):
    """Predictions that cannot be read, or cannot be evaluated as asked."""
