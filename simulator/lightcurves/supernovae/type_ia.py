"""SNe Ia: the Hsiao spectral series, stretched, coloured by dust and spread in luminosity.

Population of Scolnic & Kessler (2016) as in PLAsTiCC, rate of Dilday et al. (2008) and
Hounsell et al. (2018) as in PLAsTiCC, stretch law of Guy et al. (2007), mean luminosity of
Richardson et al. (2014). The stretch law, the rise time and B(AB) - B(Vega) are quoted from memory
of the papers and checked for plausibility only.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.integrate import cumulative_trapezoid

from simulator.lightcurves.supernovae import seds
from simulator.lightcurves.supernovae.light_curve_kernels import (
    OFFSET,
    REDDENING,
    RISE,
    STRETCH,
    SUBTYPE,
    TEMPLATE,
    TYPE_IA,
)
from simulator.lightcurves.supernovae.sed_templates import hsiao_source, spectra

if TYPE_CHECKING:
    from sncosmo import TimeSeriesSource

    from simulator.rng import Draws

RISE_DAY = 18.5  # rest frame, explosion to B maximum at stretch 1
FIRST_PHASE_DAY = -14.0  # before it the light grows as t^2: the packaged spectra are wrong there
PEAK_M_B_VEGA = -19.25  # Richardson et al. 2014
B_AB_MINUS_VEGA = -0.09  # Blanton & Roweis 2007
ALPHA, BETA = 0.14, 3.1
GREY_SCATTER_MAG = 0.1
X1 = {"peak": 0.973, "below": 1.472, "above": 0.222, "low": -3.0, "high": 2.0}
C = {"peak": -0.054, "below": 0.043, "above": 0.101, "low": -0.3, "high": 0.5}
_TAIL_DAY = 25  # the table's last days, whose mean slope continues beyond it
_TAIL_SLOPE_MAG_DAY = (0.003, 0.03)


def rate_per_mpc3_year(redshift: np.ndarray) -> np.ndarray:
    """Volumetric rate, /Mpc^3/yr."""
    near = 2.5e-5 * (1 + redshift) ** 1.5
    return np.where(redshift < 1, near, 9.7e-5 * (1 + redshift) ** -0.5)


def stretch(x1: np.ndarray) -> np.ndarray:
    """Factor of the time axis for a light-curve shape x1 (Guy et al. 2007)."""
    return 0.98 + 0.091 * x1 + 0.003 * x1**2 - 0.00075 * x1**3


def split_normal_cdf(
    peak: float, below: float, above: float, low: float, high: float, nodes: int = 801
) -> tuple[np.ndarray, np.ndarray]:
    """Grid and cumulative probability of a normal law with two widths, truncated."""
    x = np.linspace(low, high, nodes)
    density = np.exp(-0.5 * ((x - peak) / np.where(x < peak, below, above)) ** 2)
    cdf = cumulative_trapezoid(density, initial=0)
    return x, cdf / cdf[-1]


class SupernovaIa:
    """Tables and population of the SNe Ia; luminosity bins are bins of the colour c."""

    def __init__(self, weights: np.ndarray, templates: Path | None = None) -> None:
        source = hsiao_source(templates)
        self.grid = ia_grid(source, weights)
        self._x1 = split_normal_cdf(**X1)
        self._c = split_normal_cdf(**C)

    rate_per_mpc3_year = staticmethod(rate_per_mpc3_year)

    def bin_edges(self, n_bins: int) -> np.ndarray:
        """Cumulative probabilities at the edges of equal bins of c, (bin + 1,)."""
        return np.interp(np.linspace(C["low"], C["high"], n_bins + 1), *self._c)

    def brightest(self, edges_cdf: np.ndarray) -> dict[int, np.ndarray | float]:
        """Physics rows of the brightest usual SN of each bin (x1 = +1, 0.2 mag over-luminous)."""
        x1 = np.zeros(edges_cdf.size - 1)
        physics = self._physics(x1, np.interp(edges_cdf[:-1], *self._c[::-1]), -0.2 - ALPHA)
        return physics

    def draw(
        self, draws: Draws, quantile: np.ndarray
    ) -> tuple[dict[str, np.ndarray], dict[int, np.ndarray | float]]:
        """Parameters and physics of a batch whose colours are at the given quantiles."""
        x1 = np.interp(draws.uniform(), *self._x1[::-1])
        c = np.interp(quantile, *self._c[::-1])
        return {"x1": x1, "c": c}, self._physics(x1, c, draws.normal(0.0, GREY_SCATTER_MAG))

    def _physics(self, x1, c, grey_mag):
        return {
            SUBTYPE: TYPE_IA,
            OFFSET: PEAK_M_B_VEGA + B_AB_MINUS_VEGA - ALPHA * x1 + grey_mag,
            REDDENING: c,
            STRETCH: stretch(x1),
            TEMPLATE: 0,
            RISE: RISE_DAY,
        }


def ia_grid(source: TimeSeriesSource, weights: np.ndarray) -> seds.Grid:
    """Magnitudes over (1, band, redshift, age) for B = 0 (AB) at maximum light.

    Reddening is per unit of c: a dust law with R_B = beta, so that M_B dims by beta c.
    """
    phase_day = np.arange(FIRST_PHASE_DAY, source.maxphase() + 0.5, 1.0)
    flux = spectra(source, phase_day) * 10 ** (0.4 * source.bandmag("bessellb", "ab", 0.0))
    table = seds.magnitude_table([seds.SedSeries("hsiao", flux)], weights)
    selective = BETA - 1.0  # R_V = R_B - 1
    law_mag = selective * seds.dust_law(selective)
    at_peak = flux[np.argmin(np.abs(phase_day))]
    reddening = seds.reddening_table(at_peak, law_mag, weights)
    return seds.Grid(with_tail(table), reddening, RISE_DAY + FIRST_PHASE_DAY, 1.0)


def with_tail(table: np.ndarray, tail_day: int = _TAIL_DAY) -> np.ndarray:
    """The table and one more day, so that extrapolation follows the mean late decline."""
    slope = (table[..., -1] - table[..., -1 - tail_day]) / tail_day
    following = table[..., -1] + np.clip(slope, *_TAIL_SLOPE_MAG_DAY)
    return np.concatenate([table, following[..., None]], axis=-1)
