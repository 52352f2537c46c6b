"""A new class of object in a few lines: dwarf novae in outburst, among stars and supernovae.

python examples/new_class.py --out dwarf_novae.png
"""

import argparse
from pathlib import Path

import numpy as np

from simulator.lightcurves import register
from simulator.options import Options
from simulator.preview import preview
from simulator.sequences import Simulator
from survey_profiles import load_profile


@register
class DwarfNova:
    """A constant faint binary that brightens within a day and fades over a week."""

    name = "DN"
    parameters = {"outburst_mjd": "start of the outburst [d]", "rise_mag": "amplitude [mag]"}  # noqa: RUF012

    def __init__(self, bands, templates=None):
        pass

    def sample(self, draws, context):
        first, last = np.nanmin(context.schedule.mjd, 1), np.nanmax(context.schedule.mjd, 1)
        return {"outburst_mjd": draws.uniform(first, last), "rise_mag": draws.uniform(2, 5),
                "_quiet_mag": context.magnitude_law.draw(draws, self.name)}  # fmt: skip

    def magnitudes(self, parameters, mjd, band):
        age = np.maximum(mjd - parameters["outburst_mjd"][:, None], 0)
        shape = (1 - np.exp(-age / 0.3)) * np.exp(-((age / 7.0) ** 2))
        return parameters["_quiet_mag"][:, None] - parameters["rise_mag"][:, None] * shape


parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
parser.add_argument("--out", type=Path, default=Path("dwarf_novae.png"))
classes = dict.fromkeys(("DN", "SN", "NV"), 1)
preview(Simulator(load_profile("hits"), Options(classes=classes)), parser.parse_args().out)
