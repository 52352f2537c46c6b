"""Any number of models on the same objects: scores, differences with errors, one HTML page.

>>> from classifier.comparison import compare
>>> compare({"forest": forest_predictions, "network": network_predictions}).scores["forest"]
"""

from __future__ import annotations

from importlib import import_module

_HOMES = {
    "Comparison": "classifier.comparison.scoring",
    "compare": "classifier.comparison.scoring",
    "most_confident_mistakes": "classifier.comparison.mistakes",
    "on_the_same_objects": "classifier.comparison.same_objects",
}
__all__ = sorted(_HOMES)


def __getattr__(name):
    """Import on first use: who only compares predictions need not wait for any model."""
    if name not in _HOMES:
        raise AttributeError(f"module 'classifier.comparison' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__():
    return sorted([*globals(), *_HOMES])
