"""The simulator that made a data set, to make any of its objects again, bit for bit."""

from __future__ import annotations

from pathlib import Path

from simulator.dataset.store import open_dataset
from simulator.options import Options
from simulator.plugins import check_plugins
from simulator.simulator import Simulator
from skyreel.errors import SimulationError
from skyreel.provenance import file_digest


def simulator_of(path) -> Simulator:
    """A simulator whose ``sequence(index, split)`` is object ``index`` of the data set.

    Raises
    ------
    SimulationError
        No data set there, real sequences, or a table of exposures or magnitudes it was made with
        is gone or has changed.
    """
    from survey_profiles.profile import Profile

    attributes = open_dataset(path).attrs
    if "options" not in attributes:
        raise SimulationError(f"{path} was not simulated; real sequences cannot be made again.")
    check_plugins(path, attributes["settings"].get("plugins", ()))
    options = dict(attributes["options"])
    for name in ("exposures", "magnitudes"):
        _check_unchanged(path, name, options[name], attributes["settings"]["options"][name])
    return Simulator(Profile.model_validate(attributes["profile"]), Options(**options))


def _check_unchanged(path, name, file, recorded):
    if not (isinstance(recorded, str) and "sha256:" in recorded):
        return
    if not Path(file).is_file():
        raise SimulationError(f"{path} was made with {name} from {file}, which is not there.")
    if not recorded.endswith(file_digest(file)):
        raise SimulationError(f"{path} was made with {name} from {file}, which has changed since.")
