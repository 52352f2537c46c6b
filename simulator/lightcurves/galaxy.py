"""Galaxies with nothing in them: the light is all the host's."""

from __future__ import annotations

from typing import ClassVar

import numpy as np


class Galaxy:
    """No point source at all; its host is drawn with the other hosts."""

    name = "GAL"
    host = "central"
    parameters: ClassVar = {"mean_mag": "total magnitude in the reference band [mag]"}

    def __init__(self, bands, templates=None):
        pass

    def sample(self, draws, context):
        return {"mean_mag": context.magnitude_law.draw(draws, self.name)}

    def magnitudes(self, parameters, mjd, band):
        return np.full(mjd.shape, np.inf)
