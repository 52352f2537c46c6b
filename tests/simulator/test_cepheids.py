"""Cepheids against the photometry and templates that they are drawn from."""

import numpy as np
import pytest
from scipy import stats

from simulator.lightcurves.periodic.cepheid import BETA, Cepheid, star_series, template_series
from simulator.lightcurves.periodic.periodic_star import fourier_series
from simulator.lightcurves.protocol import Bands
from tests.helpers.periodic_stars import (
    DECAM_G,
    population,
)


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
