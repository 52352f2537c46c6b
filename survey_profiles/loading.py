"""Profiles from TOML, checked whole: every problem of a file is reported at once."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from skyreel.errors import Problem, ProfileError, nearest
from survey_profiles.instrument_schema import Ccd
from survey_profiles.profile import Profile
from survey_profiles.sources import covers, flat_items, holds_number, unsourced_keys

USER_SOURCE = "set by the user"
PLANNED = "planned"  # conditions: the profile as it stands
_ENCODING = "utf-8-sig"  # with or without the byte-order mark of Windows programs
_MOST_BYTES = 2**22


def profile_names() -> tuple[str, ...]:
    """Names of the profiles that come with the package."""
    files = resources.files("survey_profiles").iterdir()
    return tuple(sorted(f.name[:-5] for f in files if f.name.endswith(".toml")))


def profile_text(name_or_path: str | Path) -> str:
    """The TOML of a profile, comments included."""
    where, _ = _read(name_or_path)
    if where in profile_names():
        return (resources.files("survey_profiles") / f"{where}.toml").read_text(encoding="utf-8")
    return Path(name_or_path).read_text(encoding=_ENCODING)


def condition_names(name_or_path: str | Path) -> tuple[str, ...]:
    """Names of the conditions of a profile: "planned", and the tables in ``[conditions]``.

    Raises
    ------
    ProfileError
        Unknown name or unreadable file.
    """
    _, raw = _read(name_or_path)
    tables = raw.get("conditions")
    return (PLANNED, *(tables if isinstance(tables, dict) else ()))


def load_profile(
    name_or_path: str | Path,
    overrides: Mapping[str, Any] | None = None,
    conditions: str | None = None,
) -> Profile:
    """A validated profile.

    Parameters
    ----------
    name_or_path : str or Path
        One of ``profile_names()``, or the path of a TOML file. Keys with a default may be left
        out of a file; a file without a table ``sources`` has its numbers from the user.
    overrides : mapping of dotted key to value, optional
        Strings are read as TOML values (``"4.1"``, ``'["g", "r"]'``), or taken as they are
        where they are not TOML. A key of ``camera`` that CCDs have too is set for all CCDs. The
        key ``conditions`` stands for the next argument.
    conditions : str, optional
        One of ``condition_names(name_or_path)``; by default "planned". Replaces the keys that the
        table ``conditions`` of the file has under this name, before ``overrides`` do.

    Raises
    ------
    ProfileError
        Unknown name, unreadable file, or anything that cannot describe a survey.

    Examples
    --------
    >>> load_profile("hits", {"camera.read_noise_e": 5}).camera.read_noise_e
    5.0
    >>> load_profile("lsst", conditions="delivered").weather.cloudy_night_fraction
    0.22
    """
    where, raw = _read(name_or_path)
    overrides = dict(overrides or {})
    named = overrides.pop("conditions", PLANNED)
    problems = _set_conditions(raw, conditions or named)
    problems += [p for item in overrides.items() for p in _override(raw, *item)]
    if "sources" not in raw:
        numbers = [key for key, value in flat_items(raw) if holds_number(value)]
        raw["sources"] = dict.fromkeys(numbers, USER_SOURCE)
    profile, found = _validated(raw)
    problems += found + cross_problems(raw)
    if problems:
        raise ProfileError(where, _without_echoes(problems))
    return profile


def _read(name_or_path):
    path, text = Path(name_or_path), str(name_or_path)
    if text in profile_names():
        source = resources.files("survey_profiles") / f"{text}.toml"
    elif path.suffix == ".toml" or path.is_file():
        source = path
    else:
        hint = nearest(text, profile_names())
        raise ProfileError("survey", [Problem("name", repr(text), f"no such profile. {hint}")])
    return text, _parse(text, source)


def _parse(where, source):
    try:
        data = source.read_bytes()
        if len(data) > _MOST_BYTES:
            problem = Problem("file", f"{len(data):,} bytes", f"allowed: {_MOST_BYTES:,}.")
        else:
            return tomllib.loads(data.decode(_ENCODING))
    except OSError as error:
        problem = Problem("file", error.strerror or "an unreadable file", "allowed: a TOML file.")
    except UnicodeDecodeError:
        problem = Problem("file", "bytes that are not UTF-8", "allowed: a TOML file.")
    except (ValueError, RecursionError) as error:  # also numbers of thousands of digits
        problem = Problem("file", f"invalid TOML ({error})", "allowed: TOML, see toml.io.")
    raise ProfileError(where, [problem])


def _set_conditions(raw, name):
    """Set the keys of one table of ``[conditions]``, and leave the tables out of the profile."""
    tables = raw.pop("conditions", {})
    if not (isinstance(tables, dict) and all(isinstance(t, dict) for t in tables.values())):
        return [Problem("conditions", _in_words(tables), "allowed: a table of tables.")]
    if PLANNED in tables:
        return [Problem("conditions", repr(PLANNED), "that name stands for the other tables.")]
    if name != PLANNED and name not in tables:
        allowed = ", ".join((PLANNED, *tables))
        return [Problem("conditions", _in_words(name), f"allowed: {allowed}.")]
    changed = dict(tables.get(name, {}))
    sources = changed.pop("sources", {})
    sources = sources if isinstance(sources, dict) else {}
    prefix = f"conditions.{name}."
    missing = [k for k in changed if k not in sources] if "sources" in raw else []
    problems = [
        Problem(f"{prefix}{key}", "a number without a source", f"allowed: in [{prefix}sources].")
        for key in missing
    ]
    problems += [
        Problem(f"{prefix}sources.{key}", "source of an unknown key", nearest(key, changed))
        for key in sources
        if key not in changed
    ]
    for key, value in changed.items():
        problems += _override(raw, key, value, str(sources.get(key, USER_SOURCE)))
    return problems


def _override(raw, key, value, source=USER_SOURCE):
    """Set one dotted key in the raw tables; problems where the path does not exist."""
    *path, last = key.split(".")
    table = raw
    for depth, part in enumerate(path):
        optional = part in _optional_tables(path[:depth])
        table = table.setdefault(part, {}) if optional else table.get(part)
        if not isinstance(table, dict):
            hint = nearest(key, [k for k, _ in flat_items(raw) if not k.startswith("sources.")])
            return [Problem(key, "no such table", f"allowed: keys of the profile. {hint}")]
    table[last] = _toml_value(value)
    if path == ["camera"] and last in Ccd.model_fields:
        for ccd in _dicts(table.get("ccds")):
            ccd[last] = table[last]
    if isinstance(raw.get("sources"), dict) and path[:1] != ["sources"]:
        raw["sources"][key] = source
    return []


def _without_echoes(problems):
    """Leave out problems of CCDs that repeat a camera-wide value."""
    common = {(p.key, p.found) for p in problems}

    def echo(p):
        return p.key.startswith("camera.ccds.") and (f"camera.{p.key.split('.')[-1]}", p.found)

    return [p for p in problems if echo(p) not in common]


def _toml_value(value):
    if not isinstance(value, str):
        return value
    try:
        return tomllib.loads(f"value = {value}")["value"]
    except (ValueError, RecursionError):
        return value


def _validated(raw):
    try:
        return Profile.model_validate(raw), []
    except ValidationError as error:
        return None, [_problem(raw, e) for e in error.errors()]


_FOUND = {"missing": "nothing", "value_error": "inconsistent values"}
_WORDS = {
    "missing": "it is required.",
    "extra_forbidden": "there is no such key.",
}


def _problem(raw, error) -> Problem:
    loc = error["loc"]
    key = ".".join(str(part) for part in loc)
    allowed = _WORDS.get(error["type"]) or _allowed(error)
    if error["type"] == "extra_forbidden":
        return Problem(key, "a key", f"{allowed} {nearest(loc[-1], _known_keys(loc[:-1]))}")
    return Problem(key, _FOUND.get(error["type"]) or _in_words(error["input"]), allowed)


def _allowed(error) -> str:
    text = error["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    if error["type"] == "literal_error":
        options = [o.strip(" '") for o in error["ctx"]["expected"].replace(" or ", ", ").split(",")]
        return f"allowed: {text}. {nearest(error['input'], options)}"
    return f"allowed: {text}."


def _in_words(value, width=60) -> str:
    text = "a table" if isinstance(value, dict) else repr(value)
    return text if len(text) <= width else f"{text[: width - 3]}..."


def _known_keys(loc):
    """Keys that the table at a location of the profile may have."""
    model = _model_at(loc)
    return list(model.model_fields) if model else []


def _model_at(loc):
    """The schema of the table at a location of the profile; None where there is none."""
    model = Profile
    for part in loc:
        if isinstance(part, int) or model is None:
            continue
        annotation = model.model_fields[part].annotation if part in model.model_fields else model
        model = _model_inside(annotation)
    return model


def _optional_tables(loc):
    """Tables at a location of the profile that a file may leave out."""
    fields = _model_at(loc).model_fields if _model_at(loc) else {}
    return [
        name for name, field in fields.items() if _model_inside(field.default_factory) is not None
    ]


def _model_inside(annotation):
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inside = (_model_inside(a) for a in getattr(annotation, "__args__", ()))
    return next((m for m in inside if m is not None), None)


def cross_problems(raw: Mapping[str, Any]) -> list[Problem]:
    """Contradictions between tables, found in the raw file even where single values are wrong."""
    return [*_source_problems(raw), *_band_problems(raw), *_depth_problems(raw)]


def _source_problems(raw):
    sources = raw.get("sources")
    if not isinstance(sources, dict):
        return []
    keys = [k for k, _ in flat_items(raw) if not k.startswith("sources.")]
    for key in unsourced_keys(raw, sources):
        yield Problem(key, "a number without a source", "allowed: numbers named in [sources].")
    for pattern in sources:
        if not any(covers(pattern, key) or pattern == key for key in keys):
            hint = nearest(pattern, keys)
            yield Problem(f"sources.{pattern}", "source of an unknown key", hint)


def _band_problems(raw):
    bands = raw.get("bands")
    if not isinstance(bands, dict):
        return
    cadence = raw.get("cadence") if isinstance(raw.get("cadence"), dict) else {}
    named = [("reference_band", raw.get("reference_band"))]
    named += [("cadence.bands", name) for name in _list(cadence.get("bands"))]
    for night in _dicts(cadence.get("nights")):
        named += [("cadence.nights", visit.get("band")) for visit in _dicts(night.get("visits"))]
    season = cadence.get("season") if isinstance(cadence.get("season"), dict) else {}
    for block in _dicts(season.get("blocks")):
        named += [("cadence.season.blocks", name) for name in _list(block.get("bands"))]
    for key, name in sorted({(k, n) for k, n in named if isinstance(n, str)}):
        if name not in bands:
            yield Problem(key, repr(name), f"allowed: names in [bands]. {nearest(name, bands)}")


def _depth_problems(raw):
    depth, bands = raw.get("depth"), raw.get("bands")
    if isinstance(depth, dict) and depth.get("model") == "m5" and isinstance(bands, dict):
        for name, band in bands.items():
            if isinstance(band, dict) and "m5_coefficient_mag" not in band:
                key = f"bands.{name}.m5_coefficient_mag"
                yield Problem(key, "nothing", 'depth.model = "m5" needs it.')


def _list(value):
    return value if isinstance(value, list) else []


def _dicts(value):
    return [item for item in _list(value) if isinstance(item, dict)]
