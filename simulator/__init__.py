"""Labelled image sequences of the variable sky: simulate, store, open, make again.

>>> from simulator import Options, Simulator, load_profile
>>> simulator = Simulator(load_profile("hits"), Options(seed=1))
>>> sequences = simulator.batch("train", range(100))
>>> sequences.images.shape[2:]
(21, 21)
"""

from __future__ import annotations

from importlib import import_module

_HOMES = {
    "Options": "simulator.options",
    "Sequences": "simulator.simulator",
    "SimulationError": "skyreel.errors",
    "Simulator": "simulator.simulator",
    "StoreError": "skyreel.errors",
    "load_profile": "survey_profiles",
    "open_dataset": "simulator.dataset.reader",
    "regenerate": "simulator.dataset.regenerate",
    "register": "simulator.lightcurves",
    "simulator_of": "simulator.dataset.regenerate",
}
__all__ = sorted(_HOMES)


def __getattr__(name):
    """Import on first use, so that command-line help need not wait for anything heavy."""
    if name not in _HOMES:
        raise AttributeError(f"module 'simulator' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__():
    return sorted([*globals(), *_HOMES])
