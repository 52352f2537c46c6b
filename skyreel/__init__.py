"""Labelled image sequences of the variable sky, and classifiers trained on them.

Every function writes what the command of its name writes. Names are imported on first use.

>>> import skyreel
>>> profile = skyreel.load_profile("hits")
>>> profile.camera.pixel_scale_arcsec
0.263
"""

from __future__ import annotations

from skyreel.kernel_cache import use_kernel_cache
from skyreel.lazy import attach

_HOMES = {
    "Conditions": "classifier.stream",
    "Options": "simulator.options",
    "RunError": "skyreel.errors",
    "Simulator": "simulator.simulator",
    "Stream": "classifier.stream",
    "UserError": "skyreel.errors",
    "classify": "classifier.api",
    "compare": "classifier.api",
    "domain_gap": "finetune.api",
    "evaluate": "classifier.evaluation",
    "finetune": "finetune.api",
    "forecast": "classifier.api",
    "ingest": "finetune.api",
    "load_profile": "survey_profiles.loading",
    "open_dataset": "simulator.dataset.reader",
    "open_model": "classifier.models.registry",
    "read_exposures": "survey_profiles.exposure_tables",
    "read_predictions": "classifier.evaluation",
    "regenerate": "simulator.dataset.regenerate",
    "shuffled_batches": "simulator.dataset.batches",
    "simulate": "simulator.api",
    "subtract": "simulator.difference.api",
    "train": "classifier.api",
}
use_kernel_cache()
__getattr__, __dir__, __all__ = attach(__name__, _HOMES)
