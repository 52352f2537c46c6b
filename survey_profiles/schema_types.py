"""What every table of a profile shares: frozen, no unknown keys, checked numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from survey_profiles.physical_ranges import PHYSICAL_RANGES


def within(low: float, high: float) -> Any:
    """The type of a number between two limits, both allowed."""
    return Annotated[float, Field(ge=low, le=high, allow_inf_nan=False)]


def physical(quantity: str) -> Any:
    """The type of a number within the range of a quantity."""
    return within(*PHYSICAL_RANGES[quantity][:2])


Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Magnitude = Annotated[float, Field(ge=-5, le=40, allow_inf_nan=False)]
Gain = physical("gain_e_per_adu")
ExposureTime = physical("exposure_time_s")
Width = physical("seeing_fwhm_arcsec")
Probabilities = Annotated[tuple[Fraction, ...], Field(min_length=2)]


def _derived_are_optional(schema: dict[str, Any], table: type[Table]) -> None:
    schema["required"] = [key for key in schema.get("required", ()) if key not in table.DERIVED]


class Table(BaseModel):
    """A frozen table of a profile; unknown keys are refused.

    The text below a field is its description in the JSON schema: unit in brackets, meaning, and
    for a default the reason. Keys of ``DERIVED`` may be left out: they follow from others.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        json_schema_extra=_derived_are_optional,
    )
    DERIVED: ClassVar[tuple[str, ...]] = ()


def require_quantiles(probabilities: Sequence[float], values: Sequence[float], name: str) -> None:
    """Refuse a quantile table whose columns differ in length or do not increase.

    Raises
    ------
    ValueError
    """
    if len(probabilities) != len(values):
        raise ValueError(
            f"one number of {name} ({len(values)}) for each probability ({len(probabilities)})"
        )
    if list(probabilities) != sorted(set(probabilities)) or list(values) != sorted(values):
        raise ValueError(f"{name} and its probabilities increasing")
