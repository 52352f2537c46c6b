"""The shipped library of Roche light curves: 2,400 binaries in ugrizy.

Curves cover half an orbit (circular orbits are symmetric about conjunction) at phases crowded
around both eclipses. ``tools/roche_library`` makes the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.interpolate import PchipInterpolator

from simulator.lightcurves.periodic.periodic_star import data_path

FILE = "eclipsing_roche_library.npz"
SUBTYPES = ("contact", "semi-detached", "detached")
COLUMNS = (
    "subtype",
    "log_period",  # NaN where any period goes with the shape
    "mass_ratio",
    "inclination_deg",
    "temperature_1_k",
    "temperature_2_k",
    "fill_out",  # NaN unless in contact
    "radius_1",  # polar, over the separation
    "radius_2",
)
HALF_NODES = 49
MAG_PER_COUNT = 0.0005
DETACHED_LOG_PERIOD = (-0.4, 1.0)  # log10 of the periods [d] that the library covers
_CROWDING = 0.9


@dataclass(frozen=True)
class Library:
    """``parameters`` by name, each (system,); ``curves`` (system, letter, node) in magnitudes.

    Magnitudes are below maximum light, at the phases ``half_phases``; letters are ugrizy.
    """

    parameters: dict[str, np.ndarray]
    curves: np.ndarray

    def resampled(self, letters: np.ndarray | list[int], n_node: int) -> np.ndarray:
        """Curves at evenly spaced phases from 0 to 0.5, (letter, system, node)."""
        even = np.linspace(0.0, 0.5, n_node)
        curves = np.moveaxis(self.curves[:, letters], 1, 0)
        return PchipInterpolator(half_phases(), curves, axis=-1)(even)


def half_phases() -> np.ndarray:
    """The phases of the library, 0 to 0.5, ten times denser in the eclipses than on average."""
    even = np.linspace(0.0, 0.5, HALF_NODES)
    return even - _CROWDING * np.sin(4 * np.pi * even) / (4 * np.pi)


def read_library(path: str | Path | None = None) -> Library:
    """The library in a file, by default the one shipped."""
    with np.load(path or data_path(FILE)) as stored:
        counts = np.cumsum(stored["steps"].transpose(2, 1, 0), axis=2, dtype=np.int32)
        parameters = {name: stored[name].astype(float) for name in COLUMNS}
    return Library(parameters, counts * MAG_PER_COUNT)
