"""The volume in which each kind of transient can be detected, so that few draws are rejected.

Transients are drawn from cells (subtype and bin of luminosity). A cell's weight for one object is
its share of the luminosity function times all explosions per year out to the redshift at which the
cell's brightest transient could still rise above the object's deepest exposure within its time
span. Nothing visible lies beyond, so rejection afterwards leaves the true distribution, but for the
few SNe Ia brighter than ``brightest`` allows for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from simulator.lightcurves.supernovae.seds import REDSHIFTS

if TYPE_CHECKING:
    from simulator.observing.schedule import Schedule
    from simulator.rng import Draws

N_BINS = 16  # per subtype
NODES = np.geomspace(0.001, REDSHIFTS[-1], 160)  # redshifts that limits are chosen from
AGES_DAY = np.geomspace(0.5, 150.0, 40)  # since explosion, observer frame


class DetectableVolume:
    """Cells of all subtypes, with the depth that detects each at each redshift.

    Parameters
    ----------
    edges : list of array, shape (N_BINS + 1,)
        Cumulative probabilities at the edges of the bins of luminosity, per subtype.
    brightest : array, shape (cell, band, age, node)
        Brightest magnitude by each of ``AGES_DAY``, never rising along ``NODES``.
    explosions : list of array, shape (node,)
        Cumulative number of explosions per year out to each of ``NODES``, per subtype.
    """

    def __init__(
        self, edges: list[np.ndarray], brightest: np.ndarray, explosions: list[np.ndarray]
    ) -> None:
        self._edges = edges
        self._prior = np.concatenate([np.diff(one) for one in edges])
        self._brightest = brightest
        self._explosions = np.repeat(explosions, N_BINS, axis=0)

    def cells(self, schedule: Schedule, first_start_mjd: np.ndarray, last_mjd: np.ndarray) -> Cells:
        """The cells that each object of a schedule is drawn from."""
        depth_mag = deepest_per_band(*exposures(schedule), self._brightest.shape[1])
        span = np.searchsorted(AGES_DAY, last_mjd - first_start_mjd)
        age = np.minimum(span, AGES_DAY.size - 1)
        node = farthest_nodes(depth_mag, age, self._brightest)
        return self._cells(node)

    def cells_within(self, depth_mag: np.ndarray, n: int) -> Cells:
        """Cells of ``n`` objects, each subtype out to one redshift whatever its luminosity.

        It is the redshift at which the brightest transient of the subtype reaches ``depth_mag``
        (band,) at some age: `limits`.
        """
        node = np.broadcast_to(self._limit_nodes(depth_mag), (n, self._prior.size))
        return self._cells(node)

    def limits(self, depth_mag: np.ndarray) -> np.ndarray:
        """Redshift at which the brightest transient reaches a depth (band,), shape (subtype,)."""
        return NODES[self._limit_nodes(depth_mag)[::N_BINS]]

    def _limit_nodes(self, depth_mag):
        oldest = np.array([AGES_DAY.size - 1])
        depth = np.asarray(depth_mag, dtype=float)[None]
        node = farthest_nodes(depth, oldest, self._brightest)[0]
        return np.repeat(node.reshape(-1, N_BINS).max(axis=1), N_BINS)

    def _cells(self, node):
        weight = self._prior * self._explosions[np.arange(node.shape[1]), node]
        return Cells(np.cumsum(weight, axis=1), node, self._edges, self._explosions)


def exposures(schedule: Schedule) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times, bands and limiting magnitudes in the memory layout of the compiled kernels."""
    return (
        np.ascontiguousarray(schedule.mjd, dtype=float),
        np.ascontiguousarray(schedule.band, dtype=np.int64),
        np.ascontiguousarray(schedule.limiting_mag, dtype=float),
    )


class Cells:
    """The cells of a batch, drawn in proportion to the transients that may be detected in them."""

    def __init__(
        self,
        cumulative: np.ndarray,
        node: np.ndarray,
        edges: list[np.ndarray],
        explosions: np.ndarray,
    ) -> None:
        self._cumulative, self._node = cumulative, node
        self._edges, self._explosions = edges, explosions

    def draw(self, draws: Draws, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Subtype, quantile of luminosity and redshift, each of shape (rows,)."""
        cumulative = self._cumulative[rows]
        target = draws.uniform() * cumulative[:, -1]
        cell = (cumulative < target[:, None]).sum(axis=1)
        subtype, one_bin = np.divmod(cell, N_BINS)
        edges = np.stack(self._edges)
        low, high = edges[subtype, one_bin], edges[subtype, one_bin + 1]
        quantile = draws.uniform(low, high)
        return subtype, quantile, self._redshift(draws.uniform(), rows, cell)

    def _redshift(self, uniform, rows, cell):
        node = self._node[rows, cell]
        redshift = np.empty(len(rows))
        for subtype in range(len(self._edges)):
            rate = self._explosions[subtype * N_BINS]
            mine = cell // N_BINS == subtype
            target = uniform[mine] * rate[node[mine]]
            redshift[mine] = _inverse(target, rate)
        return redshift


def _inverse(target, cumulative):
    """Redshifts at a cumulative number of explosions; Euclidean below the first node."""
    near = NODES[0] * np.cbrt(np.minimum(target / cumulative[0], 1.0))
    return np.where(target < cumulative[0], near, np.interp(target, cumulative, NODES))


@njit(cache=True, nogil=True)
def deepest_per_band(
    mjd: np.ndarray, band: np.ndarray, limiting_mag: np.ndarray, n_bands: int
) -> np.ndarray:
    """Faintest limiting magnitude per (object, band); -inf where there is no exposure."""
    depth = np.full((mjd.shape[0], n_bands), -np.inf)
    for i in range(mjd.shape[0]):
        for j in range(mjd.shape[1]):
            if mjd[i, j] == mjd[i, j] and limiting_mag[i, j] > depth[i, band[i, j]]:
                depth[i, band[i, j]] = limiting_mag[i, j]
    return depth


@njit(cache=True, nogil=True)
def farthest_nodes(depth_mag: np.ndarray, age: np.ndarray, brightest: np.ndarray) -> np.ndarray:
    """First node of redshift at which no band detects a cell, (object, cell).

    ``brightest`` is (cell, band, age, node) and increases along the nodes.
    """
    n_cells, n_bands, _, n_nodes = brightest.shape
    nodes = np.zeros((depth_mag.shape[0], n_cells), dtype=np.int64)
    for i in range(depth_mag.shape[0]):
        for cell in range(n_cells):
            for band in range(n_bands):
                curve = brightest[cell, band, age[i]]
                node = np.searchsorted(curve, depth_mag[i, band])
                nodes[i, cell] = max(nodes[i, cell], min(node, n_nodes - 1))
    return nodes
