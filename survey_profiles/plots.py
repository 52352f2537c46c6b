"""Four panels of exposures: of those drawn from a profile, and of the visits of a schedule."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from survey_profiles.exposure_tables.visits import Visits
    from survey_profiles.pointings import Pointings
    from survey_profiles.profile import Profile

PLOTTED_POINTINGS = 12
_COLOURS = {
    "u": "#5b3fa8",
    "g": "#2a7fb8",
    "r": "#c23b22",
    "i": "#d98a1f",
    "z": "#7a5230",
    "y": "#444444",
}


def save_overview(profile: Profile, pointings: Pointings, path: str | Path) -> None:
    """Write the four panels to an image file; its suffix sets the format.

    Raises
    ------
    OSError
        It cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 7.5), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(f"{profile.title}: {len(pointings)} drawn pointings", fontsize=13)
    axes = figure.subplots(2, 2).flat
    used = _used_bands(profile, pointings)
    _draw_cadence(axes[0], pointings, used)
    _draw_histogram(axes[1], pointings.seeing_fwhm_arcsec, used, "seeing FWHM [arcsec]")
    _draw_histogram(axes[2], pointings.sky_adu, used, "sky [ADU per pixel]", logarithmic=True)
    _draw_histogram(axes[3], pointings.limiting_mag, used, "5-sigma depth [AB mag]")
    axes[1].legend(title="band", frameon=False)
    figure.savefig(path, dpi=120)


def _used_bands(profile, pointings):
    """(name, colour, mask of its exposures) of every band that occurs."""
    observed = np.isfinite(pointings.mjd)
    masks = [(name, observed & (pointings.band == k)) for k, name in enumerate(profile.band_names)]
    return [(n, _COLOURS.get(n[-1].lower(), "#228833"), m) for n, m in masks if m.any()]


def _draw_cadence(axes, pointings, used):
    """Exposures of the first pointings, one row each, in days since their first."""
    day = pointings.mjd - pointings.mjd[:, :1]
    row = np.broadcast_to(np.arange(1, len(pointings) + 1)[:, None], day.shape)
    size = 7 if len(used) == 1 else 4
    for offset, (_, colour, mask) in enumerate(used):
        plotted = mask & (row <= PLOTTED_POINTINGS)
        lift = (offset - (len(used) - 1) / 2) * 0.8 / max(len(used), 2)
        axes.plot(day[plotted], row[plotted] + lift, "|", color=colour, ms=size, mew=1.2)
    rows = min(PLOTTED_POINTINGS, len(pointings))
    axes.set(xlabel="time since the first exposure [d]", ylabel="pointing")
    axes.set(ylim=(rows + 0.7, 0.3), yticks=range(1, rows + 1))
    axes.set_title("cadence", loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_histogram(axes, values, used, label, *, logarithmic=False):
    """One outline per band between the 0.5 and 99.5 percentiles, medians marked."""
    observed = np.concatenate([values[mask] for _, _, mask in used])
    low, high = np.percentile(observed, [0.5, 99.5])
    high = max(high, 1.001 * low)
    edges = np.geomspace(low, high, 50) if logarithmic else np.linspace(low, high, 50)
    for name, colour, mask in used:
        weight = np.full(mask.sum(), 100.0 / mask.sum())
        style = {"histtype": "step", "color": colour, "lw": 1.4, "label": name}
        axes.hist(values[mask], edges, weights=weight, **style)
        axes.axvline(np.median(values[mask]), color=colour, lw=0.8, ls=":")
    axes.set_xscale("log" if logarithmic else "linear")
    axes.set(xlabel=label, ylabel="% of exposures of the band", xlim=(edges[0], edges[-1]))
    axes.set_title(f"{label.split(' [')[0]} (dotted: medians)", loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)


def save_schedule(profile: Profile, visits: Visits, path: str | Path) -> None:
    """Write a sky map, the visits in time, seeing and depth of a schedule to an image file.

    Raises
    ------
    OSError
        It cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    used = np.flatnonzero(visits.rows.mask)
    columns = {name: values[used] for name, values in visits.columns.items()}
    present = [(k, name) for k, name in enumerate(profile.band_names) if k in columns["band"]]
    bands = [
        (name, _COLOURS.get(name[-1].lower(), "#228833"), columns["band"] == k)
        for k, name in present
    ]
    figure = Figure(figsize=(11, 7.5), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(f"{visits.table.path.name}: {len(used):,} visits", fontsize=13)
    _draw_sky_map(figure, figure.add_subplot(2, 2, 1, projection="mollweide"), columns)
    _draw_months(figure.add_subplot(2, 2, 2), columns, bands)
    seeing, depth = (figure.add_subplot(2, 2, place) for place in (3, 4))
    _draw_histogram(seeing, columns["seeing_fwhm_arcsec"], bands, "seeing FWHM [arcsec]")
    _draw_histogram(depth, columns["limiting_mag"], bands, "5-sigma depth [AB mag]")
    seeing.legend(title="band", frameon=False)
    figure.savefig(path, dpi=120)


_MOST_PLOTTED = 200_000


def _draw_sky_map(figure, axes, columns):
    """Visits in equal-area cells; right ascension grows to the left."""
    step = -(-len(columns["ra_deg"]) // _MOST_PLOTTED)
    ra, dec = (np.radians(columns[name][::step]) for name in ("ra_deg", "dec_deg"))
    left = -((ra + np.pi) % (2.0 * np.pi) - np.pi)
    counts = {"C": np.full(len(ra), step), "reduce_C_function": np.sum, "norm": "log"}
    cells = axes.hexbin(left, dec, gridsize=60, **counts)
    figure.colorbar(cells, ax=axes, label="visits", shrink=0.6)
    axes.set_xticks(np.radians(range(-120, 121, 60)), ["120°", "60°", "0°", "300°", "240°"])
    axes.tick_params(labelsize=7, colors="0.4")
    axes.grid(alpha=0.3)
    axes.set_title("sky (equatorial)", loc="left", fontsize=10)


def _draw_months(axes, columns, bands):
    """Visits of every band in equal steps of time."""
    day = columns["mjd"] - columns["mjd"].min()
    edges = np.linspace(0.0, max(float(day.max()), 1.0), 61)
    for name, colour, mask in bands:
        axes.hist(day[mask], edges, histtype="step", color=colour, lw=1.4, label=name)
    axes.set(xlabel="time since the first visit [d]", ylabel=f"visits in {edges[1]:.3g} d")
    axes.set_title("visits", loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
