"""A small autoencoder that trains in seconds."""

from classifier.training.autoencoder_options import AutoencoderOptions
from classifier.training.autoencoder_training import AutoencoderTraining

QUICK = {
    "crop_pix": 9,
    "iterations": 4,
    "batch": 8,
    "validate_every": 2,
    "seed": 3,
}
CHOICES = {"clusters": 3, "latent": 2, "filters": [2, 3, 3, 2], "pretraining": 2}


def autoencoder_training(data, folder, *, choices=None, **changes):
    """A training of it; ``choices`` and ``changes`` replace choices and options."""
    chosen = {**CHOICES, **(choices or {})}
    options = AutoencoderOptions(**{**QUICK, "choices": chosen, **changes})
    return AutoencoderTraining(data, folder, options, "train")
