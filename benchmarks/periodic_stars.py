"""RR Lyrae, Cepheids and eclipsing binaries: speed, and comparisons with references.

``python -m benchmarks.periodic_stars [--out FOLDER] [--data SKYREEL_DATA]`` prints the speed
and, with the real tables at hand, how far the populations are from real stars; ``--out`` writes
``periodic_stars_curves.png`` and ``periodic_stars_judges.png``.
"""

from __future__ import annotations

import argparse
import gzip
import os
import time
from pathlib import Path

import numpy as np
from scipy import stats

from benchmarks.machine import describe_machine
from simulator.lightcurves.magnitudes import star_counts
from simulator.lightcurves.periodic.cepheid import Cepheid, star_series, template_series
from simulator.lightcurves.periodic.eclipsing_binary import EclipsingBinary
from simulator.lightcurves.periodic.rr_lyrae import RRLyrae
from simulator.lightcurves.protocol import Bands, Context
from simulator.observing.schedule import Schedule
from simulator.rng import Draws, Purpose

CLASSES = (RRLyrae, Cepheid, EclipsingBinary)
DECAM_G = Bands(("g",), ("desg",))
LSST = Bands(tuple("ugrizy"), tuple("lsst" + letter for letter in "ugrizy"), reference=1)
BATCH, EPOCHS, REPEATS = 2000, 27, 7
COLOURS = ("#6a3d9a", "#1f78b4", "#33a02c", "#e6a700", "#e31a1c", "#7f3b08")
EB_KINDS = ("contact", "semi-detached", "detached")


def schedule(n, n_band, *, n_epoch=EPOCHS, nights=6):
    """Epochs in the dark hours of some nights, limits like those of HiTS (24.3 +- 0.3)."""
    rng = np.random.default_rng(1)
    mjd = 57070 + rng.integers(0, nights, (n, n_epoch)) + rng.uniform(0, 0.35, (n, n_epoch))
    band, one = rng.integers(0, n_band, (n, n_epoch)), np.ones((n, n_epoch))
    limit = rng.normal(24.3, 0.3, (n, n_epoch))
    return Schedule(np.sort(mjd, axis=1), band, 86 * one, 25.4 * one, limit, np.full((n, 1), 4.0))


def context(n, bands, bright_mag=15.0, faint_mag=24.5, **options):
    """Stars of a range of magnitudes under the schedule above."""
    law = star_counts(bright_mag, faint_mag, 0.15)
    return Context(schedule(n, len(bands.names), **options), bands, law)


def microseconds(model_class, bands):
    """Best of some batches of ``sample`` and ``magnitudes``, per object."""
    where, model = context(BATCH, bands), model_class(bands)
    plan, seconds = where.schedule, []
    for seed in range(REPEATS):
        start = time.perf_counter()
        sample = model.sample(Draws(seed, np.arange(BATCH), Purpose.PHYSICS), where)
        model.magnitudes(sample, plan.mjd, plan.band)
        seconds.append(time.perf_counter() - start)
    return 1e6 * min(seconds[1:]) / BATCH


def print_speed():
    """One line per class, one band and six."""
    print(f"{describe_machine()}, one thread, batches of {BATCH} x {EPOCHS} epochs, us/object")
    for model_class in CLASSES:
        one, six = (microseconds(model_class, bands) for bands in (DECAM_G, LSST))
        print(f"  {model_class.name:4s} one band {one:5.1f}   ugrizy {six:5.1f}")


def population(model_class, bands, n=6000):
    """A bright sample seen often, which detection leaves as it is drawn."""
    where = context(n, bands, 15.0, 16.0, n_epoch=120, nights=40)
    model = model_class(bands)
    return model, model.sample(Draws(5, np.arange(n), Purpose.PHYSICS), where)


def draw_curves(path):
    """Six stars of each kind, from short to long periods, folded, in ugrizy."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(6, 6, figsize=(15, 13), layout="constrained", sharex=True)
    rows = [(RRLyrae, 0, "RRab"), (RRLyrae, 1, "RRc"), (Cepheid, None, "Cepheid")]
    rows += [(EclipsingBinary, k, name) for k, name in enumerate(EB_KINDS)]
    samples = {c: population(c, LSST, 400) for c in CLASSES}
    for line, (model_class, subtype, title) in zip(axes, rows, strict=True):
        model, sample = samples[model_class]
        chosen = _spread(sample, subtype, len(line))
        for axis, i in zip(line, chosen, strict=True):
            _draw_star(axis, model, {k: v[[i]] for k, v in sample.items()}, title)
    figure.supxlabel("phase")
    figure.supylabel("magnitude below the mean of g, in all bands (offset by colour)")
    figure.legend(axes[0, 0].lines, "ugrizy", loc="outside right upper")
    figure.savefig(path, dpi=90)
    plt.close(figure)


def _spread(sample, subtype, n):
    """Objects of a subtype, spread evenly over its periods."""
    rows = np.arange(len(sample["period_d"]))
    if subtype is not None:
        rows = rows[sample["subtype"] == subtype]
    ordered = rows[np.argsort(sample["period_d"][rows])]
    return ordered[np.linspace(0, len(ordered) - 1, n).round().astype(int)]


def _draw_star(axis, model, star, title):
    phase = np.linspace(-0.5, 1.0, 601)
    mjd = star[model.epoch_name][:, None] + phase * star["period_d"][:, None]
    for band, colour in enumerate(COLOURS):
        curve = model.magnitudes(star, mjd, np.full(mjd.shape, band))[0]
        axis.plot(phase, curve - star["mean_mag"], color=colour, lw=1.2)
    axis.invert_yaxis()
    axis.set_title(f"{title}, {star['period_d'][0]:.3g} d", fontsize=9)
    axis.tick_params(labelsize=7)


def read_linear(data):
    """Columns (g-i, log period, amplitude, class) of the LINEAR variables, each (star,)."""
    path = data / "reference" / "linear" / "LINEARattributesFinalApr2013.dat.gz"
    return np.loadtxt(path, usecols=(3, 6, 7, 12), unpack=True)


def read_sesar(data):
    """(is RRab, log period, g amplitude, g-r) of the stars of Sesar et al. 2010."""
    folder = data / "reference" / "rrlyrae_sesar2010"
    tables = []
    for name in ("table2.dat.gz", "table3.dat.gz"):
        lines = gzip.decompress((folder / name).read_bytes()).decode().splitlines()
        tables.append([line.split() for line in lines if not line.startswith("#")])
    colour = {row[0]: float(row[7]) - float(row[8]) for row in tables[1]}
    rows = [(r[1] == "ab", np.log10(float(r[2])), float(r[7]), colour[r[0]]) for r in tables[0]]
    is_ab, *numbers = np.array(rows, dtype=float).T
    return is_ab == 1, *numbers


def draw_judges(path, data):
    """Populations over the real stars they are drawn from; prints the distances too."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 4, figsize=(18, 8.5), layout="constrained")
    _judge_rr_lyrae(axes[:, 0], data)
    _judge_binaries(axes[:, 1], axes[:, 2], data)
    _judge_colour(axes[0, 3], data)
    _judge_cepheids(axes[1, 3])
    figure.savefig(path, dpi=90)
    plt.close(figure)


def _judge_rr_lyrae(axes, data):
    bands = Bands(("g", "r"), ("sdssg", "sdssr"))
    model, sample = population(RRLyrae, bands)
    level = sample["_level"] + model.shapes.flux_mean_mag(sample["_shape"], sample["_scale"])
    ours = np.log10(sample["period_d"]), sample["amplitude_mag"], level[:, 0] - level[:, 1]
    is_ab, *real = read_sesar(data)
    for axis, k, label in zip(axes, (1, 2), ("g amplitude [mag]", "mean g-r [mag]"), strict=True):
        axis.plot(ours[0][:3000], ours[k][:3000], ".", ms=2, color="0.7", label="simulated")
        axis.plot(real[0], real[k], ".", ms=4, color="#1f78b4", label="Sesar et al. 2010")
        axis.set(xlabel="log period [d]", ylabel=label, title="RR Lyrae")
        axis.legend(fontsize=8)
    axes[1].set_ylim(-0.25, 0.45)
    for kind, mine, theirs in (
        ("ab", sample["subtype"] == 0, is_ab),
        ("c", sample["subtype"] == 1, ~is_ab),
    ):
        pairs = zip(ours, real, strict=True)
        distances = [stats.ks_2samp(a[mine], b[theirs]).statistic for a, b in pairs]
        print(f"  RR{kind}: KS of log P, amplitude, g-r: " + _numbers(distances))


def _judge_binaries(left, right, data):
    bands = Bands(("r",), ("lsstr",))
    _, sample = population(EclipsingBinary, bands)
    _, log_period, amplitude, code = read_linear(data)
    for axes, subtype, real in ((left, 0, code == 5), (right, 1, code == 4)):
        mine = sample["subtype"] == subtype
        pairs = (
            (np.log10(sample["period_d"][mine]), log_period[real], "log period [d]"),
            (sample["amplitude_mag"][mine], amplitude[real], "r amplitude [mag]"),
        )
        for axis, (ours, theirs, label) in zip(axes, pairs, strict=True):
            edges = np.linspace(*np.percentile(theirs, [0.3, 99.7]), 30)
            axis.hist(theirs, edges, density=True, color="0.8", label="LINEAR")
            axis.hist(
                ours,
                edges,
                density=True,
                histtype="step",
                color="#e31a1c",
                lw=1.5,
                label="simulated",
            )
            axis.set(xlabel=label, title=EB_KINDS[subtype], yticks=[])
            axis.legend(fontsize=8)
        distances = [stats.ks_2samp(a, b).statistic for a, b, _ in pairs]
        print(f"  {EB_KINDS[subtype]}: KS of log P, amplitude: " + _numbers(distances))


def _judge_colour(axis, data):
    bands = Bands(("g", "i"), ("sdssg", "sdssi"))
    _, sample = population(EclipsingBinary, bands)
    mine = sample["subtype"] == 0
    g_i, log_period, _, code = read_linear(data)
    axis.plot(log_period[code == 5], g_i[code == 5], ".", ms=2, color="0.6", label="LINEAR")
    axis.plot(
        np.log10(sample["period_d"][mine])[:2000],
        (sample["_level"][:, 0] - sample["_level"][:, 1])[mine][:2000],
        ".",
        ms=2,
        color="#e31a1c",
        alpha=0.5,
        label="simulated",
    )
    axis.set(
        xlim=(-0.75, 0.2),
        ylim=(-0.7, 2.5),
        xlabel="log period [d]",
        ylabel="g-i [mag]",
        title="contact binaries",
    )
    axis.legend(fontsize=8, markerscale=4)


def _judge_cepheids(axis):
    model = Cepheid(Bands(("g",), ("desg",)))
    log_period = np.concatenate([star_series()[0], template_series()[0]])
    transform = np.abs(np.fft.rfft(model.shapes.values[0, :, :-1], axis=1))
    axis.plot(
        log_period, transform[:, 2] / transform[:, 1], "o", ms=4, color="#33a02c", label="R21 in g"
    )
    axis.plot(
        log_period, transform[:, 3] / transform[:, 1], "s", ms=3, color="0.6", label="R31 in g"
    )
    axis.set(
        xlabel="log period [d]",
        ylabel="Fourier amplitude ratio",
        title="Cepheids: Hertzsprung progression",
    )
    axis.legend(fontsize=8)


def _numbers(values):
    return ", ".join(f"{value:.3f}" for value in values)


def main():
    """Print the figures; draw them where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="folder for the figures")
    parser.add_argument("--data", type=Path, default=os.environ.get("SKYREEL_DATA"))
    args = parser.parse_args()
    print_speed()
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        draw_curves(args.out / "periodic_stars_curves.png")
        if args.data:
            draw_judges(args.out / "periodic_stars_judges.png", Path(args.data))


if __name__ == "__main__":
    main()
