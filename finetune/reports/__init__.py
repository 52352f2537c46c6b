"""Gain from a few real labels: scores over the draws, with errors, as one HTML page.

``headline("tuned/")["statement"]`` is the result in one sentence.
"""

from __future__ import annotations

from skyreel.lazy import attach

_HOMES = {
    "FewShot": "finetune.reports.few_shot_results",
    "headline": "finetune.reports.few_shot_summary",
    "headline_table": "finetune.reports.few_shot_summary",
    "read_few_shot": "finetune.reports.few_shot_results",
    "write_few_shot_report": "finetune.reports.few_shot_page",
}
__getattr__, __dir__, __all__ = attach(__name__, _HOMES)
