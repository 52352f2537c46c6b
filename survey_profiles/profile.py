"""A survey profile: instrument, sky, weather and timetable, with units in the names.

Every profile is frozen, refuses keys it does not know, and says in ``sources`` where each of
its numbers comes from. Magnitudes are AB; a zero point is the magnitude of 1 ADU/s. Keys with
a default may be left out of a profile; ``Profile.model_json_schema()`` describes every key.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field, model_validator

from skyreel.errors import nearest
from survey_profiles.artefact_schema import Artefacts
from survey_profiles.cadence_schema import Cadence
from survey_profiles.conditions_schema import ConditionErrors, Depth, Seeing, Sky, Weather
from survey_profiles.difference_schema import Difference, Template
from survey_profiles.instrument_schema import Band, Camera, Psf
from survey_profiles.schema_types import Fraction, Magnitude, Table, within
from survey_profiles.sources import covers, flat_items, source_of

DEFAULT_SOURCE = "default value (not in the file)"


class StarField(Table):
    """Stars: how counts grow with magnitude, and the density of neighbours of a target."""

    DERIVED: ClassVar = ("neighbour_faint_mag",)

    star_counts_slope_per_mag: Annotated[float, Field(ge=0, le=1)] = 0.2
    """[1/mag] Counts grow as 10^(slope m); the default lies between counts at high (0.15) and
    low galactic latitude."""
    bright_mag: Magnitude
    """[mag] Brightest target in the reference band."""
    faint_mag: Magnitude
    """[mag] Faintest target in the reference band, near the depth of an exposure."""
    neighbours_per_arcmin2: within(0, 1e4) = 3.0
    """[1/arcmin^2] Stars around a target, mean over the sky; the default suits high galactic
    latitude."""
    neighbours_scatter_dex: within(0, 1) = 0.0
    """[dex] Scatter of the density of stars over the sky, a log-normal. Stars are targets in
    proportion to it, galaxies in inverse proportion, asteroids anywhere."""
    neighbour_faint_mag: Magnitude
    """[mag] Faintest neighbour in the reference band; by default ``faint_mag``."""

    @model_validator(mode="before")
    @classmethod
    def _same_limit(cls, given: Any) -> Any:
        if isinstance(given, dict) and "faint_mag" in given:
            return {"neighbour_faint_mag": given["faint_mag"], **given}
        return given

    @model_validator(mode="after")
    def _consistent(self):
        if not self.bright_mag < self.faint_mag:
            raise ValueError(
                f"bright_mag ({self.bright_mag:g}) below faint_mag ({self.faint_mag:g})"
            )
        return self


class Hosts(Table):
    """Fractions of objects in front of a galaxy."""

    sn_fraction: Fraction = 0.5
    """Fraction of supernovae with a host galaxy that is drawn; default chosen."""
    other_fraction: Fraction = 0.05
    """Fraction of other objects in front of a galaxy by chance; default chosen."""


class Site(Table):
    """Where the telescope stands."""

    latitude_deg: Annotated[float, Field(ge=-90, le=90)]
    """[deg] Latitude, positive to the north."""
    longitude_deg: Annotated[float, Field(ge=-180, le=180)]
    """[deg] Longitude, positive to the east."""


class Profile(Table):
    """A whole survey."""

    DERIVED: ClassVar = ("title",)

    name: Annotated[str, Field(min_length=1)]
    """Short name, kept in data sets and models."""
    title: str
    """Name for people; by default the short name."""
    reference_band: str
    """Band in which magnitudes of objects are drawn; one of ``bands``."""
    camera: Camera
    psf: Psf = Field(default_factory=Psf)
    seeing: Seeing
    sky: Sky = Field(default_factory=Sky)
    weather: Weather = Field(default_factory=Weather)
    depth: Depth = Field(default_factory=Depth)
    condition_errors: ConditionErrors = Field(default_factory=ConditionErrors)
    bands: Annotated[dict[str, Band], Field(min_length=1)]
    """Bands by name, in the order that ``Pointings.band`` counts them."""
    field: StarField
    hosts: Hosts = Field(default_factory=Hosts)
    template: Template = Field(default_factory=Template)
    difference: Difference = Field(default_factory=Difference)
    artefacts: Artefacts = Field(default_factory=Artefacts)
    site: Site
    cadence: Cadence
    sources: dict[str, str] = Field(default_factory=dict)
    """Where numbers come from: a dotted key, or the start of one (``*`` stands for any name),
    and its source. A file without this table has all its numbers from the user."""

    @model_validator(mode="before")
    @classmethod
    def _named(cls, given: Any) -> Any:
        if isinstance(given, dict) and "name" in given:
            return {"title": given["name"], **given}
        return given

    def source(self, key: str) -> str:
        """Where the number at a dotted key comes from.

        Raises
        ------
        KeyError
            There is no such key.
        """
        keys = [name for name, _ in flat_items(self.model_dump(exclude={"sources"}))]
        if not any(covers(key, name) or covers(name, key) for name in keys):
            raise KeyError(f"{key}: no such key in {self.name!r}. {nearest(key, keys)}")
        return source_of(key, self.sources) or DEFAULT_SOURCE

    @property
    def band_names(self) -> tuple[str, ...]:
        """Names of the bands in the order that ``Pointings.band`` counts them."""
        return tuple(self.bands)
