"""A figure of real stars beside simulations of the same stars in the same exposures.

Run from the repository root:

    python -m examples.real_versus_simulated --data SKYREEL_DATA --out picture.png

Every pair of rows is one star; real and simulated stamps of an exposure have the same stretch.
"""

import argparse
import os

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from benchmarks.real_stars import Pair, chosen_stars, lonely_profile, measure, simulate
from survey_profiles.profile import Profile

N_STARS, N_EPOCHS = 4, 8
REAL, SIMULATED = "#1b1b1b", "#d95f02"


def stretch(stamp: np.ndarray, sky_adu: float, noise_adu: float, peak_adu: float) -> np.ndarray:
    """Asinh of the signal-to-noise per pixel: 0 at 3 sigma below the sky, 1 at the peak."""
    low, high = np.arcsinh(-3.0), np.arcsinh(peak_adu / noise_adu)
    return (np.arcsinh((stamp - sky_adu) / noise_adu) - low) / (high - low)


def draw_stamps(axes, star, stamps: np.ndarray, epochs: np.ndarray, label: str) -> None:
    """One row: a star's stamps in some of its epochs."""
    for axis, epoch in zip(axes, epochs, strict=True):
        sky = star.exposures["sky_adu"][epoch]
        noise = np.sqrt(sky / star.gain_e_per_adu)
        peak = np.nanmax(star.stamps_adu[epoch]) - sky
        image = stretch(stamps[epoch], sky, noise, peak)
        axis.imshow(image, cmap="magma", vmin=0, vmax=1, origin="lower", interpolation="nearest")
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    axes[0].set_ylabel(label, fontsize=8)


def draw_light_curves(axis, pair: Pair) -> None:
    """Flux of the PSF fit over the catalogue flux, real and simulated."""
    epoch = np.arange(1, pair.good.size + 1)
    spread = [f"{100 * m.scatter(pair.good):.1f} %" for m in (pair.real, pair.simulated)]
    axis.plot(epoch, pair.real.flux, "o", color=REAL, ms=4, label=f"real {spread[0]}")
    axis.plot(
        epoch,
        pair.simulated.flux,
        "o",
        color=SIMULATED,
        mfc="none",
        ms=5.5,
        label=f"simulated {spread[1]}",
    )
    axis.axhline(1.0, color="0.8", lw=0.8, zorder=0)
    axis.set(ylim=(0.92, 1.1), yticks=(0.95, 1.0, 1.05), xticks=range(5, epoch[-1] + 1, 5))
    axis.tick_params(labelsize=7)
    axis.legend(fontsize=7, ncols=2, loc="upper center", frameon=False)
    axis.spines[["top", "right"]].set_visible(False)


def draw(stars: list, profile: Profile) -> plt.Figure:
    """The figure of some stars, the brightest at the top."""
    figure = plt.figure(figsize=(11, 1.72 * len(stars) + 0.7), layout="constrained")
    grid = figure.add_gridspec(2 * len(stars), N_EPOCHS + 1, width_ratios=[1] * N_EPOCHS + [4.9])
    for k, star in enumerate(stars):
        simulated, rows = simulate(star, profile, seed=k)
        star = star.rows(rows)
        pair = Pair(star, measure(star, star.stamps_adu), measure(star, simulated))
        epochs = np.linspace(0, rows.size - 1, N_EPOCHS).astype(int)
        top, bottom = (
            [figure.add_subplot(grid[2 * k + row, column]) for column in range(N_EPOCHS)]
            for row in range(2)
        )
        draw_stamps(top, star, star.stamps_adu, epochs, "real")
        draw_stamps(bottom, star, simulated, epochs, "simulated")
        top[0].set_title(f"g = {star.magnitude:.2f}, field {star.field}", fontsize=9, loc="left")
        curve = figure.add_subplot(grid[2 * k : 2 * k + 2, N_EPOCHS])
        draw_light_curves(curve, pair)
        curve.set_title("flux of the PSF fit / catalogue, epoch by epoch", fontsize=9, loc="left")
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", default=os.environ.get("SKYREEL_DATA"), help="folder of real observations"
    )
    parser.add_argument("--out", default="real_versus_simulated.png")
    arguments = parser.parse_args()
    if not arguments.data:
        parser.error("give the folder of real observations with --data or SKYREEL_DATA")
    stars = sorted(chosen_stars(arguments.data), key=lambda star: star.magnitude)
    picked = [stars[int(rank)] for rank in np.linspace(2, len(stars) - 3, N_STARS)]
    draw(picked, lonely_profile()).savefig(arguments.out, dpi=130)


if __name__ == "__main__":
    main()
