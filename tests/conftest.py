"""Fixtures of all tests, and their distribution over processes."""

import os
from pathlib import Path

import pytest


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """All tests of a file run in one process: its fixtures are made once."""
    from xdist.scheduler import LoadFileScheduling

    return LoadFileScheduling(config, log)


if "PYTEST_XDIST_WORKER" in os.environ:  # a process for every core: one thread each
    for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(name, "1")


@pytest.fixture(scope="session", autouse=True)
def kernels_compiled_once(request, tmp_path_factory):
    """Of several processes, none compiles what another compiles."""
    if not hasattr(request.config, "workerinput"):
        yield
        return
    from tests.helpers.kernels import kernels_compiled_once

    with kernels_compiled_once(tmp_path_factory.getbasetemp().parent / "kernels"):
        yield


@pytest.fixture(scope="session")
def real_data():
    """The folder of real observations named by SKYREEL_DATA; skips the test without it."""
    folder = os.environ.get("SKYREEL_DATA")
    if not folder:
        pytest.skip("SKYREEL_DATA does not name a folder of real observations")
    return Path(folder)


@pytest.fixture(scope="session")
def small_dataset(tmp_path_factory):
    """A simulated HiTS data set of 210 training, 70 validation and 70 test sequences."""
    from simulator.dataset.plan import make_plan
    from simulator.dataset.run import execute, writer_for
    from simulator.options import Options

    path = tmp_path_factory.mktemp("data") / "small.zarr"
    plan = make_plan("hits", Options(seed=5), path, n=210, validation=70, test=70)
    with writer_for(plan) as writer:
        execute(plan, writer, threads=1)
    return path


@pytest.fixture(scope="session")
def trained_network(small_dataset, tmp_path_factory):
    """A small network trained on `small_dataset`; tests change copies of its folder only."""
    from tests.helpers.training import trained

    return trained(small_dataset, tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def planes_dataset(tmp_path_factory):
    """A simulated ZTF data set with planes: 42, 28 and 28 objects of 4 to 8 epochs."""
    from simulator.dataset.plan import make_plan
    from simulator.dataset.run import execute, writer_for
    from simulator.options import PLANES, Options

    path = tmp_path_factory.mktemp("data") / "planes.zarr"
    few_images_many_alerts = {
        "cadence.min_epochs": 4,
        "cadence.max_epochs": 8,
        "difference.error_factor": 1.0,
    }
    options = Options(seed=4, planes=PLANES, classes={"SN": 1, "RRL": 1, "EB": 1, "AST": 1})
    sizes = {"n": 42, "validation": 28, "test": 28}
    plan = make_plan("ztf", options, path, **sizes, overrides=few_images_many_alerts)
    with writer_for(plan) as writer:
        execute(plan, writer, threads=1)
    return path


@pytest.fixture(scope="session")
def stamp_model(planes_dataset, tmp_path_factory):
    """A small stamp classifier of SN, VS and AST, hardly trained."""
    from tests.helpers.stamp_models import stamp_training

    return stamp_training(planes_dataset, tmp_path_factory.mktemp("models") / "tiny").run()


@pytest.fixture(scope="session")
def vade_model(planes_dataset, tmp_path_factory):
    """A small autoencoder with a mixture of three Gaussians, hardly trained."""
    from tests.helpers.autoencoders import autoencoder_training

    folder = tmp_path_factory.mktemp("models") / "vade"
    return autoencoder_training(planes_dataset, folder).run()
