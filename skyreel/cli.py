"""``skyreel COMMAND``, and the scripts of the same names.

The module of a command is imported when the command is called. A module in the working folder
that has the name of one of the project's packages is never imported in its place.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from skyreel.commands import NOTHING_WRITTEN, STOPPED, new_app

MODULES = {
    "survey": "survey_profiles.cli",
    "simulate": "simulator.cli",
    "subtract": "simulator.difference.cli",
    "train": "classifier.cli.train",
    "search": "classifier.cli.search",
    "classify": "classifier.cli.classify",
    "compare": "classifier.cli.compare",
    "forecast": "classifier.cli.forecast",
    "features": "classifier.cli.features",
    "ingest": "finetune.cli.ingest",
    "finetune": "finetune.cli.finetune",
}
SUBCOMMANDS = {"survey": {"gap": "finetune.cli.domain_gap"}}
_PACKAGES = {name.partition(".")[0] for name in MODULES.values()}
_COMPLETION = ("install_completion", "show_completion")


def load(name: str) -> Any:
    """The command of this name, with the subcommands that other packages have for it."""
    found = _command(MODULES[name])
    for subcommand, module in SUBCOMMANDS.get(name, {}).items():
        found.add_command(_without_completion(_command(module)), subcommand)
    return found


def _command(module):
    return typer.main.get_command(import_module(module).app)


def _without_completion(command):
    """A command inside a group, whose completion is that of the group."""
    command.params = [p for p in command.params if p.name not in _COMPLETION]
    return command


class _Commands(TyperGroup):
    """The commands by name, loaded when they are called or listed."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(MODULES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return _without_completion(load(cmd_name)) if cmd_name in MODULES else None


app = new_app(
    "skyreel", "Labelled image sequences of the variable sky, and their classifiers.", cls=_Commands
)


class _OwnPackages:
    """Finds the project's packages beside `skyreel`, whatever else is on the path."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: object = None
    ) -> ModuleSpec | None:
        if name not in _PACKAGES:
            return None
        return PathFinder.find_spec(name, [str(Path(__file__).parents[1])])


def run(name: str) -> None:
    """Run a command as a script."""
    if _OwnPackages not in sys.meta_path:
        sys.meta_path.insert(0, _OwnPackages)
    try:
        command = typer.main.get_command(app) if name == "skyreel" else load(name)
        command(prog_name=name)
    except KeyboardInterrupt:  # before the command itself runs
        typer.echo(f"{name}: {NOTHING_WRITTEN}", err=True)
        sys.exit(STOPPED)


main = partial(run, "skyreel")
survey = partial(run, "survey")
simulate = partial(run, "simulate")
subtract = partial(run, "subtract")
train = partial(run, "train")
classify = partial(run, "classify")
compare = partial(run, "compare")
features = partial(run, "features")
forecast = partial(run, "forecast")
ingest = partial(run, "ingest")
finetune = partial(run, "finetune")

if __name__ == "__main__":
    main()
