"""A small stamp classifier that trains in seconds."""

from classifier.training.stamp_options import StampOptions
from classifier.training.stamp_training import StampTraining

MERGE = {"VS": ("RRL", "EB")}
QUICK = {
    "choices": {"rotations": "none"},
    "merge": MERGE,
    "crop_pix": 9,
    "iterations": 6,
    "batch": 16,
    "validate_every": 2,
    "seed": 3,
}


def stamp_training(data, folder, **changes):
    """A training of it; ``changes`` replace its options."""
    return StampTraining(data, folder, StampOptions(**{**QUICK, **changes}), "train")
