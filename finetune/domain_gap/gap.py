"""Real objects against their simulated partners: everything the report tells of."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from classifier.dataset import DatasetSplit
from classifier.image_selection import ImageSelection, SelectedSplit
from finetune.domain_gap.curve_statistics import matching_magnitudes
from finetune.domain_gap.distances import Distance, distance
from finetune.domain_gap.domain_classifier import FOLDS, TwoSampleTest, tell
from finetune.domain_gap.matched_samples import MatchedSamples, Pool, Shown, match_samples
from finetune.domain_gap.measurements import free_psf, light_curves, measurements
from finetune.domain_gap.quantities import GROUPS, QUANTITIES, SELECTION
from finetune.homogenise import resampled
from simulator.dataset.reader import open_dataset
from skyreel.errors import DomainGapError

POOL_PER_PARTNER = 4
_LEAST_POOL = 1500


@dataclass(frozen=True)
class Selection:
    """Magnitudes and numbers of images, (row, 2): the real ones, and what the survey draws."""

    real: np.ndarray
    simulated: np.ndarray
    distances: dict[str, Distance]


@dataclass(frozen=True)
class DomainGap:
    """Real objects, their partners, and how far they are apart.

    ``real`` is (object, quantity); ``distances`` and the columns follow `quantities.NAMES`.
    """

    class_names: np.ndarray
    real: np.ndarray
    matched: MatchedSamples
    distances: dict[str, Distance]
    overall: TwoSampleTest
    by_group: dict[str, TwoSampleTest]
    selection: Selection


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the comparison is made.

    Parameters
    ----------
    images : int
        At most so many images of an object.
    partners : int
        Simulated objects for every real one.
    lanczos_order : int
        Of the simulated partners of stamps that were resampled.
    own_exposures : bool
        Partners are observed in the exposures of the real objects, not in drawn ones.
    """

    images: int = 22
    matched: int = 5
    lanczos_order: int = 2
    own_exposures: bool = False
    seed: int = 0
    n_bootstrap: int = 100


def expected_work(split: DatasetSplit, settings: Settings) -> int:
    """About how many simulated objects will be measured."""
    counts = np.bincount(split.labels[split.labels >= 0])
    pools = [max(_LEAST_POOL, POOL_PER_PARTNER * settings.matched * n) for n in counts if n]
    return int(sum(pools) + 2 * settings.matched * counts.sum())


def measure_gap(split: DatasetSplit, profile, settings: Settings, tick=lambda n: None) -> DomainGap:
    """Measure the gap between a split of real objects and a profile's simulation.

    ``tick`` is told how many simulated objects have been measured.

    Raises
    ------
    DomainGapError, skyreel.errors.ClassifierError, skyreel.errors.SimulationError
    """
    image_selection = ImageSelection(images=settings.images, band=profile.reference_band)
    psf = free_psf(profile)
    shown, real, rows = _real(split, image_selection, psf, profile, settings.own_exposures)
    pools = {
        (name, was): _pool(split, profile, shown, rows, image_selection, settings, name, was)
        for name, was in sorted(set(zip(shown.class_names, shown.resampled, strict=True)))
    }
    found = match_samples(shown, pools, psf, per_object=settings.matched, tick=tick)
    selection = _selection(profile, shown, image_selection, settings, psf, tick)
    return _compared(shown.class_names, real, found, selection, settings)


def _selection(profile, shown, image_selection, settings, psf, tick):
    """Objects that the survey's own law draws, as many of a class as partners."""
    drawn, of = [], []
    for name in np.unique(shown.class_names):
        mine = np.repeat(np.flatnonzero(shown.class_names == name), settings.matched)
        pool = Pool(
            profile, str(name), np.empty(0), image_selection, n=mine.size, seed=settings.seed + 1
        )
        images, magnitudes, _ = pool.survey(psf, tick)
        drawn.append(np.stack([magnitudes[:, 0], images], axis=1))
        of.append(mine)
    drawn, of = np.concatenate(drawn), np.concatenate(of)
    real = np.stack([shown.magnitudes[:, 0], shown.n_images], axis=1)
    distances = _distances(SELECTION, real, drawn, of, settings)
    return Selection(real, drawn, distances)


def _pool(split, profile, shown, rows, image_selection, settings, name, was_resampled):
    """The pool of a class, resampled where the real stamps were."""
    mine = (shown.class_names == name) & (shown.resampled == was_resampled)
    order = settings.lanczos_order if was_resampled else profile.psf.lanczos_order
    of_pool = profile.model_copy(
        update={"psf": profile.psf.model_copy(update={"lanczos_order": order})}
    )
    n = max(_LEAST_POOL, POOL_PER_PARTNER * settings.matched * int(mine.sum()))
    with tempfile.TemporaryDirectory() as folder:
        exposures = None
        if settings.own_exposures:
            exposures = str(Path(folder) / "exposures.ecsv")
            write_exposures(split, rows[mine], exposures)
        return Pool(
            of_pool,
            str(name),
            shown.magnitudes[mine, 0],
            image_selection,
            n=n,
            seed=settings.seed,
            exposures=exposures,
        )


def _real(split, image_selection, psf, profile, own_exposures):
    """The real objects with a class that can be simulated, and their measurements."""
    stamps = SelectedSplit(split, image_selection).stamps(0, len(split))
    if own_exposures:
        stamps = _with_known_conditions(stamps)
    curves = light_curves(stamps, psf)
    magnitudes = matching_magnitudes(curves)
    usable = (split.labels >= 0) & (np.asarray(stamps.n_epochs) > 0) & np.isfinite(magnitudes[:, 0])
    if not usable.any():
        raise DomainGapError(f"{split.path}: no object has a class and a measurable light curve.")
    if usable.sum() < FOLDS:
        raise DomainGapError(
            f"{split.path}: {usable.sum()} objects have a class and a measurable light curve; to "
            f"be told from simulated ones it takes {FOLDS} or more."
        )
    names = np.array([*split.classes, ""])[split.labels]
    values = measurements(stamps, curves, profile)
    first_mjd = stamps.mjd[usable, 0] if own_exposures else np.full(usable.sum(), np.nan)
    shown = Shown(
        names[usable],
        resampled(split)[usable],
        np.asarray(stamps.n_epochs)[usable],
        magnitudes[usable],
        first_mjd,
    )
    return shown, values[usable], np.flatnonzero(usable)


def _with_known_conditions(stamps):
    """Without the images that cannot be simulated, for something about them is not known."""
    known = np.arange(stamps.mjd.shape[1]) < np.asarray(stamps.n_epochs)[:, None]
    for name in ("exposure_time_s", "seeing_fwhm_pix", "sky_adu", "zero_point_mag"):
        known &= np.isfinite(getattr(stamps, name))
    order = np.argsort(~known, axis=1, kind="stable")
    return stamps.rearranged(order, known.sum(axis=1))


def _distances(quantities, real, simulated, of, settings):
    return {
        quantity.name: distance(
            real[:, k], simulated[:, k], of, n_bootstrap=settings.n_bootstrap, seed=settings.seed
        )
        for k, quantity in enumerate(quantities)
    }


def _compared(class_names, real, matched, selection, settings) -> DomainGap:
    values = np.concatenate([real, matched.values])
    group = np.concatenate([np.arange(len(real)), matched.of])
    about = {
        "is_real": np.arange(len(values)) < len(real),
        "group": group,
        "class_names": class_names[group],
        "seed": settings.seed,
        "n_bootstrap": settings.n_bootstrap,
    }
    by_group = {
        name: tell(values[:, [q.group == name for q in QUANTITIES]], **about) for name in GROUPS
    }
    return DomainGap(
        class_names,
        real,
        matched,
        _distances(QUANTITIES, real, matched.values, matched.of, settings),
        tell(values, importances=True, **about),
        by_group,
        selection,
    )


_COLUMNS = (
    "exposure_time_s",
    "airmass",
    "seeing_fwhm_arcsec",
    "sky_adu",
    "zero_point_mag",
    "limiting_mag",
)


def write_exposures(split: DatasetSplit, objects, path) -> None:
    """Write the exposures of some objects as a table for the simulator, a field for each.

    Exposures of which something is not known are left out; a limit that is not known is the
    median of the others.
    """
    from astropy.table import Table

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
