"""Reference pages that are generated from the code when the documentation is built.

Commands come from the Typer apps, profile keys from the pydantic schema and arrays from the tables
of the data layout. The files go to ``docs/reference/generated`` and are never edited.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from inspect import cleandoc
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

GENERATED = Path(__file__).parents[1] / "reference" / "generated"
MORE = {  # beyond the names of `import skyreel`
    "Simulation": (
        "simulator.Sequences",
        "simulator.register",
        "survey_profiles.profile.Profile",
        "survey_profiles.pointings.Pointings",
    ),
    "Classification": (
        "classifier.dataset.DatasetSplit",
        "classifier.stamp_batch.StampBatch",
        "classifier.evaluation.Predictions",
        "classifier.evaluation.Evaluation",
        "classifier.evaluation.clusters.Clusters",
        "classifier.evaluation.write_report",
    ),
    "Light curves": (
        "classifier.photometry.measure",
        "classifier.photometry.PhotometrySettings",
        "classifier.photometry.PsfModel",
        "classifier.photometry.LightCurves",
        "classifier.features.features_of",
        "classifier.features.features_of_batch",
    ),
}


def setup(app: Any) -> dict[str, Any]:
    """Register the generator with Sphinx."""
    app.connect("builder-inited", lambda _: write_all())
    return {"version": "1", "parallel_read_safe": True}


def write_all() -> None:
    """Write every generated file whose text has changed."""
    GENERATED.mkdir(exist_ok=True)
    for make in (
        api,
        commands,
        profile_keys,
        simulated_arrays,
        plane_arrays,
        real_arrays,
        alert_arrays,
        physical_ranges,
    ):
        path, text = GENERATED / f"{make.__name__}.md", "\n".join(make()) + "\n"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


# --- Python -------------------------------------------------------------------------------------


def api() -> Iterator[str]:
    """Lines of the page of the Python API."""
    import skyreel

    names = [f"skyreel.{name}" for name in skyreel.__all__]
    yield "| name | does |\n| --- | --- |"
    for name in names:
        yield f"| [`{name}`](#api-{name}) | {first_sentence(resolved(name))} |"
    yield "\n## `import skyreel`\n"
    for section, members in (("", names), *MORE.items()):
        if section:
            yield f"## {section}\n"
        for name in members:
            yield from described(name)


def resolved(name: str) -> Any:
    """The object of a dotted name."""
    module, _, attribute = name.rpartition(".")
    return getattr(import_module(module), attribute)


def first_sentence(thing: Any) -> str:
    """The first line of a docstring, in Markdown."""
    return escaped(cleandoc(thing.__doc__ or "").splitlines()[0].replace("``", "`"))


def described(name: str) -> Iterator[str]:
    """A directive that documents a function or a class with its members."""
    kind = "class" if isinstance(resolved(name), type) else "function"
    yield f"(api-{name})=\n### `{name.rpartition('.')[2]}`\n"
    yield f"```{{eval-rst}}\n.. auto{kind}:: {name}"
    if kind == "class":
        yield "   :members:\n   :exclude-members: model_config"
    yield "```\n"


# --- arrays of a data set -----------------------------------------------------------------------


def simulated_arrays() -> Iterator[str]:
    """Table of the arrays of simulated sequences."""
    from simulator import Options, Simulator, load_profile
    from simulator.dataset.schema import array_specs

    yield from array_table(array_specs(Simulator(load_profile("hits"), Options()).parameters))
    yield "| `shard_done` | shard | bool | - | shards that are complete |"


def plane_arrays() -> Iterator[str]:
    """Table of the arrays that templates and differences bring."""
    from simulator.dataset.schema import plane_specs
    from simulator.options import PLANES

    yield from array_table(plane_specs(PLANES))


def real_arrays() -> Iterator[str]:
    """Table of the arrays of real sequences."""
    from finetune.ingest.real_arrays import real_specs
    from finetune.readers.fits_cube import FitsCubes

    yield from array_table(real_specs(FitsCubes.extra))


def alert_arrays() -> Iterator[str]:
    """Table of the arrays that only alerts have."""
    from finetune.readers.fits_cube import FitsCubes
    from finetune.readers.rubin import RubinAlerts
    from finetune.readers.ztf import ZtfAlerts

    known = {spec.name for spec in FitsCubes.extra}
    alerts = {spec.name: spec for reader in (ZtfAlerts, RubinAlerts) for spec in reader.extra}
    yield from array_table(spec for name, spec in alerts.items() if name not in known)


def array_table(specs: Any) -> Iterator[str]:
    """Lines of a Markdown table of array specifications."""
    yield "| array | dimensions | type | unit | meaning |\n| --- | --- | --- | --- | --- |"
    for spec in specs:
        cells = (f"`{spec.name}`", ", ".join(spec.dimensions), spec.dtype, spec.unit or "-")
        yield f"| {' | '.join(cells)} | {spec.description} |"


def physical_ranges() -> Iterator[str]:
    """Table of the ranges of physical values."""
    from survey_profiles.physical_ranges import PHYSICAL_RANGES

    yield "| quantity | lowest | highest | unit |\n| --- | --- | --- | --- |"
    for name, (low, high, unit) in PHYSICAL_RANGES.items():
        yield f"| `{name}` | {low:g} | {high:g} | {unit or '-'} |"


# --- commands -----------------------------------------------------------------------------------


def commands() -> Iterator[str]:
    """Lines of the page of commands, one section per command."""
    from skyreel.cli import MODULES, load

    for name in MODULES:
        yield from command_section(name, load(name))


def command_section(name: str, command: Any) -> Iterator[str]:
    """Lines about a command, or about every command of a group."""
    if hasattr(command, "commands"):
        for child, subcommand in command.commands.items():
            yield from command_section(f"{name} {child}", subcommand)
        return
    yield f"## `{name}`\n"
    yield f"{escaped(cleandoc(command.help or ''))}\n"
    shown = [p for p in command.params if not is_common(p)]
    arguments = [p for p in shown if p.param_type_name == "argument"]
    usage = " ".join([name, *(metavar(p) for p in arguments), "[OPTIONS]"])
    yield f"```text\n{usage}\n```\n"
    if shown:
        yield "| option | default | meaning |\n| --- | --- | --- |"
    for parameter in shown:
        yield f"| {flags(parameter)} | {default(parameter)} | {escaped(help_of(parameter))} |"
    yield ""


def is_common(parameter: Any) -> bool:
    """Whether every command has this option, or it is an old name."""
    common = ("help", "version", "install_completion", "show_completion")
    return parameter.name in common or getattr(parameter, "hidden", False)


def metavar(parameter: Any) -> str:
    """Placeholder of an argument: ``PATH``, or ``MODEL...`` where several may be given."""
    name = (parameter.metavar or parameter.name).upper().strip("[].")
    return f"{name}..." if parameter.nargs == -1 else name


def flags(parameter: Any) -> str:
    """An argument, or an option with its placeholder; other names of it are old ones."""
    if parameter.param_type_name == "argument":
        return f"`{metavar(parameter)}`"
    names = [parameter.opts[0], *parameter.secondary_opts]
    kind = "" if parameter.is_flag else f" {parameter.metavar or type_name(parameter)}"
    kind = kind.replace("|", "\\|")
    return ", ".join(f"`{name}{kind}`" for name in names)


def type_name(parameter: Any) -> str:
    """Placeholder for the type of an option; its place differs between versions of Typer."""
    if hasattr(parameter, "type"):
        return parameter.type.name.upper()
    text = parameter.display_type(None).strip("<>")
    if "|" in text:
        return text
    return next(word for word in re.findall(r"[A-Za-z]+", text) if word != "list").upper()


def default(parameter: Any) -> str:
    """What is used where the option is not given."""
    if parameter.required:
        return "required"
    shown = getattr(parameter, "show_default", None)
    if isinstance(shown, str):
        return escaped(shown)
    value = parameter.default
    if value is None or value is False or callable(value) or value in ((), []):
        return "-"
    return "on" if value is True else f"`{value}`"


def help_of(parameter: Any) -> str:
    """Help text of a parameter, with the range of a number."""
    text = " ".join((getattr(parameter, "help", None) or "").split())
    kind = getattr(parameter, "type", parameter)
    limits = [getattr(kind, "min", None), getattr(kind, "max", None)]
    if limits == [None, None]:
        return text
    words = [
        f"{word} {limit}"
        for word, limit in zip(("from", "to"), limits, strict=True)
        if limit is not None
    ]
    return f"{text} Allowed: {' '.join(words)}."


def escaped(text: str) -> str:
    """Text that is not read as Markdown, but for code between backticks."""
    parts = text.split("`")
    parts[::2] = [re.sub(r"([|<>*_\[\]])", r"\\\1", part) for part in parts[::2]]
    return "`".join(parts)


# --- keys of a profile --------------------------------------------------------------------------


def profile_keys() -> Iterator[str]:
    """Lines of the page of profile keys, one section per table."""
    from survey_profiles.profile import Profile

    for name, model in tables_of(Profile):
        yield f"## `{name}`\n" if name else "## The top of the file\n"
        yield f"{cleandoc(model.__doc__ or '')}\n"
        yield "| key | type and range | unit | default | meaning |"
        yield "| --- | --- | --- | --- | --- |"
        for key, field in model.model_fields.items():
            if nested_model(field.annotation) is None:
                yield key_row(model, key, field)
        yield ""


def key_row(model: Any, key: str, field: FieldInfo) -> str:
    """Row of one key; its description begins with the unit in brackets."""
    unit, meaning = re.fullmatch(
        r"(?:\[([^\]]+)\] )?(.*)", " ".join((field.description or "").split())
    ).groups()
    if key in model.DERIVED:
        default = "from other keys"
    else:
        default = (
            "required"
            if field.is_required()
            else f"`{toml_value(field.get_default(call_default_factory=True))}`"
        )
    kind = type_text(field.annotation, field.metadata)
    return f"| `{key}` | {kind} | {unit or '-'} | {default} | {meaning} |"


def tables_of(model: type[BaseModel], name: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """(dotted name, model) of every table of a profile, the file itself first."""
    yield name, model
    for key, field in model.model_fields.items():
        inner = nested_model(field.annotation)
        if inner is not None:
            many = "NAME" if get_origin(field.annotation) is dict else None
            yield from tables_of(inner, ".".join(filter(None, (name, key, many))))


def nested_model(annotation: Any) -> type[BaseModel] | None:
    """The model inside a type: of a table, of a dictionary or list of tables, or of an option."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(nested_model, get_args(annotation))), None)


def type_text(annotation: Any, metadata: Any = ()) -> str:
    """A type with its allowed range in words."""
    if hasattr(annotation, "__metadata__"):  # Annotated
        inner, *more = get_args(annotation)
        found = [m for item in more for m in getattr(item, "metadata", [item])]
        return type_text(inner, [*found, *metadata])
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in parts)
    if origin is tuple:
        return tuple_text(parts, metadata)
    if origin is dict:
        return f"table of {type_text(parts[-1])}"
    if origin is not None:  # X | None
        return " or ".join(type_text(p, metadata) for p in parts if p is not type(None))
    name = {float: "number", int: "whole number", str: "text", bool: "true or false"}[annotation]
    return f"{name}{range_text(metadata)}"


def tuple_text(parts: tuple, metadata: Any) -> str:
    if parts[-1] is not Ellipsis:
        return f"{len(parts)} values: {', '.join(type_text(p) for p in parts)}"
    shortest = [m.min_length for m in metadata if hasattr(m, "min_length")]
    least = f", at least {shortest[0]}" if shortest else ""
    return f"list of {type_text(parts[0])}{least}"


def range_text(metadata: Any) -> str:
    """Limits of a number, as in `` > 0, ≤ 1``."""
    signs = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
    found = []
    for item in metadata:
        for name, sign in signs.items():
            if getattr(item, name, None) is not None:
                found.append(f"{sign}\u00a0{getattr(item, name):g}")
    return f" {', '.join(found)}" if found else ""


def toml_value(value: Any) -> str:
    """A default as a TOML file writes it."""
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(toml_value, value))}]"
    if value in (None, {}):
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)
