"""The kernels that take longest to compile, each compiled by one of several test processes.

Numba keeps compiled kernels on disk, but processes that need one at the same time all compile it.
"""

import time
from pathlib import Path
from unittest.mock import patch

import numpy as np

LONGEST_WAIT_S = 900


def compile_in_turn(folder: Path) -> None:
    """Take kernels that no other process has taken, and wait until all are compiled.

    ``folder`` is the same in all processes of a run, and new.
    """
    folder.mkdir(exist_ok=True)
    for name, compile_kernel in KERNELS.items():
        try:
            (folder / name).touch(exist_ok=False)
        except FileExistsError:
            continue
        try:
            compile_kernel()
        finally:
            (folder / f"{name}.done").touch()
    until = time.monotonic() + LONGEST_WAIT_S
    while len(list(folder.glob("*.done"))) < len(KERNELS) and time.monotonic() < until:
        time.sleep(0.1)


def _simulate(survey, **options):
    from simulator import Simulator
    from simulator.options import Options
    from survey_profiles import load_profile

    Simulator(load_profile(survey), Options(seed=1, **options)).batch("train", np.arange(1))


def _planes():
    with patch("simulator.simulator.expose"):  # leave the images empty: another kernel
        _simulate("ztf", planes=("science", "template", "difference"))


def _features():
    from classifier.features import features_of_batch

    time_day = np.arange(20.0)[None]
    features_of_batch(time_day, 18 + np.sin(time_day), np.full((1, 20), 0.1), [20])


def _exposures():
    _simulate("hits")


def _photometry():
    from classifier.photometry import measure
    from tests.helpers.stars import as_stamps, hits_psf

    measure(as_stamps(np.ones((1, 2, 21, 21))), hits_psf())


KERNELS = {
    "planes": _planes,
    "features": _features,
    "exposures": _exposures,
    "photometry": _photometry,
}
"""By name, the slowest first."""
