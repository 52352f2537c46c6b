"""The single-epoch baseline: trees on hand-made features of the three stamps of one alert.

It serves surveys whose labelled objects have one alert with images, and classes, such as
`bogus`, that cannot be simulated.
"""

from __future__ import annotations

from finetune.baselines.single_epoch import DrawScores, few_shot_scores
from finetune.baselines.single_epoch_features import (
    BRIGHTNESS_FEATURES,
    FEATURES,
    feature_columns,
    single_epoch_features,
)
from finetune.baselines.single_epoch_planes import Planes, first_planes

__all__ = [
    "BRIGHTNESS_FEATURES",
    "FEATURES",
    "DrawScores",
    "Planes",
    "feature_columns",
    "few_shot_scores",
    "first_planes",
    "single_epoch_features",
]
