"""All commands: help, version, the same options everywhere, exit codes, early refusals."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from skyreel import cli
from skyreel.atomic_files import locked_folder
from skyreel.commands import (
    command,
    join_lists,
    n_cores,
    new_app,
    profile_overrides,
    split_list,
)
from skyreel.errors import Interrupted, RunError, UserError
from tests.helpers.running import run

COMMANDS = (*cli.MODULES, "skyreel")
HEAVY = ("tensorflow", "keras", "sklearn", "matplotlib")


def parameters():
    """(command, parameter) of every command and subcommand."""
    for name in cli.MODULES:
        loaded = cli.load(name)
        for child in getattr(loaded, "commands", {"": loaded}).values():
            for parameter in child.params:
                yield f"{name} {child.name}", parameter


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_every_command_has_help(name, flag, monkeypatch, capsys):
    assert run(monkeypatch, name, flag) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"Usage: {name}")
    for option in ("--version", "--install-completion", "-h, --help"):
        assert option in printed


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_prints_the_version(name, monkeypatch, capsys):
    from importlib.metadata import version

    assert run(monkeypatch, name, "--version") == 0
    assert capsys.readouterr().out == f"skyreel {version('skyreel')}\n"


@pytest.mark.parametrize("name", cli.MODULES)
def test_every_command_is_a_subcommand_of_skyreel(name, monkeypatch, capsys):
    assert run(monkeypatch, "skyreel", name, "--help") == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"Usage: skyreel {name}")
    assert "--install-completion" not in printed


def test_skyreel_lists_every_command_in_order(monkeypatch, capsys):
    run(monkeypatch, "skyreel", "--help")
    listed = capsys.readouterr().out.split("Commands:")[1]
    assert [line.split()[0] for line in listed.strip().splitlines()] == list(cli.MODULES)


def test_survey_gap_comes_after_the_commands_of_survey(monkeypatch, capsys):
    run(monkeypatch, "survey", "--help")
    listed = capsys.readouterr().out.split("Commands:")[1]
    names = [line.split()[0] for line in listed.strip().splitlines()]
    assert names == ["list", "show", "check", "schedule", "gap"]


def test_one_flag_means_the_same_in_every_command():
    meanings = {}
    free = {"--out", "--model", "--plot", "--validation", "--survey", "--iterations"}
    free |= {"--n", "--schedule"}  # forecast: objects that are detected; schedule of a survey
    free |= {"--method"}  # subtract: of subtraction; finetune: of adaptation
    free |= {"--planes"}  # simulate: those made; train: those read
    for where, parameter in parameters():
        if getattr(parameter, "hidden", False):
            continue
        for flag in parameter.opts:
            if flag.startswith("--") and flag not in free:
                text = parameter.help.removeprefix("Forests: ")
                found = (text, parameter.metavar, parameter.is_flag)
                meanings.setdefault(flag, {}).setdefault(found, []).append(where)
    assert {flag: found for flag, found in meanings.items() if len(found) > 1} == {}


def test_every_option_is_explained_in_a_sentence():
    for where, parameter in parameters():
        if getattr(parameter, "hidden", False) or parameter.name == "help":
            continue
        text = parameter.help or ""
        wrong = not text[:1].isupper() and not text.startswith("'")
        assert not wrong, (where, parameter.name, text)


# --- heavy imports come after checks ------------------------------------------------------------


IN_ONE_PROCESS = """
import io, json, os, sys
from contextlib import redirect_stderr, redirect_stdout
from skyreel import cli

lines, heavy = json.load(sys.stdin)
found = {}
for line in lines:
    sys.argv, message = ["skyreel", *line.split()], io.StringIO()
    try:
        with redirect_stderr(message), redirect_stdout(io.StringIO()):
            cli.main()
    except SystemExit as stop:
        names = sorted(set(heavy) & set(sys.modules))
        found[line] = stop.code, message.getvalue(), names, os.listdir()
print(json.dumps(found))
"""


def said(folder, lines, heavy):
    """Of each command line of ``skyreel`` its exit code, its message, and what is there then.

    That is: packages of ``heavy`` that have been imported, and the files of ``folder``. All run one
    after another in one process that begins without these packages.
    """
    done = subprocess.run(
        [sys.executable, "-c", IN_ONE_PROCESS],
        input=json.dumps([list(lines), heavy]),
        capture_output=True,
        text=True,
        cwd=folder,
        check=True,
    )
    return json.loads(done.stdout)


def test_help_imports_nothing_heavy(tmp_path):
    lines = ["--help", *(f"{name} --help" for name in ("train", "survey", "finetune"))]
    found = said(tmp_path, lines, [*HEAVY, "numba", "astropy", "zarr"])
    for line in lines:
        code, _, names, _ = found[line]
        assert code == 0 and not names, line


REAL = "--real nosuch --out x"
REFUSED = {
    "train --data nosuch --out x": "nosuch: there is no such data set",
    "train --survey hist --out x": "Did you mean 'hits'",
    "train --data nosuch --out x --model magic": "known models",
    f"finetune {REAL} --method magic": "no such method",
    f"finetune {REAL} --per-class ten": "give whole numbers",
    f"finetune {REAL}": "nosuch: there is no such data set",
    "classify --model hits-compact --data nosuch --out p.parquet": "no such data set",
    "classify --model hits-compact --data nosuch --out p.docx": "allowed are files ending in",
    "classify --model hits-compact --data nosuch --out p.csv --report file": "is a file",
    "compare hits-compact --data nosuch --out x": "no such data set",
    "compare nosuch --data nosuch --out x": "neither a folder nor a model",
    "features --data nosuch --out f.parquet": "no such data set",
    "survey gap --real nosuch": "no such data set",
    "ingest nosuch --from hits": "nosuch",
    "simulate --survey hits --preview x.docx": "--preview x.docx: allowed",
    "survey show hits --plot x.docx": "--out x.docx: allowed",
}


@pytest.fixture(scope="module")
def refusals(tmp_path_factory):
    folder = tmp_path_factory.mktemp("refused")
    (folder / "file").write_text("kept")
    return said(folder, REFUSED, HEAVY)


@pytest.mark.parametrize("line", REFUSED)
def test_a_bad_argument_is_refused_before_heavy_imports(line, refusals):
    code, message, names, files = refusals[line]
    assert code == 2 and REFUSED[line] in message and "Traceback" not in message
    assert not names and files == ["file"]


# --- exit codes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (UserError("a is wrong."), 2, "fail: a is wrong.\n"),
        (RunError("the disk is full."), 1, "fail: the disk is full.\n"),
        (KeyboardInterrupt(), 130, "fail: stopped. Run the same command again to finish.\n"),
        (Interrupted(), 130, "fail: stopped. Run the same command again to finish.\n"),
    ],
)
def test_errors_become_one_sentence_and_an_exit_code(error, code, message):
    app = new_app()

    @command(app)
    def fail(n: int = 1) -> None:
        raise error

    done = CliRunner().invoke(app, [])
    assert (done.exit_code, done.stderr, done.stdout) == (code, message, "")


def test_sigterm_stops_a_command_as_ctrl_c_does(tmp_path):
    app, before = new_app(), signal.getsignal(signal.SIGTERM)

    @command(app)
    def wait() -> None:
        with locked_folder(tmp_path):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)

    done = CliRunner().invoke(app, [])
    assert done.exit_code == 143
    assert done.stderr == "wait: stopped. Run the same command again to finish.\n"
    assert signal.getsignal(signal.SIGTERM) is before
    with locked_folder(tmp_path):  # the lock was released
        pass


def test_a_fault_of_the_program_is_not_hidden():
    app = new_app()

    @command(app)
    def fail() -> None:
        raise ZeroDivisionError

    assert isinstance(CliRunner().invoke(app, []).exception, ZeroDivisionError)


# --- lists and settings -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "joined"),
    [
        ("--k 1 2 5 --out x", "--k 1,2,5 --out x"),
        ("--k 1,2,5 a", "--k 1,2,5 a"),
        ("--k 1 --out x --k 2", "--k 1,2 --out x"),
        ("--k=1 2", "--k 1,2"),
        ("a b --k -1", "a b --k -1"),
        ("--out x y", "--out x y"),
        ("--k", "--k "),
        ("--k --out x", "--k  --out x"),
    ],
)
def test_lists_may_be_given_by_comma_by_spaces_or_repeatedly(given, joined):
    assert " ".join(join_lists(given.split(), {"--k"})) == joined


def test_empty_values_of_a_list_are_left_out():
    assert split_list(" a, ,b,") == ("a", "b")
    assert split_list(None) == ()


def test_profile_settings_are_split_at_the_first_equals_sign():
    assert profile_overrides(["a.b=1", 'c = ["x=y"]']) == {"a.b": "1", "c": '["x=y"]'}
    with pytest.raises(UserError, match="write KEY=VALUE"):
        profile_overrides(["a.b"])


def test_threads_are_those_asked_for_or_all_cores():
    assert n_cores(3) == 3 and n_cores(None) >= 1
    with pytest.raises(UserError, match="--threads 0; allowed are 1 to"):
        n_cores(0)


# --- modules of the working folder --------------------------------------------------------------


@pytest.mark.parametrize("path", [None, "."], ids=["plain", "PYTHONPATH"])
def test_modules_of_the_working_folder_do_not_break_the_scripts(tmp_path, path, monkeypatch):
    for name in ("simulator", "classifier", "finetune", "survey_profiles"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong module')\n")
    script = Path(sys.executable).with_name("simulate")
    if not script.exists():
        pytest.skip("the scripts are not installed")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    if path:
        monkeypatch.setenv("PYTHONPATH", path)
    done = subprocess.run(
        [script, "--survey", "hist"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 2 and "Did you mean 'hits'" in done.stderr


def test_classes_by_comma_leave_a_following_argument_alone(monkeypatch, capsys):
    assert run(monkeypatch, "ingest", "--from", "hits", "--classes", "SN", "nosuch") == 2
    assert "nosuch" in capsys.readouterr().err


def test_a_python_without_asserts_is_refused_in_one_sentence():
    code = "import sys; sys.argv = ['survey', 'list']; from skyreel.cli import run; run('survey')"
    done = subprocess.run([sys.executable, "-O", "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert "python -O" in done.stderr and done.stderr.count("\n") == 1


def test_an_interrupt_while_a_command_is_loaded_is_one_sentence(monkeypatch, capsys):
    def interrupted(name):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "load", interrupted)
    with pytest.raises(SystemExit) as stopped:
        cli.run("features")
    assert stopped.value.code == 130
    assert capsys.readouterr().err == "features: stopped; nothing was written.\n"


def test_an_interrupt_does_not_report_the_reads_it_left_unfinished():
    code = """
from skyreel.commands import command, new_app
app = new_app("read")

async def chunk():
    pass

@command(app, "chunks")
def chunks():
    raise KeyboardInterrupt(chunk())

app()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 130
    assert done.stderr == "read chunks: stopped. Run the same command again to finish.\n"
