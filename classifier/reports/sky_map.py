"""Predicted classes on the sky, with the plane of the Galaxy and the ecliptic.

Asteroids lie along the ecliptic; supernovae and active nuclei are rare near the Galactic plane,
where dust and stars hide galaxies; variable stars crowd there. A map that differs shows errors of a
classifier, or a selected sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from astropy.coordinates import BarycentricMeanEcliptic, Galactic, SkyCoord
from matplotlib.figure import Figure

from skyreel.errors import ClassifierError
from skyreel.report.figures import keep, save_png, styled
from skyreel.report.theme import FAINT, INK, MUTED, class_name, class_styles

if TYPE_CHECKING:
    from classifier.dataset import DatasetSplit
    from classifier.evaluation.predictions import Predictions
    from classifier.evaluation.stored_predictions import StoredPredictions

_COLUMNS = 3
_PLANES = (("Galactic plane", Galactic(), "-"), ("ecliptic", BarycentricMeanEcliptic(), "--"))
_TICKS = {-120: "120°", -60: "60°", 0: "0°", 60: "300°", 120: "240°"}


@dataclass(frozen=True)
class PredictedSky:
    """Positions and most probable classes of objects; those without either are left out.

    Attributes
    ----------
    classes : tuple of str
    predicted : numpy.ndarray of int, shape (object,)
        Index into ``classes``, after all images.
    ra_deg, dec_deg : numpy.ndarray, shape (object,)
    n_without : int
        Objects left out.
    """

    classes: tuple[str, ...]
    predicted: np.ndarray
    ra_deg: np.ndarray
    dec_deg: np.ndarray
    n_without: int

    @classmethod
    def of(cls, split: DatasetSplit, predictions: Predictions | StoredPredictions) -> PredictedSky:
        """Of all objects of a split that have a position and a prediction.

        Raises
        ------
        ClassifierError
            There is none.
        """
        ra_deg, dec_deg = positions_of(split)
        known = np.isfinite(ra_deg) & np.isfinite(dec_deg) & (predictions.n_images > 0)
        if not known.any():
            raise ClassifierError("no object has both a position and a prediction.")
        probabilities = predictions.after(max(1, predictions.longest))[known]
        return cls(
            predictions.classes,
            probabilities.argmax(axis=1),
            ra_deg[known],
            dec_deg[known],
            int((~known).sum()),
        )

    @property
    def galactic_latitude_deg(self) -> np.ndarray:
        """Distance from the Galactic plane, shape (object,)."""
        return np.abs(self._position.galactic.b.deg)

    @property
    def ecliptic_latitude_deg(self) -> np.ndarray:
        """Distance from the ecliptic of J2000, shape (object,)."""
        return np.abs(self._position.transform_to(BarycentricMeanEcliptic()).lat.deg)

    @property
    def _position(self):
        return SkyCoord(self.ra_deg, self.dec_deg, unit="deg")

    def summary(self) -> list[str]:
        """Number of objects and median distances from both planes, one line for each class."""
        galactic, ecliptic = self.galactic_latitude_deg, self.ecliptic_latitude_deg
        lines = []
        for k, name in enumerate(self.classes):
            chosen = self.predicted == k
            if chosen.any():
                lines.append(
                    f"{name}: {chosen.sum():,} objects, half of them within "
                    f"{np.median(galactic[chosen]):.0f} deg of the Galactic plane and "
                    f"{np.median(ecliptic[chosen]):.0f} deg of the ecliptic"
                )
        return lines


def positions_of(split: DatasetSplit) -> tuple[np.ndarray, np.ndarray]:
    """Right ascension and declination of the objects of a split, degrees, NaN where unknown.

    Raises
    ------
    ClassifierError
        The data set has no positions.
    """
    found = split.values("ra_deg"), split.values("dec_deg")
    if found[0] is None or found[1] is None or not np.isfinite(found[0] + found[1]).any():
        raise ClassifierError(
            f"{split.path}/{split.name} has no positions on the sky for a map; those of alerts, "
            "real or made by simulate --alerts, are kept by ingest."
        )
    return found


def save_sky_map(path: str | Path, sky: PredictedSky) -> None:
    """Write a PNG with one map for each class that is predicted.

    Raises
    ------
    skyreel.errors.OutputError
        The path cannot be written.
    """
    save_png(sky_map(sky), path)


@styled
def sky_map(figure: Figure, sky: PredictedSky) -> None:
    """One equatorial map for each class that is predicted, all other objects in grey."""
    present = np.unique(sky.predicted)
    columns = min(_COLUMNS, len(present))
    rows = -(-len(present) // columns)
    figure.set_size_inches(3.5 * columns, 2.05 * rows + 0.4)
    styles = class_styles(sky.classes)
    x, y = _projected(sky.ra_deg, sky.dec_deg)
    size = float(np.clip(3000 / len(x), 1.5, 12))
    for panel, k in enumerate(present):
        axes = figure.add_subplot(rows, columns, panel + 1, projection="mollweide")
        chosen = sky.predicted == k
        axes.scatter(x[~chosen], y[~chosen], s=0.5 * size, lw=0, color=MUTED, rasterized=True)
        axes.scatter(x[chosen], y[chosen], s=size, lw=0, color=styles[k][0], rasterized=True)
        name, quantities = sky.classes[k], ("Right ascension [deg]", "Declination [deg]")
        keep(axes, name, sky.ra_deg[chosen], sky.dec_deg[chosen], quantities=quantities)
        axes.set_title(f"{class_name(name)}: {chosen.sum():,}")
        _draw_planes(axes)
        axes.set_xticks(np.radians(list(_TICKS)), _TICKS.values())
        axes.set_yticks(np.radians([-60, -30, 0, 30, 60]))
        axes.tick_params(labelsize=6, colors=FAINT)
        axes.grid(alpha=0.4)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)


def _draw_planes(axes):
    along = np.linspace(0.0, 360.0, 721)
    for name, frame, style in _PLANES:
        plane = SkyCoord(along, np.zeros_like(along), unit="deg", frame=frame).icrs
        x, y = _projected(plane.ra.deg, plane.dec.deg)
        breaks = np.flatnonzero(np.abs(np.diff(x)) > np.pi) + 1
        axes.plot(*(np.insert(v, breaks, np.nan) for v in (x, y)), style, c=INK, lw=0.8, label=name)


def _projected(ra_deg, dec_deg):
    """Radians of a map whose right ascension grows to the left."""
    return np.radians(-((ra_deg + 180.0) % 360.0 - 180.0)), np.radians(dec_deg)
