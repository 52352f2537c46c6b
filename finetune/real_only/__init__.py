"""The learner without simulation: trees on hand-made features of the few real objects drawn.

It is what simulation has to beat, at every number of labels.
"""

from __future__ import annotations

from finetune.real_only.features import feature_names, real_only_features
from finetune.real_only.learner import real_only_predictions

__all__ = ["feature_names", "real_only_features", "real_only_predictions"]
