"""RR Lyrae, Cepheids and eclipsing binaries against the stars they are drawn from."""

import gzip

import numpy as np
import pytest
from scipy import stats

from simulator.lightcurves.magnitudes import star_counts
from simulator.lightcurves.periodic import periodic_star as periodic
from simulator.lightcurves.periodic.cepheid import BETA, Cepheid, star_series, template_series
from simulator.lightcurves.periodic.eclipsing_binary import (
    CONTACT,
    SEMI_DETACHED,
    EclipsingBinary,
)
from simulator.lightcurves.periodic.periodic_star import fourier_series, look_up
from simulator.lightcurves.periodic.rr_lyrae import (
    AB,
    KINDS,
    C,
    RRLyrae,
    template_curves,
)
from simulator.lightcurves.protocol import Bands, Context
from simulator.observing.schedule import Schedule
from simulator.rng import Draws, Purpose

CLASSES = (RRLyrae, Cepheid, EclipsingBinary)
LSST = Bands(tuple("ugrizy"), tuple("lsst" + letter for letter in "ugrizy"), reference=1)
SDSS = Bands(tuple("ugriz"), tuple("sdss" + letter for letter in "ugriz"), reference=1)
DECAM_G = Bands(("g",), ("desg",))
BRIGHT, TYPICAL, HOPELESS = (
    star_counts(15, 16, 0.1),
    star_counts(15, 24, 0.1),
    star_counts(32, 33, 0),
)


def look_up_oracle(tables, shape, scale, level, position, band):
    """What ``look_up`` must return, one epoch at a time; for tests only."""
    nodes = np.linspace(0.0, 1.0, tables.shape[2])
    out = np.full(position.shape, np.nan)
    for i, j in zip(*np.nonzero(np.isfinite(position)), strict=True):
        b = band[i, j]
        value = np.interp(position[i, j], nodes, tables[b, shape[i, b]])
        out[i, j] = level[i, b] + scale[i, b] * value
    return out


def schedule(n, *, n_band=1, n_epoch=27, nights=6, limit_mag=24.0):
    """Epochs in the dark hours of some nights, the last one of every third object padded."""
    rng = np.random.default_rng(0)
    mjd = 57070 + rng.integers(0, nights, (n, n_epoch)) + rng.uniform(0.0, 0.35, (n, n_epoch))
    mjd = np.sort(mjd, axis=1)
    mjd[::3, -1] = np.nan
    band = rng.integers(0, n_band, (n, n_epoch)) * np.isfinite(mjd)
    filled = np.where(np.isfinite(mjd), 1.0, np.nan)
    limit = filled * rng.normal(limit_mag, 0.3, (n, n_epoch))
    return Schedule(mjd, band, 86 * filled, 25.4 * filled, limit, np.full((n, 1), 4.0))


def context(n, bands=DECAM_G, law=TYPICAL, **options):
    return Context(schedule(n, n_band=len(bands.names), **options), bands, law)


def draws(objects):
    return Draws(3, np.arange(objects) if np.isscalar(objects) else objects, Purpose.PHYSICS)


def population(model_class, n, bands, **options):
    """A model and a bright sample of it, which detection leaves as nature has it."""
    where = context(n, bands, BRIGHT, **options)
    model = model_class(bands)
    return model, model.sample(draws(n), where)


def folded(model, parameters, phase):
    """Magnitudes of every object in every band at phases from the epoch, (band, object, phase)."""
    epoch, period = parameters[model.epoch_name], parameters["period_d"]
    mjd = epoch[:, None] + phase * period[:, None]
    bands = range(len(model.bands.names))
    return np.stack([model.magnitudes(parameters, mjd, np.full(mjd.shape, b)) for b in bands])


def assert_same_mean(ours, theirs):
    """Means within 5 sigma of the error of the (small) real sample and ours."""
    error = np.hypot(np.std(ours) / np.sqrt(len(ours)), np.std(theirs) / np.sqrt(len(theirs)))
    assert abs(np.mean(ours) - np.mean(theirs)) < 5 * error


def median_error(values):
    """Standard error of a median, 1.25 sigma / sqrt(n), sigma from the central 68 %."""
    sigma = 0.5 * np.ptp(np.percentile(values, [16, 84]))
    return 1.25 * sigma / np.sqrt(len(values))


# --- what all classes share ------------------------------------------------------------------


def test_the_kernel_equals_its_oracle():
    rng = np.random.default_rng(1)
    tables = rng.normal(size=(3, 5, 17)).astype(np.float32)
    shape, band = rng.integers(0, 5, (40, 3)), rng.integers(0, 3, (40, 12))
    scale, level = rng.normal(size=(2, 40, 3))
    position = rng.uniform(0, 1, (40, 12))
    position[0, :4] = [0.0, 1.0, np.nan, 0.5]
    arguments = (tables, shape, scale, level, position, band)
    np.testing.assert_allclose(look_up(*arguments), look_up_oracle(*arguments), atol=1e-6)


@pytest.mark.parametrize("model_class", CLASSES)
def test_an_object_does_not_depend_on_its_batch(model_class):
    model, whole = model_class(LSST), context(300, LSST)
    together = model.sample(draws(300), whole)
    for rows in (np.array([7]), np.arange(250, 300), np.array([11, 3, 200])):
        alone = model.sample(draws(rows), whole.rows(rows))
        for name, values in alone.items():
            np.testing.assert_array_equal(values, together[name][rows], err_msg=name)


@pytest.mark.parametrize("model_class", CLASSES)
def test_every_parameter_is_described_and_every_magnitude_is_finite(model_class):
    where = context(200, LSST)
    model = model_class(LSST, templates=None)
    parameters = model.sample(draws(200), where)
    stored = {name for name in parameters if not name.startswith("_")}
    assert stored == set(model.parameters)
    magnitude = model.magnitudes(parameters, where.schedule.mjd, where.schedule.band)
    np.testing.assert_array_equal(np.isfinite(magnitude), where.schedule.observed)


@pytest.mark.parametrize("model_class", CLASSES)
def test_curves_repeat_with_the_period_and_average_to_the_mean_magnitude(model_class):
    model, parameters = population(model_class, 200, LSST)
    phase = np.linspace(0, 1, 2000, endpoint=False)
    curves = folded(model, parameters, phase)
    # times are doubles near MJD 57070: rounded at 1e-11 d, 1e-10 of a period; slopes < 300 mag
    np.testing.assert_allclose(folded(model, parameters, phase + 7.0), curves, atol=1e-6)
    mean = -2.5 * np.log10(np.mean(10 ** (-0.4 * curves[1]), axis=1))
    np.testing.assert_allclose(mean, parameters["mean_mag"], atol=0.01)
    amplitude = np.ptp(curves[1], axis=1)
    np.testing.assert_allclose(amplitude, parameters["amplitude_mag"], atol=0.01)


@pytest.mark.parametrize("model_class", [RRLyrae, Cepheid])
def test_pulsating_stars_are_brightest_at_their_epoch_in_every_band(model_class):
    model, parameters = population(model_class, 300, LSST)
    phase = np.linspace(-0.5, 0.5, 401)
    curves = folded(model, parameters, phase)
    lag = np.abs(phase[curves[1].argmin(axis=1)])
    assert lag.max() < 0.01
    # long-period Cepheids lag in the red; and red RRc maxima are flat
    lags = np.abs(phase[curves.argmin(axis=2)])
    assert np.median(lags, axis=1).max() < 0.03
    correlation = [np.corrcoef(one.T)[0, 1:] for one in curves[:4].transpose(1, 2, 0)]
    assert np.min(correlation) > 0.8


def test_eclipses_happen_together_in_every_band():
    model, parameters = population(EclipsingBinary, 300, LSST)
    phase = np.linspace(-0.3, 0.3, 601)
    curves = folded(model, parameters, phase)
    deepest = phase[curves.argmax(axis=2)]
    assert np.abs(deepest).max() < 0.01 + 0.02  # total eclipses have flat bottoms


@pytest.mark.parametrize("model_class", [RRLyrae, Cepheid])
def test_pulsating_stars_are_seen_at_least_once(model_class):
    where = context(1000, LSST, limit_mag=21.0)
    model = model_class(LSST)
    parameters = model.sample(draws(1000), where)
    magnitude = model.magnitudes(parameters, where.schedule.mjd, where.schedule.band)
    assert np.all(np.any(magnitude < where.schedule.limiting_mag, axis=1))


def test_every_binary_has_an_eclipse_at_5_sigma():
    where = context(1000, LSST)
    model = EclipsingBinary(LSST)
    parameters = model.sample(draws(1000), where)
    plan = where.schedule
    curves = folded(model, parameters, np.linspace(0, 1, 1025))
    level = np.take_along_axis(curves.min(axis=2).T, plan.band, axis=1)
    magnitude = model.magnitudes(parameters, plan.mjd, plan.band)
    detected = plan.signal_to_noise(magnitude, change_mag=level) >= 5 * (1 - 1e-3)
    assert np.all(np.any(detected & (magnitude > level), axis=1))


@pytest.mark.parametrize("model_class", CLASSES)
def test_what_can_never_be_seen_is_made_visible_in_the_end(model_class, monkeypatch):
    monkeypatch.setattr(periodic, "MAX_ATTEMPTS", 3)
    where = context(60, LSST, HOPELESS)
    model = model_class(LSST)
    parameters = model.sample(draws(60), where)
    assert np.all(model._accepts(parameters, where))
    assert np.all(parameters["mean_mag"] < 26)


def test_an_unknown_filter_is_refused():
    with pytest.raises(ValueError, match="'bessellv': its last letter must be one of ugrizy"):
        RRLyrae(Bands(("V",), ("bessellv",)))


def test_decams_capital_y_is_y():
    assert Cepheid(Bands(("Y",), ("desY",))).shapes.values.shape[0] == 1


# --- RR Lyrae --------------------------------------------------------------------------------


def unpacked(path):
    return gzip.decompress(path.read_bytes()).decode().splitlines()


@pytest.fixture
def sesar(real_data):
    """Tables 2 and 3 of Sesar et al. 2010: kind, period, amplitudes, g template, mean ugriz."""
    folder = real_data / "reference" / "rrlyrae_sesar2010"
    curves, means = (
        [line.split() for line in unpacked(folder / name) if not line.startswith("#")]
        for name in ("table2.dat.gz", "table3.dat.gz")
    )
    by_id = {row[0]: row[6:11] for row in means}
    return {
        "kind": np.array([row[1] for row in curves]),
        "log_period": np.log10([float(row[2]) for row in curves]),
        "amplitude": np.array([row[3::4] for row in curves], dtype=float),
        "template": np.array([int(row[10]) for row in curves]),
        "ugriz": np.array([by_id[row[0]] for row in curves], dtype=float),
    }


@pytest.mark.real
@pytest.mark.parametrize("subtype", [0, 1])
def test_rr_lyrae_have_the_periods_amplitudes_and_colours_of_stripe_82(sesar, subtype):
    theirs = {name: v[sesar["kind"] == ("ab", "c")[subtype]] for name, v in sesar.items()}
    model, sample = population(RRLyrae, 6000, SDSS)
    ours = {name: v[sample["subtype"] == subtype] for name, v in sample.items()}
    assert_same_mean(np.log10(ours["period_d"]), theirs["log_period"])
    assert_same_mean(ours["amplitude_mag"], theirs["amplitude"][:, 1])
    n = len(theirs["log_period"])
    for mine, real in (
        (np.log10(ours["period_d"]), theirs["log_period"]),
        (ours["amplitude_mag"], theirs["amplitude"][:, 1]),
    ):
        assert abs(np.std(mine) / np.std(real) - 1) < 5 / np.sqrt(2 * n)
    for band in (0, 2, 3, 4):
        ratio = theirs["amplitude"][:, band] / theirs["amplitude"][:, 1]
        mine = ours["_scale"][:, band] / ours["_scale"][:, 1]
        assert abs(np.median(mine) - np.median(ratio)) < 5 * 1.25 * np.std(ratio) / np.sqrt(n)
    mean = ours["_level"] + model.shapes.flux_mean_mag(ours["_shape"], ours["_scale"])
    for band in range(4):
        real = theirs["ugriz"][:, band] - theirs["ugriz"][:, band + 1]
        real = real[np.abs(real - np.median(real)) < 0.25]  # a few stars have bad photometry
        assert_same_mean(mean[:, band] - mean[:, band + 1], real)


@pytest.mark.real
def test_rr_lyrae_amplitudes_fall_with_period_as_in_stripe_82(sesar):
    is_ab = sesar["kind"] == "ab"
    real = np.corrcoef(sesar["log_period"][is_ab], sesar["amplitude"][is_ab, 1])[0, 1]
    _, sample = population(RRLyrae, 6000, SDSS)
    ours = sample["subtype"] == 0
    mine = np.corrcoef(np.log10(sample["period_d"][ours]), sample["amplitude_mag"][ours])[0, 1]
    # a correlation is known to (1 - r^2) / sqrt(n)
    assert abs(mine - real) < 5 * (1 - real**2) / np.sqrt(is_ab.sum())


@pytest.mark.real
def test_template_frequencies_are_those_of_stripe_82(sesar):
    for kind, name in zip(KINDS, ("ab", "c"), strict=True):
        used = sesar["template"][sesar["kind"] == name] - kind.first_id
        np.testing.assert_array_equal(np.bincount(used), kind.frequency["g"])


def test_templates_are_drawn_as_often_as_they_were_found():
    _, sample = population(RRLyrae, 8000, DECAM_G)
    for kind, subtype in ((AB, 0), (C, 1)):
        drawn = sample["template_id"][sample["subtype"] == subtype] - kind.first_id
        counts = np.bincount(drawn.astype(int), minlength=len(kind.frequency["g"]))
        share = np.array(kind.frequency["g"]) / np.sum(kind.frequency["g"])
        assert stats.chisquare(counts, share * counts.sum()).pvalue > 1e-4


@pytest.mark.real
def test_fourier_templates_agree_with_the_published_ones(real_data):
    published = template_curves(real_data / "reference" / "rrlyrae_sesar2010")
    ours = template_curves()
    assert set(published) == set(ours)
    rms = [np.std(published[key] - ours[key]) for key in ours]
    assert np.median(rms) < 0.003 and np.max(rms) < 0.012


# --- Cepheids --------------------------------------------------------------------------------


def harmonics(curve):
    """Amplitude ratio R21 and phase phi21 of curves sampled evenly over a period."""
    transform = np.fft.rfft(curve, axis=-1)[..., 1:3]
    angle = np.angle(transform)
    phi21 = (angle[..., 1] - 2 * angle[..., 0]) % (2 * np.pi)
    return np.abs(transform[..., 1] / transform[..., 0]), phi21


def test_the_hertzsprung_progression_has_its_minimum_near_10_days():
    model = Cepheid(Bands(("V",), ("desg",)))
    log_period = np.concatenate([star_series()[0], template_series()[0]])
    ratio, _ = harmonics(model.shapes.values[0, :, :-1])
    short = np.median(ratio[(log_period > 0.4) & (log_period < 0.7)])
    resonance = ratio[(log_period > 0.93) & (log_period < 1.1)].min()
    long = np.median(ratio[(log_period > 1.25) & (log_period < 1.6)])
    lowest = log_period[np.argmin(np.where(log_period > 0.7, ratio, 9))]
    assert short > 0.35 and resonance < 0.15 and long > 0.25
    assert 0.9 < lowest < 1.15


def test_cepheid_periods_run_from_1_to_100_days_with_the_ogle_mode():
    _, sample = population(Cepheid, 5000, DECAM_G)
    log_period = np.log10(sample["period_d"])
    assert log_period.min() > 0 and log_period.max() < 2
    counts, edges = np.histogram(log_period, np.linspace(0.1, 1.5, 15))
    assert edges[np.argmax(counts)] == pytest.approx(0.45, abs=0.11)
    assert np.mean(log_period > 1) == pytest.approx(0.07, abs=0.02)


@pytest.mark.slow
@pytest.mark.real
def test_short_cepheid_series_fit_berdnikovs_photometry(real_data):
    """Residuals of the CCD photometry to our series, where each star has its own zero point."""
    folder = real_data / "reference" / "cepheids_berdnikov2014"
    period, fitted = star_series()
    stars, photometry = (
        (folder / name).read_text().splitlines() for name in ("table2.dat", "table1.dat")
    )
    elements = {row[:9].strip(): float(row.split()[-1]) for row in stars}
    rows = [(line[:9].strip(), *line[9:].split()) for line in photometry]
    rms = []
    for log_period, series in zip(period, fitted, strict=True):
        star = min(elements, key=lambda s: abs(elements[s] - 10**log_period))
        seen = np.array([(row[1], row[3]) for row in rows if row[0] == star and row[2] == "V"])
        rms.append(residual_scatter(*seen.astype(float).T, elements[star], series[1]))
    assert np.median(rms) < 0.02
    assert np.quantile(rms, 0.9) < 0.04


def residual_scatter(mjd, magnitude, period_d, series):
    """Scatter of photometry about a series; of 400 phase zeros, the best."""
    best = np.inf
    for shift in np.linspace(0, 1, 400, endpoint=False):
        phase = mjd / period_d + shift
        model = fourier_series(phase, 0.0, series[0][None], series[1][None])[0]
        best = min(best, 1.4826 * stats.median_abs_deviation(magnitude - model))
    return best


@pytest.mark.real
def test_long_cepheid_series_agree_with_the_published_templates(real_data):
    """Ours are averaged over neighbouring periods, theirs are not: 0.05 mag of 1 mag rms."""
    lines = (real_data / "reference" / "cepheids_pk12" / "template.dat").read_text().splitlines()
    log_period = 1 + np.array(lines[1].split(), dtype=float)
    published = np.array([line.split()[1:] for line in lines[2:42]], dtype=float)
    published = published.reshape(2, 20, 19, 2).transpose(2, 0, 3, 1)
    phase = np.linspace(0, 1, 256, endpoint=False)
    ours_log_period, ours = template_series()
    rms = []
    for at, theirs in zip(log_period, published, strict=True):
        mine = ours[np.argmin(np.abs(ours_log_period - at))]
        curves = [fourier_series(phase, np.zeros(2), s[:, 0], s[:, 1]) for s in (mine, theirs)]
        v = [-5 * rho - 2.5 * BETA[1] * tau for tau, rho in curves]
        rms.append(np.std(v[0] - v[1]) / np.ptp(v[1]))
    assert np.median(rms) < 0.03 and np.max(rms) < 0.08


# --- eclipsing binaries ----------------------------------------------------------------------


@pytest.fixture
def linear(real_data):
    """LINEAR attributes: g-i, log period, amplitude and class."""
    path = real_data / "reference" / "linear" / "LINEARattributesFinalApr2013.dat.gz"
    table = np.loadtxt(path, usecols=(3, 6, 7, 12), unpack=True)
    return dict(zip(("g_i", "log_period", "amplitude", "class"), table, strict=True))


@pytest.fixture(scope="module")
def binaries():
    """A bright sample with r as reference, seen so often that any eclipse is found."""
    bands = Bands(tuple("gri"), tuple("lsst" + letter for letter in "gri"), reference=1)
    return population(EclipsingBinary, 4000, bands, n_epoch=120, nights=40)


@pytest.mark.real
@pytest.mark.parametrize(("subtype", "code"), [(CONTACT, 5), (SEMI_DETACHED, 4)])
def test_binaries_have_the_periods_and_amplitudes_of_linear(linear, binaries, subtype, code):
    # Kolmogorov-Smirnov at p = 1e-3 for n stars there, plus 0.02 for the outer per cents that
    # we leave out on either side
    ours = binaries[1]["subtype"] == subtype
    theirs = linear["class"] == code
    critical = 1.95 * np.sqrt(1 / ours.sum() + 1 / theirs.sum()) + 0.02
    log_period = np.log10(binaries[1]["period_d"][ours])
    assert stats.ks_2samp(log_period, linear["log_period"][theirs]).statistic < critical
    amplitude = binaries[1]["amplitude_mag"][ours]
    assert stats.ks_2samp(amplitude, linear["amplitude"][theirs]).statistic < critical
    wanted, found = (
        np.percentile(a, [5, 16, 50, 84, 95]) for a in (linear["amplitude"][theirs], amplitude)
    )
    np.testing.assert_allclose(found, wanted, rtol=0.1)


@pytest.mark.real
def test_contact_binaries_follow_linears_relation_of_colour_and_period(linear, binaries):
    _, sample = binaries
    ours = sample["subtype"] == CONTACT
    log_period = np.log10(sample["period_d"][ours])
    g_i = (sample["_level"][:, 0] - sample["_level"][:, 2])[ours]
    theirs = linear["class"] == 5
    for low in (-0.65, -0.55, -0.45, -0.35):
        mine = g_i[(log_period > low) & (log_period < low + 0.1)]
        there = theirs & (linear["log_period"] > low) & (linear["log_period"] < low + 0.1)
        real = linear["g_i"][there]
        # 0.1 mag for a straight line with a knee through a curved cloud, and 3 sigma of the
        # two medians: 0.03 to 0.06 mag in the full bins, 0.27 in the last (some 80 stars)
        sampling = np.hypot(median_error(mine), median_error(real))
        difference = np.median(mine) - np.median(real)
        print(f"log P {low:.2f}: {difference:+.3f} mag, sampling {sampling:.3f}")
        assert abs(difference) < 0.1 + 3 * sampling


def test_detached_binaries_have_log_periods_spread_evenly_to_10_days():
    model = EclipsingBinary(DECAM_G)
    parameters = model._draw(draws(6000), context(6000))
    log_period = np.log10(parameters["period_d"][parameters["subtype"] == 2])
    assert stats.kstest(log_period, stats.uniform(-0.4, 1.4).cdf).pvalue > 1e-3


def test_the_radii_of_detached_binaries_shrink_as_kepler_says():
    model = EclipsingBinary(DECAM_G)
    parameters = model._draw(draws(6000), context(6000))
    detached = parameters["subtype"] == 2
    x = np.log10(parameters["period_d"][detached])
    y = np.log10(parameters["radius_1"][detached])
    assert np.polyfit(x, y, 1)[0] == pytest.approx(-2 / 3, abs=0.08)
