"""What a survey can see, and when: profiles with sources, and exposures drawn or read."""

from __future__ import annotations

from importlib import import_module

_HOMES = {
    "ExposureTableError": "errors",
    "Pointings": "pointings",
    "Profile": "profile",
    "ProfileError": "errors",
    "draw_pointings": "conditions",
    "load_profile": "loading",
    "profile_names": "loading",
    "read_exposures": "exposure_tables.plain",
}
__all__ = sorted(_HOMES)


def __getattr__(name):
    """Import on first use, so that command-line help need not wait for anything heavy."""
    if name not in _HOMES:
        raise AttributeError(f"module 'survey_profiles' has no attribute {name!r}")
    return getattr(import_module(f"survey_profiles.{_HOMES[name]}"), name)


def __dir__():
    return sorted([*globals(), *_HOMES])
