"""Any object of a data set regenerates from what the data set holds."""

import json
import shutil

import numpy as np
import pytest

import simulator
from classifier.dataset import DatasetSplit
from classifier.features.pipeline import observed_magnitudes, psf_of
from simulator import (
    Options,
    SimulationError,
    Simulator,
    load_profile,
    open_dataset,
    regenerate,
    simulator_of,
)
from simulator.dataset import inputs
from simulator.dataset.plan import make_plan
from simulator.dataset.run import execute, writer_for

NAMES = (
    "mjd",
    "exposure_time_s",
    "airmass",
    "seeing_fwhm_arcsec",
    "sky_adu",
    "zero_point_mag",
    "limiting_mag",
)


def written_inputs(folder):
    """A table of exposures, a table of magnitudes and a PSF library."""
    folder.mkdir()
    pointing = Simulator(load_profile("hits"), Options(classes={"NV": 1})).sequence(0).epochs
    rows = np.flatnonzero(np.isfinite(pointing["mjd"][0]))
    lines = [",".join(("band", *NAMES))]
    lines += [",".join(("g", *(repr(float(pointing[n][0, r])) for n in NAMES))) for r in rows]
    (folder / "exposures.csv").write_text("\n".join(lines))
    (folder / "magnitudes.csv").write_text("magnitude\n18.342\n")
    radius = np.hypot(*np.mgrid[-32:33, -32:33]) / 2
    np.savez(
        folder / "psf.npz",
        epsf=((1 + (radius / 4) ** 2) ** -3.5)[None],
        epsf_oversampling=2,
        epsf_fwhm_pix=[4.0],
        epsf_beta=[3.5],
        epsf_e1=[0.0],
        epsf_e2=[0.0],
    )


def made(folder, **options):
    chosen = {
        "classes": {"NV": 1, "RRL": 1},
        "exposures": str(folder / "given" / "exposures.csv"),
        "magnitudes": str(folder / "given" / "magnitudes.csv"),
        "stamp_size_pix": 9,
    }
    library = {"psf.model": "library", "psf.library": str(folder / "given" / "psf.npz")}
    plan = make_plan(
        "hits", Options(**{**chosen, **options}), folder / "d.zarr", n=20, overrides=library
    )
    with writer_for(plan) as writer:
        execute(plan, writer, threads=1)
    return folder / "d.zarr"


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A folder with a data set and the input files it was made with."""
    folder = tmp_path_factory.mktemp("tables")
    written_inputs(folder / "given")
    made(folder)
    return folder


def require_equal(path):
    """The data set regenerates bit for bit."""
    for split in ("train", "validation", "test"):
        stored = open_dataset(path)[split]
        again = simulator_of(path).batch(split, np.arange(stored["label"].shape[0]))
        arrays = {"images": again.images, "mask": again.mask, **again.epochs, **again.objects}
        for name, values in arrays.items():
            np.testing.assert_array_equal(values, stored[name][:], err_msg=name)


def edited(path, change):
    """Change the attributes of a data set."""
    file = path / "zarr.json"
    metadata = json.loads(file.read_text())
    change(metadata["attributes"])
    file.write_text(json.dumps(metadata))


def without_copies(folder, original):
    """The data set as an older version made it: it names its input files and keeps no copy."""
    path = folder / "old.zarr"
    shutil.copytree(original / "d.zarr", path)
    shutil.rmtree(path / "inputs")
    edited(path, lambda attributes: attributes.pop("inputs"))
    return path


def test_any_one_sequence_comes_back_bit_for_bit(original):
    stored = open_dataset(original / "d.zarr")["test"]
    one = regenerate(original / "d.zarr", [2], "test")
    np.testing.assert_array_equal(one.images[0], stored["images"][2])
    np.testing.assert_array_equal(one.mask[0], stored["mask"][2])
    for name, values in {**one.epochs, **one.objects}.items():
        np.testing.assert_array_equal(values[0], stored[name][2], err_msg=name)


def test_a_table_of_one_magnitude_gives_that_magnitude(original):
    found = open_dataset(original / "d.zarr")["train"]["mean_mag"][:]
    np.testing.assert_allclose(found, 18.342, rtol=1e-6)


def test_a_data_set_with_errors_of_the_conditions_keeps_their_size(original, tmp_path):
    (tmp_path / "given").symlink_to(original / "given")
    path = made(tmp_path, condition_error=1.0)
    assert open_dataset(path).attrs["options"]["condition_error"] == 1.0
    require_equal(path)
    planned = open_dataset(original / "d.zarr")["train"]["zero_point_mag"][:]
    assert not np.array_equal(open_dataset(path)["train"]["zero_point_mag"][:], planned)


def measured(path):
    """Observed magnitudes of the test split, by PSF photometry."""
    split = DatasetSplit(path, "test")
    return observed_magnitudes(split.stamps(0, len(split)), psf_of(split))


def test_a_moved_data_set_without_its_input_files_regenerates_and_measures_the_same(tmp_path):
    (tmp_path / "here").mkdir()
    written_inputs(tmp_path / "here" / "given")
    here, there = made(tmp_path / "here"), tmp_path / "there" / "d.zarr"
    before = measured(here)
    assert np.abs(before - 18.342).max() < 1
    shutil.move(here, there)
    shutil.rmtree(tmp_path / "here")
    require_equal(there)
    np.testing.assert_array_equal(measured(there), before)


@pytest.mark.parametrize(
    "copy", ["exposures/exposures.csv", "magnitudes/magnitudes.csv", "psf_library/psf.npz"]
)
def test_a_copy_that_changed_or_went_is_refused(original, tmp_path, copy):
    path = tmp_path / "d.zarr"
    shutil.copytree(original / "d.zarr", path)
    with (path / "inputs" / copy).open("ab") as file:
        file.write(b"\n")
    with pytest.raises(SimulationError, match="which has changed since"):
        simulator_of(path)
    (path / "inputs" / copy).unlink()
    with pytest.raises(SimulationError, match="which is not there"):
        simulator_of(path)


def test_a_data_set_without_copies_needs_the_original_files_unchanged(tmp_path):
    written_inputs(tmp_path / "given")
    made(tmp_path)
    old, table = without_copies(tmp_path, tmp_path), tmp_path / "given" / "exposures.csv"
    require_equal(old)
    table.rename(tmp_path / "elsewhere.csv")
    with pytest.raises(SimulationError, match=r"exposures\.csv, which is not there"):
        simulator_of(old)
    (tmp_path / "elsewhere.csv").rename(table)
    table.write_text(table.read_text() + "\n")
    with pytest.raises(SimulationError, match="which has changed since"):
        simulator_of(old)


def test_profiles_of_data_sets_without_copies_are_read_where_the_library_is_gone(
    original, tmp_path
):
    old = without_copies(tmp_path, original)
    gone = str(tmp_path / "gone.npz")
    edited(old, lambda attributes: attributes["profile"]["psf"].update(library=gone))
    assert DatasetSplit(old, "test").profile.psf.library == gone
    with pytest.raises(SimulationError, match=r"gone\.npz"):
        simulator_of(old)


def test_a_data_set_of_an_earlier_simulator_says_so(original, tmp_path):
    path = tmp_path / "d.zarr"
    shutil.copytree(original / "d.zarr", path)
    edited(path, lambda attributes: attributes["settings"]["versions"].pop("simulated_values"))
    open_dataset(path)["train"]["images"][0]
    with pytest.raises(SimulationError, match=r"values of version 1, now 2.*: host galaxies.* by"):
        regenerate(path, [0])


def test_large_input_files_are_refused_and_large_folders_stay_where_they_are(tmp_path, monkeypatch):
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "a.dat").write_bytes(b"12345")
    named = {"templates": str(tmp_path / "templates")}
    assert inputs.input_files(named)["templates"].is_copied
    monkeypatch.setattr(inputs, "MAX_FOLDER_BYTES", 4)
    large = inputs.input_files(named)
    inputs.copy_inputs(tmp_path / "d.zarr", large)
    assert inputs.described(large)["templates"]["file"] is None
    assert not (tmp_path / "d.zarr").exists()
    monkeypatch.setattr(inputs, "MAX_FILE_BYTES", 4)
    with pytest.raises(SimulationError, match=r"a\.dat \(exposures\) has .* Cut it down"):
        inputs.input_files({"exposures": tmp_path / "templates" / "a.dat"})


def test_what_the_package_offers_can_be_imported():
    for name in simulator.__all__:
        assert getattr(simulator, name) is not None
    assert set(simulator.__all__) <= set(dir(simulator))
    with pytest.raises(AttributeError, match="no attribute 'simulate_all'"):
        simulator.simulate_all  # noqa: B018


@pytest.mark.real
def test_real_exposures_and_an_empirical_psf_make_sequences(real_data):
    library = real_data / "hits" / "psf_library.npz"
    profile = load_profile("hits", {"psf.model": "library", "psf.library": str(library)})
    options = Options(exposures=str(real_data / "hits" / "exposures.ecsv"))
    found = Simulator(profile, options).batch("train", np.arange(70))
    assert found.objects["n_epochs"].min() >= 15
    assert (np.diff(found.epochs["mjd"], axis=1)[np.isfinite(found.epochs["mjd"])[:, 1:]] > 0).all()


@pytest.mark.slow
@pytest.mark.real
def test_published_templates_make_every_class(real_data):
    reference = real_data / "reference" / "sncosmo_data"
    options = Options(templates=str(reference))
    found = Simulator(load_profile("lsst"), options).batch("train", np.arange(35))
    assert found.images.any(axis=(1, 2, 3)).all()


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.parametrize("copied", [True, False])
def test_a_data_set_keeps_the_published_templates(real_data, tmp_path, monkeypatch, copied):
    if not copied:
        monkeypatch.setattr(inputs, "MAX_FOLDER_BYTES", 1)
    reference = tmp_path / "sncosmo_data"
    shutil.copytree(real_data / "reference" / "sncosmo_data", reference)
    options = Options(classes={"SN": 1}, templates=str(reference), stamp_size_pix=9)
    plan = make_plan("lsst", options, tmp_path / "d.zarr", n=8)
    with writer_for(plan) as writer:
        execute(plan, writer, threads=1)
    if not copied:
        require_equal(tmp_path / "d.zarr")
    shutil.rmtree(reference)
    if copied:
        require_equal(tmp_path / "d.zarr")
    else:
        with pytest.raises(SimulationError, match="sncosmo_data, which is not there"):
            simulator_of(tmp_path / "d.zarr")
