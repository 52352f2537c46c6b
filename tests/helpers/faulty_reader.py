"""A reader with each kind of fault, by which the fuzzing harness is tested."""

from __future__ import annotations

import os
import time
from pathlib import Path
from random import Random

from skyreel.errors import UserError
from tests.helpers.fuzzing import CANARY

FAULTS = ("read", "refused", "traceback", "wrong", "hang", "memory", "died", "executed")


def prepare(folder: Path) -> tuple[str, ...]:
    """The faults."""
    return FAULTS


def make(base: tuple[str, ...], rng: Random, folder: Path) -> tuple[str, str]:
    """One of the faults, which is also its verdict."""
    fault = rng.choice(base)
    return fault, fault


def check(base: tuple[str, ...], case: str, folder: Path) -> str | None:
    """Show the fault."""
    match case:
        case "refused":
            raise UserError("no")
        case "traceback":
            raise KeyError("no")
        case "hang":
            time.sleep(60)
        case "memory":
            return str(len(b"x" * 300_000_000))[:0]
        case "died":
            os.abort()
        case "executed":
            CANARY.touch()
    return "wrong" if case == "wrong" else None
