"""What every class of object offers: parameters for a batch, and magnitudes at given times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from simulator.lightcurves.magnitudes import MagnitudeLaw, ObservedMagnitudes
from simulator.observing.schedule import Schedule
from simulator.rng import Draws


@dataclass(frozen=True)
class Bands:
    """The photometric system in use: what the survey calls its bands, and which filters they are.

    ``names`` are the survey's (``g``), ``filters`` the transmission curves (``desg``);
    ``letters`` place each in ugrizy, where colours of stars are tabulated.
    """

    names: tuple[str, ...]
    filters: tuple[str, ...]
    reference: int = 0

    @property
    def letters(self) -> tuple[str, ...]:
        return tuple(name[-1].lower() for name in self.filters)


@dataclass(frozen=True)
class Context:
    """What a class may look at when it draws its objects."""

    schedule: Schedule
    bands: Bands
    magnitude_law: MagnitudeLaw | ObservedMagnitudes

    def rows(self, rows) -> Context:
        return Context(self.schedule.rows(rows), self.bands, self.magnitude_law)


class LightCurveModel(Protocol):
    """One class of object.

    ``parameters`` names the per-object numbers worth keeping, each with its meaning and
    unit; names that begin with an underscore travel with the batch but are not stored.

    Two attributes are optional: ``alerts`` (False) is True for objects that appear, whose
    first detection is an alert; ``host`` (``"chance"``) is ``"own"`` for objects in a galaxy
    at their ``redshift`` (and ``subtype`` above zero puts them in its disc), or ``"central"``
    for galaxies themselves.
    """

    name: str
    parameters: Mapping[str, str]

    def __init__(self, bands: Bands, templates: Path | None = None) -> None: ...

    def sample(self, draws: Draws, context: Context) -> dict[str, np.ndarray]:
        """Parameters of a batch, each of shape (object, ...)."""

    def magnitudes(self, parameters, mjd, band) -> np.ndarray:
        """Noise-free AB magnitudes, shape (object, epoch); +inf where there is no light.

        ``mjd`` and ``band`` (index into ``bands.names``) have shape (object, epoch); the
        result at padded epochs (NaN ``mjd``) is not used.
        """
