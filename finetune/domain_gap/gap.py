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
from finetune.left_out import LeftOut, Sieve, left_out_text
from simulator.lightcurves import class_names as simulated_classes
from skyreel.errors import DomainGapError
from survey_profiles.profile import Profile

_POOL_FACTOR, _LEAST_POOL = 4, 1500
_BLOCK = 512
OnStep = Callable[[str, int, int], None]
"""Called with the name of a step, how much of it is done since the last call, and how much it is
in all."""


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
    left_out : tuple of LeftOut
        Real objects that are not compared.
    """

    class_names: np.ndarray
    real: np.ndarray
    matched: MatchedSamples
    distances: dict[str, Distance]
    overall: TwoSampleTest
    by_group: dict[str, TwoSampleTest]
    selection: Selection
    left_out: tuple[LeftOut, ...] = ()

    @property
    def not_measured(self) -> tuple[str, ...]:
        """Quantities that no real object or no simulation has; they are in no test."""
        known = measured_columns(self.real, self.matched.values)
        return tuple(q.name for q, each in zip(QUANTITIES, known, strict=True) if not each)


def measured_columns(real: np.ndarray, simulated: np.ndarray) -> np.ndarray:
    """Bool (quantity,): whether some real object and some simulation have a value."""
    return np.isfinite(real).any(axis=0) & np.isfinite(simulated).any(axis=0)


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


def measure_gap(
    split: DatasetSplit,
    profile: Profile,
    settings: Settings,
    on_step: OnStep = lambda name, done, total: None,
) -> DomainGap:
    """The gap between a split of real objects and the simulation of a profile.

    Objects without a class that can be simulated, or without a measurable light curve, are left
    out and counted; so are quantities that no object has.

    Raises
    ------
    DomainGapError, ClassifierError, SimulationError
    """
    return _Comparison(split, profile, settings, on_step).run()


@dataclass(frozen=True)
class _Comparison:
    split: DatasetSplit
    profile: Profile
    settings: Settings
    on_step: OnStep

    def run(self) -> DomainGap:
        psf = free_psf(self.profile)
        real, values, sieve = self._real_objects(psf)
        rows = np.flatnonzero(sieve.used)
        pools = {
            (name, was_resampled): self._pool(real, rows, name, was_resampled)
            for name, was_resampled in sorted(
                set(zip(real.class_names, real.resampled, strict=True))
            )
        }
        per_object, n_selection = self.settings.matched, self.settings.matched * len(values)
        total = sum(pool.n + per_object * pool.n_real for pool in pools.values()) + n_selection

        def tick(n):
            self.on_step("simulated objects", n, total)

        matched = match_samples(real, pools, psf, per_object=per_object, tick=tick)
        selection = self._selection(real, psf, tick)
        return self._compared(real.class_names, values, matched, selection, sieve.left_out)

    @property
    def _images(self):
        return ImageSelection(images=self.settings.images, bands=(self.profile.reference_band,))

    def _real_objects(self, psf):
        """Real objects to be compared, their quantities, and which of the split they are."""
        measured = [self._measured(first, end, psf) for first, end in self.split.blocks(_BLOCK)]
        n_images, magnitudes, first_mjd, values = map(np.concatenate, zip(*measured, strict=True))
        sieve = self._usable(n_images, magnitudes)
        used = sieve.used
        if not self.settings.own_exposures:
            first_mjd = np.full(len(first_mjd), np.nan)
        real = RealObjects(
            np.array([*self.split.classes, ""])[self.split.labels][used],
            resampled(self.split)[used],
            n_images[used],
            magnitudes[used],
            first_mjd[used],
        )
        return real, values[used], sieve

    def _measured(self, first, end, psf):
        """Numbers of images, magnitudes, first times and quantities of a block of the split."""
        stamps = SelectedSplit(self.split, self._images).stamps(first, end)
        if self.settings.own_exposures:
            stamps = _with_known_conditions(stamps)
        curves = light_curves(stamps, psf)
        values = measurements(stamps, curves, self.profile)
        self.on_step("real objects", end - first, len(self.split))
        n_images = np.asarray(stamps.n_epochs)
        return n_images, matching_magnitudes(curves), stamps.mjd[:, 0], values

    def _usable(self, n_images, magnitudes):
        """Objects with a class that can be simulated and a light curve."""
        split, known = self.split, simulated_classes()
        sieve = Sieve(split.object_ids)
        sieve.leave_out(split.labels < 0, "without a class")
        for label, name in enumerate(split.classes):
            if name not in known:
                reason = f"of the class {name}, which cannot be simulated"
                sieve.leave_out(split.labels == label, reason)
        sieve.leave_out(n_images <= 0, "without a usable image")
        sieve.leave_out(~np.isfinite(magnitudes[:, 0]), "without a measurable light curve")
        if sieve.used.sum() < FOLDS:
            raise DomainGapError(
                f"{split.path}: {sieve.used.sum()} objects have a class that can be simulated and "
                f"a measurable light curve; the comparison needs {FOLDS} or more. "
                f"{left_out_text(sieve.left_out)}"
            )
        return sieve

    def _pool(self, real, rows, name, was_resampled):
        """The pool of a class, resampled where the real stamps were."""
        settings, psf, cadence = self.settings, self.profile.psf, self.profile.cadence
        mine = (real.class_names == name) & (real.resampled == was_resampled)
        if was_resampled:
            psf = psf.model_copy(update={"lanczos_order": settings.lanczos_order})
        with tempfile.TemporaryDirectory() as folder:
            exposures = None
            if settings.own_exposures:
                exposures = str(Path(folder) / "exposures.ecsv")
                write_exposures(self.split, rows[mine], exposures)
                cadence = cadence.model_copy(update={"min_epochs": 1})  # as short as the real ones
            return SimulatedPool(
                self.profile.model_copy(update={"psf": psf, "cadence": cadence}),
                str(name),
                real.magnitudes[mine, 0],
                self._images,
                n=max(_LEAST_POOL, _POOL_FACTOR * settings.matched * int(mine.sum())),
                seed=settings.seed,
                exposures=exposures,
            )

    def _selection(self, real, psf, tick):
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
            images, magnitudes, _ = pool.survey(psf, tick)
            drawn.append(np.stack([magnitudes[:, 0], images], axis=1))
            of.append(mine)
        drawn, of = np.concatenate(drawn), np.concatenate(of)
        values = np.stack([real.magnitudes[:, 0], real.n_images], axis=1)
        return Selection(values, drawn, self._distances(SELECTION, values, drawn, of))

    def _distances(self, quantities, real, simulated, of):
        options = {"n_bootstrap": self.settings.n_bootstrap, "seed": self.settings.seed}
        found = {}
        for k, quantity in enumerate(quantities):
            found[quantity.name] = distance(real[:, k], simulated[:, k], of, **options)
            self.on_step("distances", 1, len(QUANTITIES) + len(SELECTION))
        return found

    def _compared(self, class_names, real, matched, selection, left_out):
        values = np.concatenate([real, matched.values])
        values[:, ~measured_columns(real, matched.values)] = np.nan
        group = np.concatenate([np.arange(len(real)), matched.of])
        test = {
            "is_real": np.arange(len(values)) < len(real),
            "group": group,
            "class_names": class_names[group],
            "seed": self.settings.seed,
            "n_bootstrap": self.settings.n_bootstrap,
        }
        by_group = {}
        for name in GROUPS:
            columns = [q.group == name for q in QUANTITIES]
            by_group[name] = two_sample_test(values[:, columns], **test)
            self.on_step("two-sample tests", 1, len(GROUPS) + 1)
        overall = two_sample_test(values, importances=True, **test)
        self.on_step("two-sample tests", 1, len(GROUPS) + 1)
        distances = self._distances(QUANTITIES, real, matched.values, matched.of)
        return DomainGap(
            class_names,
            real,
            matched,
            distances,
            overall,
            by_group,
            selection,
            tuple(left_out),
        )


def _with_known_conditions(stamps):
    """Stamps without the images that cannot be simulated because a condition is unknown."""
    known = np.arange(stamps.mjd.shape[1]) < np.asarray(stamps.n_epochs)[:, None]
    for name in ("exposure_time_s", "seeing_fwhm_pix", "sky_adu", "zero_point_mag"):
        known &= np.isfinite(getattr(stamps, name))
    order = np.argsort(~known, axis=1, kind="stable")
    return stamps.rearranged(order, known.sum(axis=1))
