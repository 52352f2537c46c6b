"""The schedules of a forecast: a survey profile, and exposures drawn from it or read from a file.

All schedules of one forecast share one population of objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from classifier.prediction_notes import longer_sequences
from classifier.same_survey import SurveyInput, check_same_survey
from simulator.options import Options
from simulator.simulator import Simulator
from skyreel.errors import ClassifierError, UserError
from survey_profiles.cadence_schema import MOST_EPOCHS
from survey_profiles.loading import condition_names, load_profile

if TYPE_CHECKING:
    from classifier.models.protocol import Model
    from survey_profiles.pointings import Pointings

DRAWN = "drawn"
DEFAULT_SIZE_PIX = 21
_MARGIN_MAG = 0.5  # by which an exposure's own noise may allow more than its reported depth
_SQUARE_DEGREES = 180.0 / np.pi
_LONGEST = "cadence.max_epochs"


@dataclass(frozen=True)
class Schedule:
    """One schedule, with the simulator of its objects.

    Attributes
    ----------
    name : str
        On the page.
    asked : str
        As it was given.
    simulator : Simulator
    area_deg2 : float
        Area of the survey, NaN where unknown.
    models : tuple of Model
        The models that classify its images.
    notes : tuple of str
    """

    name: str
    asked: str
    simulator: Simulator
    area_deg2: float
    models: tuple[Model, ...]
    notes: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def pointings(self) -> Pointings:
        """Its sequences of exposures."""
        return self.simulator.pointings


def open_schedule(
    survey: str | Path,
    asked: str | Path,
    models: Sequence[Model],
    *,
    seed: int,
    overrides: Mapping[str, Any] | None = None,
    area_deg2: float | None = None,
    any_survey: bool = False,
    choices: Mapping[str, Any] | None = None,
) -> Schedule:
    """A schedule by its file or "drawn", checked against the models that classify it.

    Parameters
    ----------
    survey : str or path
        Survey profile.
    asked : str or path
        File of exposures, "drawn", or a name of the profile's conditions ("delivered").
    models : sequence of Model
        With equal classes.
    overrides : mapping, optional
        Values of the profile by their keys. Without ``cadence.max_epochs`` among them, sequences
        have all images of a position in a window, up to `MOST_EPOCHS`, whatever the profile says.
    choices : mapping, optional
        Further fields of `simulator.options.Options`: which visits of a file are used.

    Raises
    ------
    UserError
    """
    drawn = is_drawn(survey, asked)
    named = {"conditions": str(asked)} if drawn and str(asked) != DRAWN else {}
    overrides = {_LONGEST: str(MOST_EPOCHS), **(overrides or {})}
    profile = load_profile(survey, {**overrides, **named})
    notes = []
    for model in models:
        _refuse_planes(model)
        notes += check_same_survey(
            SurveyInput.of_model(model.folder, model),
            SurveyInput.of_profile(profile),
            any_survey=any_survey,
        )
        notes += _band_notes(model, profile)
    options = Options(
        classes=dict.fromkeys(models[0].classes, 1),
        exposures=None if drawn else str(asked),
        stamp_size_pix=_size_pix(models),
        seed=seed,
        **({} if drawn else choices or {}),
    )
    simulator = Simulator(profile, options)
    notes += [
        f"{asked}: {count:,} rows left out: {reason}."
        for reason, count in simulator.unused_exposures.items()
    ]
    notes += [f"{asked}: {note}" for note in simulator.exposure_notes]
    notes += _cut_notes(simulator) if drawn else []
    notes += [note for model in models for note in _length_notes(model, simulator)]
    name = f"{profile.name}, {asked}" if drawn else Path(asked).name
    area = _area_deg2(profile) if area_deg2 is None else area_deg2
    settings = {"options": options.as_dict(), "profile": profile.model_dump(mode="json")}
    return Schedule(name, str(asked), simulator, area, tuple(models), tuple(notes), settings)


def is_drawn(survey: str | Path, asked: str | Path) -> bool:
    """Whether a schedule is drawn from the profile, as planned or under its other conditions."""
    return str(asked) == DRAWN or str(asked) in condition_names(survey)


def _refuse_planes(model):
    if model.selection.planes:
        raise ClassifierError(
            f"{model.folder} reads {' and '.join(model.selection.planes)} images, which a forecast "
            "does not simulate; give a model of science images."
        )


def _band_notes(model, profile):
    used, known = profile.cadence.bands, model.bands
    if not set(used) & set(known):
        raise ClassifierError(
            f"{model.folder} classifies images in {', '.join(known)}; the survey profile "
            f"{profile.name!r} observes in {', '.join(used)} (cadence.bands). Give a model of one "
            "of these bands."
        )
    unread = [band for band in used if band not in known]
    absent = [band for band in known if band not in used]
    if unread and len(known) > 1:
        yield f"{model.name} has no band {', '.join(unread)}: these images are not used."
    if absent:
        yield f"No images in {', '.join(absent)}, which {model.name} could use."


def _cut_notes(simulator):
    """One sentence where drawn sequences may have been cut, or none."""
    limit, pointings = simulator.profile.cadence.max_epochs, simulator.pointings
    if cut := int((pointings.n_epochs >= limit).sum()):
        yield (
            f"{cut:,} of {len(pointings):,} drawn sequences are the first {_LONGEST} = {limit} "
            "images of their window, which may have more."
        )


def _length_notes(model, simulator):
    """One sentence about sequences of more images than those of the training, or none."""
    wanted = [k for k, name in enumerate(simulator.band_names) if name in model.bands]
    pointings = simulator.pointings
    counts = (np.isin(pointings.band, wanted) & np.isfinite(pointings.mjd)).sum(axis=1)
    return longer_sequences(model, counts, "sequences")


def _size_pix(models):
    sizes = {model.size_pix for model in models if model.size_pix is not None}
    if len(sizes) > 1:
        raise ClassifierError(
            f"the models take stamps of {' and '.join(map(str, sorted(sizes)))} pixels; give "
            "models of one stamp size."
        )
    return sizes.pop() if sizes else DEFAULT_SIZE_PIX


def _area_deg2(profile):
    """Area of the footprint of a survey of seasons; a list of nights does not cover it."""
    if not profile.cadence.season:
        return float("nan")
    low, high = np.sin(np.radians(profile.cadence.footprint.dec_deg))
    ra = profile.cadence.footprint.ra_deg
    return float((ra[1] - ra[0]) * (high - low) * _SQUARE_DEGREES)


def of_one_population(schedules: Sequence[Schedule]) -> list[Schedule]:
    """The schedules with simulators of one population, whatever each of them detects.

    Supernovae fill the volume that the deepest exposure of any of them reaches.

    Raises
    ------
    UserError
        Their surveys have other bands.
    """
    depths: dict[str, float] = {}
    for each in schedules:
        for name, depth in zip(each.simulator.band_names, deepest_mag(each.simulator), strict=True):
            depths[name] = max(depths.get(name, -np.inf), depth + _MARGIN_MAG)
    found = []
    for each in schedules:
        depth = np.array([depths[name] for name in each.simulator.band_names])
        found.append(replace(each, simulator=each.simulator.of_population(depth)))
    return _named_apart(found)


def _named_apart(schedules):
    names = [each.name for each in schedules]
    if len(set(names)) == len(names):
        return schedules
    return [
        replace(each, name=f"{each.name} ({each.asked})" if k else each.name)
        for k, each in enumerate(schedules)
    ]


def deepest_mag(simulator: Simulator) -> np.ndarray:
    """Deepest exposure in every band of a survey [AB mag], -inf where there is none, (band,)."""
    pointings = simulator.pointings
    depth = np.full(len(simulator.band_names), -np.inf)
    known = np.isfinite(pointings.mjd) & np.isfinite(pointings.limiting_mag)
    np.maximum.at(depth, pointings.band[known], pointings.limiting_mag[known])
    return depth


def check_classes(models: Iterable[Model]) -> None:
    """Refuse models of different classes.

    Raises
    ------
    UserError
    """
    first, *others = models
    for other in others:
        if other.classes != first.classes:
            raise UserError(
                f"{first.folder} has the classes {', '.join(first.classes)}, {other.folder} "
                f"{', '.join(other.classes)}; give models of the same classes in the same order."
            )
