"""Commands of ``survey`` that other packages add, found by their entry points.

A package adds one with a function that typer can read, in the group ``skyreel.survey``. It is
imported when it is called or its help is wanted, so its module should import little.
"""

from __future__ import annotations

from importlib.metadata import entry_points

import typer
from typer.core import TyperGroup

GROUP = "skyreel.survey"


class PluginGroup(TyperGroup):
    """The commands of ``survey``, then the added ones by name."""

    def list_commands(self, ctx):
        own = super().list_commands(ctx)
        return [*own, *sorted(set(entry_points(group=GROUP).names) - set(own))]

    def get_command(self, ctx, cmd_name):
        own = super().get_command(ctx, cmd_name)
        found = () if own else tuple(entry_points(group=GROUP, name=cmd_name))
        return _command(found[0]) if found else own


def _command(entry):
    """What an entry point names, as a command; one that says why where it cannot be loaded."""
    try:
        function = entry.load()
    except (ImportError, AttributeError) as error:
        function = _broken(entry, error)
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(entry.name)(function)
    return typer.main.get_command(app)


def _broken(entry, error):
    message = f"survey {entry.name}: {entry.value} cannot be loaded ({error})."

    def broken():
        typer.echo(message, err=True)
        raise typer.Exit(1)

    broken.__doc__ = "Cannot be loaded."
    return broken
