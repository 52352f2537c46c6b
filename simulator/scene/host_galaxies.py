"""Host galaxies: which objects have one, its light, and where they sit in it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simulator.lightcurves.protocol import HostPlacement, HostSite
from simulator.rng import Draws, Purpose
from simulator.scene.galaxies import Galaxies, GalaxyPopulation
from simulator.scene.render import (
    BULGE_FRACTION,
    BULGE_PIX,
    BULGE_ROUNDNESS,
    DISC_PIX,
    HOST_E1,
    HOST_E2,
    HOST_X,
    HOST_Y,
    N_HOST_COLUMNS,
)
from simulator.scene.sersic import DE_VAUCOULEURS, EXPONENTIAL, SERSIC_B

if TYPE_CHECKING:
    from simulator.lightcurves.protocol import Bands, LightCurveModel
    from survey_profiles import Profile

_LARGEST_PIX = 60.0  # a half-light radius that already fills any stamp
Position = tuple[np.ndarray, np.ndarray]


class HostBatch(NamedTuple):
    """The host galaxies of a batch; undefined where ``has_host`` is False."""

    has_host: np.ndarray  # (object,)
    columns: np.ndarray  # (object, 7), as in `simulator.scene.render.Scene`
    magnitude: np.ndarray  # (object, band), AB, total
    redshift: np.ndarray  # (object,)


class Hosts:
    """Draws the host galaxies of a survey's objects."""

    def __init__(self, profile: Profile, bands: Bands) -> None:
        self._fractions = profile.hosts
        self._scale_arcsec = profile.camera.pixel_scale_arcsec
        self._limits_mag = profile.field.bright_mag, profile.field.faint_mag
        self._population = GalaxyPopulation(bands)

    def draw(
        self,
        seed: int,
        objects: np.ndarray,
        model: LightCurveModel,
        parameters: dict[str, np.ndarray],
        size_pix: int,
    ) -> HostBatch:
        """Hosts of objects of one class, placed as the class says (`HostPlacement`).

        Parameters
        ----------
        objects : array, shape (object,)
            Addresses in the data set.
        parameters
            What ``model.sample`` gave for these objects.
        """
        draws = Draws(seed, objects, Purpose.HOST)
        chance = draws.uniform()
        if model.host_placement is HostPlacement.OWN_HOST:
            sites = model.host_sites(parameters)
            galaxies = self._population.hosts(draws, parameters["redshift"], sites == HostSite.DISC)
            x, y = position_in_host(draws, galaxies, sites)
            x, y = -x / self._scale_arcsec, -y / self._scale_arcsec
            fraction = self._fractions.sn_fraction
        elif model.host_placement is HostPlacement.GALAXY:
            galaxies = self._population.field(draws, parameters["mean_mag"])
            x = y = np.zeros(len(draws))
            fraction = 1.0
        else:
            magnitude = self._population.field_magnitudes(draws, *self._limits_mag)
            galaxies = self._population.field(draws, magnitude)
            x, y = (draws.uniform(-0.5 * size_pix, 0.5 * size_pix) for _ in range(2))
            fraction = self._fractions.other_fraction
        if model.host_fraction is not None:
            fraction = model.host_fraction
        columns = self._columns(galaxies, x, y)
        return HostBatch(chance < fraction, columns, galaxies.magnitude, galaxies.redshift)

    def _columns(self, galaxies: Galaxies, x_pix, y_pix):
        columns = np.empty((x_pix.size, N_HOST_COLUMNS))
        columns[:, HOST_X], columns[:, HOST_Y] = x_pix, y_pix
        columns[:, BULGE_FRACTION] = galaxies.bulge_fraction
        for column, size in ((BULGE_PIX, galaxies.bulge_arcsec), (DISC_PIX, galaxies.disc_arcsec)):
            columns[:, column] = np.clip(size / self._scale_arcsec, 0.01, _LARGEST_PIX)
        columns[:, HOST_E1], columns[:, HOST_E2] = galaxies.e1, galaxies.e2
        return columns


def position_in_host(draws: Draws, galaxies: Galaxies, sites: np.ndarray) -> Position:
    """Where in its galaxy an object sits: (x, y) in arcsec from the centre, each (object,).

    ``sites`` holds a `HostSite` per object. An object that follows the light is in the bulge or
    in the disc by their share of it. A disc's radius is the sum of two exponentials. Positions
    are as elliptical as the light of the component that is drawn.
    """
    scale_arcsec = galaxies.disc_arcsec / SERSIC_B[EXPONENTIAL]
    disc_radius = -scale_arcsec * np.log(draws.uniform() * draws.uniform())
    bulge_radius = galaxies.bulge_arcsec * np.interp(draws.uniform(), *_bulge_light())
    in_disc = (sites == HostSite.DISC) | (draws.uniform() > galaxies.bulge_fraction)
    radius = np.where(in_disc, disc_radius, bulge_radius)
    radius = np.where(sites == HostSite.NUCLEUS, 0.0, radius)
    share = np.where(in_disc, 1.0, BULGE_ROUNDNESS)
    angle = draws.uniform(0.0, 2 * np.pi)
    return _sheared(radius, angle, share * galaxies.e1, share * galaxies.e2)


def _sheared(radius, angle, e1, e2):
    """Points of a circle moved to the ellipse with the same area."""
    e = np.hypot(e1, e2)
    stretch = np.sqrt((1 + e) / (1 - e))
    long_axis = 0.5 * np.arctan2(e2, e1)
    u, v = radius * np.cos(angle) * stretch, radius * np.sin(angle) / stretch
    cos, sin = np.cos(long_axis), np.sin(long_axis)
    return u * cos - v * sin, u * sin + v * cos


@cache
def _bulge_light():
    """Share of a de Vaucouleurs profile's light within a radius in half-light radii."""
    radius = np.linspace(0.0, 8.0, 2000) ** 2 / 8.0
    light = radius * np.exp(-SERSIC_B[DE_VAUCOULEURS] * radius**0.25) * np.gradient(radius)
    cumulative = np.cumsum(light)
    return cumulative / cumulative[-1], radius
