"""Trainings of a small network that take seconds."""

from classifier.training.options import NetworkOptions
from classifier.training.train import NetworkTraining
from tests.helpers.running import SMALL

QUICK = {
    "choices": SMALL,
    "iterations": 12,
    "batch": 32,
    "images": 6,
    "validate_every": 4,
    "precision": "float32",
    "seed": 3,
}


def trained(data, folder, **changes):
    """The network of a whole training."""
    return NetworkTraining(data, folder, NetworkOptions(**{**QUICK, **changes}), "train").run()
