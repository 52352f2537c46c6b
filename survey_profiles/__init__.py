"""What a survey can see, and when: profiles with sources, and exposures drawn or read."""

from __future__ import annotations

from skyreel.lazy import attach

_HOMES = {
    "ExposureTableError": "skyreel.errors",
    "Pointings": "survey_profiles.pointings",
    "Profile": "survey_profiles.profile",
    "ProfileError": "skyreel.errors",
    "draw_pointings": "survey_profiles.observing_conditions",
    "load_profile": "survey_profiles.loading",
    "profile_names": "survey_profiles.loading",
    "read_exposures": "survey_profiles.exposure_tables",
}
__getattr__, __dir__, __all__ = attach(__name__, _HOMES)
