"""Whether a data set was made with the same settings: everything that its data depend on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from simulator.dataset.reader import is_complete, is_free, open_root
from simulator.options import PLANES, Options
from skyreel.errors import SimulationError

_VERSIONS = "versions."
_VALUES = "versions.simulated_values"
_PLANE_SECTIONS = ("template", "difference")
_SHAPE_FILES_ONLY = ("zarr", "numcodecs")  # packages whose version changes no value of an array


def refuse_other_settings(path: str | Path, settings: Mapping[str, Any]) -> list[str]:
    """Check that a data set, where there is one at ``path``, was made with these settings.

    Versions of packages may differ once a data set is complete. An unfinished one is finished
    with the versions it was started with, as others may give other numbers.

    Returns
    -------
    list of str
        The versions that differ, in words; empty where there is no data set.

    Raises
    ------
    SimulationError
        Something else is there, or the settings differ; the message says which.
    """
    if is_free(path):
        return []
    found, asked = (
        flat(_of_planes_only(_plugins_by_content(each)))
        for each in (_up_to_date(open_root(path, "r").attrs.get("settings", {})), settings)
    )
    changed = sorted(key for key in {**found, **asked} if found.get(key) != asked.get(key))
    of_versions = [key for key in changed if key.startswith(_VERSIONS)]
    if others := [key for key in changed if key not in of_versions]:
        more = f" (and {len(others) - 4} more)" if len(others) > 4 else ""
        raise SimulationError(
            f"{path} was made with other settings: {_in_words(others[:4], found, asked)}{more}. "
            "Give the same ones to finish it, or another --out."
        )
    shaping = [k for k in of_versions if k.removeprefix(_VERSIONS) not in _SHAPE_FILES_ONLY]
    if shaping and not is_complete(path):
        packages = {f"{_VERSIONS}skyreel" if k == _VALUES else k for k in shaping}
        needed = " ".join(f"{k.removeprefix(_VERSIONS)}=={found.get(k)}" for k in sorted(packages))
        raise SimulationError(
            f"{path} is unfinished and was started with other versions of packages: "
            f"{_in_words(shaping, found, asked)}. Finish it with those (pip install {needed}), "
            "or give another --out."
        )
    return [_in_words([key], found, asked) for key in of_versions]


def _up_to_date(settings):
    """Settings of a data set made by an older version: keys that came later have their default."""
    from survey_profiles.profile import Profile

    settings = dict(settings)
    try:
        profile = Profile.model_validate(settings["profile"])
        settings["profile"] = profile.model_dump(mode="json")
    except (KeyError, ValueError):
        return settings  # compared as it is
    if "options" in settings:
        later = {f.name: f.default for f in fields(Options) if f.default is not MISSING}
        settings["options"] = {**later, **settings["options"]}
    return settings


def _of_planes_only(settings):
    """Settings without the sections of a profile that only templates and differences need.

    They are left where such planes are made; other data do not depend on them.
    """
    planes = settings.get("options", {}).get("planes", PLANES[:1])
    if len(planes) > 1 or "profile" not in settings:
        return settings
    profile = {k: v for k, v in settings["profile"].items() if k not in _PLANE_SECTIONS}
    sources = profile.get("sources", {})
    kept = {k: v for k, v in sources.items() if k.split(".")[0] not in _PLANE_SECTIONS}
    return {**settings, "profile": {**profile, "sources": kept}}


def _plugins_by_content(settings):
    """Settings in which a plugin is its digest and classes, wherever the file lies."""
    if "plugins" not in settings:
        return settings
    plugins = sorted([p["sha256"], sorted(p["classes"])] for p in settings["plugins"])
    return {**settings, "plugins": plugins}


def _in_words(keys, found, asked):
    return "; ".join(
        f"{key} is {_short(found.get(key))} there and {_short(asked.get(key))} here" for key in keys
    )


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dictionaries as one, with dotted keys; lists are values."""
    items = {}
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            items |= flat(value, f"{prefix}{key}.")
        else:
            items[f"{prefix}{key}"] = list(value) if isinstance(value, tuple) else value
    return items


def _short(value, longest=60):
    text = "absent" if value is None else str(value)
    return text if len(text) <= longest else text[: longest - 1] + "…"
