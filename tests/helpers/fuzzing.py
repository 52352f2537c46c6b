"""Fuzzing: mutated inputs by number, each read in a worker process bounded in time and memory.

    python -m tests.fuzz avro_packets --n 1000 --seed 1
    python -m tests.fuzz avro_packets --seed 1 --only 37

A module of ``tests/fuzz`` defines three functions:

``prepare(folder) -> base``
    What is mutated; called once in each worker.
``make(base, rng, folder) -> (kind, case)``
    One input, from a ``random.Random``, with files under ``folder``; ``kind`` is a short text.
``check(base, case, folder) -> str or None``
    Read the input as the command does. A text says what is wrong with what was read.

An input is "read", or "refused" by one of the project's errors. Failures are a "traceback" (any
other exception), "wrong", a "hang", too much "memory", a worker that "died", and "executed" (the
file `CANARY` appeared, whose making the inputs ask for).
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from skyreel.errors import Interrupted, RunError, UserError

REFUSED = (UserError, RunError, Interrupted)
FAILURES = ("traceback", "wrong", "hang", "memory", "died", "executed")
CANARY = Path(tempfile.gettempdir()) / "skyreel-fuzz-canary"
ODD_NUMBERS = (
    *(float("nan"), float("inf"), float("-inf"), 0.0, -0.0, -1.0, 1e300, -1e300, 1e-300, 3.5e38),
    *(99.0, 99.999, -99.0, -999.0, -9999.0, 2457070.5, 65536.0, 1e19),
    *(0, 1, -1, 255, 256, 2**31, -(2**31), 2**63 - 1, -(2**63), 10**18),
)
ODD_TEXTS = (
    *("", " ", "\x00", "a\x00b", "é", "x" * 5000, "../../etc/passwd", "nan", "1e999", "None"),
    *("0017", "1e5", "0x1F", "9" * 30, "9" * 5000, "[bold]x[/bold]", "\x1b[31mred", "{}", "%s%n"),
    *('a,b\n"c', "=1+1", "<script>", "١٢", "-0"),
)


def mutated(rng: random.Random, data: bytes) -> tuple[str, bytes]:
    """Bytes with a few of them changed, and how: flipped bits, cuts, copies, zeros, lengths."""
    data = bytearray(data or b"\0")
    at, n = rng.randrange(len(data)), rng.choice([1, 4, 64, 512, 2880])
    how = rng.choice(
        ["flip", "flip", "flip", "cut", "insert", "delete", "repeat", "zero", "length"]
    )
    if how == "flip":
        for _ in range(rng.choice([1, 1, 2, 8, 64])):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif how == "cut":
        del data[at:]
    elif how == "insert":
        data[at:at] = rng.randbytes(n)
    elif how == "delete":
        del data[at : at + n]
    elif how == "repeat":
        data[at:at] = data[at : at + n]
    elif how == "zero":
        data[at : at + n] = bytes(len(data[at : at + n]))
    else:
        length = rng.choice([0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFF])
        data[at : at + 4] = length.to_bytes(4, rng.choice(["big", "little"]))
    return how, bytes(data)


def fuzzers() -> list[str]:
    """Names of the modules of fuzzed inputs."""
    modules = (Path(__file__).parents[1] / "fuzz").glob("*.py")
    return sorted(p.stem for p in modules if p.stem not in ("__main__", "test_fuzz"))


# --- in a worker --------------------------------------------------------------------------------


class _TooSlow(BaseException):
    """The time of an input is over."""


def _stop(*_):
    raise _TooSlow


def _try_inputs(name, numbers, options, log):
    module: ModuleType = import_module(name if "." in name else f"tests.fuzz.{name}")
    signal.signal(signal.SIGALRM, _stop)
    with tempfile.TemporaryDirectory(prefix="skyreel-fuzz-") as work:
        shared = Path(work, "base")
        shared.mkdir()
        base = module.prepare(shared)
        for i in numbers:
            folder = Path(work, f"input_{i}")
            folder.mkdir()
            rng = random.Random(f"{options.seed}/{i}")
            kind, case = module.make(base, rng, folder)
            _write(log, i=i, verdict="begun", kind=kind)
            _write(log, i=i, kind=kind, **_verdict(module, base, case, folder, options))
            shutil.rmtree(folder)


def _verdict(module, base, case, folder, options):
    CANARY.unlink(missing_ok=True)
    gc.collect()
    before, start = _reset_peak_mb(), time.monotonic()
    found, detail = "read", ""
    signal.setitimer(signal.ITIMER_REAL, options.seconds)
    try:
        detail = module.check(base, case, folder) or ""
        found = "wrong" if detail else "read"
    except _TooSlow:
        found, detail = "hang", _place()
    except REFUSED as error:
        found, detail = "refused", str(error)
    except Exception as error:
        found, detail = "traceback", f"{type(error).__name__}: {error} at {_place()}"
        if options.only is not None:
            traceback.print_exc()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    grown = _peak_mb() - before
    if CANARY.exists():
        found = "executed"
    elif grown > options.megabytes and found != "hang":
        found, detail = "memory", f"{found}: {detail}"
    seconds = round(time.monotonic() - start, 2)
    return {"verdict": found, "detail": detail[:500], "seconds": seconds, "mb": round(grown)}


def _place():
    frames = traceback.extract_tb(sys.exc_info()[2])
    root = str(Path(__file__).parents[2])
    own = [f for f in frames if f.filename.startswith(root) and "/tests/" not in f.filename]
    return " < ".join(f"{Path(f.filename).name}:{f.lineno}" for f in reversed((own or frames)[-3:]))


def _reset_peak_mb():
    with suppress(OSError):  # not Linux: the peak of the whole process
        Path("/proc/self/clear_refs").write_text("5")
    return _peak_mb()


def _peak_mb():
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def _write(log, **record):
    with log.open("a") as file:
        file.write(json.dumps(record) + "\n")


# --- in the main process ------------------------------------------------------------------------


def verdicts(name: str, n: int, seed: int = 0, **bounds: float) -> list[dict[str, Any]]:
    """Verdicts on inputs 0 to n - 1: ``i``, ``kind``, ``verdict``, ``detail``, ``seconds``, ``mb``.

    Parameters
    ----------
    name : str
        A module of ``tests/fuzz``, or any other with dots.
    n, seed : int
    **bounds
        ``seconds`` for one input (20) and ``megabytes`` that the memory may grow by (1200).
    """
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log.jsonl")
        log.touch()
        first = 0
        while first < n:
            arguments = [name, "--seed", seed, "--worker", first, n, "--log", log]
            for key, value in bounds.items():
                arguments += [f"--{key}", value]
            if _run_worker(arguments, log, 3 * bounds.get("seconds", 20) + 120):
                break
            last = _records(log)[-1:]
            if not last:
                raise RuntimeError(f"the worker of {name} does not start")
            first = last[0]["i"] + 1
            if last[0]["verdict"] == "begun":
                _write(log, i=last[0]["i"], kind=last[0]["kind"], verdict="died", detail="")
        return [r for r in _records(log) if r["verdict"] != "begun"]


def _run_worker(arguments, log, patience_s):
    """True where all inputs were tried; a worker that writes nothing for long is killed."""
    command = [sys.executable, "-m", "tests.fuzz", *map(str, arguments)]
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "TMPDIR": str(log.parent)}
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, env=environment, stdout=subprocess.DEVNULL) as worker:
        size, since = log.stat().st_size, time.monotonic()
        while worker.poll() is None:
            time.sleep(0.1)
            if log.stat().st_size != size:
                size, since = log.stat().st_size, time.monotonic()
            elif time.monotonic() - since > patience_s:
                worker.kill()
        return worker.returncode == 0


def _records(log):
    return [json.loads(line) for line in log.read_text().splitlines()]


def failures(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The verdicts that are failures."""
    return [r for r in found if r["verdict"] in FAILURES]


def _print_report(name, found):
    print(f"{name}: {len(found)} inputs: {dict(Counter(r['verdict'] for r in found))}")
    for r in failures(found):
        print(f"  {r['verdict']} at --only {r['i']} ({r['kind']}): {r['detail'][:300]}")
    slow = max(found, key=lambda r: r.get("seconds", 0))
    large = max(found, key=lambda r: r.get("mb", 0))
    print(f"  slowest {slow.get('seconds')} s (--only {slow['i']}), ", end="")
    print(f"largest {large.get('mb')} MB (--only {large['i']})")


def main() -> None:
    """Try the inputs of one fuzzer, or of all; exit code 1 where there is a failure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("name", help=f"all, or one of {', '.join(fuzzers())}")
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="try this input alone")
    parser.add_argument("--seconds", type=float, default=20, help="for one input")
    parser.add_argument("--megabytes", type=float, default=1200, help="for one input")
    parser.add_argument("--worker", type=int, nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--log", type=Path, default=Path(os.devnull), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        return _try_inputs(options.name, range(*options.worker), options, options.log)
    if options.only is not None:
        return _try_inputs(options.name, [options.only], options, Path("/dev/stdout"))
    bounds = {"seconds": options.seconds, "megabytes": options.megabytes}
    failed = False
    for name in fuzzers() if options.name == "all" else [options.name]:
        found = verdicts(name, options.n, options.seed, **bounds)
        _print_report(name, found)
        failed |= bool(failures(found))
    sys.exit(failed)
