"""Fields of a ZTF packet that stamp classifiers read beside the images.

They are those of table 3.2 of Arredondo 2021 that are not read elsewhere, and ``elong`` of its
section 3.3. A value that is missing, -999, or cannot be, is NaN.
"""

from __future__ import annotations

from math import nan

from finetune.readers.known_values import number
from simulator.dataset.schema import EPOCHS, ArraySpec

_ANY = (float("-inf"), float("inf"))
_COUNT = (0.0, 1e6)
_RANKS = ("nearest", "second", "third")
_SCORE = "of the {} source of Pan-STARRS1: 1 a star, 0 a galaxy; NaN where there is none"
_DISTANCE = "of the {} source of Pan-STARRS1; NaN where there is none"
_ROWS = (
    ("ndethist", "n_detections_so_far", "", "detections of the survey at this place", _COUNT),
    ("ncovhist", "n_exposures_so_far", "", "exposures of the survey of this place", _COUNT),
    ("classtar", "star_score", "", "SExtractor's of the source: 1 a star, 0 a galaxy", (0.0, 1.0)),
    ("elong", "elongation", "", "ratio of the axes of the source", (0.0, 1e4)),
    ("chinr", "reference_chi", "", "DAOPhot's chi of the nearest source of the reference", _ANY),
    ("sharpnr", "reference_sharpness", "", "DAOPhot's sharp of the same source", _ANY),
    *(
        (f"sgscore{k + 1}", f"star_score_{k + 1}", "", _SCORE.format(rank), (0.0, 1.0))
        for k, rank in enumerate(_RANKS)
    ),
    *(
        (f"distpsnr{k + 1}", f"distance_{k + 1}_arcsec", "arcsec", _DISTANCE.format(rank), (0, 60))
        for k, rank in enumerate(_RANKS)
    ),
)
_UNKNOWN = -999.0
METADATA_FIELDS = tuple(field for field, *_ in _ROWS)
"""Names in ``candidate``."""
METADATA_ARRAYS = tuple(
    ArraySpec(name, EPOCHS, "float32", unit, text) for _, name, unit, text, _ in _ROWS
)


def metadata_of(candidate: dict) -> dict[str, float]:
    """Values by the names of a data set."""
    return {
        name: _within(number(candidate.get(field)), allowed) for field, name, _, _, allowed in _ROWS
    }


def _within(value, allowed):
    low, high = allowed
    return value if value != _UNKNOWN and low <= value <= high else nan
