"""Supernova light curves compared with those of sncosmo, and the time to draw and compute them.

Run from the repository root: ``python -m benchmarks.supernovae --out supernovae.png``. With
``--templates DIR`` (an sncosmo data cache) the references are the full Hsiao V3 spectra and the
SN II spectra of Sako et al. (2011) and Vincenzi et al. (2019); without it, the packaged Hsiao
series.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from benchmarks.machine import describe_machine
from simulator.lightcurves.magnitudes import MagnitudeLaw
from simulator.lightcurves.protocol import Bands, Context
from simulator.lightcurves.supernovae.sed_templates import hsiao_source
from simulator.lightcurves.supernovae.supernova import Supernova
from simulator.lightcurves.supernovae.type_ia import RISE_DAY
from simulator.rng import Draws, Purpose
from tests.helpers.schedules import schedule
from tests.helpers.supernovae import LSST, light_curve, sncosmo_ia, type_ia, type_ii

HITS = Bands(("g",), ("desg",))
LSST_LIMIT_MAG = np.array([23.9, 25.0, 24.7, 24.0, 23.3, 22.1])  # SMTN-002
COLOURS = ("tab:purple", "tab:blue", "tab:green", "tab:orange", "tab:red", "tab:brown")
PHASE_DAY = np.arange(-14.0, 60.0, 0.7)
AGE_DAY = np.arange(1.0, 110.0, 1.0)
BATCH = 2000


def draw_ia(curves, residuals, model, source, redshift):
    """Ours as lines and sncosmo's as dots; print the residuals."""
    scatter = []
    for band, name in enumerate(LSST.filters):
        age_day = (PHASE_DAY + RISE_DAY) * (1 + redshift)
        ours = light_curve(model, type_ia(redshift), age_day, band)
        theirs = sncosmo_ia(source, name, redshift, PHASE_DAY)
        curves.plot(PHASE_DAY, ours, color=COLOURS[band], label=LSST.names[band])
        curves.plot(PHASE_DAY[::4], theirs[::4], ".", color=COLOURS[band])
        residuals.plot(PHASE_DAY, 1000 * (ours - theirs), color=COLOURS[band], lw=0.8)
        scatter.append(f"{LSST.names[band]} {np.sqrt(np.mean((ours - theirs) ** 2)):.4f}")
    print(f"SN Ia z = {redshift}: rms residual [mag] against {source.name}: {', '.join(scatter)}")
    curves.set(title=f"SN Ia, z = {redshift}", ylim=(5.5, -1.2), ylabel="magnitude at 10 pc, B = 0")
    residuals.set(xlabel="rest-frame days from B maximum", ylabel="ours - sncosmo [mmag]")


def colours(model, template):
    magnitudes = [
        light_curve(model, type_ii(0.0, template=template), AGE_DAY, band) for band in (1, 2, 3)
    ]
    return magnitudes[0] - magnitudes[1], magnitudes[1] - magnitudes[2]


def draw_ii(panels, default, templated):
    """Rest-frame g - r and r - i of the parametric SN II, and of the templates where given."""
    ours = colours(default, -1)
    for panel, colour, name in zip(panels, ours, ("g - r", "r - i"), strict=True):
        panel.plot(AGE_DAY, colour, "k", label="parametric")
        panel.set(title=f"SN II, rest-frame {name}", xlabel="days from explosion", ylim=(-1, 1.8))
    if templated is None:
        return
    n = len(templated._grids[1].magnitude)
    theirs = np.array([colours(templated, k) for k in range(n)])
    plateau = (AGE_DAY >= 20) & (AGE_DAY <= 80)
    for k, (panel, colour, name) in enumerate(zip(panels, ours, ("g-r", "r-i"), strict=True)):
        panel.plot(AGE_DAY, theirs[:, k].T, color="0.75", lw=0.8)
        median = np.median(theirs[:, k], axis=0)
        panel.plot(AGE_DAY, median, "tab:red", label=f"median of {n} templates")
        rms_mag = np.sqrt(np.mean((colour - median)[plateau] ** 2))
        print(f"SN II {name}, 20-80 d: rms against the median of {n} templates {rms_mag:.3f} mag")


def hits_context():
    """25 epochs in g within 25 d to 24 mag."""
    nights = (np.arange(5)[:, None] + [0, 0.07, 0.14, 0.21]).ravel()
    mjd = 57_070 + np.concatenate([nights, [8, 12, 16, 20, 24.5]])
    return Context(schedule(BATCH, mjd, limiting_mag=24.0), HITS, no_law())


def lsst_context():
    """27 epochs in six bands within 180 d, nominal depths."""
    rng = np.random.default_rng(0)
    mjd = np.sort(60_000 + rng.uniform(0, 180, 27))
    band = rng.choice(6, 27, p=[0.07, 0.10, 0.22, 0.22, 0.19, 0.20])
    return Context(
        schedule(BATCH, mjd, band=band, limiting_mag=LSST_LIMIT_MAG[band]), LSST, no_law()
    )


def no_law():
    return MagnitudeLaw(np.linspace(15, 24, 10), np.ones(10))


def timed(name, model, context, repeats=7):
    """Draw and compute a batch; print microseconds per supernova (best of some)."""
    seconds = []
    for seed in range(repeats):
        start = time.perf_counter()
        parameters = model.sample(Draws(seed, np.arange(BATCH), Purpose.PHYSICS), context)
        model.magnitudes(parameters, context.schedule.mjd, context.schedule.band)
        seconds.append(time.perf_counter() - start)
    print(f"{name}: {min(seconds) / BATCH * 1e6:.1f} us per SN, rejection included (1 thread)")
    return parameters


def draw_population(panels, parameters):
    for number, name in enumerate(("SN Ia", "SN II")):
        mine = parameters["subtype"] == number
        panels[0].hist(parameters["redshift"][mine], 40, range=(0, 1), histtype="step", label=name)
        panels[1].hist(
            parameters["peak_mag"][mine], 40, range=(17, 25), histtype="step", label=name
        )
    panels[0].set(title="HiTS-like survey, g < 24", xlabel="redshift")
    panels[1].set(title="HiTS-like survey, g < 24", xlabel="peak g [mag]")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="PNG to write")
    parser.add_argument("--templates", type=Path, help="an sncosmo data cache")
    options = parser.parse_args()
    print(f"{describe_machine()}, NumPy {np.__version__}")
    start = time.perf_counter()
    default = Supernova(LSST)
    print(f"tables of six LSST bands: {time.perf_counter() - start:.2f} s, kernels compiled")
    templated = None if options.templates is None else Supernova(LSST, options.templates)
    figure, axes = plt.subplots(2, 4, figsize=(19, 8.5), constrained_layout=True)
    for column, redshift in enumerate((0.1, 0.5)):
        source = hsiao_source(options.templates)
        draw_ia(axes[0, column], axes[1, column], templated or default, source, redshift)
    draw_ii(axes[:, 2], default, templated)
    parameters = timed("HiTS-like, 25 epochs", Supernova(HITS), hits_context())
    timed("LSST-like, 27 epochs", default, lsst_context())
    draw_population(axes[:, 3], parameters)
    for panel in (axes[0, 0], *axes[:, 2], *axes[:, 3]):
        panel.legend(fontsize=8)
    figure.savefig(options.out, dpi=110)


if __name__ == "__main__":
    main()
