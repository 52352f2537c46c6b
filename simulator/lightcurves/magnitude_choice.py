"""The magnitude law a user asked for: by name, or from a table of observed magnitudes."""

from __future__ import annotations

import numpy as np

from simulator.errors import SimulationError
from simulator.lightcurves import class_names
from simulator.lightcurves.magnitudes import (
    MagnitudeLaw,
    ObservedMagnitudes,
    from_sample,
    star_counts,
    thesis,
)


def magnitude_law(choice: str, profile) -> MagnitudeLaw | ObservedMagnitudes:
    """``survey``, ``thesis``, or the path of a table with ``magnitude`` and maybe ``class``."""
    field = profile.field
    if choice == "survey":
        return star_counts(field.bright_mag, field.faint_mag, field.star_counts_slope_per_mag)
    if choice == "thesis":
        return thesis(THESIS_BRIGHT_MAG, field.faint_mag)
    return _from_table(choice)


THESIS_BRIGHT_MAG = 14.5  # Carrasco-Davis 2019


def _from_table(path) -> MagnitudeLaw | ObservedMagnitudes:
    from astropy.table import Table

    try:
        table = Table.read(path)
    except Exception as error:
        raise SimulationError(f"{path}: not a table that can be read ({error}).") from None
    if "magnitude" not in table.colnames:
        raise SimulationError(
            f"{path}: no column 'magnitude'; its columns are {', '.join(table.colnames)}."
        )
    magnitudes = np.ma.filled(np.ma.asarray(table["magnitude"], dtype=float), np.nan)
    bad = np.flatnonzero(~np.isfinite(magnitudes))
    if bad.size or not magnitudes.size:
        row = f"row {bad[0] + 1} is not a number" if bad.size else "it has no rows"
        raise SimulationError(f"{path}: column 'magnitude': {row}.")
    classes = [str(c) for c in table["class"]] if "class" in table.colnames else None
    unknown = sorted(set(classes or ()) - set(class_names()))
    if unknown:
        raise SimulationError(
            f"{path}: column 'class' names {unknown[0]!r}; known are {', '.join(class_names())}."
        )
    return from_sample(magnitudes, classes)
