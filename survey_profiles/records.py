"""The ground of a profile: frozen tables that refuse unknown keys, and kinds of number."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Magnitude = Annotated[float, Field(ge=-5, le=40, allow_inf_nan=False)]
Probabilities = Annotated[tuple[Fraction, ...], Field(min_length=2)]


class Table(BaseModel):
    """A frozen table of a profile; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def require_quantiles(probabilities, values, name):
    """Refuse a quantile table whose columns differ in length or do not increase."""
    if len(probabilities) != len(values):
        raise ValueError(
            f"one number of {name} ({len(values)}) for each probability ({len(probabilities)})"
        )
    if list(probabilities) != sorted(set(probabilities)) or list(values) != sorted(values):
        raise ValueError(f"{name} and its probabilities increasing")
