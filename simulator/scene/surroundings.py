"""What else is in a stamp: the host galaxy and neighbouring stars."""

from __future__ import annotations

import numpy as np
from scipy.special import pdtr

from simulator.lightcurves.star_colours import StarColours
from simulator.rng import Draws, Purpose
from simulator.scene.host_galaxies import Galaxies, GalaxyPopulation, position_in_light
from simulator.scene.scene import (
    BULGE_FRACTION,
    BULGE_PIX,
    DISC_PIX,
    HOST_E1,
    HOST_E2,
    HOST_X,
    HOST_Y,
)

_EDGE_PIX = 3.0  # neighbours this far outside a stamp still shine into it
_LARGEST_PIX = 60.0  # a half-light radius that already fills any stamp


class Hosts:
    """Host galaxies of a batch: who has one, its light, and where it is from the source."""

    def __init__(self, profile, bands, magnitude_law):
        self._fractions = profile.hosts
        self._scale_arcsec = profile.camera.pixel_scale_arcsec
        self._law = magnitude_law
        self._population = GalaxyPopulation(bands)

    def draw(self, seed, objects, kind, parameters, size_pix):
        """(has_host, host columns (object, 7), magnitude (object, band), redshift).

        Parameters
        ----------
        kind : str
            ``"own"``: the object follows the light of a host at its own ``redshift``;
            ``"central"``: it is a galaxy, in the centre, of magnitude ``mean_mag``;
            ``"chance"``: it lies in front of a field galaxy by chance.
        """
        draws = Draws(seed, objects, Purpose.HOST)
        chance = draws.uniform()
        if kind == "own":
            core_collapse = parameters["subtype"] > 0
            galaxies = self._population.of_supernovae(draws, parameters["redshift"], core_collapse)
            x, y = position_in_light(draws, galaxies, core_collapse)
            x, y = -x / self._scale_arcsec, -y / self._scale_arcsec
            has_host = chance < self._fractions.sn_fraction
        elif kind == "central":
            galaxies = self._population.field(draws, parameters["mean_mag"])
            x = y = np.zeros(len(draws))
            has_host = np.ones(len(draws), dtype=bool)
        else:
            galaxies = self._population.field(draws, self._law.draw(draws, "GAL"))
            x, y = (draws.uniform(-0.5 * size_pix, 0.5 * size_pix) for _ in range(2))
            has_host = chance < self._fractions.other_fraction
        return has_host, self._columns(galaxies, x, y), galaxies.magnitude, galaxies.redshift

    def _columns(self, galaxies: Galaxies, x_pix, y_pix):
        columns = np.empty((x_pix.size, 7))
        columns[:, HOST_X], columns[:, HOST_Y] = x_pix, y_pix
        columns[:, BULGE_FRACTION] = galaxies.bulge_fraction
        for column, size in ((BULGE_PIX, galaxies.bulge_arcsec), (DISC_PIX, galaxies.disc_arcsec)):
            columns[:, column] = np.clip(size / self._scale_arcsec, 0.01, _LARGEST_PIX)
        columns[:, HOST_E1], columns[:, HOST_E2] = galaxies.e1, galaxies.e2
        return columns


class Neighbours:
    """Other stars in the stamp, from the field's number counts."""

    def __init__(self, profile, bands):
        self._field = profile.field
        self._scale_arcsec = profile.camera.pixel_scale_arcsec
        self._colours = StarColours(bands)

    def draw(self, seed, objects, size_pix):
        """(number, x, y (object, neighbour), magnitude (object, neighbour, band)).

        Positions are in pixels from the source.
        """
        draws = Draws(seed, objects, Purpose.NEIGHBOURS)
        half_pix = 0.5 * size_pix + _EDGE_PIX
        area_arcmin2 = (2 * half_pix * self._scale_arcsec / 60.0) ** 2
        mean = self._field.neighbours_per_arcmin2 * area_arcmin2
        thresholds = pdtr(np.arange(int(mean + 8 * np.sqrt(mean)) + 8), mean)
        number = np.searchsorted(thresholds, draws.uniform())
        x, y, magnitude = [], [], []
        for _ in range(max(int(number.max(initial=0)), 1)):
            x.append(draws.uniform(-half_pix, half_pix))
            y.append(draws.uniform(-half_pix, half_pix))
            magnitude.append(self._magnitude(draws)[:, None] + self._colours.draw(draws))
        return number, np.stack(x, 1), np.stack(y, 1), np.stack(magnitude, 1)

    def _magnitude(self, draws):
        """Counts that grow as 10^(slope m) between the bright limit and the neighbours' own."""
        slope = self._field.star_counts_slope_per_mag
        bright, faint = self._field.bright_mag, self._field.neighbour_faint_mag
        if slope == 0:
            return draws.uniform(bright, faint)
        low, high = 10.0 ** (slope * (bright - faint)), 1.0
        return faint + np.log10(draws.uniform(low, high)) / slope
