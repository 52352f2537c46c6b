"""Kilonovae like that of GW170817: two expanding components heated by the r-process.

Model and numbers of Villar et al. 2017 (ApJ 851, L21): heating of equation 1, thermalisation of
equation 2 with the constants of Barnes et al. 2016 (ApJ 829, 110, table 1), diffusion of equation 3
(Arnett 1982) and a photosphere that cools to a floor (equations 4 and 5). Components are those of
their two-component fit (table 2): blue 0.023 solar masses, 0.256 c, 0.5 cm^2/g, 3983 K; red 0.050,
0.149 c, 3.65 cm^2/g, 1151 K. The table of Barnes et al. is as in public codes (MOSFiT); numbers of
equations and components are quoted from memory. One event says nothing of a population: the scatter
of masses (0.3 dex, common to both) and velocities (15 %) is our choice.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
from scipy.interpolate import RegularGridInterpolator

from simulator.lightcurves.black_bodies import (
    LIGHT_SPEED_CM_S,
    STEFAN_BOLTZMANN_CGS,
    BlackBodies,
)
from simulator.lightcurves.protocol import Bands
from simulator.lightcurves.transient import Numbers, Transient
from simulator.lightcurves.truncated_normal import truncated_normal
from simulator.rng import Draws

SOLAR_MASS_G = 1.98841e33
DAY_S = 86_400.0
HEATING_ERG_S_G, HEATING_EXPONENT = 4e18, 1.3  # equation 1
HEATING_DELAY_S, HEATING_WIDTH_S = 1.3, 0.11
DIFFUSION_BETA = 13.4  # equation 3
MASS_SCATTER_DEX, VELOCITY_SCATTER = 0.3, 0.15  # our choice
LIMITS_SIGMA = (-2.0, 2.0)  # of masses and velocities
_AGE_S = DAY_S * np.geomspace(1e-4, 200.0, 300)  # nodes of the diffusion integral
_PEAK_REDSHIFTS = np.linspace(0.0, 1.5, 16)  # at which peaks are computed
_PEAK_AGES_DAY = np.geomspace(0.02, 20.0, 60)
_MARGIN_MAG = 0.3  # by which faster ejecta are brighter than those of the mean velocity

_BARNES_MASS_MSUN = (1e-3, 5e-3, 1e-2, 5e-2)
_BARNES_VELOCITY_C = (0.1, 0.2, 0.3)
_BARNES = np.array(
    [
        [[2.01, 0.28, 1.12], [4.52, 0.62, 1.39], [8.16, 1.19, 1.52]],
        [[0.81, 0.19, 0.86], [1.90, 0.28, 1.21], [3.20, 0.45, 1.39]],
        [[0.56, 0.17, 0.74], [1.31, 0.21, 1.13], [2.19, 0.31, 1.32]],
        [[0.27, 0.10, 0.60], [0.55, 0.13, 0.90], [0.95, 0.15, 1.13]],
    ]
)  # (mass, velocity, constant a, b, d)


class Component(NamedTuple):
    """One component of the ejecta."""

    mass_msun: float
    velocity_c: float
    opacity_cm2_g: float
    floor_temperature: float  # kelvin


BLUE = Component(0.023, 0.256, 0.5, 3983.0)
RED = Component(0.050, 0.149, 3.65, 1151.0)
COMPONENTS = {"blue": BLUE, "red": RED}


class Kilonova(Transient):
    """The merger of two neutron stars, anywhere in the light of a galaxy."""

    name = "KN"
    start_name = "merger_mjd"
    parameters: ClassVar = {
        "redshift": "redshift",
        "merger_mjd": "time of the merger [d]",
        "peak_mjd": "time of peak in the reference band [d]",
        "peak_mag": "observed AB magnitude at peak in the reference band [mag]",
        "blue_mass_msun": "mass of the lanthanide-poor ejecta [solar masses]",
        "red_mass_msun": "mass of the lanthanide-rich ejecta [solar masses]",
        "blue_velocity_c": "velocity of the lanthanide-poor ejecta [speed of light]",
        "red_velocity_c": "velocity of the lanthanide-rich ejecta [speed of light]",
    }

    def __init__(self, bands: Bands, templates: Path | None = None) -> None:
        self._black_bodies = BlackBodies(bands.curves)
        super().__init__(bands, templates)

    def draw_numbers(self, draws: Draws, quantile: np.ndarray) -> Numbers:
        """Masses at the quantiles; velocities are independent of them."""
        numbers = _masses(quantile)
        for key, component in COMPONENTS.items():
            relative = truncated_normal(draws.uniform(), 1.0, VELOCITY_SCATTER, LIMITS_SIGMA)
            numbers[f"{key}_velocity_c"] = component.velocity_c * relative
        return numbers

    def light(
        self, numbers: Numbers, age_day: np.ndarray, redshift: np.ndarray, band: np.ndarray
    ) -> np.ndarray:
        """AB magnitudes at 10 pc, (object, epoch): the two components together."""
        flux = np.zeros(np.broadcast_shapes(age_day.shape, band.shape))
        for key, component in COMPONENTS.items():
            mass, velocity = numbers[f"{key}_mass_msun"], numbers[f"{key}_velocity_c"]
            curve = bolometric_luminosity(mass, velocity, component.opacity_cm2_g)
            rows = zip(age_day * DAY_S, curve, strict=True)
            luminosity = np.array([np.interp(t, _AGE_S, one) for t, one in rows])
            temperature = photosphere_K(
                luminosity, age_day * DAY_S, velocity[:, None], component.floor_temperature
            )
            magnitude = self._black_bodies.magnitude(luminosity, temperature, redshift, band)
            flux += 10.0 ** (-0.4 * magnitude)
        with np.errstate(divide="ignore"):
            return -2.5 * np.log10(flux)

    def brightest(self, quantile: np.ndarray, redshift: np.ndarray, band: int) -> np.ndarray:
        """Peak magnitude at 10 pc at the mean velocities, and a margin for faster ejecta."""
        nodes = _PEAK_REDSHIFTS
        numbers = _masses(np.repeat(np.ravel(quantile), nodes.size))
        n = np.size(quantile) * nodes.size
        for key, component in COMPONENTS.items():
            numbers[f"{key}_velocity_c"] = np.full(n, component.velocity_c)
        age_day = np.broadcast_to(_PEAK_AGES_DAY, (n, _PEAK_AGES_DAY.size))
        at = np.tile(nodes, np.size(quantile))[:, None]
        curves = self.light(numbers, age_day, at, np.full(age_day.shape, band))
        peak = curves.min(axis=1).reshape(-1, nodes.size)
        return np.array([np.interp(redshift, nodes, row) for row in peak]) - _MARGIN_MAG

    def scale_day(self, numbers: Numbers) -> np.ndarray:
        """The light peaks within four days in every band of silicon detectors."""
        return np.full(numbers["blue_mass_msun"].shape, 4.0)


def _masses(quantile):
    """Masses of both components at cumulative probabilities, common to both."""
    factor = mass_factor(quantile)
    return {f"{key}_mass_msun": c.mass_msun * factor for key, c in COMPONENTS.items()}


def mass_factor(quantile: np.ndarray) -> np.ndarray:
    """Mass over that of GW170817 at cumulative probabilities."""
    return 10.0 ** truncated_normal(quantile, 0.0, MASS_SCATTER_DEX, LIMITS_SIGMA)


def heating_erg_s_g(age_s: np.ndarray) -> np.ndarray:
    """Radioactive heating per gram (Villar et al. 2017, equation 1)."""
    share = 0.5 - np.arctan((age_s - HEATING_DELAY_S) / HEATING_WIDTH_S) / np.pi
    return HEATING_ERG_S_G * share**HEATING_EXPONENT


def thermalisation(age_s: np.ndarray, mass_msun: np.ndarray, velocity_c: np.ndarray) -> np.ndarray:
    """Share of the heating that stays (Villar et al. 2017, equation 2), (object, age).

    The constants are those of Barnes et al. 2016 between the masses and velocities of their table,
    and those at its edge beyond.
    """
    table = RegularGridInterpolator((np.log(_BARNES_MASS_MSUN), _BARNES_VELOCITY_C), _BARNES)
    mass = np.clip(mass_msun, _BARNES_MASS_MSUN[0], _BARNES_MASS_MSUN[-1])
    velocity = np.clip(velocity_c, _BARNES_VELOCITY_C[0], _BARNES_VELOCITY_C[-1])
    constants = table(np.stack([np.log(mass), velocity], axis=-1))
    a, b, d = (constants[:, k, None] for k in range(3))
    age_day = age_s / DAY_S
    x = 2 * b * age_day**d
    return 0.36 * (np.exp(-a * age_day) + np.log1p(x) / x)


def bolometric_luminosity(
    mass_msun: np.ndarray, velocity_c: np.ndarray, opacity_cm2_g: float
) -> np.ndarray:
    """Luminosities [erg/s] of a component at the nodes of age, (object, node).

    Arnett's integral exp(-t^2 / t_d^2) int 2 t' / t_d^2 L_in exp(t'^2 / t_d^2) dt' (Villar et al.
    2017, equation 3), stepped from node to node with L_in constant between them.
    """
    mass_g = mass_msun * SOLAR_MASS_G
    velocity = velocity_c * LIGHT_SPEED_CM_S
    diffusion_s2 = 2 * opacity_cm2_g * mass_g / (DIFFUSION_BETA * velocity * LIGHT_SPEED_CM_S)
    heat = mass_g[:, None] * heating_erg_s_g(_AGE_S) * thermalisation(_AGE_S, mass_msun, velocity_c)
    middle = 0.5 * (heat[:, 1:] + heat[:, :-1])
    kept = np.exp(-np.diff(_AGE_S**2) / diffusion_s2[:, None])
    out = np.zeros(heat.shape)
    for node in range(1, _AGE_S.size):
        share = kept[:, node - 1]
        out[:, node] = share * out[:, node - 1] + (1 - share) * middle[:, node - 1]
    return out


def photosphere_K(
    luminosity_erg_s: np.ndarray, age_s: np.ndarray, velocity_c: np.ndarray, floor_K: float
) -> np.ndarray:
    """Temperature of a sphere of radius v t, or the floor (Villar et al. 2017, equation 4)."""
    radius_cm = velocity_c * LIGHT_SPEED_CM_S * age_s
    area = 4 * np.pi * STEFAN_BOLTZMANN_CGS * radius_cm**2
    return np.maximum((luminosity_erg_s / area) ** 0.25, floor_K)
