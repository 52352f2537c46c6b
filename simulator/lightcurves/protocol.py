"""The protocol of a class of object: its light, its place in a host galaxy, motion and alerts.

A class is one subclass of ``LightCurveModel``. The simulator uses nothing of it but what is
declared here, so a new class is one module, or one class in a user's own file with
``simulator.register``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum, IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from simulator.lightcurves.filters import Bandpass, bandpass
from skyreel.errors import SimulationError

if TYPE_CHECKING:
    from simulator.lightcurves.magnitudes import MagnitudeLaw, ObservedMagnitudes
    from simulator.observing.schedule import Schedule
    from simulator.rng import Draws


@dataclass(frozen=True)
class Bands:
    """The photometric system in use: the bands of the survey and their filters.

    ``names`` are the survey's (``g``), ``filters`` the tabulated curves (``desg``), in place of
    which a band may have one of its own,
    ``reference`` is the index of the band that magnitudes of objects are drawn in.
    """

    names: tuple[str, ...]
    filters: tuple[str, ...]
    reference: int = 0
    own_curves: tuple[Bandpass | None, ...] = ()

    @property
    def curves(self) -> tuple[Bandpass, ...]:
        """The transmission curve of each band: its own, or that of its filter."""
        own = self.own_curves or (None,) * len(self.filters)
        return tuple(o or bandpass(name) for o, name in zip(own, self.filters, strict=True))

    @property
    def letters(self) -> tuple[str, ...]:
        """The letter of each band in ugrizy, where colours of stars are tabulated."""
        return tuple(name[-1].lower() for name in self.filters)


@dataclass(frozen=True)
class Context:
    """The schedule, bands and magnitudes that a class draws its objects for.

    Without ``population_depth_mag`` an object that no exposure detects is drawn again. With it
    (AB, shape (band,)) nothing is drawn again: objects are those of the sky, detected or not, and
    supernovae fill the volume in which the brightest of them reach this depth.
    ``artefact_shares`` (kind,) are those of the profile that can be drawn.
    """

    schedule: Schedule
    bands: Bands
    magnitude_law: MagnitudeLaw | ObservedMagnitudes
    population_depth_mag: np.ndarray | None = None
    artefact_shares: np.ndarray | None = None

    @property
    def detected_only(self) -> bool:
        """Whether an object that no exposure detects is drawn again."""
        return self.population_depth_mag is None

    def rows(self, rows: np.ndarray) -> Context:
        """The context of some of the objects."""
        return replace(self, schedule=self.schedule.rows(rows))


class HostPlacement(Enum):
    """Where the objects of a class are with respect to galaxies."""

    CHANCE = "superposed by chance on a field galaxy"
    OWN_HOST = "in a host galaxy of their own, at the parameter redshift"
    GALAXY = "the object is the galaxy, of the parameter mean_mag"


class HostSite(IntEnum):
    """Where an object sits in a host of its own."""

    LIGHT = 0  # anywhere, in proportion to the light of bulge and disc
    DISC = 1  # in the disc of a star-forming galaxy
    NUCLEUS = 2  # in the centre


class Motion(NamedTuple):
    """Motion on the sky, constant during an exposure; arrays of shape (object,)."""

    rate_arcsec_per_h: np.ndarray
    angle_rad: np.ndarray  # of the trail, from +x (columns) towards +y (rows)


class LightCurveModel(ABC):
    """One class of object.

    Parameters
    ----------
    bands : Bands
    templates : Path, optional
        Folder of published light-curve templates.

    Attributes
    ----------
    name : str
        Short name, as the user types it.
    parameters : mapping of str to str
        Per-object numbers kept in the data set, each with its meaning and unit.
    alerts : bool
        True for objects that appear, whose first detection is an alert.
    host_placement : HostPlacement
        ``OWN_HOST`` needs the parameter ``redshift``, ``GALAXY`` the parameter ``mean_mag``.
    host_fraction : float or None
        Share of objects whose host is bright enough to draw; None takes the survey's.
    thesis_cutoff_mag : float or None
        Where the erf cut-off of the magnitude law ``thesis`` lies; None takes its default.
    counts_slope_per_mag : float or None
        Counts grow as 10^(slope m) where stars are drawn equally at every magnitude; None: like
        stars.
    star_density_power : float
        On the sky the class is as common as this power of the density of stars: 1 for stars, -1 for
        galaxies, which are found away from the plane of the Galaxy.
    is_artefact : bool
        True for a class of artefacts, which gives their kinds with ``artefacts``.

    Examples
    --------
    >>> import numpy as np
    >>> from simulator import LightCurveModel
    >>> class Flash(LightCurveModel):
    ...     name = "FLASH"
    ...     parameters = {"mean_mag": "magnitude in the reference band [mag]"}
    ...     alerts = True
    ...
    ...     def sample(self, draws, context):
    ...         return {"mean_mag": context.magnitude_law.draw(draws, self.name)}
    ...
    ...     def magnitudes(self, parameters, mjd, band):
    ...         first = mjd == np.nanmin(mjd, axis=1, keepdims=True)
    ...         return np.where(first, parameters["mean_mag"][:, None], np.inf)
    >>> Flash.host_placement.name
    'CHANCE'
    """

    name: ClassVar[str]
    parameters: ClassVar[Mapping[str, str]] = {}
    alerts: ClassVar[bool] = False
    host_placement: ClassVar[HostPlacement] = HostPlacement.CHANCE
    host_fraction: ClassVar[float | None] = None
    thesis_cutoff_mag: ClassVar[float | None] = None
    counts_slope_per_mag: ClassVar[float | None] = None
    star_density_power: ClassVar[float] = 0.0
    is_artefact: ClassVar[bool] = False

    def __init__(self, bands: Bands, templates: Path | None = None) -> None:
        self.bands = bands

    @abstractmethod
    def sample(self, draws: Draws, context: Context) -> dict[str, np.ndarray]:
        """Parameters of a batch, each of shape (object, ...).

        Names that begin with an underscore travel with the batch but are not stored.
        """

    @abstractmethod
    def magnitudes(
        self, parameters: dict[str, np.ndarray], mjd: np.ndarray, band: np.ndarray
    ) -> np.ndarray:
        """Noise-free AB magnitudes, shape (object, epoch); +inf where there is no light.

        ``mjd`` and ``band`` (index into ``bands.names``) have shape (object, epoch); the
        result at padded epochs (NaN ``mjd``) is not used.
        """

    def host_sites(self, parameters: dict[str, np.ndarray]) -> np.ndarray:
        """`HostSite` of every object, int (object,); used with ``HostPlacement.OWN_HOST``."""
        return np.full(len(parameters["redshift"]), HostSite.LIGHT)

    def motion(self, parameters: dict[str, np.ndarray]) -> Motion | None:
        """Motion of the objects on the sky; None for those at rest."""
        return None

    def artefacts(self, parameters: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray] | None:
        """Kind (object,) and exposures (object, epoch; bool) of objects that are artefacts.

        None for classes of real objects. See `simulator.artefacts.kinds.Artefact`.
        """
        return None


_NEEDED = {HostPlacement.OWN_HOST: "redshift", HostPlacement.GALAXY: "mean_mag"}


def as_light_curve_model(model: type) -> type[LightCurveModel]:
    """The class itself, or one derived from it with the defaults of ``LightCurveModel``.

    Raises
    ------
    SimulationError
        It has no name, or lacks a method, or a parameter that its placement needs.
    """
    if not issubclass(model, LightCurveModel):
        own = {"__module__": model.__module__, "__doc__": model.__doc__}
        model = type(model.__name__, (model, LightCurveModel), own)
    _check(model)
    return model


def _check(model):
    missing = ", ".join(sorted(model.__abstractmethods__))
    if missing:
        raise SimulationError(f"class {model.__name__}: it has no {missing}.")
    if hasattr(model, "host"):
        raise SimulationError(
            f"class {model.__name__}: 'host' is now 'host_placement', a simulator.HostPlacement; "
            "see simulator.LightCurveModel."
        )
    if not isinstance(getattr(model, "name", None), str):
        raise SimulationError(f"class {model.__name__}: give it a short text as 'name'.")
    if not isinstance(model.host_placement, HostPlacement):
        raise SimulationError(
            f"class {model.name}: host_placement is {model.host_placement!r}; it must be one of "
            f"{', '.join(str(placement) for placement in HostPlacement)}."
        )
    needed = _NEEDED.get(model.host_placement)
    if needed and needed not in model.parameters:
        raise SimulationError(
            f"class {model.name}: {model.host_placement} needs the parameter {needed!r}; "
            "name it in 'parameters' and return it from sample()."
        )
