"""Objects depend on profile, options, seed and index alone, and look as the physics says."""

import numpy as np
import pytest

from simulator.detector.defects import OUTSIDE
from simulator.lightcurves import DEFAULT_CLASSES
from simulator.options import Options, parse_classes
from simulator.psf.psf import noise_pixels
from simulator.simulator import Simulator
from skyreel.errors import SimulationError
from survey_profiles import load_profile
from tests.helpers.pictures import moffat_psf, rendered, scene


@pytest.fixture(scope="module")
def hits():
    return Simulator(load_profile("hits"), Options(seed=5))


@pytest.fixture(scope="module")
def batch(hits):
    return hits.batch("train", np.arange(420))


def assert_same(one, other, rows=slice(None)):
    np.testing.assert_array_equal(one.images, other.images[rows])
    np.testing.assert_array_equal(one.mask, other.mask[rows])
    for name in one.epochs:
        np.testing.assert_array_equal(one.epochs[name], other.epochs[name][rows], err_msg=name)
    for name in one.objects:
        np.testing.assert_array_equal(one.objects[name], other.objects[name][rows], err_msg=name)


@pytest.mark.parametrize("survey", ["hits", "ztf", "lsst"])
def test_an_object_is_the_same_alone_and_in_any_batch(survey):
    simulator = Simulator(load_profile(survey), Options(seed=3))
    indices = np.array([40, 3, 17, 1000, 8, 9, 10, 11, 12])
    together = simulator.batch("test", indices)
    for row, index in enumerate(indices):
        assert_same(simulator.sequence(int(index), "test"), together, [row])


def test_two_simulators_with_one_seed_agree_and_another_seed_does_not(hits):
    same = Simulator(load_profile("hits"), Options(seed=5)).sequence(11)
    assert_same(same, hits.sequence(11))
    other = Simulator(load_profile("hits"), Options(seed=6)).sequence(11)
    assert not np.array_equal(other.images, same.images)


def test_splits_share_no_object(hits):
    train, test = (hits.batch(split, np.arange(20)) for split in ("train", "test"))
    assert (train.images != test.images).any(axis=(1, 2, 3)).all()


def test_every_round_of_objects_holds_every_class_once(hits):
    rounds = hits.labels("train", np.arange(700)).reshape(-1, len(DEFAULT_CLASSES))
    assert (np.sort(rounds, axis=1) == np.arange(len(DEFAULT_CLASSES))).all()
    assert len({tuple(order) for order in rounds}) > 50


def test_weights_set_how_often_a_class_appears():
    simulator = Simulator(load_profile("hits"), Options(classes=parse_classes("SN:2,RRL,NV")))
    counts = np.bincount(simulator.labels("train", np.arange(400)))
    np.testing.assert_array_equal(counts, [200, 100, 100])


def test_length_and_start_of_a_sequence_do_not_depend_on_its_class(hits):
    n = 2100
    labels = hits.labels("train", np.arange(n))
    alone = Simulator(load_profile("hits"), Options(classes={"NV": 1}, seed=5))
    mixed, constant = hits.batch("train", np.arange(n)), alone.batch("train", np.arange(n))
    np.testing.assert_array_equal(mixed.objects["n_epochs"], constant.objects["n_epochs"])
    np.testing.assert_array_equal(mixed.epochs["mjd"], constant.epochs["mjd"])
    assert len(set(labels)) == len(DEFAULT_CLASSES)


def test_what_is_padded_is_empty(batch):
    epochs = np.arange(batch.images.shape[1])
    padded = epochs >= batch.objects["n_epochs"][:, None]
    assert not batch.images[padded].any() and not batch.mask[padded].any()
    for name in ("mjd", "magnitude", "sky_adu", "zero_point_mag", "limiting_mag"):
        assert np.isnan(batch.epochs[name][padded]).all(), name
        assert not np.isnan(batch.epochs[name][~padded]).any(), name


def test_border_pixels_have_the_level_and_noise_of_the_sky(batch):
    border = np.ones((21, 21), dtype=bool)
    border[3:-3, 3:-3] = False
    clean = ~batch.objects["has_host"] & (batch.objects["n_neighbours"] == 0)
    faint = clean & (batch.objects["max_signal_to_noise"] < 20)
    rows, epochs = np.nonzero(faint[:, None] & np.isfinite(batch.epochs["mjd"]))
    keep = ~batch.mask[rows, epochs].any(axis=(1, 2))
    rows, epochs = rows[keep], epochs[keep]
    counts = batch.images[rows, epochs][:, border].astype(float)
    gain = batch.objects["gain_e_per_adu"][rows][:, None]
    noise = batch.objects["read_noise_e"][rows][:, None]
    sky = batch.epochs["sky_adu"][rows, epochs][:, None]
    variance = sky / gain + (noise / gain) ** 2 + 1 / 12
    pull = (counts - sky) / np.sqrt(variance)
    # a 20-sigma source leaves below 1 % of a sigma in a border pixel's mean
    assert abs(pull.mean()) < 5 / np.sqrt(pull.size) + 0.02
    assert abs(pull.var() - 1) < 5 * np.sqrt(2 / pull.size) + 0.01


def test_a_bright_lonely_star_has_the_flux_of_its_magnitude():
    overrides = {
        "field.neighbours_per_arcmin2": "0",
        "hosts.other_fraction": "0",
        "camera.cosmic_ray_rate_per_mpix_s": "0",
        "camera.hot_pixel_fraction": "0",
        "camera.bad_column_fraction": "0",
        "field.bright_mag": "18.5",
        "field.faint_mag": "19.0",
        "psf.beta_range": "[6.0, 30.0]",
        "psf.fwhm_pointing_scatter": "0",
        "psf.fwhm_exposure_scatter": "0",
        "psf.beta_median": "8.0",
    }
    simulator = Simulator(load_profile("hits", overrides), Options(classes={"NV": 1}))
    stars = simulator.batch("train", np.arange(60))
    seen = np.isfinite(stars.epochs["mjd"]) & (stars.epochs["seeing_fwhm_arcsec"] < 1.2)
    sky = stars.epochs["sky_adu"][:, :, None, None]
    measured = (stars.images - sky).sum(axis=(2, 3))[seen]
    expected = 10.0 ** (0.4 * (stars.epochs["zero_point_mag"] - stars.epochs["magnitude"]))
    expected = (expected * stars.epochs["exposure_time_s"])[seen]
    # all light but the Moffat wings beyond 10 pixels (below 0.3 % at beta > 6) is in the stamp
    ratio = np.median(measured / expected)
    assert 0.995 < ratio < 1.002


def test_transients_alert_where_they_are_seen_and_nothing_else_does(batch):
    label = np.array(DEFAULT_CLASSES)[batch.objects["label"]]
    first = batch.objects["first_alert_epoch"]
    assert (first[~np.isin(label, ["SN", "AST"])] == -1).all()
    asteroids = np.flatnonzero(label == "AST")
    finite = np.isfinite(batch.epochs["magnitude"][asteroids])
    assert (finite.sum(axis=1) == 1).all()
    assert (first[asteroids] == finite.argmax(axis=1)).all()
    supernovae = np.flatnonzero(label == "SN")
    assert (first[supernovae] >= 0).all()


def test_supernovae_have_hosts_at_their_redshift_half_of_the_time():
    simulator = Simulator(load_profile("hits"), Options(classes={"SN": 1}))
    found = simulator.batch("train", np.arange(600)).objects
    assert abs(found["has_host"].mean() - 0.5) < 5 * np.sqrt(0.25 / 600)
    offset = np.hypot(found["host_x_pix"], found["host_y_pix"])
    assert np.isfinite(offset[found["has_host"]]).all()
    assert np.isnan(offset[~found["has_host"]]).all()


def test_the_galaxy_class_sits_in_the_centre_and_holds_no_source(batch):
    galaxies = batch.objects["label"] == DEFAULT_CLASSES.index("GAL")
    assert batch.objects["has_host"][galaxies].all()
    assert (batch.objects["host_x_pix"][galaxies] == 0).all()
    assert not np.isfinite(batch.epochs["magnitude"][galaxies]).any()


def test_stamps_at_the_edge_of_the_detector_are_cut_and_marked():
    profile = load_profile("ztf", {"camera.edge_stamp_fraction": "1.0"})
    found = Simulator(profile, Options(classes={"NV": 1})).batch("train", np.arange(30))
    for row, n_epochs in enumerate(found.objects["n_epochs"]):
        outside = (found.mask[row, :n_epochs] & OUTSIDE) > 0
        assert (outside == outside[0]).all()
        assert (found.images[row, :n_epochs][outside] == 0).all()
        assert outside[0].sum() % 21 == 0 and not outside[0][10, 10]
    cut = ((found.mask[:, 0] & OUTSIDE) > 0).any(axis=(1, 2))
    assert cut.mean() > 0.8  # the others lost less than half a row


def test_stars_of_every_psf_model_have_the_same_light_and_width(tmp_path):
    size = np.arange(43) - 21.0
    r2 = (size[:, None] ** 2 + size**2) / 4  # pixels squared, two points per pixel
    epsf = (1 + r2 / (2.0**2 / (2 ** (1 / 3.5) - 1))) ** -3.5  # FWHM 4 pixels
    np.savez(
        tmp_path / "psf.npz",
        epsf=epsf[None],
        epsf_oversampling=2,
        epsf_fwhm_pix=[4.0],
        epsf_beta=[3.5],
        epsf_e1=[0.0],
        epsf_e2=[0.0],
    )
    lonely = {
        "field.neighbours_per_arcmin2": "0",
        "hosts.other_fraction": "0",
        "field.bright_mag": "18.5",
        "field.faint_mag": "19.0",
    }
    flux, peak = {}, {}
    for model in ("moffat", "kolmogorov", "library"):
        chosen = {"psf.model": f'"{model}"', "psf.library": f'"{tmp_path / "psf.npz"}"'}
        simulator = Simulator(
            load_profile("hits", {**lonely, **chosen}), Options(classes={"NV": 1})
        )
        stars = simulator.batch("train", np.arange(40))
        seen = np.isfinite(stars.epochs["mjd"]) & (stars.epochs["seeing_fwhm_arcsec"] < 1.2)
        light = stars.images - stars.epochs["sky_adu"][:, :, None, None]
        flux[model] = np.median(light[seen][:, 4:17, 4:17].sum(axis=(1, 2)))
        peak[model] = np.median(light[seen].max(axis=(1, 2)))
    for model in ("kolmogorov", "library"):  # wings differ by 3 %, cores by 10 % in peak
        assert abs(flux[model] / flux["moffat"] - 1) < 0.05
        assert abs(peak[model] / peak["moffat"] - 1) < 0.15


def test_five_sigma_means_five_sigma_to_a_matched_filter():
    psf = moffat_psf(np.array([[2.0, 4.0, 6.0]]), 3.0)
    for epoch, fwhm in enumerate((2.0, 4.0, 6.0)):
        image = rendered(scene(1, 3, source_e=1.0), psf, 41, epoch=epoch)
        # 41 pixels hold all but a percent of the squared light
        assert noise_pixels(psf)[0, epoch] == pytest.approx(1 / (image**2).sum(), rel=0.03), fwhm


def test_lanczos_resampling_lowers_and_correlates_the_noise():
    plain, smooth = (
        Simulator(
            load_profile(
                "hits",
                {
                    "psf.lanczos_order": order,
                    "field.bright_mag": "24",
                    "field.faint_mag": "25",
                    "hosts.other_fraction": "0",
                    "field.neighbours_per_arcmin2": "0",
                },
            ),
            Options(classes={"NV": 1}),
        ).batch("train", np.arange(40))
        for order in ("0", "3")
    )
    seen = np.isfinite(plain.epochs["mjd"]) & ~(plain.mask | smooth.mask).any(axis=(2, 3))
    edges = [batch.images[seen][:, :4].astype(float) for batch in (plain, smooth)]
    variance = [edge.var(axis=(1, 2)).mean() for edge in edges]
    # the mean over shifts of (sum of squared Lanczos-3 weights)^2 is about 0.75 (order 3)
    assert 0.6 < variance[1] / variance[0] < 0.9


@pytest.mark.parametrize("indices", [[-1], [1.5], [2**57]])
def test_what_is_no_index_is_refused(hits, indices):
    with pytest.raises(SimulationError, match="whole numbers from 0 on"):
        hits.batch("train", indices)
    with pytest.raises(SimulationError, match="allowed are train, validation, test"):
        hits.sequence(0, "trian")


def test_no_objects_are_an_empty_batch(hits):
    assert hits.batch("train", []).images.shape == (0, hits.n_epochs, 21, 21)


def test_unknown_classes_are_refused_with_the_nearest_name():
    with pytest.raises(SimulationError, match="Did you mean RRL"):
        Options(classes={"RRLL": 1})
    with pytest.raises(SimulationError, match="stamp size 20"):
        Options(stamp_size_pix=20)
    with pytest.raises(SimulationError, match="weight"):
        parse_classes("SN:two")
    with pytest.raises(SimulationError, match="above zero"):
        Options(classes={"SN": 0})
    with pytest.raises(SimulationError, match="twice"):
        parse_classes("SN,SN")


def test_other_stamp_sizes_show_the_same_sky_around(hits):
    wide = Simulator(load_profile("hits"), Options(seed=5, stamp_size_pix=31)).sequence(4)
    assert wide.images.shape[2:] == (31, 31)
    np.testing.assert_array_equal(wide.epochs["mjd"], hits.sequence(4).epochs["mjd"])
