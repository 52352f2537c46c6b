"""Galaxies without a point source: all light is the host's."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from simulator.lightcurves.protocol import Context, HostPlacement, LightCurveModel
from simulator.rng import Draws


class Galaxy(LightCurveModel):
    """No point source at all; the galaxy is drawn with the host galaxies."""

    name = "GAL"
    host_placement = HostPlacement.GALAXY
    star_density_power = -1.0
    parameters: ClassVar = {"mean_mag": "total magnitude in the reference band [mag]"}

    def sample(self, draws: Draws, context: Context) -> dict[str, np.ndarray]:
        """Total magnitudes of a batch."""
        return {"mean_mag": context.magnitude_law.draw(draws, self.name)}

    def magnitudes(
        self, parameters: dict[str, np.ndarray], mjd: np.ndarray, band: np.ndarray
    ) -> np.ndarray:
        """No light of a point source: +inf, (object, epoch)."""
        return np.full(mjd.shape, np.inf)
