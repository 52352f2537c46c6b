"""Light curves from stamps, their features, classifiers, and their evaluation.

>>> import numpy as np
>>> from classifier import features_of
>>> mjd = np.arange(57000.0, 57040.0, 0.7)
>>> magnitude = 18.0 + 0.3 * np.sin(2 * np.pi * mjd / 3.1)
>>> round(float(features_of(mjd, magnitude, np.full(mjd.size, 0.01))["PeriodLS"]), 1)
3.1
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
