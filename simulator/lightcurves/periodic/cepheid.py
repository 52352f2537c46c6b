"""Classical Cepheids of the fundamental mode, 1 to 100 days.

Below 10 d the shapes are those of 48 real stars (Fourier series of order 8 to the BVI curves
of Berdnikov et al. 2014), each used close to its own period; above, the templates of Pejcha &
Kochanek 2012. Bands are tied by amplitude ratios and share one phase.
"""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from simulator.lightcurves.periodic.periodic_star import (
    PeriodicStar,
    Shapes,
    data_path,
    fourier_series,
    letter_indices,
    random_epoch,
    relative_to,
)
from simulator.lightcurves.protocol import Bands

if TYPE_CHECKING:
    from simulator.rng import Draws

NODES = 513
# Split normal in log P after the fundamental-mode Cepheids of the LMC in OGLE-III (Soszynski
# et al. 2008, AcA 58, 163): the mode near 3.2 d, a steep rise and a long tail. Figures from
# memory of their histogram; 7 % fall above 10 d.
LOG_PERIOD_MODE, LOG_PERIOD_SIGMA = 0.50, (0.12, 0.30)
LOG_PERIOD_LIMITS = (0.0, 2.0)
LONG_LOG_PERIOD = 1.0
STAR_REACH_DEX = 0.06  # a real star's shape serves periods this near to its own (1 sigma)
STAR_AMPLITUDE_SCATTER = 0.10
# Amplitudes over that in V at u, g, r, i, z, y. A_r/A_g = .67 and A_i/A_g = .53, A_I/A_V = .63
# (measured on Berdnikov's stars); u, z and y from the templates' colour factors near 10 d.
SHORT_AMPLITUDE_RATIO = (1.85, 1.22, 0.82, 0.65, 0.58, 0.55)
# Weights of the B, V and I curves in each band, by wavelength.
SHORT_SHAPE_WEIGHTS = ((1, 0, 0), (0.5, 0.5, 0), (0, 0.7, 0.3), (0, 0, 1), (0, 0, 1), (0, 0, 1))
# Temperature factor beta of each band, V last (Pejcha & Kochanek 2012, ugrizy interpolated in
# wavelength between their tabulated bands).
BETA = (9.24, 6.32, 4.22, 3.46, 3.04, 2.86)
BETA_V = 5.14
# V amplitudes at 10-100 d: small in the resonance at 10 d, largest at 20-40 d (Klagyivik &
# Szabados 2009, A&A 504, 959; read off their figures).
LONG_AMPLITUDE_LOG_PERIOD = (1.0, 1.2, 1.4, 1.6, 1.8, 2.0)
LONG_AMPLITUDE_MAG = (0.65, 0.90, 1.05, 1.05, 0.95, 0.80)
LONG_AMPLITUDE_SCATTER_MAG = 0.15
COLOUR_SCATTER_MAG = 0.07  # rms of g-i across the instability strip at one period


class Cepheid(PeriodicStar):
    """Classical Cepheids; ``templates`` is not used, all shapes are shipped."""

    name = "CEP"
    parameters = MappingProxyType(
        {
            "subtype": "0 for a real star's shape (P < 10 d), 1 for a template (P >= 10 d)",
            "period_d": "pulsation period [d]",
            "amplitude_mag": "peak-to-peak amplitude in the reference band [mag]",
            "epoch_max_mjd": "a time of maximum light in the reference band [d]",
            "mean_mag": "magnitude of the mean flux in the reference band [mag]",
        }
    )

    def __init__(self, bands: Bands, templates: Path | None = None) -> None:
        self.bands = bands
        self._columns = letter_indices(bands)
        reference = self._columns[bands.reference]
        self._star_log_period, stars = star_series()
        self._long_log_period, templates_ = template_series()
        curves = [_star_curves(series, reference) for series in stars]
        curves += [_template_curves(series, reference) for series in templates_]
        self.shapes = Shapes(np.stack(curves, axis=1)[self._columns])

    def _draw(self, draws, context):
        log_period = draw_log_periods(draws)
        period_d = 10.0**log_period
        is_long = log_period >= LONG_LOG_PERIOD
        number = self._shape_numbers(draws, log_period, is_long)
        scale = _scales(draws, log_period, is_long)
        mean_mag = context.magnitude_law.draw(draws, self.name)
        own_colour = draws.normal(0.0, COLOUR_SCATTER_MAG)
        magnitude = mean_magnitudes(log_period, own_colour)[:, self._columns]
        shape = np.repeat(number[:, None], len(self._columns), axis=1)
        reference = self.bands.reference
        return {
            "subtype": is_long.astype(float),
            "period_d": period_d,
            "amplitude_mag": scale * self.shapes.amplitude[reference, number],
            "epoch_max_mjd": random_epoch(draws, context, period_d),
            "mean_mag": mean_mag,
            **self._curves(
                mean_mag,
                relative_to(reference, magnitude),
                shape,
                np.repeat(scale[:, None], len(self._columns), axis=1),
            ),
        }

    def _shape_numbers(self, draws, log_period, is_long):
        near = draws.normal(log_period, STAR_REACH_DEX)
        star = _nearest(self._star_log_period, near)
        template = _nearest(self._long_log_period, log_period)
        return np.where(is_long, self._star_log_period.size + template, star)


def draw_log_periods(draws: Draws) -> np.ndarray:
    """log10 of periods [d] from the split normal, cut at its limits."""
    grid = np.linspace(*LOG_PERIOD_LIMITS, 401)
    sigma = np.where(grid < LOG_PERIOD_MODE, *LOG_PERIOD_SIGMA)
    return draws.from_table(grid, np.exp(-0.5 * ((grid - LOG_PERIOD_MODE) / sigma) ** 2))


def _nearest(sorted_values, wanted):
    middles = 0.5 * (sorted_values[1:] + sorted_values[:-1])
    return np.searchsorted(middles, wanted)


def _scales(draws, log_period, is_long):
    """Factor on the tabulated shapes: near 1 for real stars, the V amplitude for templates."""
    normal = np.clip(draws.normal(), -2.0, 2.0)
    mean = np.interp(log_period, LONG_AMPLITUDE_LOG_PERIOD, LONG_AMPLITUDE_MAG)
    long = mean + LONG_AMPLITUDE_SCATTER_MAG * normal
    return np.where(is_long, long, 1 + STAR_AMPLITUDE_SCATTER * normal)


def mean_magnitudes(log_period: np.ndarray, own_colour: np.ndarray | float = 0.0) -> np.ndarray:
    """Mean ugrizy of LMC Cepheids without extinction, shape (object, 6).

    V and I from the OGLE period-luminosity relations (Udalski 1999, as used by OGLE-III);
    B-V = .427 + .273 log P (Sandage, Tammann & Reindl 2004); U-B from the colours of F5-G5
    supergiants (Schmidt-Kaler 1982). Then the equations of Jordi, Grebel & Ammon 2006: g-V,
    g-i, g-r, u-g, r-z. y by z-y = .45 (i-z), like a blackbody. Coefficients from memory of
    these papers: good to some 0.05 mag, 0.15 in u.

    ``own_colour`` is each star's own offset in g-i [mag]; B-V takes 0.9 and V-I 0.68 of it.
    """
    V = 17.438 - 2.690 * log_period
    V_I = V - (16.822 - 2.911 * log_period) + 0.68 * own_colour
    B_V = 0.427 + 0.273 * log_period + 0.9 * own_colour
    U_B = 0.27 + 0.80 * (B_V - 0.33)
    g = V + 0.630 * B_V - 0.124
    i = g - (V_I - 0.364) / 0.675
    r = g - (g - V - 0.016) / 0.565
    z = r - 1.573 * (r - i) + 0.0148
    u = g + 0.750 * U_B + 0.770 * B_V + 0.720
    return np.stack([u, g, r, i, z, z - 0.45 * (i - z)], axis=-1)


def star_series() -> tuple[np.ndarray, np.ndarray]:
    """Real stars below 10 d, by period: (log P, coefficients (star, BVI, cos/sin, order))."""
    lines = data_path("cepheid_short_period_fourier8.csv").read_text().splitlines()[2:]
    table = [line.split(",") for line in lines]
    log_period = np.log10([float(row[1]) for row in table[::3]])
    numbers = np.array([row[6:] for row in table], dtype=float).reshape(-1, 3, 2, 8)
    amplitude, angle = numbers[:, :, 0], numbers[:, :, 1]
    series = np.stack([amplitude * np.cos(angle), -amplitude * np.sin(angle)], axis=2)
    order = np.argsort(log_period)
    return log_period[order], series[order]


def template_series() -> tuple[np.ndarray, np.ndarray]:
    """Templates from 10 d: (log P, coefficients (period, tau/rho, cos/sin, order))."""
    lines = data_path("cepheid_long_period_fourier12.csv").read_text().splitlines()[3:]
    table = [line.split(",") for line in lines]
    log_period = np.array([float(row[0]) for row in table[::2]])
    return log_period, np.array([row[2:] for row in table], dtype=float).reshape(-1, 2, 2, 12)


def _phases_from_maximum(curves_of, reference):
    """Node phases that begin at the maximum of the reference letter."""
    phase = np.linspace(0.0, 1.0, NODES)
    return phase + phase[np.argmin(curves_of(phase)[reference])]


def _star_curves(series, reference):
    """Curves in ugrizy of a real star about their means, shape (6, node)."""

    def curves_of(phase):
        BVI = fourier_series(phase, np.zeros(3), series[:, 0], series[:, 1])
        unit = BVI / np.ptp(BVI, axis=1, keepdims=True)
        mixed = np.array(SHORT_SHAPE_WEIGHTS) @ unit
        size = np.array(SHORT_AMPLITUDE_RATIO) * np.ptp(BVI[1])
        return mixed * (size / np.ptp(mixed, axis=1))[:, None]

    return curves_of(_phases_from_maximum(curves_of, reference))


def _template_curves(series, reference):
    """Curves in ugrizy of a template whose V curve has an amplitude of 1 mag, shape (6, node)."""
    beta = np.array([*BETA, BETA_V])[:, None]

    def curves_of(phase):
        tau, rho = fourier_series(phase, np.zeros(2), series[:, 0], series[:, 1])
        curves = -5 * rho - 2.5 * beta * tau
        return curves[:-1] / np.ptp(curves[-1])

    return curves_of(_phases_from_maximum(curves_of, reference))
