"""The commands ``finetune``, ``ingest`` and ``survey gap``."""
