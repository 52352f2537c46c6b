"""Labelled image sequences of the variable sky: simulate, store, open, regenerate.

>>> from simulator import Options, Simulator, load_profile
>>> simulator = Simulator(load_profile("hits"), Options(seed=1))
>>> sequences = simulator.batch("train", range(100))
>>> sequences.images.shape[2:]
(21, 21)
"""

from __future__ import annotations

from skyreel.lazy import attach

_HOMES = {
    "HostPlacement": "simulator.lightcurves.protocol",
    "HostSite": "simulator.lightcurves.protocol",
    "LightCurveModel": "simulator.lightcurves.protocol",
    "Motion": "simulator.lightcurves.protocol",
    "Options": "simulator.options",
    "Sequences": "simulator.sequences",
    "SimulationError": "skyreel.errors",
    "Simulator": "simulator.simulator",
    "StoreError": "skyreel.errors",
    "load_profile": "survey_profiles",
    "open_dataset": "simulator.dataset.reader",
    "regenerate": "simulator.dataset.regenerate",
    "register": "simulator.lightcurves",
    "simulator_of": "simulator.dataset.regenerate",
}
__getattr__, __dir__, __all__ = attach(__name__, _HOMES)
