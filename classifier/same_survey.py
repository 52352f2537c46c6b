"""Whether two inputs of a command are of one survey: data sets, models and survey profiles.

Commands check every combination of their inputs with `check_same_survey`, once, before any work.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from skyreel.errors import ClassifierError, UserError

if TYPE_CHECKING:
    from classifier.dataset import DatasetSplit
    from classifier.models.protocol import Model
    from survey_profiles.profile import Profile

SAME_SCALE = 0.02
"""Largest relative difference of the pixel scales of one survey."""


@dataclass(frozen=True)
class SurveyInput:
    """What an input of a command says of its survey.

    ``name`` is the input in a message, ``verb`` how it relates to the ``survey``;
    ``pixel_scale_arcsec`` is None where it is unknown.
    """

    name: str
    survey: str
    pixel_scale_arcsec: float | None
    verb: str = "is of"

    @classmethod
    def of_split(cls, split: DatasetSplit) -> Self:
        """A data set."""
        return cls(str(split.path), split.survey, split.profile.camera.pixel_scale_arcsec)

    @classmethod
    def of_model(cls, name: str | Path, model: Model) -> Self:
        """A model; the cards of early ones do not say the pixel scale."""
        try:
            scale = float(model.card["profile"]["camera"]["pixel_scale_arcsec"])
        except (KeyError, TypeError, ValueError, OverflowError):
            scale = None
        return cls(str(name), model.survey, scale, "was trained on")

    @classmethod
    def of_profile(cls, profile: Profile) -> Self:
        """A survey profile."""
        scale = profile.camera.pixel_scale_arcsec
        return cls(f"the survey profile {profile.name!r}", profile.name, scale, "describes")


def check_same_survey(
    first: SurveyInput,
    second: SurveyInput,
    *,
    any_survey: bool = False,
    hint: str = "To use it all the same: --any-survey.",
    error: type[UserError] = ClassifierError,
) -> tuple[str, ...]:
    """Refuse two inputs of different surveys, or of pixel scales that differ by more than 2 %.

    Parameters
    ----------
    first, second : SurveyInput
    any_survey : bool
        Whether differences are allowed; they are then returned, as sentences to print.
    hint : str
        Last sentence of the message: what to do.
    error : type of UserError

    Raises
    ------
    UserError
        Of the type ``error``.
    """
    differences = _differences(first, second)
    if differences and not any_survey:
        raise error(f"{differences[0]} {hint}")
    return differences


def _differences(first, second):
    if first.survey != second.survey:
        return (
            f"{first.name} {first.verb} {first.survey}, {second.name} {second.verb} "
            f"{second.survey}.",
        )
    scales = first.pixel_scale_arcsec, second.pixel_scale_arcsec
    if None in scales or abs(scales[0] / scales[1] - 1) <= SAME_SCALE:
        return ()
    return (
        f"{first.name} has pixels of {scales[0]:.3g} arcsec, {second.name} of {scales[1]:.3g} "
        "arcsec.",
    )
