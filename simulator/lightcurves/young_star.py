"""Young stellar objects: T Tauri stars, whose accretion, extinction and spots vary at random.

Magnitudes follow a damped random walk, one for all bands. Most young stars in ZTF vary without a
period (Hillenbrand et al. 2022, AJ 163, 263: 15 % of 323 are periodic; Wang et al. 2023 find bursts
and dips in a fifth of 238), and variability grows up to the time of a rotation, some days, or for
months (Sergison et al. 2020, MNRAS 491, 5035). Periods, bursts and dips are not simulated.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from simulator.lightcurves.black_bodies import BlackBodies
from simulator.lightcurves.damped_random_walk import (
    at_epochs_or_times,
    walk,
    with_earlier_times,
)
from simulator.lightcurves.protocol import Bands, Context, LightCurveModel
from simulator.lightcurves.truncated_normal import truncated_normal
from simulator.rng import Draws

TAU_LIMITS_DAY = (1.0, 100.0)  # uniform in the logarithm (chosen: rotation to months)
# Standard deviation in r: natural logarithm of the median [mag], scatter, limits in sigma (chosen)
LN_SIGMA_MAG, LN_SIGMA_SCATTER, SIGMA_LIMITS = np.log(0.15), 0.6, (-2.0, 2.5)
R_ANGSTROM, AMPLITUDE_EXPONENT = 6200.0, -1.2  # amplitudes by wavelength, like extinction
TEMPERATURE_LIMITS_K = (2800.0, 4800.0)  # of K7 to M4, reddened (chosen)


class YoungStar(LightCurveModel):
    """Young stars that vary at random."""

    name = "YSO"
    star_density_power = 1.0
    parameters: ClassVar = {
        "tau_day": "damping time [d]",
        "sigma_mag": "standard deviation in the reference band [mag]",
        "mean_mag": "mean magnitude in the reference band [mag]",
        "temperature_K": "temperature of the black body with its colours [K]",
    }

    def __init__(self, bands: Bands, templates: Path | None = None) -> None:
        super().__init__(bands, templates)
        self._black_bodies = BlackBodies(bands.curves)
        wavelength = np.array([curve.mean_angstrom for curve in bands.curves])
        self._ratio = (wavelength / R_ANGSTROM) ** AMPLITUDE_EXPONENT

    def sample(self, draws: Draws, context: Context) -> dict[str, np.ndarray]:
        """Parameters of a batch and its walks at the epochs of the schedule."""
        tau_day = np.exp(draws.uniform(*np.log(TAU_LIMITS_DAY)))
        ln_sigma = truncated_normal(draws.uniform(), LN_SIGMA_MAG, LN_SIGMA_SCATTER, SIGMA_LIMITS)
        temperature = draws.uniform(*TEMPERATURE_LIMITS_K)
        mean_mag = context.magnitude_law.draw(draws, self.name)
        reference = self.bands.reference
        mjd = with_earlier_times(context.schedule.mjd)
        return {
            "tau_day": tau_day,
            "sigma_mag": np.exp(ln_sigma) * self._ratio[reference],
            "mean_mag": mean_mag,
            "temperature_K": temperature,
            "_level_mag": mean_mag[:, None] + self._black_bodies.colours(temperature, reference),
            "_mjd": mjd,
            "_walk": walk(mjd, tau_day, draws.normals(mjd.shape[1])),
        }

    def magnitudes(
        self, parameters: dict[str, np.ndarray], mjd: np.ndarray, band: np.ndarray
    ) -> np.ndarray:
        """AB magnitudes, (object, epoch); at times of templates the expectation of the walk."""
        drawn = (parameters[name] for name in ("tau_day", "_mjd", "_walk"))
        sigma = parameters["sigma_mag"][:, None] * self._ratio[band]
        level = np.take_along_axis(parameters["_level_mag"], band, axis=1)
        step = at_epochs_or_times(mjd, *drawn)
        return level + sigma / self._ratio[self.bands.reference] * step
