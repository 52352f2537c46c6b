"""Neighbouring stars in a stamp."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import poisson

from simulator.lightcurves.star_colours import StarColours
from simulator.rng import Draws, Purpose
from skyreel.errors import SimulationError

if TYPE_CHECKING:
    from simulator.lightcurves.protocol import Bands
    from survey_profiles import Profile

_EDGE_PIX = 3.0  # neighbours this far outside a stamp still add light to it
_MOST_SIGMAS = 3.0  # of the density of stars
MOST_NEIGHBOURS = 255  # the number is kept in 8 bits


class Neighbours:
    """Other stars in the stamp, from the field's number counts.

    Raises
    ------
    SimulationError
        The field is so dense that stamps of ``size_pix`` may hold more than 255 of them.
    """

    def __init__(self, profile: Profile, bands: Bands, size_pix: int) -> None:
        self._field = profile.field
        self._scatter = profile.field.neighbours_scatter_dex * np.log(10)
        most = self._density_factor(_MOST_SIGMAS, 1.0)
        mean = most * self._mean(profile.camera.pixel_scale_arcsec, size_pix)
        if _largest_number(mean) > MOST_NEIGHBOURS:
            raise SimulationError(
                f"field.neighbours_per_arcmin2 = {profile.field.neighbours_per_arcmin2:g} gives "
                f"{mean:.0f} stars in a stamp of {size_pix} pixels on average where they are "
                f"densest; more than {MOST_NEIGHBOURS} in one are not possible. Take smaller "
                "stamps, brighter stars only, or field.neighbours_scatter_dex = 0."
            )
        self._scale_arcsec = profile.camera.pixel_scale_arcsec
        self._colours = StarColours(bands)

    def draw(
        self, seed: int, objects: np.ndarray, size_pix: int, power: np.ndarray | float = 0.0
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """(number (object,), x, y (object, neighbour), magnitude (object, neighbour, band)).

        Positions are in pixels from the source; rows are padded beyond ``number``. ``power``
        (object,) is ``star_density_power`` of their classes.
        """
        draws = Draws(seed, objects, Purpose.NEIGHBOURS)
        half_pix = 0.5 * size_pix + _EDGE_PIX
        mean = self._mean(self._scale_arcsec, size_pix)
        if self._scatter:
            sigmas = draws.normal().clip(-_MOST_SIGMAS, _MOST_SIGMAS)
            mean = mean * self._density_factor(sigmas, power)
        number = poisson.ppf(draws.uniform(), mean).clip(0, _largest_number(mean)).astype(int)
        x, y, magnitude = [], [], []
        for _ in range(max(int(number.max(initial=0)), 1)):
            x.append(draws.uniform(-half_pix, half_pix))
            y.append(draws.uniform(-half_pix, half_pix))
            magnitude.append(self._magnitude(draws)[:, None] + self._colours.draw(draws))
        return number, np.stack(x, 1), np.stack(y, 1), np.stack(magnitude, 1)

    def _density_factor(self, sigmas, power):
        """Density of stars around objects, over its mean over the sky.

        It is log-normal over the sky, and weighted by its power log-normal again.
        """
        return np.exp(self._scatter * sigmas + (power - 0.5) * self._scatter**2)

    def _mean(self, scale_arcsec, size_pix):
        """Mean number of neighbours of a stamp."""
        side_arcmin = (size_pix + 2 * _EDGE_PIX) * scale_arcsec / 60.0
        return self._field.neighbours_per_arcmin2 * side_arcmin**2

    def _magnitude(self, draws):
        """Counts that grow as 10^(slope m) between the bright limit and the neighbours' own."""
        slope = self._field.star_counts_slope_per_mag
        bright, faint = self._field.bright_mag, self._field.neighbour_faint_mag
        if slope == 0:
            return draws.uniform(bright, faint)
        low, high = 10.0 ** (slope * (bright - faint)), 1.0
        return faint + np.log10(draws.uniform(low, high)) / slope


def _largest_number(mean):
    """The largest number that is drawn of a Poisson variable: eight sigma above its mean."""
    return np.asarray(mean + 8 * np.sqrt(mean)).astype(int) + 8
