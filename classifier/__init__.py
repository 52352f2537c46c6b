"""Light curves from stamps, their features, classifiers, and how good they are.

>>> from classifier import features_of
>>> features_of(time, magnitude, error)["PeriodLS"]
"""

from __future__ import annotations

from skyreel.lazy import attach

_HOMES = {
    "ClassifierError": "skyreel.errors",
    "Conditions": "classifier.stream",
    "Forest": "classifier.models.forest.forest",
    "Network": "classifier.models.recurrent.trained_network",
    "Predictions": "classifier.evaluation",
    "DatasetSplit": "classifier.dataset",
    "Stream": "classifier.stream",
    "evaluate": "classifier.evaluation",
    "features_of": "classifier.features",
    "features_of_batch": "classifier.features",
    "measure": "classifier.photometry",
    "open_model": "classifier.models.registry",
}
__getattr__, __dir__, __all__ = attach(__name__, _HOMES)
