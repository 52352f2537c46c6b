"""Runs shell commands as pages write them; those of this project in the process of the tests.

A process of its own for each would import TensorFlow each time, which takes longer than most
commands.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

from classifier.models.forest import extra_trees
from skyreel import cli

ROOT = Path(__file__).parents[2]
COMMANDS = (*cli.MODULES, "skyreel")
FOR_THE_SHELL = re.compile("[|<>&;$(]")


def run_shell(code: str, folder: Path) -> None:
    """Run shell commands in a folder; each must succeed."""
    if "<<" in code:
        run_bash(code, folder)
        return
    for line in code.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words and words[0] in COMMANDS and not FOR_THE_SHELL.search(" ".join(words)):
            run_command(words, folder)
        elif words:
            run_bash(line, folder)


def run_command(words: list[str], folder: Path) -> None:
    """Run one of the project's commands in this process, with few trees for few real objects."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        with patch.object(sys, "argv", words), patch.object(extra_trees, "N_TREES", 10):
            cli.run(words[0])
    except SystemExit as end:
        assert not end.code, shlex.join(words)
    finally:
        os.chdir(before)


def run_bash(code: str, folder: Path) -> None:
    """Run shell commands with the scripts of this environment."""
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": programs, "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment["PYTHONPATH"] = str(ROOT)
    command = ["bash", "-euc", code]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{code}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
