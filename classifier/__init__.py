"""Light curves from stamps, their features, classifiers, and how good they are.

>>> from classifier import features_of
>>> features_of(time, magnitude, error)["PeriodLS"]
"""

from __future__ import annotations

from importlib import import_module

_HOMES = {
    "ClassifierError": "skyreel.errors",
    "Conditions": "classifier.stream",
    "Forest": "classifier.models.forest.forest",
    "Network": "classifier.models.recurrent.network",
    "Predictions": "classifier.evaluation",
    "Split": "classifier.dataset",
    "Stream": "classifier.stream",
    "evaluate": "classifier.evaluation",
    "features_of": "classifier.features",
    "features_of_batch": "classifier.features",
    "measure": "classifier.photometry",
    "open_model": "classifier.models.registry",
}
__all__ = sorted(_HOMES)


def __getattr__(name):
    """Import on first use, so that command-line help need not wait for anything heavy."""
    if name not in _HOMES:
        raise AttributeError(f"module 'classifier' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__():
    return sorted([*globals(), *_HOMES])
