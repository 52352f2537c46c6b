"""The report of clusters: a page, pictures as PNG and scores as JSON in a folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from classifier.evaluation.clusters import Clusters, ClusterScores
from classifier.evaluation.embedding import MOST_OBJECTS, tsne
from classifier.reports import cluster_figures as figures
from skyreel.json_io import write_json
from skyreel.report.figures import Figure, save_png
from skyreel.report.page import Note, Page, Section
from skyreel.report.tables import Table, columns

if TYPE_CHECKING:
    from classifier.models.autoencoder.alert_clusters import AlertClusters

PAGE, SCORES = "index.html", "clusters.json"
_SHOWN, _RECONSTRUCTED = 20, 10
_COLOURS = (
    "Red is positive, blue negative, white zero, grey missing; every stamp has its own range."
)
_SCORES = (
    "Purity: share of objects of the most common class of their cluster; it is at least the share "
    "of the largest class and rises with the number of clusters. The adjusted Rand index is 1 for "
    "equal partitions and 0 on average for random ones; mutual information is divided by the mean "
    "of both entropies."
)
_OUTLIERS = (
    "Outlier score: −ln p(x) a pixel, estimated from 16 samples of the posterior; it is larger for "
    "stamps that the model finds less likely. AUC: chance that an object of the class has a "
    "larger score than one of another class."
)


def summary(clusters: Clusters, scores: ClusterScores | None) -> list[str]:
    """The result in words, one sentence each."""
    used, n = np.unique(clusters.cluster).size, clusters.probabilities.shape[1]
    sure = float((clusters.probabilities.max(axis=1) > 0.9).mean())
    found = [
        f"{len(clusters):,} objects in {used} of {n} clusters; {sure:.0%} have a cluster with a "
        "probability above 0.9."
    ]
    if scores is None:
        return [*found, "There are no labels of two classes, so that nothing is scored."]
    found.append(
        f"Purity {scores.purity:.3f} (largest class {scores.largest_class:.3f}), adjusted Rand "
        f"index {scores.adjusted_rand:.3f}, normalised mutual information "
        f"{scores.normalised_mutual_information:.3f}, of {scores.n_objects:,} labelled objects."
    )
    if np.isfinite(scores.bogus_purity):
        found.append(
            f"Purity for BOGUS against all others {scores.bogus_purity:.3f} (larger class "
            f"{scores.largest_of_bogus:.3f})."
        )
    return found


def write_cluster_report(
    model: AlertClusters,
    clusters: Clusters,
    snr: np.ndarray,
    scores: ClusterScores | None,
    folder: Path,
    title: str,
    notes: Sequence[str] = (),
) -> None:
    """Write ``index.html``, ``clusters.json`` and three PNG pictures.

    Parameters
    ----------
    model : AlertClusters
    clusters : Clusters
    snr : numpy.ndarray, shape (object, row, column)
        The stamps of the clustered objects.
    scores : ClusterScores or None
    folder : path
    title : str
    notes : sequence of str
        What a reader must know of data and model.

    Raises
    ------
    OutputError
        The folder cannot be written.
    """
    pictures = {
        "centroids": _centroids(model, clusters),
        "reconstructions": _reconstructions(model, clusters, snr),
        "outliers": _outliers(clusters, snr),
    }
    for name, picture in pictures.items():
        save_png(picture.drawing, folder / f"{name}.png")
    counts = clusters.contingency()
    about = {"title": title, "notes": list(notes), "classes": clusters.classes}
    sizes = np.bincount(clusters.cluster, minlength=len(counts))
    about |= {"sizes": sizes, "counts": counts, "scores": scores and asdict(scores)}
    write_json(folder / SCORES, about)
    Page(
        title=title,
        verdict=summary(clusters, scores),
        headline=pictures["centroids"],
        sections=list(_sections(model, clusters, scores, pictures)),
        classes={name: int(n) for name, n in zip(clusters.classes, counts.sum(axis=0), strict=True)}
        if scores
        else {},
        facts={"Model": str(model.folder), **({"Notes": " ".join(notes)} if notes else {})},
    ).write(folder / PAGE)


def _sections(model, clusters, scores, pictures) -> Iterator[Section]:
    yield Section("Clusters", [*_by_class(clusters, scores), _table(clusters)])
    if scores is not None:
        yield Section("Scores", [_scores(scores)])
    yield Section("Reconstructions", [pictures["reconstructions"]])
    yield Section("Outliers", [pictures["outliers"], *_auc(model, scores)])
    yield Section("Latent space", [_map(clusters, scores)])


def _by_class(clusters, scores):
    if scores is None:
        return []
    drawn = figures.classes_of_clusters(clusters.contingency(), clusters.classes)
    return [Figure(drawn, "Labelled objects of every cluster by class.", "classes_of_clusters")]


def _table(clusters):
    rows, counts = [], clusters.contingency()
    for k, of_classes in enumerate(counts):
        members = clusters.cluster == k
        common = "-"
        if of_classes.any():
            most = int(of_classes.argmax())
            share = of_classes[most] / of_classes.sum()
            common = f"{clusters.classes[most]} ({share:.2f})"
        score = f"{np.median(clusters.outlier_score[members]):.3f}" if members.any() else "-"
        sure = f"{clusters.probabilities[members, k].mean():.3f}" if members.any() else "-"
        rows.append([str(k + 1), f"{members.sum():,}", common, sure, score])
    heads = columns("Cluster", "Objects", "Most common class (share)", "Mean probability")
    return Table([*heads, *columns("Median outlier score")], rows)


def _scores(scores):
    rows = [
        ["Purity", f"{scores.purity:.4f}"],
        ["Share of the largest class", f"{scores.largest_class:.4f}"],
        ["Adjusted Rand index", f"{scores.adjusted_rand:.4f}"],
        ["Normalised mutual information", f"{scores.normalised_mutual_information:.4f}"],
    ]
    if np.isfinite(scores.bogus_purity):
        rows.append(["Purity, BOGUS against all others", f"{scores.bogus_purity:.4f}"])
        rows.append(["Share of the larger of these", f"{scores.largest_of_bogus:.4f}"])
    return Table(columns("Score", "Value"), rows, _SCORES)


def _auc(model, scores):
    if scores is None:
        return [Note(_OUTLIERS)]
    known = model.card.get("labels_in_training") or []
    rows = [
        [name, f"{auc:.4f}", ("yes" if name in known else "no") if known else "not known"]
        for name, auc in scores.outlier_auc.items()
    ]
    return [Table(columns("Class", "AUC", "In the training data"), rows, _OUTLIERS)]


def _centroids(model, clusters):
    images = model.centroids()
    sizes = np.bincount(clusters.cluster, minlength=len(images))
    titles = [f"{k} ({n:,})" for k, n in enumerate(sizes, 1)]
    caption = (
        "The stamp decoded from the centroid of every cluster, with the number of its objects. "
        f"{_COLOURS}"
    )
    return Figure(figures.stamps(images, titles), caption, "centroids")


def _reconstructions(model, clusters, snr):
    """Of the objects nearest to the middle of the outlier scores of a cluster."""
    rows = []
    for k in np.argsort(-np.bincount(clusters.cluster), kind="stable")[:_RECONSTRUCTED]:
        members = np.flatnonzero(clusters.cluster == k)
        order = np.argsort(clusters.outlier_score[members], kind="stable")
        if members.size:
            rows.append(members[order[members.size // 2]])
    rows = np.array(rows)
    images = np.concatenate([snr[rows], model.reconstructed(snr[rows])])
    titles = [f"{clusters.cluster[k] + 1}\n{clusters.object_id[k]}" for k in rows]
    caption = (
        "Above, one object of each of the largest clusters, with its cluster and name; below, its "
        f"reconstruction from the mean of its latent variables. {_COLOURS}"
    )
    drawn = figures.stamps(images, [*titles, *[""] * len(rows)], per_row=len(rows))
    return Figure(drawn, caption, "reconstructions")


def _outliers(clusters, snr):
    rows = np.argsort(-clusters.outlier_score, kind="stable")[:_SHOWN]
    names = [*clusters.classes, "?"]
    titles = [f"{names[clusters.label[k]]}\n{clusters.object_id[k]}" for k in rows]
    caption = f"The objects of the largest outlier scores, with class and name. {_COLOURS}"
    return Figure(figures.stamps(snr[rows], titles), caption, "outliers")


def _map(clusters, scores):
    shown = np.linspace(0, len(clusters) - 1, min(MOST_OBJECTS, len(clusters))).astype(int)
    shown = np.unique(shown)
    if scores is None:
        group, by = clusters.cluster[shown], "cluster"
        names = [str(k + 1) for k in range(clusters.probabilities.shape[1])]
    else:
        shown = shown[clusters.label[shown] >= 0]
        group, names, by = clusters.label[shown], clusters.classes, "class"
    position = tsne(clusters.latent[shown])
    caption = f"Latent variables of at most {MOST_OBJECTS:,} objects by t-SNE, coloured by {by}."
    return Figure(figures.latent_space(position, group, names), caption, "latent_space")
