"""Asteroids: one appearance, trailed by their motion over the exposure."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from simulator.lightcurves.protocol import Bands, Context, LightCurveModel, Motion
from simulator.rng import Draws

# Main belt: Gaussian mixture of semi-major axes [AU]; it smooths the Kirkwood gaps.
_AXES_AU = (2.36, 2.70, 3.10)
_AXIS_SCATTER_AU = 0.10
_AXIS_WEIGHTS = (0.33, 0.37, 0.30)
_RATE_SCATTER = 0.25  # our choice: away from opposition rates fall, inclinations add across
_DEG_PER_DAY_TO_ARCSEC_PER_H = 150.0
# C and S types, as many of each (our choice): g - r and r - i after Ivezic et al. 2001 (AJ 122,
# 2749), u, z and y from memory of the same surveys
_COLOURS = {
    "C": {"u": 1.75, "g": 0.45, "r": 0.0, "i": -0.12, "z": -0.13, "y": -0.13},
    "S": {"u": 2.10, "g": 0.60, "r": 0.0, "i": -0.20, "z": -0.15, "y": -0.12},
}
MAX_ATTEMPTS = 100


def opposition_rate_arcsec_per_h(axis_au: np.ndarray) -> np.ndarray:
    """Motion at opposition on a circular orbit: 0.9856 deg/d (1 - a^-1/2)/(a - 1)."""
    return 0.9856 * (1 - axis_au**-0.5) / (axis_au - 1) * _DEG_PER_DAY_TO_ARCSEC_PER_H


class Asteroid(LightCurveModel):
    """Visible in one exposure, drawn from those whose limiting magnitude allows a detection.

    With ``Context.population_depth_mag`` the exposure is any.
    """

    name = "AST"
    alerts = True
    counts_slope_per_mag = 0.27  # Gladman et al. 2009 (Icarus 202, 104), sections 8 and 9
    parameters: ClassVar = {
        "mean_mag": "magnitude in the reference band [mag]",
        "appearance_mjd": "start of the one exposure that shows it [d]",
        "rate_arcsec_per_h": "motion on the sky [arcsec/h]",
    }

    def __init__(self, bands: Bands, templates: Path | None = None) -> None:
        super().__init__(bands, templates)
        rows = [[_COLOURS[kind][letter] for letter in bands.letters] for kind in "CS"]
        self._offset = np.array(rows) - np.array(rows)[:, [bands.reference]]

    def sample(self, draws: Draws, context: Context) -> dict[str, np.ndarray]:
        """Parameters of a batch; every asteroid is above the limit of its one exposure."""
        n = len(draws)
        kind = (draws.uniform() < 0.5).astype(int)
        axis = np.take(_AXES_AU, draws.choice(_AXIS_WEIGHTS)) + draws.normal(0, _AXIS_SCATTER_AU)
        rate = opposition_rate_arcsec_per_h(axis) * np.exp(draws.normal(0.0, _RATE_SCATTER))
        found = {
            "mean_mag": np.empty(n),
            "appearance_mjd": np.empty(n),
            "rate_arcsec_per_h": rate,
            "_trail_angle_rad": draws.uniform(0.0, np.pi),
            "_offset": self._offset[kind],
        }
        self._appear(draws, context, found)
        found["_magnitude"] = found["mean_mag"][:, None] + found["_offset"]
        return found

    def _appear(self, draws, context, found):
        """Draw magnitude and exposure until the exposure detects the asteroid.

        One that is not detected after ``MAX_ATTEMPTS`` is half a magnitude brighter than the
        limit of its deepest exposure.
        """
        schedule = context.schedule
        limit = schedule.limiting_mag - schedule.trailing_loss_mag(found["rate_arcsec_per_h"])
        open_rows = np.arange(len(draws))
        for attempt in range(1, MAX_ATTEMPTS + 1):
            d = draws.attempt(attempt, open_rows)
            magnitude = context.magnitude_law.draw(d, self.name)
            n_epochs = schedule.observed[open_rows].sum(axis=1)
            epoch = d.integers(n_epochs)
            band = schedule.band[open_rows, epoch]
            apparent = magnitude + found["_offset"][open_rows, band]
            accepted = (apparent < limit[open_rows, epoch]) | (not context.detected_only)
            rows = open_rows[accepted]
            found["mean_mag"][rows] = magnitude[accepted]
            found["appearance_mjd"][rows] = schedule.mjd[rows, epoch[accepted]]
            open_rows = open_rows[~accepted]
            if not open_rows.size:
                return
        epoch = np.nanargmax(limit[open_rows], axis=1)
        offset = found["_offset"][open_rows, schedule.band[open_rows, epoch]]
        found["mean_mag"][open_rows] = limit[open_rows, epoch] - offset - 0.5
        found["appearance_mjd"][open_rows] = schedule.mjd[open_rows, epoch]

    def motion(self, parameters: dict[str, np.ndarray]) -> Motion:
        """Rate and direction on the sky."""
        return Motion(parameters["rate_arcsec_per_h"], parameters["_trail_angle_rad"])

    def magnitudes(
        self, parameters: dict[str, np.ndarray], mjd: np.ndarray, band: np.ndarray
    ) -> np.ndarray:
        """AB magnitudes, (object, epoch); +inf in all exposures but one."""
        here = mjd == parameters["appearance_mjd"][:, None]
        magnitude = np.take_along_axis(parameters["_magnitude"], band, axis=1)
        return np.where(here, magnitude, np.inf)
