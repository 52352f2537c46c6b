"""What a survey can see, and when: profiles with sources, and exposures drawn or read."""

from __future__ import annotations

from importlib import import_module

_HOMES = {
    "ExposureTableError": "skyreel.errors",
    "Pointings": "survey_profiles.pointings",
    "Profile": "survey_profiles.profile",
    "ProfileError": "skyreel.errors",
    "draw_pointings": "survey_profiles.conditions",
    "load_profile": "survey_profiles.loading",
    "profile_names": "survey_profiles.loading",
    "read_exposures": "survey_profiles.exposure_tables",
}
__all__ = sorted(_HOMES)


def __getattr__(name):
    """Import on first use: the help of a command waits for nothing heavy."""
    if name not in _HOMES:
        raise AttributeError(f"module 'survey_profiles' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__():
    return sorted([*globals(), *_HOMES])
