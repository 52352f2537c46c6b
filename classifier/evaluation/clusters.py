"""Clusters of objects: the table that is written, and scores against labels where there are any."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.metrics import (
    adjusted_rand_score,
    normalized_mutual_info_score,
    roc_auc_score,
)

from classifier.evaluation.real_bogus import BOGUS
from skyreel.json_io import plain
from skyreel.tables import export_table

_METADATA = b"skyreel_clusters"


@dataclass(frozen=True)
class Clusters:
    """Clusters of the objects that could be clustered.

    Attributes
    ----------
    object_id : numpy.ndarray of str, shape (object,)
    probabilities : float32 (object, cluster)
    outlier_score : float (object,)
        -ln p(x) a pixel: larger for stamps that the model finds less likely.
    label : int (object,)
        Index into ``classes``, -1 where unknown.
    classes : tuple of str
        Of the labels.
    latent : float (object, dimension)
        Where the objects lie in latent space.
    """

    object_id: np.ndarray
    probabilities: np.ndarray
    outlier_score: np.ndarray
    label: np.ndarray
    classes: tuple[str, ...]
    latent: np.ndarray

    def __len__(self) -> int:
        return len(self.object_id)

    @property
    def cluster(self) -> np.ndarray:
        """The most probable cluster, int (object,), counted from 0."""
        return self.probabilities.argmax(axis=1)

    def contingency(self) -> np.ndarray:
        """Labelled objects by cluster and class, int (cluster, class)."""
        return contingency(self.cluster, self.label, self.probabilities.shape[1], self.classes)

    def write(self, path: Path, attributes: dict[str, Any]) -> None:
        """Write one row for each object, in the format of the suffix of the name.

        Columns: object, cluster (from 1), probability of it, outlier_score, label (null where
        unknown), and p_1, p_2, ... of all clusters.

        Raises
        ------
        OutputError
        """
        names = np.array([*self.classes, None], dtype=object)
        columns = {
            "object": self.object_id,
            "cluster": (self.cluster + 1).astype(np.int32),
            "probability": self.probabilities.max(axis=1),
            "outlier_score": self.outlier_score.astype(np.float32),
            "label": pa.array(names[self.label], pa.string()),
        }
        columns |= {f"p_{k}": p for k, p in enumerate(self.probabilities.T, 1)}
        table = pa.table(columns).replace_schema_metadata(
            {_METADATA: json.dumps(plain(attributes))}
        )
        with TemporaryDirectory() as folder:
            parquet = Path(folder) / "clusters.parquet"
            pq.write_table(table, parquet)
            export_table(parquet, path)


def contingency(
    cluster: np.ndarray, label: np.ndarray, clusters: int, classes: Sequence[str]
) -> np.ndarray:
    """Numbers of objects (cluster, class); those with the label -1 are left out."""
    found = np.zeros((clusters, len(classes)), dtype=int)
    known = label >= 0
    np.add.at(found, (cluster[known], label[known]), 1)
    return found


def purity(counts: np.ndarray) -> float:
    """Share of objects that are of the most common class of their cluster, from (cluster, class).

    It is 1 if every object has a cluster of its own, and at least the share of the largest class:
    compare it at one number of clusters only (Manning et al. 2008, section 16.3).
    """
    return float(counts.max(axis=1).sum() / counts.sum())


@dataclass(frozen=True)
class ClusterScores:
    """How well clusters agree with labels.

    Attributes
    ----------
    n_objects : int
        With a label.
    largest_class : float
        Share of the largest class, which is the least purity.
    purity : float
        As `purity`.
    adjusted_rand : float
        Adjusted Rand index (Hubert & Arabie 1985): 1 for equal partitions, 0 expected by chance.
    normalised_mutual_information : float
        Mutual information over the mean of both entropies.
    bogus_purity, largest_of_bogus : float
        The first two for artefacts (class BOGUS) against all others; NaN without both.
    outlier_auc : dict of str to float
        For every class the area under the ROC curve of the outlier score, against all others.
    """

    n_objects: int
    largest_class: float
    purity: float
    adjusted_rand: float
    normalised_mutual_information: float
    bogus_purity: float
    largest_of_bogus: float
    outlier_auc: dict[str, float]


def cluster_scores(clusters: Clusters) -> ClusterScores | None:
    """Scores of the objects with labels; None where there are no two classes of them."""
    known = clusters.label >= 0
    label, cluster = clusters.label[known], clusters.cluster[known]
    counts = clusters.contingency()
    present = np.flatnonzero(counts.sum(axis=0))
    if present.size < 2:
        return None
    of_bogus = np.full((2,), np.nan)
    if BOGUS in clusters.classes and clusters.classes.index(BOGUS) in present:
        bogus = counts[:, clusters.classes.index(BOGUS)]
        two = np.stack([bogus, counts.sum(axis=1) - bogus], axis=1)
        of_bogus = np.array([purity(two), two.sum(axis=0).max() / two.sum()])
    score = clusters.outlier_score[known]
    return ClusterScores(
        n_objects=int(known.sum()),
        largest_class=float(counts.sum(axis=0).max() / known.sum()),
        purity=purity(counts),
        adjusted_rand=float(adjusted_rand_score(label, cluster)),
        normalised_mutual_information=float(normalized_mutual_info_score(label, cluster)),
        bogus_purity=float(of_bogus[0]),
        largest_of_bogus=float(of_bogus[1]),
        outlier_auc={clusters.classes[k]: float(roc_auc_score(label == k, score)) for k in present},
    )
