"""Macro F1 of models of one and of several bands by the number of images in all bands.

``python -m benchmarks.multiband --data lsst.zarr multiband=ugrizy=a.parquet compact=r=b.parquet``

Tables are those that ``classify`` writes of the test split of the data set; the objects are the
first ones that all of them have. A model of one band is scored with its own images among the first
k of all bands, and an object without one counts as wrong. Differences to the first table are
paired; errors are from resampling objects within each class.
"""

from __future__ import annotations

import argparse

import numpy as np

from benchmarks.machine import describe_machine
from classifier.dataset import DatasetSplit
from classifier.evaluation import read_predictions
from classifier.evaluation.bootstrap import spread
from classifier.evaluation.predictions import Predictions
from classifier.forecast.scores_in_time import bootstrap_weights, class_scores, predicted_class

IMAGES = "1,5,10,20,40,60"
RESAMPLES = 200


def after(predictions: Predictions, n_own: np.ndarray) -> np.ndarray:
    """Predicted class of every object after so many images of the model, -1 where it has none."""
    count = np.minimum(n_own, predictions.n_images[: len(n_own)])
    rows = np.arange(len(count))
    chosen = predictions.probabilities[rows, np.maximum(count, 1) - 1]
    return np.where(count > 0, predicted_class(chosen), -1)


def main() -> None:
    """Print one line for each number of images."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", required=True, help="data set of the objects")
    parser.add_argument("tables", nargs="+", help="NAME=BANDS=TABLE, as compact=r=b.parquet")
    parser.add_argument("--images", default=IMAGES, help="numbers of images, by comma")
    given = parser.parse_args()
    split = DatasetSplit(given.data, "test")
    models = [text.split("=", 2) for text in given.tables]
    tables = [read_predictions(path) for _, _, path in models]
    n = min(len(table.label) for table in tables)
    label, band = tables[0].label[:n], split.values("band")[:n]
    weights = bootstrap_weights(label, RESAMPLES, seed=0)
    print(f"{describe_machine()}; {n:,} objects")
    for images in map(int, given.images.split(",")):
        used = np.arange(band.shape[1]) < np.minimum(images, split.n_epochs[:n])[:, None]
        line, first = f"after {images} images:", None
        for (name, bands, _), table in zip(models, tables, strict=True):
            own = np.isin(band, [split.bands.index(letter) for letter in bands])
            predicted = after(table, (used & own).sum(axis=1))
            score = class_scores(predicted, label, weights, len(table.classes))["macro_f1"]
            first = score if first is None else first
            line += f"  {name} {score[0]:.3f} +- {spread(score):.3f}"
            if first is not score:
                line += f" (lower by {first[0] - score[0]:.3f} +- {spread(first - score):.3f})"
        print(line)


if __name__ == "__main__":
    main()
