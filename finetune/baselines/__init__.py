"""The baseline of sequence length 1: trees on hand-made features of three stamps of one alert.

For surveys whose labelled objects have one alert with images, and for classes, such as `bogus`,
that cannot be simulated.
"""

from __future__ import annotations

from finetune.baselines.single_epoch import Trials, few_shot_trials
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
    "Planes",
    "Trials",
    "feature_columns",
    "few_shot_trials",
    "first_planes",
    "single_epoch_features",
]
