"""Clusters of a split by a model that has no classes: table, scores and report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from skyreel.errors import ClassifierError

if TYPE_CHECKING:
    from rich.console import Console

    from classifier.dataset import DatasetSplit
    from classifier.evaluation.clusters import Clusters
    from classifier.models.autoencoder.alert_clusters import AlertClusters


def refuse_plots(plot: object, sky_map: object) -> None:
    """Refuse what is drawn of classes alone.

    Raises
    ------
    ClassifierError
    """
    if plot or sky_map:
        raise ClassifierError("--plot, --map: not of a model that makes clusters; see --report.")


def cluster_split(
    model: AlertClusters, split: DatasetSplit, out: Path, report: Path | None, console: Console
) -> Clusters:
    """Cluster a split, write the table, and a report where one is asked for.

    Raises
    ------
    ClassifierError
        No object has an alert that the model can use.
    OutputError
    """
    from classifier.evaluation.clusters import cluster_scores
    from classifier.features.feature_table import dataset_identity
    from classifier.prediction_notes import trained_on_these
    from classifier.reports.cluster_page import PAGE, summary, write_cluster_report
    from skyreel.console import Bars
    from skyreel.provenance import versions

    attributes = {
        "model": str(model.folder),
        "trained_on": model.card["trained_on"],
        "data": {"path": str(split.path), **dataset_identity(split)},
        "versions": versions("skyreel", "numpy"),
    }
    with Bars(console) as bars:
        stamps = model.stamps_of(split)
        advance = bars.add("clustering", len(stamps), unit="stamps")
        clusters = model.clustered(stamps, split, on_progress=advance)
    notes = [*stamps.notes(f"{split.path}/{split.name}"), *trained_on_these(model, split)]
    clusters.write(out, attributes)
    for note in notes:
        console.print(f"Note: {note}")
    scores = cluster_scores(clusters)
    console.print(f"Clusters of {len(clusters):,} objects: {out}")
    for line in summary(clusters, scores):
        console.print(line)
    if report is not None:
        title = f"{model.name or 'clusters'} on {Path(split.path).name}, {split.name}"
        write_cluster_report(model, clusters, stamps.snr, scores, Path(report), title, notes)
        console.print(f"The report: {Path(report) / PAGE}")
    return clusters
