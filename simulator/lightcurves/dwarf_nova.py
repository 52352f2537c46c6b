"""Dwarf novae: cataclysmic variables that brighten by magnitudes for days and fade again.

Outbursts of a star are alike and recur after equal times. The amplitude follows the recurrence time
(Kukarkin and Parenago) and the decline the orbital period (Bailey 1975), as given by Warner (1995,
Cataclysmic Variable Stars; constants from memory). Otulakowska-Hypka et al. 2016 (MNRAS 460, 2526)
confirm the second relation and doubt the first, so its scatter is large here. Light and colours are
those of a black body in outburst and of another in quiescence; flickering, eclipses and superhumps
are left out.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from simulator.lightcurves.black_bodies import BlackBodies
from simulator.lightcurves.protocol import Bands, Context, LightCurveModel
from simulator.rng import Draws

# Below and above the gap of orbital periods [h], and the share below it (chosen)
PERIOD_LIMITS_H, SHORT_SHARE = ((1.3, 2.2), (3.0, 8.0)), 0.6
RECURRENCE_LIMITS_DAY = (10.0, 500.0)  # uniform in the logarithm (chosen)
AMPLITUDE_MAG, AMPLITUDE_SCATTER_MAG = (0.70, 1.90), 0.7  # A = a + b log10(recurrence [d])
SMALLEST_AMPLITUDE_MAG = 1.5
DECLINE_DAY_PER_MAG, DECLINE_EXPONENT = 0.53, 0.84  # of the period in hours
FROM_BELOW_MAG = 4.0  # an outburst begins and ends so far below quiescence, where it is not seen
RISE_SHARE = 0.4  # rise over decline, days per magnitude (chosen)
# Superoutbursts are those of a share of stars below the gap: a long, slowly fading maximum (chosen)
SUPER_SHARE, SUPER_PLATEAU_DAY, SUPER_FADING_MAG_PER_DAY = 0.3, (8.0, 15.0), 0.11
PLATEAU_DAY = (1.0, 5.0)  # of other outbursts, uniform in the logarithm (chosen)
OUTBURST_LIMITS_K, QUIESCENCE_LIMITS_K = (10_000.0, 20_000.0), (5_000.0, 9_000.0)  # chosen


class DwarfNova(LightCurveModel):
    """Cataclysmic variables with outbursts, of which one begins during the sequence."""

    name = "CV"
    star_density_power = 1.0
    parameters: ClassVar = {
        "orbital_period_h": "orbital period [h]",
        "recurrence_day": "time from outburst to outburst [d]",
        "amplitude_mag": "quiescence minus maximum in the reference band [mag]",
        "peak_mag": "magnitude at maximum in the reference band [mag]",
        "start_mjd": "start of the rise of an outburst, below quiescence [d]",
        "decline_day_per_mag": "rate of the decline [d/mag]",
        "plateau_day": "duration of the maximum [d]",
        "is_super": "1 for superoutbursts",
    }

    def __init__(self, bands: Bands, templates: Path | None = None) -> None:
        super().__init__(bands, templates)
        self._black_bodies = BlackBodies(bands.curves)

    def sample(self, draws: Draws, context: Context) -> dict[str, np.ndarray]:
        """Parameters of a batch; an outburst begins between the first and the last exposure."""
        above = draws.choice((SHORT_SHARE, 1 - SHORT_SHARE))
        period_h = draws.uniform(*np.array(PERIOD_LIMITS_H)[above].T)
        is_super = (above == 0) & (draws.uniform() < SUPER_SHARE)
        recurrence = np.exp(draws.uniform(*np.log(RECURRENCE_LIMITS_DAY)))
        constant, slope = AMPLITUDE_MAG
        amplitude = constant + slope * np.log10(recurrence)
        amplitude = amplitude + AMPLITUDE_SCATTER_MAG * draws.normal()
        plateau = np.exp(draws.uniform(*np.log(PLATEAU_DAY)))
        peak_mag = context.magnitude_law.draw(draws, self.name)
        reference = self.bands.reference
        hot, cool = (
            self._black_bodies.colours(draws.uniform(*limits), reference)
            for limits in (OUTBURST_LIMITS_K, QUIESCENCE_LIMITS_K)
        )
        amplitude = np.maximum(amplitude, SMALLEST_AMPLITUDE_MAG)
        plateau = np.where(is_super, draws.uniform(*SUPER_PLATEAU_DAY), plateau)
        decline = DECLINE_DAY_PER_MAG * period_h**DECLINE_EXPONENT
        duration = plateau + (1 + RISE_SHARE) * decline * (amplitude + FROM_BELOW_MAG)
        mjd = context.schedule.mjd
        first, last = (np.nan_to_num(f(mjd, axis=1)) for f in (np.fmin.reduce, np.fmax.reduce))
        return {
            "orbital_period_h": period_h,
            "recurrence_day": np.maximum(recurrence, duration),
            "amplitude_mag": amplitude,
            "peak_mag": peak_mag,
            "start_mjd": draws.uniform(first, last),
            "decline_day_per_mag": decline,
            "plateau_day": plateau,
            "is_super": is_super.astype(float),
            "_peak_mag": peak_mag[:, None] + hot,
            "_quiescent_mag": (peak_mag + amplitude)[:, None] + cool,
        }

    def magnitudes(
        self, parameters: dict[str, np.ndarray], mjd: np.ndarray, band: np.ndarray
    ) -> np.ndarray:
        """AB magnitudes, (object, epoch)."""
        column = {name: parameters[name][:, None] for name in parameters if name[0] != "_"}
        age_day = (mjd - column["start_mjd"]) % column["recurrence_day"]
        below = below_maximum(
            age_day,
            column["amplitude_mag"] + FROM_BELOW_MAG,
            column["decline_day_per_mag"],
            column["plateau_day"],
            SUPER_FADING_MAG_PER_DAY * column["is_super"],
        )
        peak, quiescent = (
            np.take_along_axis(parameters[name], band, axis=1)
            for name in ("_peak_mag", "_quiescent_mag")
        )
        return -2.5 * np.log10(10.0 ** (-0.4 * (peak + below)) + 10.0 ** (-0.4 * quiescent))


def below_maximum(
    age_day: np.ndarray,
    depth_mag: np.ndarray,
    decline_day_per_mag: np.ndarray,
    plateau_day: np.ndarray,
    fading_mag_per_day: np.ndarray,
) -> np.ndarray:
    """Magnitudes below maximum of the light of an outburst; the arguments broadcast.

    It rises in a straight line by ``depth_mag``, stays or fades slowly, and declines in a straight
    line.
    """
    rise = RISE_SHARE * decline_day_per_mag
    after_rise = age_day - rise * depth_mag
    after_plateau = np.maximum(after_rise - plateau_day, 0.0)
    fading = fading_mag_per_day * np.clip(after_rise, 0.0, plateau_day)
    return np.maximum(-after_rise, 0.0) / rise + fading + after_plateau / decline_day_per_mag
