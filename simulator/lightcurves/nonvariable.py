"""Stars that do not vary."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from simulator.lightcurves.star_colours import StarColours


class NonVariable:
    """Constant light, with the colours of an ordinary star."""

    name = "NV"
    parameters: ClassVar = {"mean_mag": "magnitude in the reference band [mag]"}

    def __init__(self, bands, templates=None):
        self._colours = StarColours(bands)

    def sample(self, draws, context):
        mean = context.magnitude_law.draw(draws, self.name)
        return {"mean_mag": mean, "_magnitude": mean[:, None] + self._colours.draw(draws)}

    def magnitudes(self, parameters, mjd, band):
        return np.take_along_axis(parameters["_magnitude"], band, axis=1)
