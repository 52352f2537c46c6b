"""The report of a gap: one HTML file that needs no other, and no scripts."""

from __future__ import annotations

from dataclasses import asdict
from html import escape
from math import isfinite

import matplotlib.style
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from classifier.reports.html import (
    cell,
    document,
    facts,
    heading,
    note,
    picture,
    section,
    table,
)
from classifier.reports.plot_style import DPI, STYLE
from finetune.domain_gap.distances import CONSISTENT
from finetune.domain_gap.quantities import GROUPS, QUANTITIES, SELECTION
from simulator.preview.style import ALERT, INK

_MOST_IMPORTANT = 12
_TELLING = (
    "Boosted trees are given these measurements and told to tell real objects from simulated ones; "
    "each is judged by trees that saw neither it nor its partners. The area under the curve is the "
    "chance that the real one of a pair is recognised: 0.5 is perfect, 1 says that they can always "
    "be told apart. One group alone says where the difference lies. Errors come from drawing the "
    "real objects again, with their partners."
)
_USED = (
    "By how much the area falls when a measurement is shuffled. Where several tell the same, none "
    "of them is missed: the groups above are then the better guide."
)
_DISTANCES = (
    "Wasserstein distances are in units of the simulated spread (half the range of the middle "
    "68 %); 'by chance' is that of as many simulated objects from the others. Alike: not beyond "
    "chance by two errors, or by less than 0.05; near, apart and far apart: up to 0.3, 1, and more "
    "beyond chance. KS is the largest difference of the cumulative distributions."
)
_SELECTED = (
    "Partners share these with the real objects, so they are compared with objects that the "
    "survey's own law has drawn. Real objects with labels are chosen by people: a gap here is no "
    "fault of the simulation, but a classifier may learn it (see --magnitudes of simulate)."
)


def page_of(gap, about: dict) -> str:
    """The page as HTML."""
    parts = [
        facts(_about(gap, about)),
        section("Real or simulated?", note(_TELLING), _areas(gap)),
        section("What told them apart", note(_USED), _importances(gap)),
    ]
    for name in GROUPS:
        quantities = [q for q in QUANTITIES if q.group == name]
        columns = [q.group == name for q in QUANTITIES]
        figure = histograms(quantities, gap.real[:, columns], gap.matched.values[:, columns])
        parts.append(_group(name.capitalize(), quantities, gap.distances, figure, _DISTANCES))
    figure = histograms(SELECTION, gap.selection.real, gap.selection.simulated)
    parts.append(_group("Selection", SELECTION, gap.selection.distances, figure, _SELECTED))
    return document(f"Simulation and real images: {about['title']}", parts)


def _about(gap, about):
    names, counts = np.unique(gap.class_names, return_counts=True)
    settings = about["settings"]
    off = float(np.percentile(np.abs(gap.matched.off_mag), 90))
    return (
        ("Command", about["command"]),
        ("Real objects", ", ".join(f"{n} {c}" for n, c in zip(names, counts, strict=True))),
        (
            "Partners",
            f"{settings['partners']} of each, 90 % within {off:.2g} mag, in "
            f"{'the real' if settings['own_exposures'] else 'drawn'} exposures; those of resampled "
            f"stamps resampled with Lanczos order {settings['lanczos_order']}",
        ),
        ("Images", f"at most {settings['images']} of an object, none wider than the survey uses"),
    )


def _areas(gap):
    names = np.unique(gap.class_names)
    rows = []
    for label, found in (("everything", gap.overall), *gap.by_group.items()):
        areas = [(found.auc, found.error), *(found.by_class[name] for name in names)]
        rows.append([escape(label), *(cell(f"{a:.3f} ± {e:.3f}") for a, e in areas)])
    return table([heading("told by"), *map(heading, ("all", *names))], rows)


def _importances(gap):
    order = np.argsort(-gap.overall.importance[:, 0])[:_MOST_IMPORTANT]
    rows = [
        [
            escape(QUANTITIES[k].text),
            cell(QUANTITIES[k].group, "text"),
            cell("{:.4f} ± {:.4f}".format(*gap.overall.importance[k])),
        ]
        for k in order
    ]
    return table([heading("measurement"), heading("group", "text"), heading("loss of area")], rows)


def _group(title, quantities, distances, figure, explained):
    numbers = ("real", "simulated", "distance", "by chance", "KS")
    headings = [heading("measurement"), heading("verdict", "text"), *map(heading, numbers)]
    rows = [_row(q, distances[q.name]) for q in quantities]
    caption = "Shares of real (line) and of simulated objects (filled); ends hold what lies beyond."
    return section(title, table(headings, rows), picture(figure, caption), note(explained))


def _row(quantity, d):
    text, verdict = escape(quantity.text), cell(d.verdict, "text")
    if not np.isfinite(d.wasserstein):
        return [text, verdict, *(cell("") for _ in range(5))]
    if d.verdict != CONSISTENT:
        text += f"<br><small>look at {escape(quantity.hint)}</small>"
    return [
        text,
        verdict,
        cell(f"{d.real_median:.4g} ({d.real_spread:.2g})"),
        cell(f"{d.simulated_median:.4g} ({d.spread:.2g})"),
        cell(f"{d.wasserstein:.2f} ± {d.wasserstein_error:.2f}"),
        cell(f"{d.chance:.2f}"),
        cell(f"{d.ks:.2f} ± {d.ks_error:.2f}"),
    ]


_COLUMNS, _BINS = 3, 30
_SIMULATED = "#B9C4CE"


def histograms(quantities, real, simulated) -> Figure:
    """Columns of ``real`` and ``simulated`` (row, quantity), as shares of their objects."""
    rows = -(-len(quantities) // _COLUMNS)
    with matplotlib.style.context(["default", STYLE]):
        figure = Figure(figsize=(8.6, 1.75 * rows + 0.4), layout="constrained", dpi=DPI)
        FigureCanvasAgg(figure)
        grid = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
        for k, (axes, quantity) in enumerate(zip(grid, quantities, strict=False)):
            _panel(axes, real[:, k], simulated[:, k])
            axes.set_title(quantity.name.replace("_", " "))
        for axes in grid[len(quantities) :]:
            axes.remove()
        figure.legend(*grid[0].get_legend_handles_labels(), loc="outside upper right", ncols=2)
        figure.canvas.draw()
    return figure


def _panel(axes, real, simulated):
    axes.set(yticks=[])
    axes.spines["left"].set_visible(False)
    known = [v[np.isfinite(v)] for v in (real, simulated)]
    both = np.concatenate(known)
    edges = _edges(both) if both.size else np.linspace(0, 1, _BINS + 1)
    for values, look in zip(known, _LOOKS, strict=True):
        inside = np.clip(values, edges[0], edges[-1])
        share = np.histogram(inside, edges)[0] / max(values.size, 1)
        axes.stairs(share, edges, **look)


_LOOKS = (
    {"color": ALERT, "lw": 1.3, "label": "real", "zorder": 3},
    {"color": _SIMULATED, "fill": True, "label": "simulated", "ec": INK, "lw": 0},
)


def _edges(values):
    low, high = np.percentile(values, [1, 99])
    if high <= low:
        low, high = values.min() - 0.5, values.max() + 0.5
    margin = 0.1 * (high - low)
    return np.linspace(
        max(low - margin, values.min() - 0.01 * margin),
        min(high + margin, values.max() + 0.01 * margin),
        _BINS + 1,
    )


def record_of(gap, about: dict) -> dict:
    """Everything the report tells, and how it was made."""
    importance = dict(zip((q.name for q in QUANTITIES), gap.overall.importance, strict=True))
    measured = [(q, gap.distances[q.name], importance[q.name]) for q in QUANTITIES]
    measured += [(q, gap.selection.distances[q.name], None) for q in SELECTION]
    names, counts = np.unique(gap.class_names, return_counts=True)
    return _plain(
        {
            **about,
            "objects": dict(zip(names.tolist(), counts.tolist(), strict=True)),
            "off_mag_90_percent": float(np.percentile(np.abs(gap.matched.off_mag), 90)),
            "auc": _telling(gap.overall),
            "auc_by_group": {name: _telling(found) for name, found in gap.by_group.items()},
            "measurements": [
                {
                    "name": q.name,
                    "group": q.group,
                    "text": q.text,
                    "hint": q.hint,
                    **asdict(d),
                    "excess": d.excess,
                    "verdict": d.verdict,
                    "importance": None if loss is None else list(loss),
                }
                for q, d, loss in measured
            ],
        }
    )


def _telling(found):
    return {
        "auc": found.auc,
        "error": found.error,
        "by_class": {n: {"auc": a, "error": e} for n, (a, e) in found.by_class.items()},
    }


def _plain(value):
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float | np.floating):
        return float(value) if isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value
