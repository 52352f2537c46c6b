"""Real objects against matched simulations: every quantity, its distance, and the separation."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from classifier.dataset import DatasetSplit
from classifier.image_selection import ImageSelection, SelectedSplit
from classifier.registration import LANCZOS_ORDER
from finetune.domain_gap.curve_statistics import matching_magnitudes
from finetune.domain_gap.distances import Distance, distance
from finetune.domain_gap.domain_classifier import FOLDS, TwoSampleTest, two_sample_test
from finetune.domain_gap.matched_samples import (
    MatchedSamples,
    RealObjects,
    SimulatedPool,
    match_samples,
    write_exposures,
)
from finetune.domain_gap.measurements import free_psf, light_curves, measurements
from finetune.domain_gap.quantities import GROUPS, QUANTITIES, SELECTION
from finetune.homogenise import resampled
from skyreel.errors import DomainGapError
from survey_profiles.profile import Profile

_POOL_FACTOR, _LEAST_POOL = 4, 1500


@dataclass(frozen=True)
class Selection:
    """Magnitude and number of images, (row, 2), of real objects and as drawn from the profile."""

    real: np.ndarray
    simulated: np.ndarray
    distances: dict[str, Distance]


@dataclass(frozen=True)
class DomainGap:
    """The comparison of real objects and matched simulations.

    Attributes
    ----------
    class_names : str (object,)
    real : float (object, quantity)
        Quantities follow `quantities.NAMES`.
    matched : MatchedSamples
    distances : dict of str to Distance
        By quantity.
    overall : TwoSampleTest
        With all quantities.
    by_group : dict of str to TwoSampleTest
        With the quantities of one group.
    selection : Selection
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
        Images of an object at most.
    matched : int
        Simulations matched to every real object.
    lanczos_order : int
        Resampling of the simulations of stamps that were resampled.
    own_exposures : bool
        Whether simulations are observed in the exposures of the real objects, not in drawn ones.
    seed, n_bootstrap : int
    """

    images: int = 22
    matched: int = 5
    lanczos_order: int = LANCZOS_ORDER
    own_exposures: bool = False
    seed: int = 0
    n_bootstrap: int = 100


def expected_work(split: DatasetSplit, settings: Settings) -> int:
    """Approximate number of simulated objects to be measured."""
    counts = np.bincount(split.labels[split.labels >= 0])
    pools = [max(_LEAST_POOL, _POOL_FACTOR * settings.matched * n) for n in counts if n]
    return int(sum(pools) + 2 * settings.matched * counts.sum())


def measure_gap(
    split: DatasetSplit,
    profile: Profile,
    settings: Settings,
    tick: Callable[[int], None] = lambda n: None,
) -> DomainGap:
    """The gap between a split of real objects and the simulation of a profile.

    ``tick`` is called with the number of simulated objects measured since the last call.

    Raises
    ------
    DomainGapError, ClassifierError, SimulationError
    """
    return _Comparison(split, profile, settings, tick).run()


@dataclass(frozen=True)
class _Comparison:
    split: DatasetSplit
    profile: Profile
    settings: Settings
    tick: Callable[[int], None]

    def run(self) -> DomainGap:
        psf = free_psf(self.profile)
        real, values, rows = self._real_objects(psf)
        pools = {
            (name, was_resampled): self._pool(real, rows, name, was_resampled)
            for name, was_resampled in sorted(
                set(zip(real.class_names, real.resampled, strict=True))
            )
        }
        per_object = self.settings.matched
        matched = match_samples(real, pools, psf, per_object=per_object, tick=self.tick)
        selection = self._selection(real, psf)
        return self._compared(real.class_names, values, matched, selection)

    @property
    def _images(self):
        return ImageSelection(images=self.settings.images, band=self.profile.reference_band)

    def _real_objects(self, psf):
        """Real objects with a class and a light curve, their quantities, and their rows."""
        split, own_exposures = self.split, self.settings.own_exposures
        stamps = SelectedSplit(split, self._images).stamps(0, len(split))
        if own_exposures:
            stamps = _with_known_conditions(stamps)
        curves, n_images = light_curves(stamps, psf), np.asarray(stamps.n_epochs)
        magnitudes = matching_magnitudes(curves)
        usable = (split.labels >= 0) & (n_images > 0) & np.isfinite(magnitudes[:, 0])
        if usable.sum() < FOLDS:
            raise DomainGapError(
                f"{split.path}: {usable.sum()} objects have a class and a measurable light curve; "
                f"the comparison needs {FOLDS} or more."
            )
        first_mjd = stamps.mjd[usable, 0] if own_exposures else np.full(usable.sum(), np.nan)
        real = RealObjects(
            np.array([*split.classes, ""])[split.labels][usable],
            resampled(split)[usable],
            n_images[usable],
            magnitudes[usable],
            first_mjd,
        )
        values = measurements(stamps, curves, self.profile)[usable]
        return real, values, np.flatnonzero(usable)

    def _pool(self, real, rows, name, was_resampled):
        """The pool of a class, resampled where the real stamps were."""
        settings, psf = self.settings, self.profile.psf
        mine = (real.class_names == name) & (real.resampled == was_resampled)
        if was_resampled:
            psf = psf.model_copy(update={"lanczos_order": settings.lanczos_order})
        with tempfile.TemporaryDirectory() as folder:
            exposures = None
            if settings.own_exposures:
                exposures = str(Path(folder) / "exposures.ecsv")
                write_exposures(self.split, rows[mine], exposures)
            return SimulatedPool(
                self.profile.model_copy(update={"psf": psf}),
                str(name),
                real.magnitudes[mine, 0],
                self._images,
                n=max(_LEAST_POOL, _POOL_FACTOR * settings.matched * int(mine.sum())),
                seed=settings.seed,
                exposures=exposures,
            )

    def _selection(self, real, psf):
        """Objects with magnitudes from the profile, as many of a class as matched simulations."""
        drawn, of = [], []
        for name in np.unique(real.class_names):
            mine = np.repeat(np.flatnonzero(real.class_names == name), self.settings.matched)
            pool = SimulatedPool(
                self.profile,
                str(name),
                np.empty(0),
                self._images,
                n=mine.size,
                seed=self.settings.seed + 1,
            )
            images, magnitudes, _ = pool.survey(psf, self.tick)
            drawn.append(np.stack([magnitudes[:, 0], images], axis=1))
            of.append(mine)
        drawn, of = np.concatenate(drawn), np.concatenate(of)
        values = np.stack([real.magnitudes[:, 0], real.n_images], axis=1)
        return Selection(values, drawn, self._distances(SELECTION, values, drawn, of))

    def _distances(self, quantities, real, simulated, of):
        options = {"n_bootstrap": self.settings.n_bootstrap, "seed": self.settings.seed}
        return {
            quantity.name: distance(real[:, k], simulated[:, k], of, **options)
            for k, quantity in enumerate(quantities)
        }

    def _compared(self, class_names, real, matched, selection):
        values = np.concatenate([real, matched.values])
        group = np.concatenate([np.arange(len(real)), matched.of])
        test = {
            "is_real": np.arange(len(values)) < len(real),
            "group": group,
            "class_names": class_names[group],
            "seed": self.settings.seed,
            "n_bootstrap": self.settings.n_bootstrap,
        }
        by_group = {
            name: two_sample_test(values[:, [q.group == name for q in QUANTITIES]], **test)
            for name in GROUPS
        }
        return DomainGap(
            class_names,
            real,
            matched,
            self._distances(QUANTITIES, real, matched.values, matched.of),
            two_sample_test(values, importances=True, **test),
            by_group,
            selection,
        )


def _with_known_conditions(stamps):
    """Stamps without the images that cannot be simulated because a condition is unknown."""
    known = np.arange(stamps.mjd.shape[1]) < np.asarray(stamps.n_epochs)[:, None]
    for name in ("exposure_time_s", "seeing_fwhm_pix", "sky_adu", "zero_point_mag"):
        known &= np.isfinite(getattr(stamps, name))
    order = np.argsort(~known, axis=1, kind="stable")
    return stamps.rearranged(order, known.sum(axis=1))
