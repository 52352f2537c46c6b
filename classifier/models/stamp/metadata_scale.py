"""Metadata of alerts as a network reads them: within the range of the training, none missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

_QUANTILES = 0.005, 0.995


@dataclass(frozen=True)
class MetadataScale:
    """Range and median of every column in the training data, lists of equal length."""

    columns: tuple[str, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    median: tuple[float, ...] = ()

    @classmethod
    def of(cls, columns: Sequence[str], values: np.ndarray) -> MetadataScale:
        """Of training metadata (object, alert, column), NaN where unknown.

        The range is that of the central 99 %. A column of which nothing is known is 0.
        """
        if not columns:
            return cls()
        flat = values.reshape(-1, len(columns)).astype(float)
        known = np.where(np.isfinite(flat), flat, np.nan)
        known[:, np.isnan(known).all(axis=0)] = 0.0
        low, high = np.nanquantile(known, _QUANTILES, axis=0)
        parts = (low, high, np.nanmedian(known, axis=0))
        return cls(tuple(columns), *(tuple(map(float, part)) for part in parts))

    @classmethod
    def of_card(cls, values: dict[str, Any]) -> MetadataScale:
        """From what `as_dict` returned."""
        return cls(*(tuple(values[name]) for name in ("columns", "low", "high", "median")))

    def as_dict(self) -> dict[str, list]:
        """Plain values, for JSON."""
        return {name: list(values) for name, values in asdict(self).items()}

    def applied(self, values: np.ndarray) -> np.ndarray:
        """Metadata (..., column) with the median where unknown, float32."""
        known = np.where(np.isfinite(values), values, np.array(self.median, dtype=float))
        return np.clip(known, self.low, self.high).astype(np.float32)
