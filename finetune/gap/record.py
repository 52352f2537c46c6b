"""What was measured, as plain values for JSON; None where there is no number."""

from __future__ import annotations

from dataclasses import asdict
from math import isfinite

import numpy as np

from finetune.gap.quantities import QUANTITIES, SELECTION


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
            "off_mag_90_percent": float(np.percentile(np.abs(gap.partners.off_mag), 90)),
            "auc": _telling(gap.overall),
            "auc_by_group": {name: _telling(found) for name, found in gap.by_group.items()},
            "measurements": [
                {
                    "name": q.name, "group": q.group, "text": q.text, "hint": q.hint,
                    **asdict(d), "excess": d.excess, "verdict": d.verdict,
                    "importance": None if loss is None else list(loss),
                }
                for q, d, loss in measured
            ],
        }
    )  # fmt: skip


def _telling(found):
    return {
        "auc": found.auc, "error": found.error,
        "by_class": {n: {"auc": a, "error": e} for n, (a, e) in found.by_class.items()},
    }  # fmt: skip


def _plain(value):
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float | np.floating):
        return float(value) if isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value
