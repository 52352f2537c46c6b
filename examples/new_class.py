"""A new class of object: dwarf novae. Run: python examples/new_class.py dwarf_novae.png"""

import sys
from typing import ClassVar

import numpy as np

from simulator import LightCurveModel, Options, Simulator, load_profile, register
from simulator.preview import preview


@register
class DwarfNova(LightCurveModel):
    """A faint binary that brightens within a day and fades over a week."""

    name = "DN"
    parameters: ClassVar = {"outburst_mjd": "start of the outburst [d]"}

    def sample(self, draws, context):
        first, last = np.nanmin(context.schedule.mjd, 1), np.nanmax(context.schedule.mjd, 1)
        quiet_mag = context.magnitude_law.draw(draws, self.name) + 1
        rise_mag = draws.uniform(2, 5)
        outburst = draws.uniform(first, last)
        return {"outburst_mjd": outburst, "_quiet_mag": quiet_mag, "_rise_mag": rise_mag}

    def magnitudes(self, parameters, mjd, band):
        age = np.maximum(mjd - parameters["outburst_mjd"][:, None], 0)
        shape = (1 - np.exp(-age / 0.3)) * np.exp(-((age / 7.0) ** 2))
        return parameters["_quiet_mag"][:, None] - parameters["_rise_mag"][:, None] * shape


classes = dict.fromkeys(("DN", "SN", "NV"), 1)
preview(Simulator(load_profile("hits"), Options(classes=classes)), sys.argv[1])
