"""Any object of a data set can be made again from what the data set says of itself."""

import numpy as np
import pytest

import simulator
from simulator import Options, SimulationError, Simulator, load_profile, open_dataset, simulator_of
from simulator.dataset.plan import make_plan
from simulator.dataset.run import execute, writer_for


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """A data set made with tables of exposures and magnitudes, and the tables."""
    folder = tmp_path_factory.mktemp("tables")
    pointing = Simulator(load_profile("hits"), Options(classes={"NV": 1})).sequence(0).epochs
    names = (
        "mjd",
        "exposure_time_s",
        "airmass",
        "seeing_fwhm_arcsec",
        "sky_adu",
        "zero_point_mag",
        "limiting_mag",
    )
    rows = np.flatnonzero(np.isfinite(pointing["mjd"][0]))
    lines = [",".join(("band", *names))]
    lines += [",".join(("g", *(repr(float(pointing[n][0, r])) for n in names))) for r in rows]
    (folder / "exposures.csv").write_text("\n".join(lines))
    (folder / "magnitudes.csv").write_text("magnitude\n18.342\n")
    options = Options(
        classes={"NV": 1, "RRL": 1},
        exposures=str(folder / "exposures.csv"),
        magnitudes=str(folder / "magnitudes.csv"),
        stamp_size_pix=9,
    )
    plan = make_plan("hits", options, folder / "d.zarr", n=20, overrides={"psf.beta_median": "3.3"})
    with writer_for(plan) as writer:
        execute(plan, writer, threads=1)
    return folder


def test_any_one_sequence_comes_back_bit_for_bit(tables):
    again = simulator_of(tables / "d.zarr")
    stored = open_dataset(tables / "d.zarr")["test"]
    one = again.sequence(2, "test")
    np.testing.assert_array_equal(one.images[0], stored["images"][2])
    np.testing.assert_array_equal(one.mask[0], stored["mask"][2])
    for name, values in {**one.epochs, **one.objects}.items():
        np.testing.assert_array_equal(values[0], stored[name][2], err_msg=name)


def test_a_table_of_one_magnitude_gives_that_magnitude(tables):
    found = open_dataset(tables / "d.zarr")["train"]["mean_mag"][:]
    np.testing.assert_allclose(found, 18.342, rtol=1e-6)


def test_a_table_that_changed_or_went_is_named(tables):
    table = tables / "exposures.csv"
    text = table.read_text()
    table.write_text(text + "\n")
    with pytest.raises(SimulationError, match="which has changed since"):
        simulator_of(tables / "d.zarr")
    table.rename(tables / "elsewhere.csv")
    with pytest.raises(SimulationError, match="which is not there"):
        simulator_of(tables / "d.zarr")
    (tables / "elsewhere.csv").rename(table)
    table.write_text(text)


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


@pytest.mark.real
def test_published_templates_make_every_class(real_data):
    reference = real_data / "reference" / "sncosmo_data"
    options = Options(templates=str(reference))
    found = Simulator(load_profile("lsst"), options).batch("train", np.arange(35))
    assert found.images.any(axis=(1, 2, 3)).all()
