"""Long-period variables: Miras and semiregular pulsating red giants.

A Mira pulsates in one period, a semiregular star in two, each a sinusoid whose rise is shorter than
its fall. What separates the two kinds is the amplitude, 2.5 mag in V (General Catalogue of Variable
Stars). Colours are those of black bodies, without molecular bands, and do not change in a cycle but
for the smaller amplitude at longer wavelengths. Amplitudes and shapes are the same in all cycles.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from simulator.lightcurves.black_bodies import BlackBodies
from simulator.lightcurves.protocol import Bands, Context, LightCurveModel
from simulator.lightcurves.truncated_normal import truncated_normal
from simulator.rng import Draws

# Chosen: alerts favour large amplitudes. Of the red variables of large amplitude in KELT 70 % are
# Miras (arXiv:2001.06498).
MIRA_SHARE = 0.3
# Natural logarithm of the period [d]: mean, sigma; Miras, semiregular stars. Most Miras are near
# 300 d among those of spectral type M and near 255 d among those without one (Merrill 1960, ApJ
# 131, 385); the scatter, and the periods of semiregular stars, are chosen.
LN_PERIOD_DAY = ((np.log(280.0), 0.35), (np.log(100.0), 0.6))
PERIOD_LIMITS_DAY = ((80.0, 1000.0), (20.0, 600.0))  # of Miras: General Catalogue
MIRA_AMPLITUDE_MAG, MIRA_AMPLITUDE_LIMITS_MAG = (4.5, 1.3), (2.5, 8.0)  # peak to peak, V
SEMIREGULAR_AMPLITUDE_LIMITS_MAG = (0.1, 2.5)  # uniform in the logarithm, V
# Amplitude over that in V: a power of the wavelength for which 2.5 mag in V are 0.8 in I, where
# OGLE separates the kinds (Soszynski et al. 2009, AcA 59, 239); as large as in V blueward of it.
V_ANGSTROM, AMPLITUDE_EXPONENT = 5450.0, -3.0
# Of the period: 0.38 for the asymmetric o Cet, 0.49 for the symmetric X Cam (AFOEV); 70 % of Miras
# do not differ from a sinusoid (Lebzelter 2011, AN 332, 140).
RISE_SHARE, RISE_SHARE_LIMITS = (0.45, 0.06), (0.3, 0.6)
PERIOD_RATIOS = (0.45, 0.85)  # second to first period of a semiregular star (chosen)
FIRST_PERIOD_SHARES = (0.5, 1.0)  # of the amplitude of a semiregular star (chosen)
TEMPERATURE_LIMITS_K = ((2500.0, 3200.0), (3000.0, 3700.0))  # of giants M6-M10, M0-M6


class LongPeriodVariable(LightCurveModel):
    """Miras and semiregular stars."""

    name = "LPV"
    star_density_power = 1.0
    parameters: ClassVar = {
        "subtype": "0 for a Mira, 1 for a semiregular star",
        "period_d": "first pulsation period [d]",
        "second_period_d": "second pulsation period [d]; that of a Mira has no amplitude",
        "amplitude_mag": "peak-to-peak amplitude in the reference band [mag]",
        "first_period_share": "share of the amplitude that varies with the first period",
        "rise_share": "share of a period in which the light rises",
        "epoch_max_mjd": "a time of maximum light of the first period [d]",
        "mean_mag": "magnitude half-way between maximum and minimum in the reference band [mag]",
        "temperature_K": "temperature of the black body [K]",
    }

    def __init__(self, bands: Bands, templates: Path | None = None) -> None:
        super().__init__(bands, templates)
        self._black_bodies = BlackBodies(bands.curves)
        wavelength = np.array([curve.mean_angstrom for curve in bands.curves])
        self._ratio = np.minimum((wavelength / V_ANGSTROM) ** AMPLITUDE_EXPONENT, 1.0)

    def sample(self, draws: Draws, context: Context) -> dict[str, np.ndarray]:
        """Parameters of a batch."""
        kind = draws.choice((MIRA_SHARE, 1 - MIRA_SHARE))
        period = _of_kind(kind, [_periods(draws.uniform(), k) for k in (0, 1)])
        low, high = SEMIREGULAR_AMPLITUDE_LIMITS_MAG
        amplitude_V = _of_kind(
            kind,
            [
                _within(draws.uniform(), *MIRA_AMPLITUDE_MAG, MIRA_AMPLITUDE_LIMITS_MAG),
                np.exp(draws.uniform(np.log(low), np.log(high))),
            ],
        )
        temperature = draws.uniform(*np.array(TEMPERATURE_LIMITS_K)[kind].T)
        mean_mag = context.magnitude_law.draw(draws, self.name)
        share = np.where(kind == 0, 1.0, draws.uniform(*FIRST_PERIOD_SHARES))
        first = np.nan_to_num(context.schedule.mjd[:, 0])
        return {
            "subtype": kind.astype(float),
            "period_d": period,
            "second_period_d": period * draws.uniform(*PERIOD_RATIOS),
            "amplitude_mag": amplitude_V * self._ratio[self.bands.reference],
            "first_period_share": share,
            "rise_share": _within(draws.uniform(), *RISE_SHARE, RISE_SHARE_LIMITS),
            "epoch_max_mjd": first + draws.uniform() * period,
            "mean_mag": mean_mag,
            "temperature_K": temperature,
            "_second_phase": draws.uniform(),
            "_amplitude_V_mag": amplitude_V,
            "_level_mag": mean_mag[:, None]
            + self._black_bodies.colours(temperature, self.bands.reference),
        }

    def magnitudes(
        self, parameters: dict[str, np.ndarray], mjd: np.ndarray, band: np.ndarray
    ) -> np.ndarray:
        """AB magnitudes, (object, epoch)."""
        column = {name: parameters[name][:, None] for name in parameters if name[0] != "_"}
        since_day = mjd - column["epoch_max_mjd"]
        first = pulsation(since_day / column["period_d"], column["rise_share"])
        second = pulsation(
            since_day / column["second_period_d"] + parameters["_second_phase"][:, None],
            column["rise_share"],
        )
        share = column["first_period_share"]
        amplitude = parameters["_amplitude_V_mag"][:, None] * self._ratio[band]
        level = np.take_along_axis(parameters["_level_mag"], band, axis=1)
        return level + amplitude * (share * first + (1 - share) * second)


def pulsation(cycles: np.ndarray, rise_share: np.ndarray) -> np.ndarray:
    """Magnitudes from -0.5 (maximum light, at whole ``cycles``) to 0.5: a skewed cosine.

    Its rise takes ``rise_share`` of the period; the arguments broadcast.
    """
    phase = cycles % 1.0
    fall = 1.0 - rise_share
    even = np.where(phase < fall, phase / fall, 1.0 + (phase - fall) / rise_share)
    return -0.5 * np.cos(np.pi * even)


def _of_kind(kind, values):
    return np.where(kind == 0, *values)


def _periods(uniform, kind):
    limits = np.log(PERIOD_LIMITS_DAY[kind])
    return np.exp(_within(uniform, *LN_PERIOD_DAY[kind], limits))


def _within(uniform, mean, sigma, limits):
    """Values of a normal distribution between two limits in its unit."""
    return truncated_normal(uniform, mean, sigma, tuple((np.asarray(limits) - mean) / sigma))
