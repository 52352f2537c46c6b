"""Survey profiles: instrument, observing conditions and cadence, with sources."""

from __future__ import annotations

from skyreel.lazy import attach

_HOMES = {
    "ExposureTableError": "skyreel.errors",
    "Pointings": "survey_profiles.pointings",
    "Profile": "survey_profiles.profile",
    "ProfileError": "skyreel.errors",
    "VisitSelection": "survey_profiles.visit_selection",
    "condition_names": "survey_profiles.loading",
    "draw_pointings": "survey_profiles.observing_conditions",
    "load_profile": "survey_profiles.loading",
    "profile_names": "survey_profiles.loading",
    "read_exposures": "survey_profiles.exposure_tables",
    "read_visits": "survey_profiles.exposure_tables",
}
__getattr__, __dir__, __all__ = attach(__name__, _HOMES)
