"""Random numbers addressed by purpose and object, so that dividing a run changes nothing.

Everything random about object *i* comes from Philox 4x32-10 (Salmon et al. 2011, "Parallel
random numbers: as easy as 1, 2, 3"), keyed by the run's seed and counted by (object, purpose,
attempt, draw). There is no state to share between threads, shards or machines.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numba import njit
from numpy.typing import ArrayLike
from scipy.integrate import cumulative_trapezoid
from scipy.special import ndtri

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint32(0x9E3779B9), np.uint32(0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
ROUNDS = 10


class Purpose(IntEnum):
    """The purpose of a stream. Part of the data format: append, never renumber."""

    CLASS = 0
    POINTING = 1
    PHYSICS = 2
    HOST = 3
    NEIGHBOURS = 4
    POSITION = 5
    DEFECTS = 6
    NOISE = 7
    PSF = 8
    CALIBRATION = 9
    EDGE = 10
    CONDITION_ERROR = 11
    TEMPLATE = 20
    TEMPLATE_NOISE = 21
    REGISTRATION = 22
    ARTEFACT = 30
    SKY_POSITION = 32


@njit(cache=True, nogil=True, inline="always")
def philox(
    c0: np.uint32, c1: np.uint32, c2: np.uint32, c3: np.uint32, k0: np.uint32, k1: np.uint32
) -> tuple[np.uint32, np.uint32, np.uint32, np.uint32]:
    """Four 32-bit random words for one 128-bit counter and one 64-bit key (all uint32)."""
    for _ in range(ROUNDS):
        p0 = _M0 * np.uint64(c0)
        p1 = _M1 * np.uint64(c2)
        n0 = np.uint32(p1 >> _SHIFT) ^ c1 ^ k0
        n2 = np.uint32(p0 >> _SHIFT) ^ c3 ^ k1
        c1 = np.uint32(p1 & _LOW)
        c3 = np.uint32(p0 & _LOW)
        c0, c2 = n0, n2
        k0 = np.uint32(k0 + _W0)
        k1 = np.uint32(k1 + _W1)
    return c0, c1, c2, c3


@njit(cache=True, nogil=True)
def _fill_uniform(out, objects, stream, draw, k0, k1):
    for i in range(out.size):
        index = objects[i]
        w0, w1, _, _ = philox(
            np.uint32(index & _LOW), np.uint32(index >> _SHIFT), stream, draw, k0, k1
        )
        mantissa = (np.uint64(w0) << np.uint64(21)) ^ (np.uint64(w1) >> np.uint64(11))
        out[i] = (float(mantissa) + 0.5) * 2.0**-53


def key_words(seed: int) -> tuple[np.uint32, np.uint32]:
    """The two key words of a seed from 0 to 2^64 - 1."""
    if not 0 <= seed < 2**64:
        raise ValueError(f"seed = {seed}; allowed: 0 to {2**64 - 1}.")
    return np.uint32(seed & 0xFFFFFFFF), np.uint32(seed >> 32)


class Draws:
    """Random numbers for a batch of objects, one number per object and call.

    Every call takes the next draw of every object's own stream, so the k-th call of an
    object gives the same number whichever other objects are in the batch. Where objects
    are redrawn until they are accepted, take ``attempt(k)`` of the ones still open: it is
    another set of streams, also independent of the other objects.

    Parameters
    ----------
    seed : int
        Seed of the run, 0 to 2^64 - 1.
    objects : array of int, shape (object,)
        Indices of the objects in the data set.
    purpose : Purpose
    """

    def __init__(self, seed: int, objects: ArrayLike, purpose: Purpose, attempt: int = 0) -> None:
        self.seed = seed
        self.objects = np.ascontiguousarray(objects, dtype=np.uint64)
        self.purpose = Purpose(purpose)
        self._stream = np.uint32(int(purpose) << 24 | attempt)
        self._draw = 0

    def __len__(self):
        return self.objects.size

    def attempt(self, number: int, rows: np.ndarray | slice = slice(None)) -> Draws:
        """Other streams of the objects in ``rows`` for their ``number``-th try (from 1)."""
        if not 0 < number < 2**24:
            raise ValueError(f"attempt {number}: allowed are 1 to {2**24 - 1}.")
        return Draws(self.seed, self.objects[rows], self.purpose, number)

    def uniform(self, low: np.ndarray | float = 0.0, high: np.ndarray | float = 1.0) -> np.ndarray:
        """Uniform numbers in (low, high), shape (object,); bounds may be arrays."""
        out = np.empty(self.objects.size)
        _fill_uniform(out, self.objects, self._stream, np.uint32(self._draw), *key_words(self.seed))
        self._draw += 1
        return low + (high - low) * out

    def normal(self, mean: np.ndarray | float = 0.0, sigma: np.ndarray | float = 1.0) -> np.ndarray:
        """Normal numbers, shape (object,)."""
        return mean + sigma * ndtri(self.uniform())

    def integers(self, high: np.ndarray | int) -> np.ndarray:
        """Whole numbers from 0 to ``high`` - 1, shape (object,); ``high`` may be an array."""
        return np.minimum((self.uniform() * high).astype(np.int64), np.asarray(high) - 1)

    def choice(self, weights: ArrayLike) -> np.ndarray:
        """Indices into ``weights``, drawn in proportion to them, shape (object,)."""
        edges = np.cumsum(np.asarray(weights, dtype=float))
        return np.searchsorted(edges, self.uniform(0.0, edges[-1]), side="right")

    def from_table(self, x: np.ndarray, density: np.ndarray) -> np.ndarray:
        """Values distributed as a tabulated density over the increasing grid ``x``."""
        cumulative = cumulative_trapezoid(density, x, initial=0)
        return np.interp(self.uniform(0.0, cumulative[-1]), cumulative, x)

    def normals(self, n: int) -> np.ndarray:
        """``n`` normal numbers for every object, shape (object, n); counts as n calls."""
        return ndtri(self.uniforms(n))

    def uniforms(self, n: int) -> np.ndarray:
        """``n`` uniform numbers for every object, shape (object, n); counts as n calls."""
        return np.stack([self.uniform() for _ in range(n)], axis=1)
