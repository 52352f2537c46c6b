"""Scores of clusters against labels, and their table."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from classifier.evaluation.clusters import Clusters, cluster_scores, contingency, purity

CLASSES = ("SN", "BOGUS", "AGN")


def clusters(cluster, label, score=None, classes=CLASSES):
    cluster, label = np.array(cluster), np.array(label)
    probabilities = np.eye(max(cluster) + 1, dtype=np.float32)[cluster]
    score = np.zeros(len(cluster)) if score is None else np.array(score, dtype=float)
    names = np.array([f"o{k}" for k in range(len(cluster))])
    return Clusters(names, probabilities, score, label, classes, np.zeros((len(cluster), 2)))


def test_purity_by_hand():
    counts = contingency(np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, -1]), 3, CLASSES)
    assert counts.tolist() == [[2, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert purity(counts) == pytest.approx(3 / 4)


def test_scores_of_clusters_that_are_the_classes():
    label = np.array([0, 0, 1, 1, 2, 2])
    s = cluster_scores(clusters(label[::-1], label[::-1], [3, 2, 1, 5, 6, 0]))
    assert s.purity == s.adjusted_rand == s.bogus_purity == 1
    assert s.normalised_mutual_information == pytest.approx(1)
    assert s.largest_class == pytest.approx(1 / 3) and s.largest_of_bogus == pytest.approx(2 / 3)
    assert s.outlier_auc == {"SN": 0.5, "BOGUS": 0.5, "AGN": 0.5}


def test_scores_of_one_cluster_are_those_of_no_information():
    s = cluster_scores(clusters([0] * 5, [0, 0, 0, 1, 2], [0, 1, 2, 9, 3]))
    assert s.purity == s.largest_class == pytest.approx(0.6)
    assert s.adjusted_rand == s.normalised_mutual_information == 0
    assert s.bogus_purity == s.largest_of_bogus == pytest.approx(0.8)
    assert s.outlier_auc == {"SN": 0.0, "BOGUS": 1.0, "AGN": pytest.approx(0.75)}


def test_random_clusters_have_a_rand_index_of_zero():
    rng = np.random.default_rng(0)
    n, draws = 300, 40
    found = [
        cluster_scores(clusters(rng.integers(4, size=n), rng.integers(3, size=n))).adjusted_rand
        for _ in range(draws)
    ]
    assert abs(np.mean(found)) < 4 * np.std(found) / np.sqrt(draws)


def test_unlabelled_objects_do_not_count_and_one_class_is_not_scored():
    s = cluster_scores(clusters([0, 1, 1, 0], [0, 1, -1, -1]))
    assert s.n_objects == 2 and s.purity == 1
    assert cluster_scores(clusters([0, 1], [-1, -1])) is None
    assert cluster_scores(clusters([0, 1], [0, 0])) is None
    without = cluster_scores(clusters([0, 1], [0, 1], classes=("SN", "AGN")))
    assert np.isnan(without.bogus_purity) and without.purity == 1


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".ecsv", ".fits"])
def test_the_table_has_a_row_for_each_object(tmp_path, suffix):
    path = tmp_path / f"clusters{suffix}"
    clusters([0, 2, 1], [0, -1, 1], [0.5, 2, 1]).write(path, {"model": "m"})
    if suffix != ".parquet":
        from astropy.table import Table

        found = Table.read(path)
        assert list(found["cluster"]) == [1, 3, 2] and len(found.columns) == 8
        return
    table = pq.read_table(path)
    assert json.loads(table.schema.metadata[b"skyreel_clusters"]) == {"model": "m"}
    assert table.to_pydict() == {
        "object": ["o0", "o1", "o2"],
        "cluster": [1, 3, 2],
        "probability": [1, 1, 1],
        "outlier_score": [0.5, 2, 1],
        "label": ["SN", None, "BOGUS"],
        "p_1": [1, 0, 0],
        "p_2": [0, 0, 1],
        "p_3": [0, 1, 0],
    }
