"""Light curves, one module per class of object; this registry is where a class is added."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module

from simulator.lightcurves.protocol import LightCurveModel, as_light_curve_model
from skyreel.errors import SimulationError

_HOMES = {
    "SN": "simulator.lightcurves.supernovae.supernova:Supernova",
    "RRL": "simulator.lightcurves.periodic.rr_lyrae:RRLyrae",
    "CEP": "simulator.lightcurves.periodic.cepheid:Cepheid",
    "EB": "simulator.lightcurves.periodic.eclipsing_binary:EclipsingBinary",
    "NV": "simulator.lightcurves.nonvariable:NonVariable",
    "GAL": "simulator.lightcurves.galaxy:Galaxy",
    "AST": "simulator.lightcurves.asteroid:Asteroid",
    "AGN": "simulator.lightcurves.active_nucleus:ActiveNucleus",
    "TDE": "simulator.lightcurves.tidal_disruption:TidalDisruption",
    "KN": "simulator.lightcurves.kilonova:Kilonova",
    "LPV": "simulator.lightcurves.long_period_variable:LongPeriodVariable",
    "CV": "simulator.lightcurves.dwarf_nova:DwarfNova",
    "YSO": "simulator.lightcurves.young_star:YoungStar",
    "BOGUS": "simulator.lightcurves.bogus:Bogus",
}
DEFAULT_CLASSES = ("SN", "RRL", "CEP", "EB", "NV", "GAL", "AST")
BUILT_IN = tuple(_HOMES)
_added: dict[str, type[LightCurveModel]] = {}


def class_names() -> tuple[str, ...]:
    """Names of every class that can be simulated."""
    return (*_HOMES, *(name for name in _added if name not in _HOMES))


def register(model: type) -> type[LightCurveModel]:
    """Make a light-curve class known by its ``name``; usable as a decorator.

    The class may come from any module; it derives from `simulator.LightCurveModel`, or takes the
    defaults of it. A second class of the same name replaces the first.

    Raises
    ------
    skyreel.errors.SimulationError
        The class lacks a name, a method or a parameter that it needs; the message says which.
    """
    model = as_light_curve_model(model)
    _added[model.name] = model
    return model


def registered() -> dict[str, type]:
    """The classes that were added with `register`, by name."""
    return dict(_added)


def restore(classes: dict[str, type]) -> None:
    """Make these the added classes, as `registered` gave them."""
    _added.clear()
    _added.update(classes)


def light_curve_class(name: str) -> type[LightCurveModel]:
    """The light-curve class of this name.

    Raises
    ------
    skyreel.errors.SimulationError
        There is no such class; the message names the nearest one.
    """
    if name in _added:
        return _added[name]
    if name not in _HOMES:
        near = get_close_matches(name.upper(), class_names(), n=1, cutoff=0.3)
        hint = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(class_names())}."
        raise SimulationError(f"class {name!r}: there is no such class. {hint}")
    module, attribute = _HOMES[name].split(":")
    return getattr(import_module(module), attribute)
