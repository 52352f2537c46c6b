"""How a profile says when it observes: fields, and a list of nights or a season."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

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


class Footprint(Table):
    """Fields are spread evenly on the sky between these limits, [low, high] in degrees."""

    ra_deg: tuple[Finite, Finite]
    dec_deg: tuple[Annotated[float, Field(ge=-90)], Annotated[float, Field(le=90)]]

    @model_validator(mode="after")
    def _consistent(self):
        if not (self.ra_deg[0] < self.ra_deg[1] and self.dec_deg[0] < self.dec_deg[1]):
            raise ValueError("ra_deg and dec_deg each [low, high] with low < high")
        return self


class Visit(Table):
    """One planned visit: band, hour angle of the field, and the share of fields that got it."""

    band: str
    hour_angle_h: Annotated[float, Field(ge=-12, le=12)]
    fraction: Fraction = 1.0
    exposure_time_s: Positive | None = None


class Night(Table):
    """A night of a fixed timetable; ``mjd`` is the whole MJD at its local midnight (UT date)."""

    mjd: Annotated[int, Field(ge=15020, le=88069)]
    visits: Annotated[tuple[Visit, ...], Field(min_length=1)]


class Block(Table):
    """Visits of one field in one night, band by band, chosen in proportion to ``weight``.

    ``max_moon_fraction``: not when more of the Moon's disc than this is lit.
    """

    bands: Annotated[tuple[str, ...], Field(min_length=1)]
    weight: Positive
    max_moon_fraction: Fraction = 1.0


class Season(Table):
    """An open-ended timetable, cut to a window of ``window_day`` within a field's season."""

    first_mjd: Annotated[float, Field(ge=15020, le=88069)]
    years: Annotated[int, Field(ge=1, le=50)]
    season_day: Positive
    window_day: Positive
    night_gaps_day: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)]
    night_gap_weights: Annotated[tuple[NotNegative, ...], Field(min_length=1)]
    blocks: Annotated[tuple[Block, ...], Field(min_length=1)]
    pair_gap_min: tuple[Positive, Positive]
    hour_angle_limit_h: Annotated[float, Field(gt=0, le=12)]
    half_night_h: Annotated[float, Field(gt=0, le=12)]
    min_moon_separation_deg: Annotated[float, Field(ge=0, lt=180)] = 0.0

    @model_validator(mode="after")
    def _consistent(self):
        if len(self.night_gaps_day) != len(self.night_gap_weights):
            raise ValueError("night_gaps_day and night_gap_weights of one length")
        if self.window_day > self.season_day:
            raise ValueError(
                f"window_day ({self.window_day:g}) at most season_day ({self.season_day:g})"
            )
        if not sum(self.night_gap_weights) > 0:
            raise ValueError("at least one of night_gap_weights above zero")
        if self.pair_gap_min[0] > self.pair_gap_min[1]:
            raise ValueError("pair_gap_min as [low, high]")
        return self


class Cadence(Table):
    """When fields are observed: a fixed list of ``nights`` or a ``season``, one of the two.

    The visits of ``nights`` scatter by ``hour_angle_scatter_h``, each by itself, and all those of
    a field by ``hour_angle_field_scatter_h`` together: fields are visited in one order.
    """

    bands: Annotated[tuple[str, ...], Field(min_length=1)]
    max_epochs: Annotated[int, Field(ge=1, le=1000)]
    min_epochs: Annotated[int, Field(ge=1)]
    max_airmass: Annotated[float, Field(gt=1, le=5)]
    hour_angle_scatter_h: Annotated[float, Field(ge=0, le=3)]
    hour_angle_field_scatter_h: Annotated[float, Field(ge=0, le=3)] = 0.0
    field_radius_deg: Positive
    footprint: Footprint
    nights: tuple[Night, ...] = ()
    season: Season | None = None

    @model_validator(mode="after")
    def _consistent(self):
        if bool(self.nights) == (self.season is not None):
            raise ValueError("either [[cadence.nights]] or [cadence.season], one of the two")
        if self.min_epochs > self.max_epochs:
            raise ValueError(
                f"min_epochs ({self.min_epochs}) at most max_epochs ({self.max_epochs})"
            )
        if any(a.mjd >= b.mjd for a, b in zip(self.nights, self.nights[1:], strict=False)):
            raise ValueError("nights in order of mjd, each once")
        return self
