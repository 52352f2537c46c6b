"""What few real labels bought: scores over the draws, with errors, as one HTML page.

>>> from finetune.reports import headline
>>> headline("tuned/")["statement"]
"""

from __future__ import annotations

from importlib import import_module

_HOMES = {
    "FewShot": "finetune.reports.few_shot_results",
    "headline": "finetune.reports.few_shot_summary",
    "headline_table": "finetune.reports.few_shot_summary",
    "read_few_shot": "finetune.reports.few_shot_results",
    "write_few_shot_report": "finetune.reports.few_shot_report",
}
__all__ = sorted(_HOMES)


def __getattr__(name):
    """Import on first use: who only adapts need not wait for Matplotlib."""
    if name not in _HOMES:
        raise AttributeError(f"module 'finetune.reports' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__():
    return sorted([*globals(), *_HOMES])
