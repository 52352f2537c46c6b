"""Triplets of each kind of artefact: ``python -m benchmarks.artefact_sheet``.

Draws science, template and difference of two bogus objects of every kind as ZTF would report them,
in an exposure in which the difference detects them, where there is one.
"""

from __future__ import annotations

import argparse
from itertools import chain
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from simulator import Options, Sequences, Simulator, load_profile
from simulator.artefacts.kinds import NAMES, Artefact
from simulator.detector.defects import OUTSIDE
from simulator.difference.background import robust_sigma
from skyreel.report.theme import RC_PARAMS

OUT = Path("docs/images/artefacts.png")
PLANES = ("science", "template", "difference")
OBJECTS, EXAMPLES, SIZE_PIX = 8, 2, 63
_DPI = 125  # a stamp of 63 pixels is drawn at its own resolution
_COLUMNS = 2  # of kinds


def examples(kind: Artefact, survey: str, seed: int) -> list[list[np.ndarray]]:
    """Triplets (science, template, difference) of a kind; NaN outside the detector."""
    shares = {f"artefacts.{name}": "0" for name in NAMES[1:]} | {f"artefacts.{NAMES[kind]}": "1"}
    options = Options(classes={"BOGUS": 1}, stamp_size_pix=SIZE_PIX, planes=PLANES, seed=seed)
    batch = Simulator(load_profile(survey, overrides=shares), options).batch(
        "train", range(OBJECTS)
    )
    shown = batch.epochs["artefact"] == kind
    found = shown & batch.epochs["difference_detected"]
    order = np.argsort(~found.any(axis=1), kind="stable")[:EXAMPLES]
    return [
        _triplet(batch, i, int((found if found[i].any() else shown)[i].argmax())) for i in order
    ]


def _triplet(batch: Sequences, i: int, epoch: int) -> list[np.ndarray]:
    images = (batch.images, batch.planes["template"], batch.planes["difference"])
    outside = (batch.mask[i, epoch] & OUTSIDE) > 0
    return [np.where(outside, np.nan, image[i, epoch].astype(float)) for image in images]


def sheet(survey: str, seed: int) -> Figure:
    """The figure: kinds in two columns, two triplets of each."""
    kinds = list(Artefact)[1:]
    rows, columns = -(-len(kinds) // _COLUMNS), _COLUMNS * EXAMPLES * 3
    with mpl.rc_context(RC_PARAMS):
        figure = Figure(figsize=(0.62 * columns, 0.8 * rows))
        for k, kind in enumerate(kinds):
            row, side = divmod(k, _COLUMNS)
            for j, image in enumerate(chain.from_iterable(examples(kind, survey, seed))):
                place = row * columns + side * EXAMPLES * 3 + j + 1
                axes = figure.add_subplot(rows, columns, place)
                _draw(axes, image, is_difference=j % 3 == 2)
                if j == 0:
                    axes.set_title(NAMES[kind].replace("_", " "), loc="left", fontsize=7)
        figure.subplots_adjust(0.005, 0.005, 0.995, 0.95, 0.06, 0.32)
        return figure


def _draw(axes, image, *, is_difference: bool) -> None:
    middle = np.nanmedian(image)
    noise = robust_sigma(image[np.isfinite(image)]) or 1.0
    low, high = (-8, 8) if is_difference else (-3, 12)
    axes.imshow(
        image, cmap="gray", origin="lower", vmin=middle + low * noise, vmax=middle + high * noise
    )
    axes.set_axis_off()


def main() -> None:
    """Write the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--survey", default="ztf")
    parser.add_argument("--seed", type=int, default=5)
    given = parser.parse_args()
    sheet(given.survey, given.seed).savefig(given.out, dpi=_DPI)
    print(f"Wrote {given.out}.")


if __name__ == "__main__":
    main()
