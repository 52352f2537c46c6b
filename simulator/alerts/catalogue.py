"""The catalogue of a simulated field: its stars, its galaxy, and the object where it is one.

Brokers look up the sources nearest to an alert in a reference catalogue. Here the catalogue is the
truth of the scene: a score of 1 is a star, 0 a galaxy, without the errors of a real classification.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simulator.scene.render import HOST_X, HOST_Y
from simulator.sequences import DrawnObjects

PS1_DEPTH_MAG = {"g": 23.3, "r": 23.2, "i": 23.1, "z": 22.3, "y": 21.4}
"""5-sigma depths of the stacked 3-pi survey of Pan-STARRS1 (Chambers et al. 2016, abstract)."""

SEARCH_ARCSEC = 30.0
"""Radius of the search of ZTF's pipeline, in Pan-STARRS1 and in its reference images."""

_BLEND_ARCSEC = 1.0  # our choice: of two sources closer than this the brighter is listed


class Catalogue(NamedTuple):
    """Sources around the objects of a batch; positions are from the object, in pixels."""

    x_pix: np.ndarray  # (object, source)
    y_pix: np.ndarray  # (object, source)
    magnitude: np.ndarray  # (object, source, band), AB; inf where there is none
    star_score: np.ndarray  # (object, source): 1 for stars, 0 for galaxies

    def rows(self, rows: np.ndarray) -> Catalogue:
        """The catalogue around some of the objects."""
        return Catalogue(*(values[rows] for values in self))


class Nearest(NamedTuple):
    """The nearest sources of a catalogue, in order of distance; arrays (position, rank)."""

    distance_arcsec: np.ndarray  # NaN where there are no more
    source: np.ndarray  # index of the source
    n_within: np.ndarray  # (position,)


def field_catalogue(
    neighbours: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    drawn: DrawnObjects,
    own_magnitude: np.ndarray,
    pixel_scale_arcsec: float,
) -> Catalogue:
    """The catalogue of a batch.

    Parameters
    ----------
    neighbours : (number, x, y, magnitude)
        As `simulator.scene.neighbours.Neighbours.draw` gives them.
    drawn : DrawnObjects
        Its hosts and their magnitudes.
    own_magnitude : array, shape (object, band)
        Of the object itself in the reference catalogue; inf for one that was not there.
    pixel_scale_arcsec : float
    """
    number, x, y, magnitude = neighbours
    n = len(number)
    there = np.arange(x.shape[1]) < number[:, None]
    stars = np.where(there[..., None], magnitude, np.inf)
    host = np.where(drawn.has_host[:, None], drawn.host_magnitude, np.inf)
    zero = np.zeros((n, 1))
    found = Catalogue(
        x_pix=np.concatenate([x, drawn.host[:, [HOST_X]], zero], axis=1),
        y_pix=np.concatenate([y, drawn.host[:, [HOST_Y]], zero], axis=1),
        magnitude=np.concatenate([stars, host[:, None], own_magnitude[:, None]], axis=1),
        star_score=np.concatenate([np.ones_like(x), zero, zero + 1], axis=1),
    )
    return _deblended(found, pixel_scale_arcsec)


def _deblended(found: Catalogue, pixel_scale_arcsec: float) -> Catalogue:
    """Of the object and its galaxy, the brighter where they are one source of the catalogue."""
    galaxy, own = -2, -1
    apart = np.hypot(found.x_pix[:, galaxy], found.y_pix[:, galaxy]) * pixel_scale_arcsec
    brightest = found.magnitude.min(axis=2)
    blended = apart < _BLEND_ARCSEC
    magnitude = found.magnitude.copy()
    magnitude[blended & (brightest[:, galaxy] <= brightest[:, own]), own] = np.inf
    magnitude[blended & (brightest[:, galaxy] > brightest[:, own]), galaxy] = np.inf
    return found._replace(magnitude=magnitude)


def nearest_sources(
    catalogue: Catalogue,
    x_pix: np.ndarray,
    y_pix: np.ndarray,
    depth_mag: np.ndarray,
    pixel_scale_arcsec: float,
    n_ranks: int,
) -> Nearest:
    """The sources nearest to positions, of those brighter than a depth in one band at least.

    Parameters
    ----------
    catalogue : Catalogue
        A row for each position.
    x_pix, y_pix : array, shape (position,)
        From the object.
    depth_mag : array that broadcasts to (position, source, band)
    pixel_scale_arcsec : float
    n_ranks : int
    """
    dx, dy = catalogue.x_pix - x_pix[:, None], catalogue.y_pix - y_pix[:, None]
    distance = np.hypot(dx, dy) * pixel_scale_arcsec
    listed = (catalogue.magnitude < depth_mag).any(axis=2) & (distance <= SEARCH_ARCSEC)
    distance = np.where(listed, distance, np.inf)
    missing = max(n_ranks - distance.shape[1], 0)
    distance = np.pad(distance, ((0, 0), (0, missing)), constant_values=np.inf)
    source = np.argsort(distance, axis=1, kind="stable")[:, :n_ranks]
    nearest = np.take_along_axis(distance, source, axis=1)
    source = np.minimum(source, catalogue.x_pix.shape[1] - 1)
    return Nearest(np.where(np.isfinite(nearest), nearest, np.nan), source, listed.sum(axis=1))
