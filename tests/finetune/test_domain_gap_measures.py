"""What `survey gap` measures is what was put in, and its distances and areas are correct."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier.stamp_batch import StampBatch
from finetune.domain_gap import matched_samples
from finetune.domain_gap.curve_statistics import asinh_magnitude, cadence
from finetune.domain_gap.distances import distance
from finetune.domain_gap.domain_classifier import two_sample_test
from finetune.domain_gap.image_statistics import border_noise, star_shapes
from finetune.domain_gap.matched_samples import MATCH_MAG, match
from finetune.domain_gap.measurements import free_psf, light_curves, measurements
from finetune.domain_gap.quantities import GROUPS, NAMES, QUANTITIES
from simulator.gaussian_mixture import covariance, pixel_centres
from simulator.psf.moffat import add_moffat, moffat_scale
from skyreel.errors import DomainGapError
from survey_profiles import load_profile

SIZE, SKY_ADU, GAIN, READ_E, FWHM_PIX = 21, 120.0, 4.0, 6.0, 4.0
NOISE_ADU = np.sqrt(SKY_ADU / GAIN + (READ_E / GAIN) ** 2)


def stamps_of_images(images, mjd=None):
    """Stamps (object, epoch, row, column) in usual conditions."""
    shape = images.shape[:2]
    mjd = np.arange(shape[1]) + 57070.0 if mjd is None else mjd
    return StampBatch(
        images_adu=images.astype(np.float32),
        saturated=np.zeros(shape, bool),
        n_epochs=np.full(shape[0], shape[1], np.int16),
        mjd=np.broadcast_to(mjd, shape).astype(float),
        band=np.zeros(shape, np.uint8),
        exposure_time_s=np.full(shape, 86.0),
        seeing_fwhm_pix=np.full(shape, FWHM_PIX),
        sky_adu=np.full(shape, SKY_ADU),
        zero_point_mag=np.full(shape, 25.1),
        gain_e_per_adu=np.full(shape[0], GAIN),
        read_noise_e=np.full(shape[0], READ_E),
        assumed_fwhm_pix=np.full(shape[0], FWHM_PIX),
    )


def noise(n, epochs, seed=0, scale=1.0):
    rng = np.random.default_rng(seed)
    return SKY_ADU + rng.normal(0, scale * NOISE_ADU, (n, epochs, SIZE, SIZE))


def star(flux_adu=50_000.0, *, e1=0.0, e2=0.0, skew=0.0, x=0.0, y=0.0, beta=3.8):
    image = np.zeros(SIZE * SIZE, dtype=np.float32)
    shape = covariance(moffat_scale(FWHM_PIX, beta), e1, e2)
    add_moffat(image, *pixel_centres(SIZE), SIZE, flux_adu, x, y, beta, *shape, skew, 0.0)
    return image.reshape(SIZE, SIZE).astype(float)


def measured(images, **more):
    stamps = stamps_of_images(images, **more)
    profile = load_profile("hits")
    curves = light_curves(stamps, free_psf(profile))
    values = measurements(stamps, curves, profile)
    return dict(zip(NAMES, values.T, strict=True)), stamps, curves


@pytest.mark.parametrize("scale", [1.0, 1.2])
def test_noise_is_its_ratio_to_what_the_detector_predicts(scale):
    found = border_noise(stamps_of_images(noise(40, 10, scale=scale)))
    # 250 pixels in each of 400 images: the mean variance is known to 0.5 %
    assert found["noise_ratio"].mean() == pytest.approx(scale**2, rel=0.03)
    for axis in "xy":
        assert abs(found[f"noise_correlation_{axis}"].mean()) < 0.02
    assert found["sky_adu"].mean() == pytest.approx(SKY_ADU, abs=0.2)


def test_smoothing_along_rows_correlates_neighbours_in_x_alone():
    images = noise(20, 10)
    images[..., 1:] = 0.5 * (images[..., 1:] + images[..., :-1])
    found = border_noise(stamps_of_images(images))
    assert found["noise_correlation_x"].mean() == pytest.approx(0.5, abs=0.05)
    assert abs(found["noise_correlation_y"].mean()) < 0.03


def test_a_star_in_the_centre_does_not_look_like_noise():
    found, *_ = measured(noise(10, 8) + star(20_000))
    empty, *_ = measured(noise(10, 8))
    assert np.median(found["noise_ratio"]) == pytest.approx(
        np.median(empty["noise_ratio"]), rel=0.1
    )


@pytest.mark.parametrize(("e1", "e2"), [(0.1, 0.0), (0.0, 0.1), (-0.06, 0.06)])
def test_ellipticities_have_the_signs_of_the_star(e1, e2):
    _, stamps, curves = measured(noise(4, 6) + star(e1=e1, e2=e2))
    shapes = star_shapes(stamps, curves)
    for name, given_e in (("e1", e1), ("e2", e2)):
        assert np.nanmean(shapes[name]) == pytest.approx(given_e, abs=0.02), name


def test_wings_grow_as_beta_falls():
    inner, outer = [], []
    for beta in (2.6, 3.8, 6.0):
        _, stamps, curves = measured(noise(4, 6) + star(beta=beta))
        shapes = star_shapes(stamps, curves)
        inner.append(np.nanmean(shapes["inner_wings"]))
        outer.append(np.nanmean(shapes["outer_wings"]))
    assert (np.diff(outer) < 0).all()


def test_only_an_asymmetric_star_is_asymmetric():
    even, *_ = measured(noise(6, 8) + star())
    skewed, *_ = measured(noise(6, 8, seed=1) + star(skew=0.3 / FWHM_PIX))
    assert np.median(skewed["asymmetry"]) > 4 * np.median(even["asymmetry"])


def test_positions_and_their_scatter_are_found():
    shifts = np.array([-0.4, -0.2, 0.0, 0.2, 0.4, 0.3])
    images = noise(3, 6) + np.stack([star(x=0.1 + s, y=-0.2) for s in shifts])
    found, *_ = measured(images)
    assert found["x_mean"] == pytest.approx(0.1 + shifts.mean(), abs=0.03)
    assert found["y_mean"] == pytest.approx(-0.2, abs=0.03)
    assert found["x_scatter"] == pytest.approx(np.std(shifts, ddof=1), abs=0.03)


def test_a_second_source_shows_in_the_outskirts():
    alone, *_ = measured(noise(4, 8) + star())
    images = noise(4, 8) + star()
    images[..., 3:5, 16:18] += 3 * NOISE_ADU
    crowded, *_ = measured(images)
    assert (crowded["second_source"] > alone["second_source"] + 0.5).all()


def test_light_curves_of_constant_stars_scatter_by_their_errors():
    found, *_ = measured(noise(60, 15) + star(2_000))
    # each of 60 rms of 15 values; Poisson noise of the star itself is not in these images
    assert np.median(found["scatter_over_error"]) == pytest.approx(0.0, abs=0.25)


def test_cadence_counts_nights_and_visits():
    mjd = np.array([0.0, 0.07, 0.14, 1.0, 1.07, 3.0])
    found = cadence(stamps_of_images(noise(1, 6), mjd=57070.0 + mjd))
    assert found["span"] == pytest.approx(3.0) and found["night_gap"] == pytest.approx(1.5)
    assert found["visit_gap"] == pytest.approx(0.07 * 24) and found["images_a_night"] == 2.0


def test_the_shape_of_an_invisible_star_is_not_measured():
    found, *_ = measured(noise(2, 5))
    assert np.isnan(found["e1"]).all() and np.isnan(found["x_mean"]).all()
    assert np.isfinite(found["noise_ratio"]).all()


def test_every_quantity_belongs_to_a_group_and_has_a_hint():
    assert len(set(NAMES)) == len(NAMES)
    assert {q.group for q in QUANTITIES} == set(GROUPS)
    assert all(q.text and q.hint for q in QUANTITIES)


def test_keys_that_hints_name_exist():
    from survey_profiles.sources import flat_items

    keys = [key for key, _ in flat_items(load_profile("hits").model_dump(exclude={"sources"}))]
    words = {w.strip(" ,") for q in QUANTITIES for w in q.hint.split(" ") if w.count(".") == 1}
    named = {w for w in words if w.split(".")[0] in ("camera", "psf", "field", "weather", "hosts")}
    assert named and not [w for w in named if w not in keys]


@given(flux=st.floats(-1e6, 1e9))
def test_asinh_magnitudes_are_finite_and_fall_with_flux(flux):
    assert np.isfinite(asinh_magnitude(flux))
    assert asinh_magnitude(flux + 10 + 0.01 * abs(flux)) < asinh_magnitude(flux)


def test_asinh_magnitudes_of_bright_sources_are_magnitudes():
    assert asinh_magnitude(10 ** (0.4 * (31.4 - 18.0))) == pytest.approx(18.0, abs=1e-3)


def matched_to(n, k):
    return np.repeat(np.arange(n), k)


def test_samples_of_one_distribution_are_consistent():
    rng = np.random.default_rng(1)
    found = distance(
        rng.normal(size=300), rng.normal(size=1500), matched_to(300, 5), n_bootstrap=40, seed=0
    )
    assert found.verdict == "consistent" and found.ks < 0.1


@pytest.mark.parametrize(
    ("shift", "verdict"), [(0.25, "mild"), (0.8, "strong"), (2.0, "very strong")]
)
def test_a_shift_is_its_distance_in_units_of_the_spread(shift, verdict):
    rng = np.random.default_rng(2)
    found = distance(
        7 + 3 * rng.normal(shift, 1, 600),
        7 + 3 * rng.normal(0, 1, 3000),
        matched_to(600, 5),
        n_bootstrap=40,
        seed=0,
    )
    assert found.wasserstein == pytest.approx(shift, abs=0.12)
    assert found.verdict == f"{verdict} discrepancy" and found.wasserstein_error < 0.1


def test_one_wild_object_does_not_make_a_distance():
    rng = np.random.default_rng(3)
    real = rng.normal(size=200)
    real[0] = 1e12
    found = distance(real, rng.normal(size=1000), matched_to(200, 5), n_bootstrap=20, seed=0)
    assert found.wasserstein < 0.3


def test_a_quantity_without_values_is_not_measured():
    found = distance(np.full(50, np.nan), np.zeros(100), matched_to(50, 2), n_bootstrap=10, seed=0)
    assert found.verdict == "not measured" and found.real_known == 0.0


def separation(shift, n=150, k=3):
    rng = np.random.default_rng(4)
    real, simulated = rng.normal(shift, 1, (n, 2)), rng.normal(0, 1, (n * k, 2))
    simulated[:5, 1] = np.nan
    group = np.concatenate([np.arange(n), matched_to(n, k)])
    names = np.where(group % 3 == 0, "NV", "SN")
    is_real = np.arange(len(group)) < n
    return two_sample_test(
        np.concatenate([real, simulated]),
        is_real,
        group,
        names,
        seed=0,
        n_bootstrap=20,
        importances=True,
    )


@pytest.mark.slow
def test_samples_of_one_distribution_are_not_separated():
    found = separation(0.0)
    assert found.auc == pytest.approx(0.5, abs=4 * found.error)
    assert set(found.by_class) == {"NV", "SN"}


def test_a_large_difference_is_separated_by_its_quantity():
    found = separation(np.array([3.0, 0.0]))
    assert found.auc > 0.95 and found.importance[0, 0] > 10 * abs(found.importance[1, 0])


def few_objects_tested(values, names, k=1):
    """A two-sample test of objects (object, quantity) and ``k`` equal simulations of each."""
    n = len(values)
    group = np.concatenate([np.arange(n), matched_to(n, k)])
    return two_sample_test(
        np.concatenate([values, np.repeat(values, k, axis=0)]),
        np.arange(len(group)) < n,
        group,
        np.asarray(names)[group],
        seed=0,
        n_bootstrap=10,
        importances=True,
    )


def test_quantities_that_no_object_has_are_left_out_of_a_test():
    values = np.random.default_rng(1).normal(size=(8, 3))
    values[:, 1] = np.nan
    found = few_objects_tested(values, ["SN"] * 8, k=5)
    assert np.isfinite([found.auc, found.error, *found.importance[[0, 2], 0]]).all()
    assert np.isnan(found.importance[1]).all()


def test_a_test_without_any_quantity_has_no_area():
    found = few_objects_tested(np.full((8, 2), np.nan), ["SN"] * 8)
    assert np.isnan([found.auc, *found.by_class["SN"]]).all() and np.isnan(found.importance).all()


def test_infinite_quantities_count_as_not_measured():
    values = np.random.default_rng(1).normal(size=(8, 2))
    values[:, 1] = np.inf
    assert np.isnan(few_objects_tested(values, ["SN"] * 8).importance[1]).all()


def test_five_objects_of_five_classes_can_be_tested():
    values = np.random.default_rng(1).normal(size=(5, 2))
    found = few_objects_tested(values, ["SN", "RRL", "EB", "NV", "GAL"])
    assert np.isfinite(found.auc) and len(found.by_class) == 5


def test_a_quantity_that_few_objects_have_has_no_distance():
    real = np.full(50, np.nan)
    real[:7] = 1.0
    found = distance(real, np.ones(100), matched_to(50, 2), n_bootstrap=10, seed=0)
    assert found.verdict == "too few objects" and found.n_real == 7


def test_large_sets_are_matched_in_parts_as_closely(monkeypatch):
    rng = np.random.default_rng(2)
    real, pool = rng.normal(20, 1, (60, 2)), rng.normal(20, 1, (500, 2))
    asked = (real, np.ones(60), pool, np.ones(500))
    whole, _ = match(*asked, per_object=2, appears=False)
    monkeypatch.setattr(matched_samples, "_MOST_COSTS", 60 * 2 * 500 / 9)
    rows, of = match(*asked, per_object=2, appears=False)
    assert len(set(rows.tolist())) == 120 and (np.bincount(of) == 2).all()
    off = np.abs(pool[rows, 0] - real[of, 0])
    assert np.median(off) < 0.1 and set(rows) != set(whole)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 1000), per_object=st.integers(1, 4))
def test_matches_are_close_in_magnitude_long_enough_and_unique(seed, per_object):
    rng = np.random.default_rng(seed)
    real = np.stack([rng.uniform(18, 19, 12), rng.uniform(20, 21, 12)], axis=1)
    pool = np.stack([rng.uniform(17.5, 19.5, 400), rng.uniform(20, 21, 400)], axis=1)
    n_images, pool_images = np.full(12, 20), rng.choice([15, 22], 400)
    rows, of = match(real, n_images, pool, pool_images, per_object=per_object, appears=False)
    assert len(set(rows.tolist())) == rows.size == 12 * per_object
    assert (np.bincount(of) == per_object).all() and (pool_images[rows] >= 20).all()
    assert np.abs(pool[rows, 0] - real[of, 0]).max() < MATCH_MAG


def test_too_small_a_pool_is_refused():
    with pytest.raises(DomainGapError, match="larger pool"):
        match(
            np.zeros((5, 2)), np.ones(5), np.zeros((9, 2)), np.ones(9), per_object=2, appears=False
        )
