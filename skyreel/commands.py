"""How commands are made: one style of help, shared options and exit codes.

A command module makes an ``app`` with `new_app`, declares its function with `command`, and imports
whatever is heavy inside that function, after its checks.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from functools import wraps
from importlib.metadata import version
from inspect import Parameter, signature
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from skyreel.console import printable
from skyreel.errors import Interrupted, RunError, UserError

BAD_ARGUMENT, FAILED_RUN, STOPPED, TERMINATED = 2, 1, 130, 143
MAX_THREADS = 256
RESUME = "stopped. Run the same command again to finish."
NOTHING_WRITTEN = "stopped; nothing was written."
NO_ASSERTS = (
    "Python runs without its assert statements (python -O or PYTHONOPTIMIZE), and then the package "
    "zarr reads no data set. Start Python without them."
)
LIST = ",..."
"""End of the metavar of an option that takes a list: by comma, by spaces, or given repeatedly."""


# --- apps and commands --------------------------------------------------------------------------


class Command(TyperCommand):
    """A command whose list options may also be given with spaces between the values."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the command line, lists joined by comma first."""
        flags = {
            flag
            for parameter in self.params
            if (getattr(parameter, "metavar", None) or "").endswith(LIST)
            for flag in parameter.opts
            if flag.startswith("-")
        }
        return super().parse_args(ctx, join_lists(args, flags))


def join_lists(arguments: Iterable[str], flags: set[str]) -> list[str]:
    """Arguments with the values of each list option joined by comma: ``--k 1 2`` is ``--k 1,2``.

    A value that holds a comma is a whole list; what follows it is an argument of its own.
    """
    found: list[str] = []
    place: dict[str, int] = {}  # of the values of each list
    flag = None  # of the list that is being read
    for argument in arguments:
        is_option = argument.startswith("-") and not argument[1:2].isdigit()
        name, equals, value = argument.partition("=")
        if is_option and name in flags:
            flag = name
            if flag not in place:
                found += [flag, ""]
                place[flag] = len(found) - 1
            values = value if equals else ""
        elif is_option or flag is None:
            flag = None
            found.append(argument)
            continue
        else:
            values = argument
        found[place[flag]] = ",".join(filter(None, [found[place[flag]], values]))
        if "," in values:
            flag = None
    return found


def new_app(name: str | None = None, summary: str | None = None, **settings: Any) -> typer.Typer:
    """An app of one command, or of several where it has a ``summary``.

    ``name`` precedes the name of the command in messages.
    """
    return typer.Typer(
        name=name,
        help=summary,
        no_args_is_help=summary is not None,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        callback=_group if summary else None,
        context_settings=_SETTINGS,
        **settings,
    )


_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def command(
    app: typer.Typer, name: str | None = None, *, stopped: str = RESUME
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add a function to an app as a command.

    The command prints ``NAME: message`` and exits with 2 for a `UserError`, 1 for a `RunError`,
    and 130 with the sentence ``stopped`` when the user interrupts it, or 143 after SIGTERM.
    """

    def add(function: Callable[..., None]) -> Callable[..., None]:
        words = [app.info.name, name or function.__name__]
        label = " ".join(word for word in words if isinstance(word, str))
        made = _as_command(function, label, stopped)
        app.command(name, cls=Command, context_settings=_SETTINGS)(made)
        return function

    return add


def _as_command(function, label, stopped):
    """The function with exit codes, and ``--version`` among its options."""

    @wraps(function)
    def run(version, **options):
        if not __debug__:
            _fail(f"{label}: {NO_ASSERTS}", BAD_ARGUMENT)
        _silence_unfinished_reads()
        with _signals_as_interrupts() as received:
            try:
                function(**options)
            except (typer.Exit, typer.Abort):
                raise
            except BaseException as error:
                sentence, code = _end(error, received, stopped)
                if code is None:
                    raise
                _fail(f"{label}: {sentence}", code)

    own = signature(function, eval_str=True)
    option = Parameter("version", Parameter.KEYWORD_ONLY, default=False, annotation=_Version)
    parameters = [*own.parameters.values(), option]
    run.__signature__ = own.replace(parameters=parameters)
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    return run


def _end(error, received, stopped):
    """Sentence and exit code of an error; a code of None for a fault of the program.

    Libraries raise errors of their own for an interrupt: after a signal, all are the interrupt.
    """
    if received or isinstance(error, KeyboardInterrupt | Interrupted):
        return stopped, TERMINATED if signal.SIGTERM in received else STOPPED
    codes = {UserError: BAD_ARGUMENT, RunError: FAILED_RUN}
    return str(error), next((code for kind, code in codes.items() if isinstance(error, kind)), None)


def _silence_unfinished_reads():
    """Keep asyncio and Python from reporting Zarr's reads that an interrupt left unfinished."""
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)


@contextmanager
def _signals_as_interrupts():
    """Let SIGTERM raise KeyboardInterrupt as SIGINT does; gives the list of signals received."""
    received: list[int] = []

    def interrupt(number, frame):
        received.append(number)
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    earlier = {signal.SIGTERM: signal.signal(signal.SIGTERM, interrupt)}
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        earlier[signal.SIGINT] = signal.signal(signal.SIGINT, interrupt)
    try:
        yield received
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler or signal.SIG_DFL)


def _fail(message, code):
    typer.echo(printable(message), err=True)
    raise typer.Exit(code) from None


def _print_version(wanted: bool):
    if wanted:
        typer.echo(f"skyreel {version('skyreel')}")
        raise typer.Exit


_Version = Annotated[
    bool,
    typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version."),
]


def _group(version: _Version = False):
    """Options of a group of commands."""


# --- options that mean the same in every command ------------------------------------------------


def list_option(*flags: str, metavar: str, **settings: Any) -> Any:
    """An option that takes a list, by comma or with spaces; the command gets it as one text."""
    return typer.Option(*flags, metavar=metavar + LIST, **settings)


DATA = typer.Option(help="Data set, simulated or real.")
REAL = typer.Option(help="Data set of real labelled sequences, as ingest makes it.")
SURVEY = "Survey profile: a name (see `survey list`), or a TOML file."
MODEL = typer.Option(help="Shipped model by name, or a folder.")
BAND = typer.Option(help="Band of the images used.", show_default="the reference band")
LIGHT_CURVES = (
    "'science': fluxes of the images; 'difference': after a template of the earliest images is "
    "subtracted; 'both'."
)
MERGE = typer.Option(
    metavar="NEW=CLASS+CLASS",
    help="First alerts: classes trained as one, as VS=RRL+CEP+EB, by comma.",
    show_default="none",
)
EXPOSURES = typer.Option(
    help="Table of exposures or visits: ECSV, CSV, Parquet, JSON, or SQLite such as Rubin OpSim."
)
Position = Annotated[
    str | None,
    typer.Option(metavar="RA,DEC", help="Position in degrees, where a table of visits is used."),
]
Programme = Annotated[
    str,
    typer.Option(help="Visits of a table to use: wfd (wide), ddf (deep drilling) or all."),
]
Dates = Annotated[
    str | None,
    typer.Option(metavar="FIRST,LAST", help="Dates or MJD of the visits of a table to use."),
]
Season = Annotated[
    int | None,
    typer.Option(
        min=1, help="Observing season of a position, from 1 on, of the visits of a table to use."
    ),
]
CLASSES = typer.Option(
    metavar="CLASS,CLASS", help="Classes by comma; in simulations with weights: SN:2,RRL,NV."
)
CONDITION_ERROR = typer.Option(
    help="Size of random errors of the observing conditions of every sequence that is simulated: 1 "
    "as published for LSST's first months, 0 none.",
    show_default="0",
)
ProfileSet = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY=VALUE", help="Replace a number of the profile, as camera.gain_e_per_adu=4.1."
    ),
]
PLANNED = "planned"  # the conditions of a profile as it stands
Conditions = Annotated[
    str,
    typer.Option(metavar="NAME", help="Conditions of the profile: planned, or for LSST delivered."),
]
Plugin = Annotated[
    list[Path] | None,
    typer.Option(metavar="FILE.py", help="Python file that registers light-curve classes."),
]
Split = Annotated[str, typer.Option(help="Split of the data set: train, validation or test.")]
Images = Annotated[int, typer.Option(help="Largest number of images of a sequence.")]
Start = Annotated[
    str,
    typer.Option(
        help="'first': sequences begin with their first image; 'alert': with five images before "
        "the first alert, which carries some information about the class."
    ),
]
AnySurvey = Annotated[
    bool, typer.Option("--any-survey", help="Accept a model that was trained on another survey.")
]
Seed = Annotated[int, typer.Option(help="Seed of the random numbers.")]
Threads = Annotated[int | None, typer.Option(help="Cores to use.", show_default="all")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")]


def split_list(text: str | None) -> tuple[str, ...]:
    """Values of a list option."""
    return tuple(filter(None, map(str.strip, (text or "").split(","))))


def named_conditions(name: str) -> dict[str, str]:
    """The override of a profile that ``--conditions`` stands for; none for "planned"."""
    return {} if name == PLANNED else {"conditions": name}


def profile_overrides(settings: Iterable[str] | None, conditions: str = PLANNED) -> dict[str, str]:
    """Values of ``--profile-set`` by dotted key, and of ``--conditions`` unless "planned".

    Raises
    ------
    UserError
    """
    overrides = named_conditions(conditions)
    for setting in settings or ():
        key, sign, value = setting.partition("=")
        if not sign or not key.strip():
            raise UserError(
                f"--profile-set {setting!r}: write KEY=VALUE, as in camera.gain_e_per_adu=4.1."
            )
        overrides[key.strip()] = value.strip()
    return overrides


def n_cores(threads: int | None) -> int:
    """Threads to use: as asked, or all cores that this process may use.

    Raises
    ------
    UserError
    """
    affinity = getattr(os, "sched_getaffinity", None)
    threads = (len(affinity(0)) if affinity else os.cpu_count()) if threads is None else threads
    if not 1 <= threads <= MAX_THREADS:
        raise UserError(f"--threads {threads}; allowed are 1 to {MAX_THREADS}.")
    return threads
