"""What the user sees at once: the areas, and the measurements that are not alike."""

from __future__ import annotations

import numpy as np
from rich.markup import escape
from rich.table import Table

from finetune.gap.quantities import QUANTITIES, SELECTION

_MOST_ROWS = 20


def summary(gap):
    """Tables and sentences to print."""
    yield _areas(gap)
    yield _gaps(gap)


def _areas(gap):
    names = np.unique(gap.class_names)
    title = "real or simulated? area under the curve, 0.5 is perfect"
    table = Table(title=title, title_justify="left")
    table.add_column("told by")
    for name in ("all", *names):
        table.add_column(name, justify="right")
    for label, found in (("everything", gap.overall), *gap.by_group.items()):
        cells = [found.by_class[name] for name in names]
        table.add_row(label, *(f"{a:.3f} ± {e:.3f}" for a, e in [(found.auc, found.error), *cells]))
    return table


def _gaps(gap):
    distances = {**gap.distances, **gap.selection.distances}
    found = [(distances[q.name], q) for q in (*QUANTITIES, *SELECTION)]
    found = sorted((f for f in found if f[0].verdict not in ("alike", "not measured")),
                   key=lambda f: -f[0].excess)  # fmt: skip
    table = Table(title=f"{len(found)} of {len(distances)} measurements are not alike",
                  title_justify="left")  # fmt: skip
    for name in ("measurement", "real", "simulated", "distance", "verdict"):
        left = name in ("measurement", "verdict")
        table.add_column(name, justify="left" if left else "right", no_wrap=True)
    table.add_column("look at", overflow="fold")
    for d, q in found[:_MOST_ROWS]:
        table.add_row(
            q.name, f"{d.real_median:.4g}", f"{d.simulated_median:.4g}",
            f"{d.wasserstein:.2f} ± {d.wasserstein_error:.2f}", d.verdict, escape(q.hint),
        )  # fmt: skip
    return table
