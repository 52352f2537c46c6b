"""Simulated partners of real objects: same class, near in magnitude, with as many images.

A pool of objects is simulated and only its light curves are kept; the chosen ones are made
again, as any object of the simulator can be, and measured in the images that are shown.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from classifier.dataset import stamp_batch_of
from finetune.domain_gap.curve_statistics import matching_magnitudes
from finetune.domain_gap.measurements import light_curves, measurements
from simulator.lightcurves import light_curve_class
from simulator.options import Options
from simulator.simulator import Simulator
from skyreel.errors import DomainGapError

NEAR_MAG = 0.3
_BLOCK = 512
_SHORT_MAG = 2.0  # an image too few is as bad as so many magnitudes
_ELSEWHERE_MAG = 0.5  # the same for other exposures, where the real ones are wanted
_SAME_D = 1e-4
_RISE_WEIGHT = 0.3  # of the brightest difference beside the median, for classes that appear


@dataclass(frozen=True)
class Shown:
    """Real objects as they are shown: what partners must be like. Arrays (object, ...)."""

    class_names: np.ndarray
    resampled: np.ndarray
    n_images: np.ndarray
    magnitudes: np.ndarray  # (object, 2), see `curves.matching_magnitudes`
    first_mjd: np.ndarray  # of the first image; NaN where partners may have any exposures


@dataclass(frozen=True)
class MatchedSamples:
    """Measurements of partners, (partner, quantity), and the real object ``of`` each."""

    values: np.ndarray
    of: np.ndarray
    off_mag: np.ndarray  # magnitude less the real object's, (partner,)


class Pool:
    """Simulated objects of one class, shown as the real ones are."""

    def __init__(
        self, profile, class_name, magnitudes, image_selection, *, n, seed, exposures=None
    ):
        self._profile, self._showing, self._n = profile, image_selection, n
        with tempfile.TemporaryDirectory() as folder:
            options = Options(
                classes={class_name: 1},
                seed=seed,
                exposures=exposures,
                magnitudes=_magnitude_table(Path(folder), class_name, magnitudes),
            )
            self._simulator = Simulator(profile, options)

    def blocks(self, rows):
        """Stamps shown of some of the objects, block by block."""
        for first in range(0, len(rows), _BLOCK):
            found = self._simulator.batch("train", rows[first : first + _BLOCK])
            arrays = {**found.epochs, **found.objects}
            stamps = stamp_batch_of(found.images, found.mask, arrays, self._profile)
            starts = np.zeros(len(stamps), dtype=int)
            yield self._showing.of(stamps, starts, self._profile, self._simulator.band_names)

    def survey(self, psf, tick):
        """(number of images, matching magnitudes, time of the first image) of every object."""
        images, magnitudes, first_mjd = [], [], []
        for stamps in self.blocks(np.arange(self._n)):
            images.append(np.asarray(stamps.n_epochs))
            magnitudes.append(matching_magnitudes(light_curves(stamps, psf)))
            first_mjd.append(stamps.mjd[:, 0])
            tick(len(stamps))
        return tuple(np.concatenate(parts) for parts in (images, magnitudes, first_mjd))

    def measured(self, rows, n_images, psf, tick):
        """Measurements of objects, each of its first ``n_images`` images or all it has."""
        values, first = [], 0
        for stamps in self.blocks(rows):
            end = first + len(stamps)
            epochs = np.broadcast_to(np.arange(stamps.mjd.shape[1]), stamps.mjd.shape)
            wanted = np.minimum(n_images[first:end], stamps.n_epochs)
            cut = stamps.rearranged(epochs, wanted)
            values.append(measurements(cut, light_curves(cut, psf), self._profile))
            tick(len(stamps))
            first = end
        return np.concatenate(values)


def _magnitude_table(folder, class_name, magnitudes):
    """The real magnitudes as a table for the simulator; the survey's law for what appears.

    Of what is not there in most images the median magnitude is not the source's.
    """
    known = magnitudes[np.isfinite(magnitudes)]
    if _appears(class_name) or not known.size:
        return "survey"
    path = folder / "magnitudes.csv"
    path.write_text("magnitude\n" + "".join(f"{m:.4f}\n" for m in known))
    return str(path)


def match_samples(shown: Shown, pools, psf, *, per_object, tick: Callable) -> MatchedSamples:
    """Partners of real objects.

    Parameters
    ----------
    pools : mapping of (class name, resampled) to Pool
    per_object : int
        How many each real object gets; no simulated object is the partner of two.

    Raises
    ------
    DomainGapError
        A pool has too few objects.
    """
    values, owners, off = [], [], []
    for key, pool in pools.items():
        mine = np.flatnonzero((shown.class_names == key[0]) & (shown.resampled == key[1]))
        n_images, pool_mag, pool_mjd = pool.survey(psf, tick)
        elsewhere = np.abs(pool_mjd - shown.first_mjd[mine][:, None]) > _SAME_D
        rows, of = match(
            shown.magnitudes[mine],
            shown.n_images[mine],
            pool_mag,
            n_images,
            per_object=per_object,
            appears=_appears(key[0]),
            extra_mag=_ELSEWHERE_MAG * elsewhere,
        )
        values.append(pool.measured(rows, shown.n_images[mine][of], psf, tick))
        owners.append(mine[of])
        off.append(pool_mag[rows, 0] - shown.magnitudes[mine][of, 0])
    return MatchedSamples(*(np.concatenate(parts) for parts in (values, owners, off)))


def _appears(class_name):
    return light_curve_class(class_name).alerts


def match(
    magnitudes, n_images, pool_magnitudes, pool_images, *, per_object, appears, extra_mag=0.0
):
    """(rows of the pool, number of the real object that each is the partner of).

    The sum of all differences is the smallest there is (an assignment); differences up to
    ``NEAR_MAG`` count little, so that partners are not drawn from where a class is crowded.
    ``extra_mag`` (object, pool) says how much else is against a pair.
    """
    n_real, n_pool = len(magnitudes), len(pool_magnitudes)
    if n_pool < n_real * per_object:
        raise DomainGapError(
            f"{n_real} real objects want {per_object} partners each and {n_pool} of their class "
            "were simulated; ask for a larger pool or fewer partners."
        )
    distance = np.abs(pool_magnitudes[None, :, 0] - magnitudes[:, None, 0])
    cost = np.where(distance < NEAR_MAG, 0.1 * distance, distance)
    if appears:
        rise = np.abs(pool_magnitudes[None, :, 1] - magnitudes[:, None, 1])
        cost = cost + _RISE_WEIGHT * np.where(rise < NEAR_MAG, 0.1 * rise, rise)
    cost = np.nan_to_num(cost, nan=50.0) + extra_mag
    cost = cost + _SHORT_MAG * np.maximum(n_images[:, None] - pool_images, 0)
    of, rows = linear_sum_assignment(np.repeat(cost, per_object, axis=0))
    of = of // per_object
    return rows, of
