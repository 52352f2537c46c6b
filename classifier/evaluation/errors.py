"""What can be wrong with predictions that are to be evaluated."""

from __future__ import annotations

from classifier.errors import ClassifierError


class EvaluationError(ClassifierError):
    """Predictions that cannot be read, or cannot be evaluated as asked."""
