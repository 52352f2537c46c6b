"""What few real labels bought: scores over the draws, with errors, as one HTML page.

>>> from finetune.reporting import headline
>>> headline("tuned/")["statement"]
"""

from __future__ import annotations

from importlib import import_module

_HOMES = {
    "FewShot": "finetune.reporting.folder",
    "headline": "finetune.reporting.summary",
    "headline_table": "finetune.reporting.summary",
    "read_few_shot": "finetune.reporting.folder",
    "write_few_shot_report": "finetune.reporting.writing",
}
__all__ = sorted(_HOMES)


def __getattr__(name):
    """Import on first use: who only adapts need not wait for Matplotlib."""
    if name not in _HOMES:
        raise AttributeError(f"module 'finetune.reporting' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__():
    return sorted([*globals(), *_HOMES])
