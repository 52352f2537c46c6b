"""The 59 light-curve features of FATS (Nun et al. 2015); see docs/explanation/features.md."""

from classifier.features.extract import features_of, features_of_batch
from classifier.features.names import CONSTANT, FEATURES

__all__ = ["CONSTANT", "FEATURES", "features_of", "features_of_batch"]
