"""Templates and differences hold what the physics says, whatever else is made beside them."""

import numpy as np
import pytest
from scipy.stats import binom

from simulator import LightCurveModel
from simulator.difference.forced_flux import forced_flux
from simulator.difference.stored_precision import round_mantissas, round_to_step
from simulator.difference.template import TemplateDates, template_flux
from simulator.lightcurves.protocol import Bands, Motion
from simulator.options import Options
from simulator.simulator import Simulator
from survey_profiles import load_profile

SIZE = 31
EXACT = {
    "template.registration_error_pix": 0.0,
    "weather.calibration_scatter_mag": 0.0,
    "camera.cosmic_ray_rate_per_mpix_s": 0.0,
    "camera.hot_pixel_fraction": 0.0,
    "camera.bad_column_fraction": 0.0,
    "camera.edge_stamp_fraction": 0.0,
    "hosts.other_fraction": 0.0,
    "hosts.sn_fraction": 0.0,
    "field.neighbours_per_arcmin2": 0.0,
}
FAINT = {"field.bright_mag": 18.0}
PIXEL_SCALE_ARCSEC = load_profile("ztf").camera.pixel_scale_arcsec


def simulator(survey="ztf", planes=("template", "difference"), overrides=EXACT, **options):
    given = {"classes": {"NV": 1}, "stamp_size_pix": SIZE, "seed": 4, "planes": planes, **options}
    return Simulator(load_profile(survey, overrides), Options(**given))


@pytest.fixture(scope="module")
def static():
    return simulator(overrides={**EXACT, **FAINT}).batch("train", range(24))


def observed(made):
    return np.isfinite(made.epochs["mjd"])


def assert_same(one, other, names):
    for name in names:
        np.testing.assert_array_equal(one.arrays()[name], other.arrays()[name], err_msg=name)


# --- pixels ---------------------------------------------------------------------------------------


def test_a_static_star_leaves_noise_alone(static):
    planes, used = static.planes, observed(static)
    good = (planes["difference_mask"] == 0) & used[..., None, None]
    pull = planes["difference"][good] / planes["difference_noise_adu"][good]
    assert good[used].mean() > 0.9
    # neighbours share noise in a difference that is not white: as if a third counted
    assert abs((pull**2).mean() - 1) < 5 * np.sqrt(2 / (pull.size / 3))
    assert abs(pull.mean()) < 5 / np.sqrt(pull.size / 3)


def test_a_static_star_is_hardly_ever_detected(static):
    used = observed(static)
    assert static.epochs["difference_detected"][used].mean() < 0.01
    flux, error = (static.epochs[f"difference_flux{name}_adu"][used] for name in ("", "_error"))
    assert abs((flux / error).mean()) < 5 / np.sqrt(used.sum())
    stated = load_profile("ztf").difference.error_factor
    assert stated > 2 and abs((flux / error).std() * stated - 1) < 5 / np.sqrt(2 * used.sum())


def test_the_pipeline_detects_with_the_errors_that_it_states():
    """Errors of fluxes grow with the factor, and what is below the threshold then is no alert."""
    chosen = {"classes": {"RRL": 1}}
    plain, wide = (
        simulator(overrides={**EXACT, "difference.error_factor": f}, **chosen).batch(
            "train", range(14)
        )
        for f in (1.0, 2.0)
    )
    names = ("difference_flux_adu", "difference_flux_error_adu", "difference_signal_to_noise")
    flux, error, ratio = (np.stack([m.epochs[n] for m in (plain, wide)]) for n in names)
    both = plain.epochs["difference_detected"] & wide.epochs["difference_detected"]
    assert both.sum() > 20
    np.testing.assert_allclose(flux[1][both], flux[0][both], rtol=1e-5)
    np.testing.assert_allclose(error[1][both], 2 * error[0][both], rtol=1e-5)
    lost = plain.epochs["difference_detected"] & ~wide.epochs["difference_detected"]
    gained = wide.epochs["difference_detected"] & ~plain.epochs["difference_detected"]
    assert lost.sum() > 5 and not gained.any()
    threshold = load_profile("ztf").difference.threshold_sigma
    assert threshold < np.median(np.abs(ratio[0][lost])) < 2 * threshold
    assert_same(plain, wide, ["images", "difference", "difference_noise_adu"])


def test_stars_with_wings_outside_the_images_of_psfs_leave_nothing_behind():
    bright = {"field.bright_mag": 16.0, "field.faint_mag": 16.5}
    made_by = simulator(overrides={**EXACT, **bright})
    made, beta = made_by.batch("train", range(24)), made_by.drawn("train", range(24))
    used, epochs, beta = observed(made), made.epochs, beta.conditions.psf.beta
    pull = epochs["difference_flux_adu"] / epochs["difference_flux_error_adu"]
    pull = pull[used & (beta < 1.8)]
    assert pull.size > 20
    assert abs(np.median(pull)) < 5 * np.sqrt(np.pi / 2 / pull.size)  # the error of a median


def lobe_signal_to_noise(made, used):
    """S/N of the lobes that a star leaves per pixel of misalignment, of each exposure.

    A star of S/N R, filtered with its PSF of width s (a Gaussian), is a Gaussian of width
    sqrt(2) s, whose steepest slope is exp(-1/2) R / (sqrt(2) s).
    """
    epochs = made.epochs
    flux = 10 ** (0.4 * (epochs["zero_point_mag"] - epochs["magnitude"].astype(float)))
    flux *= epochs["exposure_time_s"]
    sigma_pix = epochs["seeing_fwhm_arcsec"] / PIXEL_SCALE_ARCSEC / 2.3548
    ratio = flux / epochs["difference_flux_error_adu"] / sigma_pix
    return np.exp(-0.5) / np.sqrt(2) * ratio[used]


@pytest.mark.parametrize("counts_as_noise", [False, True])
def test_errors_of_registration_are_noise_where_the_template_has_slopes(counts_as_noise):
    """Shifts over their error follow a Rayleigh law, exp(-t^2 / 2) beyond t; lobes are linear.

    Where errors count as noise, the S/N of a lobe is that ratio. Otherwise it is the lobe's over
    the noise of photons, from Gaussian PSFs and between pixels: 5 % too many are expected.
    """
    error_pix, threshold = 0.05, 5.0
    bright = {"field.bright_mag": 15.0, "field.faint_mag": 15.5}
    wrong = {**EXACT, **bright, "template.registration_error_pix": error_pix}
    made_by = simulator(overrides={**wrong, "difference.registration_noise": counts_as_noise})
    made = made_by.batch("train", range(16))
    used = observed(made)
    lobes = error_pix * lobe_signal_to_noise(made, used)
    expected = np.exp(-0.5 * (threshold / (1.0 if counts_as_noise else lobes)) ** 2).mean()
    fewest, most = binom.interval(1 - 1e-6, used.sum(), expected)
    assert fewest <= made.epochs["difference_detected"][used].sum() <= most


def true_flux_adu(simulator, count):
    """Flux of every exposure less that in its template."""
    drawn = simulator.drawn("train", range(count))
    schedule = drawn.conditions.schedule
    per_flux = 10 ** (0.4 * schedule.zero_point_mag.astype(float)) * schedule.exposure_time_s
    light = 10 ** (-0.4 * drawn.objects.magnitude)
    held = np.take_along_axis(drawn.objects.template_flux, schedule.band, axis=1)
    return per_flux * (light - held)


@pytest.mark.parametrize("survey", ["ztf", "hits"])
def test_the_flux_of_a_transient_is_unbiased_in_the_difference(survey):
    made_by = simulator(survey, classes={"SN": 1})
    made = made_by.batch("train", range(40))
    truth = true_flux_adu(made_by, 40)
    flux, error = made.epochs["difference_flux_adu"], made.epochs["difference_flux_error_adu"]
    bright = np.nan_to_num(truth) > 10 * np.nan_to_num(error, nan=np.inf)
    pull = (flux - truth)[bright] / error[bright]
    assert bright.sum() > 30 and made.epochs["difference_detected"][bright].all()
    assert abs(pull.mean()) < 5 / np.sqrt(pull.size)
    away = np.hypot(*(made.epochs[f"difference_{axis}_pix"][bright] for axis in "xy"))
    assert away.max() < 1.5  # a source lies within half a pixel of the centre on each axis


def test_a_template_keeps_the_flux_of_a_star():
    made = simulator(overrides={**EXACT, "field.bright_mag": 16.0, "field.faint_mag": 16.5})
    made = made.batch("train", range(8))
    used, epochs = observed(made), made.epochs
    truth = 10 ** (0.4 * (epochs["zero_point_mag"] - epochs["magnitude"].astype(float)))
    truth = (truth * epochs["exposure_time_s"])[used]
    total = made.planes["template"].astype(float).sum(axis=(2, 3))[used]
    noise = np.sqrt((made.planes["template_noise_adu"].astype(float) ** 2).sum(axis=(2, 3))[used])
    # templates are common to about 13 epochs; up to 0.3 % of the light is outside the stamp
    pull = (total / truth - 1) / (noise / truth)
    assert abs(pull.mean()) < 5 / np.sqrt(pull.size / 13) + (0.003 * truth / noise).mean()
    assert abs(total / truth - 1).max() < 0.05


def test_the_noise_of_a_template_is_common_to_the_exposures_of_its_band():
    still = {**EXACT, **FAINT, "psf.position_jitter_pix": 0.0}
    made_by = simulator(overrides=still, planes=("template",))
    made = made_by.batch("train", range(3))
    bands = made.epochs["band"]
    for row, n in enumerate(made.objects["n_epochs"]):
        scale = 10 ** (0.4 * made.epochs["zero_point_mag"][row, :n].astype(float))
        template = made.planes["template"][row, :n] / scale[:, None, None]
        step = made.planes["template_noise_adu"][row, :n].min(axis=(1, 2)) / 16 / scale
        for band in np.unique(bands[row, :n]):
            of_band = np.flatnonzero(bands[row, :n] == band)
            spread = np.abs(template[of_band] - template[of_band[0]]).max()
            assert spread < 1.1 * step[of_band].max()
        first = [np.flatnonzero(bands[row, :n] == band)[0] for band in np.unique(bands[row, :n])]
        border = template[first][:, :5].reshape(len(first), -1)  # no light there
        assert np.abs(np.corrcoef(border) - np.eye(len(first))).max() < 5 / np.sqrt(5 * SIZE)


def test_the_noise_of_a_template_is_that_of_its_exposures():
    """One exposure of a sky-limited survey: its noise is that of a science image."""
    single = {**EXACT, **FAINT, "template.epochs": [1], "template.depth_offset_mag": 0.0}
    made = simulator(overrides=single, planes=("template",)).batch("train", range(12))
    used = observed(made)
    edge = made.planes["template"][used][:, :6]
    noise = made.planes["template_noise_adu"][used][:, :6]
    assert abs((edge / noise).std() - 1) < 0.03  # few templates: neighbouring epochs share them
    twenty = {**single, "template.epochs": [20]}
    deep = simulator(overrides=twenty, planes=("template",)).batch("train", range(12))
    ratio = noise / deep.planes["template_noise_adu"][used][:, :6]
    # PSFs of single exposures differ more, and with them the noise of the light in their wings
    assert np.median(ratio) == pytest.approx(np.sqrt(20), rel=0.02)
    gained = deep.epochs["template_limiting_mag"][used] - made.epochs["template_limiting_mag"][used]
    np.testing.assert_allclose(np.median(gained), 2.5 * np.log10(np.sqrt(20)), atol=0.2)


def test_stamps_that_are_cut_are_cut_in_every_plane():
    cut = {**EXACT, "camera.edge_stamp_fraction": 1.0}
    made = simulator(overrides=cut).batch("train", range(4))
    outside = (made.mask & 8) > 0
    assert outside.any(axis=(1, 2, 3)).all()
    for plane in ("template", "difference"):
        assert (made.planes[plane][outside] == 0).all()
        assert (made.planes[f"{plane}_mask"][outside] & 8 > 0).all()


# --- what a plane depends on ----------------------------------------------------------------------


@pytest.mark.parametrize("survey", ["hits", "ztf", "lsst"])
def test_an_object_with_planes_is_the_same_alone_and_in_any_batch(survey):
    options = {"classes": {"SN": 1, "RRL": 1, "AST": 1, "GAL": 1}, "stamp_size_pix": 21}
    made_by = simulator(survey, overrides={}, **options)
    indices = [5, 0, 1_000_000, 2]
    together = made_by.batch("test", indices)
    for row, index in enumerate(indices):
        alone = made_by.sequence(index, "test").arrays()
        for name, values in together.arrays().items():
            np.testing.assert_array_equal(alone[name][0], values[row], err_msg=name)


@pytest.mark.parametrize("survey", ["hits", "ztf"])
def test_the_science_images_are_the_same_with_planes_and_without(survey):
    options = {"classes": {"SN": 1, "EB": 1, "AST": 1}, "stamp_size_pix": 21, "overrides": {}}
    without = simulator(survey, planes=("science",), **options).batch("train", range(3))
    with_planes = simulator(survey, **options).batch("train", range(3))
    known = set(without.arrays()) - {"first_alert_epoch", "n_detections"}
    assert_same(without, with_planes, known)
    only_template = simulator(survey, planes=("template",), **options).batch("train", range(3))
    assert_same(without, only_template, without.arrays())
    assert_same(only_template, with_planes, only_template.planes)
    assert "difference" not in only_template.arrays()
    only_difference = simulator(survey, planes=("difference",), **options).batch("train", range(3))
    assert "template" not in only_difference.planes
    assert_same(only_difference, with_planes, only_difference.arrays())


def test_alerts_and_detections_are_those_of_the_difference():
    made = simulator(classes={"SN": 1, "RRL": 1}, overrides={}).batch("train", range(12))
    detected = made.epochs["difference_detected"]
    np.testing.assert_array_equal(made.objects["n_detections"], detected.sum(axis=1))
    transient = made.objects["label"] == 0
    first = np.where(detected.any(axis=1) & transient, detected.argmax(axis=1), -1)
    np.testing.assert_array_equal(made.objects["first_alert_epoch"], first)
    assert (first >= 0).any() and not detected[~observed(made)].any()
    signal = made.epochs["difference_signal_to_noise"]
    assert np.abs(signal[detected]).min() > 4.5  # the threshold holds at the nearest pixel


# --- the light in a template ----------------------------------------------------------------------


class Steady(LightCurveModel):
    name = "STEADY"

    def sample(self, draws, context):
        return {"until_mjd": np.full(len(draws), np.inf)}

    def magnitudes(self, parameters, mjd, band):
        return np.where(mjd < parameters["until_mjd"][:, None], 20.0 + band, np.inf)


class Moving(Steady):
    def motion(self, parameters):
        return Motion(np.array([30.0]), np.array([0.0]))


class Appearing(Steady):
    alerts = True


def light(model, share=0.0, until_mjd=60000.0):
    mjd = np.array([[[59000.0, 59100.0, 59300.0], [59000.0, 59200.0, 59400.0]]])
    dates = TemplateDates(mjd, np.array([[3, 2]]))
    magnitude, band = np.array([[18.0, 17.0, np.inf]]), np.array([[0, 1, 1]])
    found = {"until_mjd": np.array([until_mjd])}
    model = model(Bands(("g", "r"), ("ztfg", "ztfr")))
    return template_flux(model, found, dates, magnitude, band, share)[0]


def test_a_template_holds_the_mean_light_of_its_exposures():
    np.testing.assert_allclose(light(Steady), 10 ** (-0.4 * np.array([20.0, 21.0])))
    half = light(Steady, until_mjd=59150.0)  # two of three dates in g, one of two in r
    np.testing.assert_allclose(half / light(Steady), [2 / 3, 1 / 2])


def test_what_moves_leaves_nothing_and_a_transient_its_share():
    assert (light(Moving) == 0).all()
    assert (light(Appearing, until_mjd=0.0) == 0).all()
    held = light(Appearing, share=0.1, until_mjd=0.0)
    np.testing.assert_allclose(held, 0.1 * 10 ** (-0.4 * np.array([18.0, 17.0])))
    np.testing.assert_allclose(light(Steady, share=0.1), light(Steady))


# --- small parts ----------------------------------------------------------------------------------


def test_rounding_keeps_what_noise_allows():
    rng = np.random.default_rng(2)
    noise = rng.uniform(2.0, 3.0, (40, 40)).astype(np.float32)
    values = rng.normal(0, 50, noise.shape).astype(np.float32)
    rounded, kept = values.copy(), noise.copy()
    round_to_step(rounded, kept)
    steps = rounded / 2.0**-3  # at most 2 / 16
    np.testing.assert_array_equal(steps, np.rint(steps))
    assert np.abs(rounded - values).max() <= 2.0**-4
    round_mantissas(kept)
    np.testing.assert_allclose(kept, noise, rtol=2.0**-9)
    assert len(np.unique(kept)) < 200


@pytest.mark.parametrize("position", [(0.0, 0.0), (0.4, -0.3), (-1.2, 2.7)])
def test_a_forced_flux_is_that_of_the_star_that_was_added(position):
    y, x = np.mgrid[-10:11, -10:11].astype(float)

    def star(x0, y0):
        image = np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / (2 * 1.8**2))
        return (image / image.sum()).astype(np.float32)

    variance = np.full((21, 21), 4.0, np.float32)
    mask = np.zeros((21, 21), np.uint8)
    mask[3, 4] = 4
    image = 1000 * star(*position)
    image[3, 4] = 1e6
    flux, error = forced_flux(image, variance, mask, star(0, 0), *position, 1.0)
    assert flux == pytest.approx(1000, rel=2e-3)
    assert error == pytest.approx(2 * np.sqrt(4 * np.pi) * 1.8, rel=5e-3)
    mask[:] = 1
    assert np.isnan(forced_flux(image, variance, mask, star(0, 0), *position, 1.0)).all()
