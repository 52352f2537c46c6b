"""Light-curve classes from a user's own Python file.

The file defines classes and registers each with `simulator.register`. A data set made with them
keeps the path and the digest of the file, never its code.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from simulator.lightcurves import DEFAULT_CLASSES, registered, restore
from skyreel.errors import SimulationError
from skyreel.provenance import file_digest


@dataclass(frozen=True)
class Plugin:
    """A file that was loaded: its path, the digest of its content, the classes it registered."""

    path: str
    sha256: str
    classes: tuple[str, ...]


_loaded: dict[str, Plugin] = {}


def load_plugins(paths: Iterable[str | Path] | None) -> tuple[Plugin, ...]:
    """Run files that register light-curve classes, each once.

    Raises
    ------
    SimulationError
        A file is missing, fails, registers no class, or one of the package's own names.
    """
    return tuple(load_plugin(path) for path in paths or ())


def load_plugin(path: str | Path) -> Plugin:
    """Run one file that registers light-curve classes, unless its content was run before.

    Raises
    ------
    SimulationError
        It is missing, fails, registers no class, or one with the name of a class of the package.
    """
    if not Path(path).is_file():
        raise SimulationError(f"--plugin {path}: there is no such file.")
    digest = file_digest(path)
    if digest not in _loaded:
        before = registered()
        try:
            _run(path, f"skyreel_plugin_{digest}")
            added = _added_since(before, path)
        except SimulationError:
            restore(before)
            raise
        for other in [key for key, old in _loaded.items() if added & set(old.classes)]:
            del _loaded[other]  # its classes are replaced
        _loaded[digest] = Plugin(str(path), digest, tuple(sorted(added)))
    return _loaded[digest]


def _added_since(before, path):
    """Names of the classes that are new or replaced."""
    added = {name for name, model in registered().items() if before.get(name) is not model}
    if not added:
        raise SimulationError(
            f"--plugin {path} registers no class; decorate one with simulator.register."
        )
    if taken := sorted(added & set(DEFAULT_CLASSES)):
        raise SimulationError(
            f"--plugin {path} registers {', '.join(taken)}, a class of the package; give another "
            "name."
        )
    return added


def _run(path, name):
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise SimulationError(f"--plugin {path}: a Python file ends in .py.")
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise SimulationError(f"--plugin {path}: {type(error).__name__}: {error}") from error


def plugins_of(classes: Iterable[str]) -> list[dict]:
    """Plain records of the loaded plugins that define any of these classes."""
    used = set(classes)
    return [
        {**asdict(plugin), "classes": list(plugin.classes)}
        for plugin in _loaded.values()
        if used.intersection(plugin.classes)
    ]


def check_plugins(path: str | Path, records: Iterable[dict]) -> None:
    """Refuse to regenerate a data set whose plugins are not loaded, or are other ones.

    Raises
    ------
    SimulationError
    """
    for record in records:
        if record["sha256"] not in _loaded:
            raise SimulationError(
                f"{path} was made with the classes {', '.join(record['classes'])} of the plugin "
                f"{record['path']} (sha256 {record['sha256']}), which is not loaded. Give "
                "--plugin, or call simulator.plugins.load_plugin first."
            )
