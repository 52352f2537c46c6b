"""Matched simulations of real objects: same class, similar magnitude, as many images.

A pool of objects is simulated and only its light curves are kept; the chosen objects are then
regenerated, as any object of the simulator can be, and measured in the selected images.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.table import Table
from numpy.typing import ArrayLike
from scipy.optimize import linear_sum_assignment

from classifier.dataset import DatasetSplit
from classifier.image_selection import ImageSelection
from classifier.photometry import PsfModel
from classifier.stamp_batch import StampBatch, stamp_batch_of
from finetune.domain_gap.curve_statistics import matching_magnitudes
from finetune.domain_gap.measurements import light_curves, measurements
from simulator.dataset.reader import open_dataset
from simulator.lightcurves import light_curve_class
from simulator.options import Options
from simulator.simulator import Simulator
from skyreel.errors import DomainGapError
from survey_profiles.profile import Profile

MATCH_MAG = 0.3
"""Differences up to this count a tenth, so that crowded magnitudes are not preferred."""
_BLOCK = 512
_SHORT_MAG = 2.0  # cost of one image too few
_OTHER_EXPOSURES_MAG = 0.5  # cost of other exposures than the real object's, where these are used
_SAME_D = 1e-4
_MOST_COSTS = 2e7  # of one assignment, 160 MB
_RISE_WEIGHT = 0.3  # of the brightest difference beside the median, for classes that appear
Tick = Callable[[int], None]


@dataclass(frozen=True)
class RealObjects:
    """Real objects to be matched, (object, ...).

    Attributes
    ----------
    class_names : str (object,)
    resampled : bool (object,)
    n_images : int (object,)
    magnitudes : float (object, 2)
        See `curve_statistics.matching_magnitudes`.
    first_mjd : float (object,)
        Time of the first image; NaN where simulations may have any exposures.
    """

    class_names: np.ndarray
    resampled: np.ndarray
    n_images: np.ndarray
    magnitudes: np.ndarray
    first_mjd: np.ndarray


@dataclass(frozen=True)
class MatchedSamples:
    """Quantities (simulation, quantity) of matched simulations.

    ``of`` (simulation,) is the real object each is matched to, ``off_mag`` (simulation,) its
    magnitude less that object's.
    """

    values: np.ndarray
    of: np.ndarray
    off_mag: np.ndarray


class SimulatedPool:
    """Simulated objects of one class, with the image selection of the real ones.

    Parameters
    ----------
    profile : Profile
    class_name : str
    magnitudes : float (object,)
        Of the real objects; magnitudes are drawn from them, or from the survey's law where there
        are none or where objects of the class appear and fade.
    selection : ImageSelection
    n, seed : int
    exposures : path or None
        Table of exposures; None: drawn from the profile.
    """

    def __init__(
        self,
        profile: Profile,
        class_name: str,
        magnitudes: np.ndarray,
        selection: ImageSelection,
        *,
        n: int,
        seed: int,
        exposures: str | None = None,
    ) -> None:
        self._profile, self._selection = profile, selection
        self.n, self.n_real = n, len(magnitudes)
        with tempfile.TemporaryDirectory() as folder:
            options = Options(
                classes={class_name: 1},
                seed=seed,
                exposures=exposures,
                magnitudes=_magnitude_table(Path(folder), class_name, magnitudes),
            )
            self._simulator = Simulator(profile, options)

    def blocks(self, rows: np.ndarray) -> Iterator[StampBatch]:
        """Selected stamps of some of the objects, block by block."""
        for first in range(0, len(rows), _BLOCK):
            found = self._simulator.batch("train", rows[first : first + _BLOCK])
            arrays = {**found.epochs, **found.objects}
            stamps = stamp_batch_of(found.images, found.mask, arrays, self._profile)
            starts = np.zeros(len(stamps), dtype=int)
            yield self._selection.of(stamps, starts, self._profile, self._simulator.band_names)

    def survey(self, psf: PsfModel, tick: Tick) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Number of images, matching magnitudes and time of the first image of every object."""
        images, magnitudes, first_mjd = [], [], []
        for stamps in self.blocks(np.arange(self.n)):
            images.append(np.asarray(stamps.n_epochs))
            magnitudes.append(matching_magnitudes(light_curves(stamps, psf)))
            first_mjd.append(stamps.mjd[:, 0])
            tick(len(stamps))
        return tuple(np.concatenate(parts) for parts in (images, magnitudes, first_mjd))

    def measured(
        self, rows: np.ndarray, n_images: np.ndarray, psf: PsfModel, tick: Tick
    ) -> np.ndarray:
        """Quantities of objects ``rows``, each in its first ``n_images`` images or all it has."""
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
    """The real magnitudes as a table for the simulator, or "survey".

    The median magnitude of an object that is absent from most images is not that of the source.
    """
    known = magnitudes[np.isfinite(magnitudes)]
    if _appears(class_name) or not known.size:
        return "survey"
    path = folder / "magnitudes.csv"
    path.write_text("magnitude\n" + "".join(f"{m:.4f}\n" for m in known))
    return str(path)


def match_samples(
    real: RealObjects,
    pools: Mapping[tuple[str, bool], SimulatedPool],
    psf: PsfModel,
    *,
    per_object: int,
    tick: Tick,
) -> MatchedSamples:
    """Matched simulations of real objects.

    Parameters
    ----------
    real : RealObjects
    pools : mapping of (class name, resampled) to SimulatedPool
    psf : PsfModel
        Of the photometry.
    per_object : int
        Simulations of each real object; none is matched to two.
    tick : callable
        Called with the number of objects measured since the last call.

    Raises
    ------
    DomainGapError
        A pool has too few objects.
    """
    values, owners, off = [], [], []
    for (name, was_resampled), pool in pools.items():
        mine = np.flatnonzero((real.class_names == name) & (real.resampled == was_resampled))
        n_images, pool_mag, pool_mjd = pool.survey(psf, tick)
        other_mag = 0.0
        if np.isfinite(real.first_mjd[mine]).any():
            other = np.abs(pool_mjd - real.first_mjd[mine][:, None]) > _SAME_D
            other_mag = np.float32(_OTHER_EXPOSURES_MAG) * other
        rows, of = match(
            real.magnitudes[mine],
            real.n_images[mine],
            pool_mag,
            n_images,
            per_object=per_object,
            appears=_appears(name),
            extra_mag=other_mag,
        )
        values.append(pool.measured(rows, real.n_images[mine][of], psf, tick))
        owners.append(mine[of])
        off.append(pool_mag[rows, 0] - real.magnitudes[mine][of, 0])
    return MatchedSamples(*(np.concatenate(parts) for parts in (values, owners, off)))


def _appears(class_name):
    return light_curve_class(class_name).alerts


def match(
    magnitudes: np.ndarray,
    n_images: np.ndarray,
    pool_magnitudes: np.ndarray,
    pool_images: np.ndarray,
    *,
    per_object: int,
    appears: bool,
    extra_mag: float | np.ndarray = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the pool, and the real object that each is matched to.

    The sum of all costs is minimal (an assignment). Costs are in magnitudes: the difference in
    magnitude, ``_SHORT_MAG`` per missing image, and ``extra_mag`` (object, pool).
    """
    n_real, n_pool = len(magnitudes), len(pool_magnitudes)
    if n_pool < n_real * per_object:
        raise DomainGapError(
            f"{n_real} real objects need {per_object} matched simulations each, and {n_pool} of "
            "their class were simulated; ask for a larger pool or fewer simulations."
        )
    extra_mag = np.broadcast_to(extra_mag, (n_real, n_pool))
    found_rows, found_of = [], []
    for mine, theirs in _parts(magnitudes[:, 0], pool_magnitudes[:, 0], per_object):
        cost = _cost(magnitudes[mine], pool_magnitudes[theirs], appears)
        cost = np.nan_to_num(cost, nan=50.0) + extra_mag[np.ix_(mine, theirs)]
        cost += _SHORT_MAG * np.maximum(n_images[mine, None] - pool_images[theirs], 0)
        of, rows = linear_sum_assignment(np.repeat(cost, per_object, axis=0))
        found_rows.append(theirs[rows])
        found_of.append(mine[of // per_object])
    return np.concatenate(found_rows), np.concatenate(found_of)


def _parts(magnitudes, pool_magnitudes, per_object):
    """Rows of the real objects and of the pool in parts of equal magnitude distributions.

    An assignment of n objects takes n^2 memory and n^3 time, so large sets are divided.
    """
    n_real, n_pool = len(magnitudes), len(pool_magnitudes)
    n = round((n_real * per_object * n_pool / _MOST_COSTS) ** 0.5)
    if n <= 1 or n_pool // n < per_object * -(-n_real // n):
        return [(np.arange(n_real), np.arange(n_pool))]
    orders = np.argsort(magnitudes, kind="stable"), np.argsort(pool_magnitudes, kind="stable")
    return [(orders[0][k::n], orders[1][k::n]) for k in range(n)]


def _cost(magnitudes, pool_magnitudes, appears):
    distance = np.abs(pool_magnitudes[None, :, 0] - magnitudes[:, None, 0])
    cost = np.where(distance < MATCH_MAG, 0.1 * distance, distance)
    if appears:
        rise = np.abs(pool_magnitudes[None, :, 1] - magnitudes[:, None, 1])
        cost = cost + _RISE_WEIGHT * np.where(rise < MATCH_MAG, 0.1 * rise, rise)
    return cost


_COLUMNS = (
    *("exposure_time_s", "airmass", "seeing_fwhm_arcsec", "sky_adu", "zero_point_mag"),
    "limiting_mag",
)


def write_exposures(split: DatasetSplit, objects: ArrayLike, path: str | Path) -> None:
    """Write the exposures of some objects as a table for the simulator, one field per object.

    Exposures with an unknown value are left out; an unknown limiting magnitude becomes the median
    of the known ones.
    """
    group = open_dataset(split.path)[split.name]
    chosen = np.asarray(objects)
    arrays = {name: group[name][:][chosen] for name in ("mjd", "band", *_COLUMNS)}
    limit = arrays["limiting_mag"]
    arrays["limiting_mag"] = np.where(np.isfinite(limit), limit, np.nanmedian(limit))
    used = np.arange(split.longest) < split.n_epochs[chosen][:, None]
    for name in ("mjd", *_COLUMNS):
        used &= np.isfinite(arrays[name])
    table = Table({name: arrays[name][used].astype(float) for name in ("mjd", *_COLUMNS)})
    table["band"] = np.array(split.bands)[arrays["band"][used]]
    table["field"] = np.broadcast_to(chosen[:, None], used.shape)[used]
    names = np.array([ccd.name for ccd in split.profile.camera.ccds])
    ccd = group["ccd"][:][chosen]
    if names.size and (ccd >= 0).all():
        table["ccd"] = np.broadcast_to(names[ccd][:, None], used.shape)[used]
    table.write(path)
