"""The baseline of sequence length 1: trees on hand-made features of three stamps of one alert.

For surveys whose labelled objects have one alert with images, and for classes, such as `bogus`,
that cannot be simulated.
"""

from __future__ import annotations

from finetune.single_epoch.features import (
    BRIGHTNESS_FEATURES,
    FEATURES,
    feature_columns,
    single_epoch_features,
)
from finetune.single_epoch.planes import Planes, first_planes
from finetune.single_epoch.trials import Trials, few_shot_trials

__all__ = [
    "BRIGHTNESS_FEATURES", "FEATURES", "Planes", "Trials", "feature_columns", "few_shot_trials",
    "first_planes", "single_epoch_features",
]  # fmt: skip
