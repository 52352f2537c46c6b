"""The options and the training of a network by its name: of sequences or of first alerts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from classifier.models.card_schema import AUTOENCODERS, STAMP_NETWORKS
from classifier.training.autoencoder_options import AutoencoderOptions
from classifier.training.options import NetworkOptions
from classifier.training.stamp_options import StampOptions

if TYPE_CHECKING:
    from classifier.training.keras_training import KerasTraining

AnyOptions = NetworkOptions | StampOptions | AutoencoderOptions


def options_of(network: str) -> type[AnyOptions]:
    """The class of the options of a network."""
    if network in AUTOENCODERS:
        return AutoencoderOptions
    return StampOptions if network in STAMP_NETWORKS else NetworkOptions


def training_of(data: Path, folder: Path, options: AnyOptions, command: str = "") -> KerasTraining:
    """The training that these options ask for; see its class for parameters and errors."""
    if isinstance(options, StampOptions):
        from classifier.training.stamp_training import StampTraining

        return StampTraining(data, folder, options, command)
    if isinstance(options, AutoencoderOptions):
        from classifier.training.autoencoder_training import AutoencoderTraining

        return AutoencoderTraining(data, folder, options, command)
    from classifier.training.train import NetworkTraining

    return NetworkTraining(data, folder, options, command)
