"""Colours, markers and fonts of every plot and page: the one place that defines them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import cycle

INK, FAINT, ALERT, GRID, FRAME = "#1A1A1A", "#8A8A8A", "#882255", "#E6E6E6", "#CCCCCC"
PAPER, MUTED = "#FFFFFF", "#B9C4CE"
DPI = 200
FONTS = ("Source Sans 3", "Helvetica Neue", "Helvetica", "Arial", "Liberation Sans", "DejaVu Sans")

# Colours that colour-blind readers can distinguish (Okabe & Ito 2008; wine, indigo, olive,
# teal, brown, purple and green: P. Tol's muted scheme).
BAND_STYLES = {
    "u": ("#0072B2", "s"),
    "g": ("#009E73", "o"),
    "r": ("#D55E00", "D"),
    "i": ("#E69F00", "^"),
    "z": ("#CC79A7", "P"),
    "y": ("#404040", "p"),
}
MASK_COLOURS = {
    "saturated": "#E69F00",
    "bad_pixel": "#56B4E9",
    "cosmic_ray": "#FF5FB0",
    "outside_detector": "#009E73",
}
MODEL_STYLES = tuple(BAND_STYLES.values())
_STYLES = (
    *(*MODEL_STYLES, (ALERT, "v"), ("#56B4E9", "X")),
    *(("#332288", "<"), ("#999933", ">"), ("#44AA99", "h"), ("#661100", "d")),
    *(("#AA4499", "*"), ("#6699CC", "H"), ("#117733", "p"), ("#B5A642", "8")),
)
CLASS_NAMES = {
    "SN": "supernova",
    "RRL": "RR Lyrae star",
    "CEP": "Cepheid",
    "EB": "eclipsing binary",
    "NV": "non-variable star",
    "GAL": "galaxy",
    "AST": "asteroid",
    "AGN": "active galactic nucleus",
    "TDE": "tidal disruption event",
    "KN": "kilonova",
    "BOGUS": "artefact",
    "LPV": "long-period variable",
    "CV": "cataclysmic variable",
    "YSO": "young stellar object",
}
DARK = {
    INK: "#E4E6E8",
    FAINT: "#8F969E",
    GRID: "#343A42",
    FRAME: "#59616A",
    PAPER: "#15181C",
    MUTED: "#4B5866",
    ALERT: "#DE78A6",
    "#0072B2": "#5AAEE6",
    "#009E73": "#2FC299",
    "#D55E00": "#F5894A",
    "#E69F00": "#F0B849",
    "#CC79A7": "#E09CC3",
    "#404040": "#B9BDC2",
    "#56B4E9": "#86CDF3",
    "#332288": "#9A8CE0",
    "#999933": "#C9C95C",
    "#44AA99": "#7FD1C2",
    "#661100": "#C9826F",
    "#AA4499": "#D98BCC",
    "#6699CC": "#9BBFE6",
    "#117733": "#5FBF80",
    "#B5A642": "#DDCF6E",
}
"""What every colour of plots and pages becomes where the reader prefers a dark page."""

RC_PARAMS = {
    "font.size": 9,
    "axes.labelsize": 9,
    "axes.titlesize": 9,
    "legend.fontsize": 8,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "lines.markersize": 4.5,
    "text.usetex": False,
    "text.parse_math": False,  # names of models and objects may hold dollars
    "font.sans-serif": FONTS,
    "svg.fonttype": "none",
}
"""Matplotlib settings of every plot."""


def band_styles(bands: Iterable[str]) -> dict[str, tuple[str, str]]:
    """(colour, marker) of every band, by the last letter of its name where that is known."""
    spare = cycle(BAND_STYLES.values())
    return {b: BAND_STYLES.get(b[-1:].lower()) or next(spare) for b in bands}


def class_styles(classes: Iterable[str]) -> list[tuple[str, str]]:
    """(colour, marker) of every class; a class that can be simulated has its own everywhere."""
    known = dict(zip(CLASS_NAMES, _STYLES, strict=False))
    spare = cycle(_STYLES[len(CLASS_NAMES) :] + _STYLES)
    return [known.get(name) or next(spare) for name in classes]


def model_styles(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """(colour, marker) of every model, in the order of the names."""
    return dict(zip(names, cycle(MODEL_STYLES), strict=False))


def class_name(abbreviation: str) -> str:
    """A class in words; one that is not known stands as it is."""
    return CLASS_NAMES.get(abbreviation, abbreviation)


def css_colour(colour: str) -> str:
    """A colour as CSS; those of the theme are variables, which change on a dark page."""
    if colour.upper() in DARK:
        return f"var(--c{colour[1:].lower()})"
    return colour


def rgb_of(colour: str) -> tuple[int, int, int]:
    """Red, green and blue (0 to 255) of a colour written ``#RRGGBB``."""
    red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    return red, green, blue
