"""Stars that do not vary."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from simulator.lightcurves.protocol import Bands, Context, LightCurveModel
from simulator.lightcurves.star_colours import StarColours
from simulator.rng import Draws


class NonVariable(LightCurveModel):
    """Constant light, with the colours of an ordinary star."""

    name = "NV"
    star_density_power = 1.0
    parameters: ClassVar = {"mean_mag": "magnitude in the reference band [mag]"}

    def __init__(self, bands: Bands, templates: Path | None = None) -> None:
        super().__init__(bands, templates)
        self._colours = StarColours(bands)

    def sample(self, draws: Draws, context: Context) -> dict[str, np.ndarray]:
        """Magnitudes of a batch in every band."""
        mean = context.magnitude_law.draw(draws, self.name)
        return {"mean_mag": mean, "_magnitude": mean[:, None] + self._colours.draw(draws)}

    def magnitudes(
        self, parameters: dict[str, np.ndarray], mjd: np.ndarray, band: np.ndarray
    ) -> np.ndarray:
        """AB magnitudes, (object, epoch)."""
        return np.take_along_axis(parameters["_magnitude"], band, axis=1)
