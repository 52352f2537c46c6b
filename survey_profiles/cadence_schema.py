"""What a profile holds of the cadence: fields, and a list of nights or a season."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field, model_validator

from survey_profiles.physical_ranges import PHYSICAL_RANGES
from survey_profiles.schema_types import ExposureTime, Fraction, Table, physical, within

MOST_VISITS = 4000  # planned for one field; arrays hold them for thousands of fields
_MJD_LOW, _MJD_HIGH, _ = PHYSICAL_RANGES["mjd"]
_Mjd = physical("mjd")
_Days = Annotated[within(0, 366), Field(gt=0)]
_Minutes = Annotated[within(0, 1440), Field(gt=0)]
_ManyDays = Annotated[within(0, 18_300), Field(gt=0)]  # fifty years
_Weight = within(0, 1e9)

MOST_EPOCHS = 1000  # of a sequence


class Footprint(Table):
    """Fields are spread evenly on the sky between these limits."""

    ra_deg: tuple[within(-360, 720), within(-360, 720)] = (0.0, 360.0)
    """[deg] Right ascension, [low, high]."""
    dec_deg: tuple[Annotated[float, Field(ge=-90)], Annotated[float, Field(le=90)]] = (-90.0, 90.0)
    """[deg] Declination, [low, high]; fields that never rise high enough are drawn again."""

    @model_validator(mode="after")
    def _consistent(self):
        if not (self.ra_deg[0] < self.ra_deg[1] and self.dec_deg[0] < self.dec_deg[1]):
            raise ValueError("ra_deg and dec_deg each [low, high] with low < high")
        return self


class Visit(Table):
    """One planned visit of a night."""

    band: str
    """Name of the band."""
    hour_angle_h: Annotated[float, Field(ge=-12, le=12)]
    """[h] Hour angle of the field."""
    fraction: Fraction = 1.0
    """Fraction of fields that got this visit."""
    exposure_time_s: ExposureTime | None = None
    """[s] Exposure time; by default that of the band."""


class Night(Table):
    """A night of a fixed timetable."""

    mjd: Annotated[int, Field(ge=_MJD_LOW, le=_MJD_HIGH)]
    """[d] Whole MJD at the local midnight of the night (UT date)."""
    visits: Annotated[tuple[Visit, ...], Field(min_length=1)]
    """The planned visits."""


class Block(Table):
    """Visits of one field in one night, band by band."""

    bands: Annotated[tuple[str, ...], Field(min_length=1)]
    """Bands in the order of the visits."""
    weight: _Weight = 1.0
    """The block is chosen in proportion to its weight."""
    grey_weight: _Weight | None = None
    """The weight where moonlight adds 10 to 150 nL in V (a dark sky has 65); by default
    ``weight``."""
    bright_weight: _Weight | None = None
    """The weight where moonlight adds more; by default ``weight``."""
    twilight_weight: _Weight | None = None
    """The weight with the Sun less than 18 degrees below the horizon; by default ``weight``."""
    min_moon_fraction: Fraction = 0.0
    """The block is not chosen when less of the Moon's disc than this is lit."""
    max_moon_fraction: Fraction = 1.0
    """The block is not chosen when more of the Moon's disc than this is lit."""

    @property
    def weights(self) -> tuple[float, float, float, float]:
        """Weight in a dark, a grey and a bright sky, and in twilight."""
        others = (self.grey_weight, self.bright_weight, self.twilight_weight)
        return (self.weight, *(self.weight if w is None else w for w in others))

    @model_validator(mode="after")
    def _consistent(self):
        if not max(self.weights) > 0:
            raise ValueError("a weight above zero")
        if self.min_moon_fraction > self.max_moon_fraction:
            raise ValueError("min_moon_fraction at most max_moon_fraction")
        return self


class Season(Table):
    """An open-ended timetable, cut to a window within a field's season."""

    DERIVED: ClassVar = ("night_gap_weights",)

    first_mjd: _Mjd
    """[d] MJD of the start of the survey."""
    years: Annotated[int, Field(ge=1, le=50)] = 1
    """[yr] Length of the survey."""
    season_day: _Days = 180.0
    """[d] Season of a field; the default is a field that crosses the meridian within 6 h of
    midnight."""
    window_day: _ManyDays = 120.0
    """[d] Length of a sequence; default chosen. Sequences that are drawn lie within one season;
    those of a table of visits may be longer and cover several."""
    night_gaps_day: Annotated[tuple[Annotated[int, Field(ge=1, le=366)], ...], Field(min_length=1)]
    """[d] Gaps between the nights in which a field is observed."""
    night_gap_weights: Annotated[tuple[within(0, 1e9), ...], Field(min_length=1)]
    """Relative frequency of each gap; by default all the same."""
    blocks: Annotated[tuple[Block, ...], Field(min_length=1)]
    """What is observed in a night, one of these."""
    pair_gap_min: tuple[_Minutes, _Minutes] = (20.0, 40.0)
    """[min] Shortest and longest time between the visits of a block; default chosen."""
    overlap_fraction: Fraction = 0.0
    """Fraction of the nights in which a block is taken twice, where fields overlap."""
    overlap_gap_min: tuple[_Minutes, _Minutes] = (1.1, 20.0)
    """[min] Shortest and longest time between the two, even in its logarithm; the default is that
    of neighbouring fields in a Rubin schedule."""
    activity: Annotated[tuple[Annotated[Fraction, Field(gt=0)], ...], Field(min_length=1)] = (1.0,)
    """Fractions of the nights of ``night_gaps_day`` that are kept, one for each field and season
    at random: the seasons of a rolling cadence."""
    hour_angle_limit_h: Annotated[float, Field(gt=0, le=12)] = 4.0
    """[h] Largest distance of a visit from ``hour_angle_centre_h``; default chosen."""
    hour_angle_centre_h: Annotated[float, Field(ge=-6, le=6)] = 0.0
    """[h] Middle of the hour angles of visits; the default is the meridian."""
    max_sun_altitude_deg: Annotated[float, Field(ge=-50, le=0)] | None = None
    """[deg] Altitude of the Sun at which nights begin and end, by date; by default nights have
    one length, twice ``half_night_h``."""
    half_night_h: Annotated[float, Field(gt=0, le=12)] = 4.2
    """[h] Half of the length of a night; the default lies between half of the shortest and of
    the mean astronomical night."""
    min_moon_separation_deg: Annotated[float, Field(ge=0, lt=180)] = 0.0
    """[deg] Fields closer to the Moon are not observed."""

    @model_validator(mode="before")
    @classmethod
    def _even_weights(cls, given: Any) -> Any:
        gaps = given.get("night_gaps_day") if isinstance(given, dict) else None
        if isinstance(gaps, list | tuple):
            return {"night_gap_weights": [1.0] * len(gaps), **given}
        return given

    @model_validator(mode="after")
    def _consistent(self):
        if len(self.night_gaps_day) != len(self.night_gap_weights):
            raise ValueError("night_gaps_day and night_gap_weights of one length")
        if not sum(self.night_gap_weights) > 0:
            raise ValueError("at least one of night_gap_weights above zero")
        for name in ("pair_gap_min", "overlap_gap_min"):
            if getattr(self, name)[0] > getattr(self, name)[1]:
                raise ValueError(f"{name} as [low, high]")
        nights = min(self.window_day, self.season_day) / min(self.night_gaps_day) + 1
        times = 2 if self.overlap_fraction else 1
        visits = int(nights) * times * max(len(block.bands) for block in self.blocks)
        if visits > MOST_VISITS:
            raise ValueError(
                f"at most {MOST_VISITS:,} planned visits in window_day (nights at the shortest gap "
                f"times the longest block), not {visits:,}"
            )
        return self


class Cadence(Table):
    """When fields are observed: a fixed list of ``nights`` or a ``season``, one of the two."""

    bands: Annotated[tuple[str, ...], Field(min_length=1)]
    """Bands in use, of those in ``bands`` of the profile."""
    max_epochs: Annotated[int, Field(ge=1, le=MOST_EPOCHS)] = 60
    """Longest sequence; longer ones are cut. Default chosen."""
    min_epochs: Annotated[int, Field(ge=1)] = 5
    """Shortest sequence; fields with fewer exposures are drawn again. Default chosen."""
    max_airmass: Annotated[float, Field(gt=1, le=5)] = 2.0
    """Visits at a higher airmass are dropped; default chosen."""
    min_airmass: Annotated[float, Field(ge=1, lt=2)] = 1.0
    """Visits at a lower airmass are dropped; above 1 for telescopes that avoid the zenith."""
    hour_angle_scatter_h: Annotated[float, Field(ge=0, le=3)] = 0.0
    """[h] Scatter of the hour angle of each visit of ``nights`` by itself."""
    hour_angle_field_scatter_h: Annotated[float, Field(ge=0, le=3)] = 0.0
    """[h] Scatter of the hour angle common to all visits of a field of ``nights``."""
    field_radius_deg: Annotated[within(0, 30), Field(gt=0)] = 1.0
    """[deg] Radius of the field of view; used to place positions in OpSim schedules."""
    footprint: Footprint = Field(default_factory=Footprint)
    nights: tuple[Night, ...] = ()
    """A fixed timetable, in order of time."""
    season: Season | None = None
    """An open-ended timetable."""

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
        if self.min_airmass >= self.max_airmass:
            raise ValueError("min_airmass below max_airmass")
        visits = sum(len(night.visits) for night in self.nights)
        if visits > MOST_VISITS:
            raise ValueError(f"at most {MOST_VISITS:,} visits in nights, not {visits:,}")
        return self
