"""Sequences simulated for the survey and the classes in a network's card."""

from __future__ import annotations

import numpy as np

from classifier.image_selection import ImageSelection
from classifier.models.recurrent.network import Network
from classifier.network_inputs import Inputs
from classifier.training.sources import EndlessSource
from simulator.options import Options
from simulator.simulator import Simulator
from skyreel.errors import FinetuneError, SimulationError
from survey_profiles.profile import Profile

_BATCH = 64
SEED_OFFSET = 1_000_000  # other sequences than those of trainings with small seeds


def simulator_for(network: Network) -> Simulator:
    """A simulator of the survey and the classes of a network.

    Raises
    ------
    FinetuneError
        Its card has no profile, or a class that cannot be simulated.
    """
    try:
        profile = Profile.model_validate(network.card["profile"])
        classes = dict.fromkeys(network.classes, 1.0)
        return Simulator(profile, Options(classes=classes, stamp_size_pix=network.size_pix))
    except (KeyError, ValueError, SimulationError) as error:
        reason = str(error).split("\n")[0]
        raise FinetuneError(
            f"{network.folder}: its training sequences cannot be simulated again ({reason}). Use "
            "--method plain, which needs none."
        ) from None


def simulated_sequences(
    network: Network, selection: ImageSelection, n: int, *, seed: int, resampled: float
) -> tuple[Inputs, np.ndarray]:
    """``n`` sequences or more, whole blocks of 1,024, and their labels among the network's classes.

    ``resampled`` is the share whose stamps are registered on their source.
    """
    source = EndlessSource(simulator_for(network), selection, SEED_OFFSET + seed, _BATCH, resampled)
    parts, found = [], 0
    while found < n:
        parts.append(source.block(len(parts), 0))
        found += len(parts[-1][1])
    inputs, labels = zip(*parts, strict=True)
    return Inputs.joined(inputs), np.concatenate(labels)
