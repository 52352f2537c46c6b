"""Sequences of very different lengths in one forecast: all their images, at their own cost."""

from types import SimpleNamespace

import numpy as np
import pytest

from classifier.forecast import objects as drawing
from classifier.forecast.lengths import in_chunks
from classifier.forecast.objects import object_columns
from classifier.forecast.schedules import Schedule, open_schedule
from classifier.image_selection import ImageSelection
from simulator.options import Options
from simulator.simulator import Simulator
from survey_profiles import load_profile
from tests.helpers.opsim import opsim, schedule

SIZE_PIX, N = 9, 60
LIMITS = {"step": 20, "images": 1000, "most": 12}


def long_visits(folder):
    """A table of 120 nights: three fields, and up to 720 visits where they overlap."""
    return str(opsim(folder, schedule(np.random.default_rng(0))))


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return long_visits(tmp_path_factory.mktemp("long"))


@pytest.fixture(scope="module")
def simulator(table):
    profile = load_profile("lsst", {"cadence.max_epochs": "1000"})
    return Simulator(profile, Options(exposures=table, stamp_size_pix=SIZE_PIX, seed=3))


def test_chunks_hold_every_object_once_within_their_limits(simulator):
    indices = np.arange(100, 100 + N)
    chunks = in_chunks(simulator, indices, **LIMITS)
    places = np.concatenate([chunk.places for chunk in chunks])
    np.testing.assert_array_equal(np.sort(places), np.arange(N))
    n_epochs = simulator.pointings.n_epochs[simulator.pointing_numbers("test", indices)]
    assert n_epochs.max() > 5 * n_epochs.min()
    for chunk in chunks:
        longest, length = n_epochs[chunk.places].max(), chunk.simulator.n_epochs
        assert longest <= length < longest + LIMITS["step"]
        assert len(chunk.places) == 1 or length * len(chunk.places) <= LIMITS["images"]
        assert len(chunk.places) <= LIMITS["most"] and (np.diff(chunk.places) > 0).all()
    assert max(len(chunk.places) for chunk in chunks) > min(len(chunk.places) for chunk in chunks)


def test_padded_images_are_few_beside_those_of_arrays_of_the_longest(simulator):
    indices = np.arange(600)
    n_epochs = simulator.pointings.n_epochs[simulator.pointing_numbers("test", indices)]
    chunks = in_chunks(simulator, indices, step=20, images=2000, most=512)
    made = sum(len(chunk.places) * chunk.simulator.n_epochs for chunk in chunks)
    assert made < 1.2 * n_epochs.sum()
    assert 600 * simulator.n_epochs > 1.5 * n_epochs.sum()


def test_columns_do_not_depend_on_how_objects_are_divided(simulator, monkeypatch):
    plan = Schedule("one", "drawn", simulator, 100.0, ())
    indices = np.arange(N)
    whole = object_columns(plan, indices)
    monkeypatch.setattr(drawing, "BLOCK_EPOCHS", 1500)
    parts = object_columns(plan, indices)
    alone = [object_columns(plan, indices[k : k + 1]) for k in range(N)]
    for name, values in whole.items():
        np.testing.assert_array_equal(values, parts[name])
        np.testing.assert_array_equal(values, np.concatenate([one[name] for one in alone]))


MODEL = SimpleNamespace(
    bands=tuple("ugrizy"),
    classes=("SN", "RRL"),
    name="m",
    folder="m",
    card={"survey": "lsst"},
    survey="lsst",
    size_pix=SIZE_PIX,
    selection=ImageSelection(images=60, bands=tuple("ugrizy")),
    prediction_selection=ImageSelection(images=32_767, bands=tuple("ugrizy")),
)


def opened(asked, **overrides):
    return open_schedule("lsst", asked, [MODEL], seed=1, overrides=overrides, any_survey=True)


def test_all_images_of_a_position_are_simulated_by_default(table):
    limit = load_profile("lsst").cadence.max_epochs
    found = opened(table)
    assert found.pointings.n_epochs.max() == 720 > limit
    assert not [note for note in found.notes if "cadence.max_epochs" in note]
    cut = opened(table, **{"cadence.max_epochs": "100"})
    assert cut.pointings.n_epochs.max() == 100
    (note,) = [note for note in cut.notes if "cadence.max_epochs" in note]
    assert "of up to 720 visits" in note


def test_drawn_sequences_that_are_cut_are_counted():
    whole = opened("drawn").pointings.n_epochs
    limit = load_profile("lsst").cadence.max_epochs
    assert whole.max() > limit
    cut = opened("drawn", **{"cadence.max_epochs": str(limit)})
    (note,) = [note for note in cut.notes if "cadence.max_epochs" in note]
    assert note.startswith(f"{(cut.pointings.n_epochs == limit).sum():,} of {len(whole):,} drawn")
