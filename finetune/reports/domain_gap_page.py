"""The report of a domain gap: one HTML page, and all its numbers as a record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from finetune.domain_gap.distances import CONSISTENT, LEAST_OBJECTS, NO_DISCREPANCY
from finetune.domain_gap.gap import DomainGap
from finetune.domain_gap.quantities import GROUPS, QUANTITIES, SELECTION, Quantity
from finetune.left_out import left_out_record
from skyreel.json_io import plain, write_json
from skyreel.report.figures import Figure, histogram, points, side_by_side, styled
from skyreel.report.page import Note, Page, Section
from skyreel.report.tables import Cell, Table, columns, number
from skyreel.report.theme import ALERT, FAINT, MUTED, class_styles

PAGE, RECORD = "gap.html", "gap.json"
_MOST_IMPORTANT = 12
_TITLES = {"psf": "PSF"}  # of groups
_TEST = (
    "A classifier two-sample test: boosted trees are trained on these quantities to separate real "
    "from simulated objects, and score objects of another fold, a real object and its matched "
    "simulations being always in the same one. The area under the ROC curve (AUC) is the "
    "probability that the real object of a pair has the higher score: 0.5 means "
    "indistinguishable, 1 always distinguishable. The test with one group of quantities locates "
    "the difference. Errors are from resamples of the real objects with their simulations."
)
_IMPORTANCE = (
    "Permutation importance: the change of AUC when one quantity is shuffled. Correlated "
    "quantities replace each other and then all have a small importance; the AUC of their group is "
    "the better guide."
)
_DISTANCES = (
    "Medians, with half the central 68 % range in parentheses. Wasserstein distances are in units "
    "of the simulated half-range; 'chance' is the distance of as many simulated objects from the "
    "others. KS is the Kolmogorov-Smirnov statistic. Discrepancy: consistent, up to two errors "
    "or 0.05 beyond chance; mild, up to 0.3; strong, up to 1; very strong, more. Where fewer than "
    f"{LEAST_OBJECTS} objects have a value there is no distance. The suggested "
    "parameters are keys of the survey profile."
)
_HISTOGRAMS = (
    "Panels are the rows of the table. Line: real objects; filled: matched simulations. Axes span "
    "the 1st to 99th percentiles; values beyond are counted in the first and last bin."
)
_SELECTION = (
    "Matched simulations share these two with the real objects, so real objects are compared with "
    "objects drawn from the magnitude distribution of the profile. Labelled objects are a biased "
    "selection. A discrepancy is therefore not an error of the simulation, but a classifier may "
    "learn it (see --magnitudes of simulate)."
)


def write_gap(gap: DomainGap, about: dict, folder: Path) -> None:
    """Write ``gap.html`` and ``gap.json``.

    Raises
    ------
    OutputError
    """
    write_json(folder / RECORD, gap_record(gap, about))
    gap_page(gap, about).write(folder / PAGE)


def gap_page(gap: DomainGap, about: dict) -> Page:
    """The page; ``about`` holds ``title``, ``command`` and ``settings``."""
    names, counts = np.unique(gap.class_names, return_counts=True)
    caption = "Classifier two-sample test by group of quantities: AUC with standard errors."
    sections = [
        Section("Classifier two-sample test", [_auc_table(gap)]),
        Section("Permutation importance", [_importance_table(gap)]),
        Section("How to read the distances", [Note(_DISTANCES), Note(_HISTOGRAMS)]),
    ]
    for group in GROUPS:
        chosen = [q for q in QUANTITIES if q.group == group]
        rows = [q.group == group for q in QUANTITIES]
        drawn = histograms(chosen, gap.real[:, rows], gap.matched.values[:, rows])
        sections.append(
            _group(_TITLES.get(group, group.capitalize()), chosen, gap.distances, drawn)
        )
    drawn = histograms(SELECTION, gap.selection.real, gap.selection.simulated)
    sections.append(_group("Selection", SELECTION, gap.selection.distances, drawn))
    sections[-1] = Section("Selection", [Note(_SELECTION), *sections[-1].parts])
    return Page(
        title=f"Domain gap: simulation of {about['title']} and real images",
        verdict=tuple(_verdict(gap)),
        headline=Figure(auc_by_group(gap), caption, "auc_by_group"),
        sections=sections,
        classes=dict(zip(names.tolist(), counts.tolist(), strict=True)),
        facts=_facts(gap, about),
    )


def _verdict(gap: DomainGap) -> Iterator[str]:
    yield (
        f"A classifier separates real from simulated objects with AUC {gap.overall.auc:.3f} ± "
        f"{gap.overall.error:.3f} (0.5: indistinguishable; 1: always distinguishable)."
    )
    areas = {name: test.auc for name, test in gap.by_group.items() if np.isfinite(test.auc)}
    if areas:
        first, last = (f(areas, key=areas.get) for f in (max, min))
        yield (
            f"Group of quantities that differs most: {first} (AUC {areas[first]:.2f}); least: "
            f"{last} (AUC {areas[last]:.2f})."
        )
    found = [(gap.distances[q.name], q) for q in QUANTITIES]
    n_measured = sum(np.isfinite(d.wasserstein) for d, _ in found)
    found = [f for f in found if f[0].verdict not in NO_DISCREPANCY]
    text = f"{len(found)} of {n_measured} quantities show a discrepancy"
    if found:
        distance, worst = max(found, key=lambda f: f[0].excess)
        text += f"; the largest: {label_of(worst)} ({distance.verdict})"
        text += f", suggested parameter {worst.hint}"
    yield f"{text}."
    if gap.not_measured:
        names = ", ".join(name.replace("_", " ") for name in gap.not_measured)
        yield f"Left out, as no object has a value: {names}."


def _facts(gap, about):
    settings = about["settings"]
    off = float(np.percentile(np.abs(gap.matched.off_mag), 90))
    exposures = "the real" if settings["own_exposures"] else "drawn"
    left_out = {"Left out": "; ".join(map(str, gap.left_out))} if gap.left_out else {}
    return {
        "Command": about["command"],
        **left_out,
        "Matched simulations": f"{settings['matched']} of each real object, 90 % within {off:.2g} "
        f"mag, in {exposures} exposures; those of resampled stamps are resampled with Lanczos "
        f"order {settings['lanczos_order']}",
        "Images": f"at most {settings['images']} of an object, none with a seeing beyond the "
        "survey's limit",
    }


def _auc_table(gap):
    names = np.unique(gap.class_names)
    rows = []
    for label, found in (("all quantities", gap.overall), *gap.by_group.items()):
        areas = [(found.auc, found.error), *(found.by_class[name] for name in names)]
        rows.append([label, *(number(*area) for area in areas)])
    heads = columns("All objects", *names, group="AUC, real against simulated")
    return Table([*columns("Quantities", text=True), *heads], rows, _TEST)


def _importance_table(gap):
    mean = gap.overall.importance[:, 0]
    order = np.argsort(-mean)[: min(_MOST_IMPORTANT, np.isfinite(mean).sum())]
    rows = [
        [
            _name_cell(QUANTITIES[k]),
            QUANTITIES[k].group,
            number(*gap.overall.importance[k], digits=4),
        ]
        for k in order
    ]
    heads = [*columns("Quantity", "Group", text=True), *columns("Change of AUC")]
    return Table(heads, rows, _IMPORTANCE)


def _group(title, quantities, distances, drawn):
    numbers = columns("Real", "Simulated", "Distance", "Chance", "KS")
    heads = [*columns("Quantity", "Discrepancy", text=True), *numbers]
    rows = [_row(q, distances[q.name]) for q in quantities]
    figure = Figure(drawn, f"Distributions: {title}.", title.lower())
    return Section(title, [Table(heads, rows), figure])


def _row(quantity, d):
    name = _name_cell(quantity)
    if not np.isfinite(d.wasserstein):
        return [name, d.verdict, *[""] * 5]
    verdict = Cell(d.verdict)
    if d.verdict != CONSISTENT:
        verdict = Cell(d.verdict, (f"suggested parameter: {quantity.hint}",), bold=True)
    return [
        name,
        verdict,
        Cell(f"{d.real_median:.4g}", (f"({d.real_spread:.2g})",)),
        Cell(f"{d.simulated_median:.4g}", (f"({d.spread:.2g})",)),
        number(d.wasserstein, d.wasserstein_error, digits=2),
        f"{d.chance:.2f}",
        number(d.ks, d.ks_error, digits=2),
    ]


def label_of(quantity: Quantity) -> str:
    """The name of a quantity, the same in tables and figures."""
    return quantity.name.replace("_", " ")


def _name_cell(quantity):
    return Cell(label_of(quantity), (quantity.text,))


@styled
def auc_by_group(figure: Drawing, gap: DomainGap) -> None:
    """The AUC with all quantities and with each group, for all objects and for every class."""
    labels = ["all quantities", *gap.by_group]
    tests = [gap.overall, *gap.by_group.values()]
    names = [str(name) for name in np.unique(gap.class_names)]
    figure.set_size_inches(7.4, 0.36 * len(labels) + 1.3)
    axes, rows = figure.add_subplot(), np.arange(len(labels))
    axes.set(xlabel="AUC, real against simulated (0.5: indistinguishable)", ylabel="Quantities")
    axes.axvline(0.5, color=FAINT, lw=0.9, ls=(0, (4, 3)), zorder=0)
    offsets = side_by_side(len(names) + 1, 0.26)
    series = [("all objects", ALERT, "D", [(t.auc, t.error) for t in tests])]
    for name, (colour, marker) in zip(names, class_styles(names), strict=True):
        series.append((name, colour, marker, [t.by_class[name] for t in tests]))
    for offset, (name, colour, marker, values) in zip(offsets, series, strict=True):
        value, error = np.array(values).T
        style = {"label": name, "color": colour, "marker": marker, "horizontal": True}
        points(axes, labels, value, error, place=rows + offset, **style)
    axes.set_yticks(rows, labels)
    axes.invert_yaxis()
    axes.grid(axis="x")
    handles, texts = axes.get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside upper left", ncols=len(texts))


_COLUMNS, _BINS = 3, 30
_PERCENTILES = (1, 99)


@styled
def histograms(
    figure: Drawing, quantities: Sequence[Quantity], real: np.ndarray, simulated: np.ndarray
) -> None:
    """Columns of ``real`` and ``simulated`` (row, quantity), as shares of their objects."""
    n, columns_ = len(quantities), min(_COLUMNS, len(quantities))
    rows = -(-n // columns_)
    figure.set_size_inches(2.9 * columns_, 1.95 * rows + 0.3)
    grid = figure.subplots(rows, columns_, squeeze=False).ravel()
    for axes in grid[n:]:
        axes.remove()
    for k, (axes, quantity) in enumerate(zip(grid, quantities, strict=False)):
        _panel(axes, real[:, k], simulated[:, k])
        axes.set_title(label_of(quantity), weight="bold")
        axes.set(xlabel=_axis_label(quantity), ylabel="Share of objects")
    figure.legend(*grid[0].get_legend_handles_labels(), loc="outside upper right", ncols=2)


def _axis_label(quantity):
    """The text of a quantity in lines that fit below a panel."""
    return fill(quantity.text, 42)


def _panel(axes: Axes, real: np.ndarray, simulated: np.ndarray) -> None:
    known = [v[np.isfinite(v)] for v in (real, simulated)]
    edges = bin_edges(*known)
    styles = (
        {"color": ALERT, "lw": 1.3, "label": "real", "zorder": 3},
        {"color": MUTED, "fill": True, "label": "simulated", "lw": 0},
    )
    for values, style in zip(known, styles, strict=True):
        inside = np.clip(values, edges[0], edges[-1])
        share = np.histogram(inside, edges)[0] / max(values.size, 1)
        histogram(axes, share, edges, **style)
    axes.tick_params(labelsize=7)
    axes.xaxis.label.set_size(7.5)
    axes.yaxis.label.set_size(7.5)


def bin_edges(real: np.ndarray, simulated: np.ndarray) -> np.ndarray:
    """Edges from the 1st to the 99th percentile of both samples, whatever lies beyond."""
    samples = [values for values in (real, simulated) if values.size]
    if not samples:
        return np.linspace(0, 1, _BINS + 1)
    ends = np.array([np.percentile(values, _PERCENTILES) for values in samples])
    low, high = ends[:, 0].min(), ends[:, 1].max()
    if high <= low:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, _BINS + 1)


def gap_record(gap: DomainGap, about: dict) -> dict:
    """Everything on the page, and how it was made."""
    importance = dict(zip((q.name for q in QUANTITIES), gap.overall.importance, strict=True))
    measured = [(q, gap.distances[q.name], importance[q.name]) for q in QUANTITIES]
    measured += [(q, gap.selection.distances[q.name], None) for q in SELECTION]
    names, counts = np.unique(gap.class_names, return_counts=True)
    return plain(
        {
            **about,
            "objects": dict(zip(names.tolist(), counts, strict=True)),
            "left_out": left_out_record(gap.left_out),
            "not_measured": gap.not_measured,
            "off_mag_90_percent": np.percentile(np.abs(gap.matched.off_mag), 90),
            "auc": _auc_record(gap.overall),
            "auc_by_group": {name: _auc_record(found) for name, found in gap.by_group.items()},
            "quantities": [
                {
                    "name": q.name,
                    "group": q.group,
                    "text": q.text,
                    "suggested_parameter": q.hint,
                    **asdict(d),
                    "excess": d.excess,
                    "verdict": d.verdict,
                    "permutation_importance": change,
                }
                for q, d, change in measured
            ],
        }
    )


def _auc_record(found):
    by_class = {n: {"auc": a, "error": e} for n, (a, e) in found.by_class.items()}
    return {"auc": found.auc, "error": found.error, "by_class": by_class}
