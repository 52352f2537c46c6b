"""A classifier two-sample test: how well trees separate real from simulated objects.

An area under the ROC curve of 0.5 means that they cannot (Lopez-Paz & Oquab 2017,
arXiv:1610.06545).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.inspection import permutation_importance
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold

from classifier.evaluation.bootstrap import resampling_weights

FOLDS = 5
_REPEATS = 3  # of every permutation


@dataclass(frozen=True)
class TwoSampleTest:
    """Result of a classifier two-sample test.

    Attributes
    ----------
    auc, error : float
        Area under the ROC curve, and its bootstrap error.
    by_class : dict of str to (float, float)
        The same among the objects of one class.
    importance : numpy.ndarray (quantity, 2) or None
        Permutation importance (change of AUC), mean and standard deviation over folds; NaN for
        quantities that were left out.
    """

    auc: float
    error: float
    by_class: dict[str, tuple[float, float]]
    importance: np.ndarray | None = None


def two_sample_test(
    values: np.ndarray,
    is_real: np.ndarray,
    group: np.ndarray,
    class_names: np.ndarray,
    *,
    seed: int,
    n_bootstrap: int = 200,
    importances: bool = False,
) -> TwoSampleTest:
    """Cross-validated separation of real and simulated objects.

    A real object and its matched simulations are always in the same of five folds. Quantities
    without a value in the training folds are left out; without any, the area is NaN.

    Parameters
    ----------
    values : float (row, quantity)
        NaN where not measured.
    is_real : bool (row,)
    group : int (row,)
        The real object that a row is, or is matched to.
    class_names : str (row,)
    seed, n_bootstrap : int
    importances : bool
        Whether permutation importances are computed.
    """
    values = np.where(np.isfinite(values), values, np.nan)
    if not np.isfinite(values).any():
        return _undefined(values.shape[1], class_names)
    score, importance = np.full(len(values), np.nan), []
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    for train, test in folds.split(values, _folded_strata(class_names), group):
        used = np.isfinite(values[train]).any(axis=0)
        if not used.any():
            score[test] = 0.5
            continue
        model = _model(seed).fit(values[train][:, used], is_real[train])
        score[test] = model.predict_proba(values[test][:, used])[:, 1]
        if importances:
            importance.append(_importance(model, values[test], is_real[test], used, seed))
    strata = np.unique(class_names, return_inverse=True)[1]
    _, first, row_object = np.unique(group, return_index=True, return_inverse=True)
    of_object = strata[first]
    weights = resampling_weights(of_object, n_bootstrap=n_bootstrap, seed=seed)[row_object]
    by_class = {
        str(name): _area(is_real[rows], score[rows], weights[rows])
        for name, rows in ((n, class_names == n) for n in np.unique(class_names))
    }
    spread = _mean_and_scatter(np.array(importance)) if importances else None
    return TwoSampleTest(*_area(is_real, score, weights), by_class, spread)


def _undefined(n_quantities, class_names):
    unknown = float("nan"), float("nan")
    by_class = {str(name): unknown for name in np.unique(class_names)}
    return TwoSampleTest(*unknown, by_class, np.full((n_quantities, 2), np.nan))


def _folded_strata(class_names):
    """Classes as numbers; those with fewer rows than there are folds count as the largest."""
    _, strata, counts = np.unique(class_names, return_inverse=True, return_counts=True)
    return np.where(counts[strata] < FOLDS, counts.argmax(), strata)


def _importance(model, values, is_real, used, seed):
    """Change of AUC (quantity,) by permutation; NaN for quantities that are not ``used``."""
    found = permutation_importance(
        model,
        values[:, used],
        is_real,
        scoring="roc_auc",
        n_repeats=_REPEATS,
        random_state=seed,
    ).importances_mean
    change = np.full(used.size, np.nan)
    change[used] = found
    return change


def _mean_and_scatter(changes):
    """Mean and standard deviation (quantity, 2) over the folds where there is a value."""
    found = np.full((changes.shape[1], 2), np.nan)
    for k, values in enumerate(changes.T):
        known = values[np.isfinite(values)]
        if known.size > 1:
            found[k] = known.mean(), known.std(ddof=1)
    return found


def _model(seed):
    """Shallow trees, as suit some thousand objects."""
    return HistGradientBoostingClassifier(
        max_iter=150,
        learning_rate=0.06,
        max_leaf_nodes=8,
        min_samples_leaf=15,
        l2_regularization=1.0,
        class_weight="balanced",
        early_stopping=False,
        random_state=seed,
    )


def _area(is_real, score, weights):
    """(area, bootstrap error)."""
    if is_real.all() or not is_real.any():
        return float("nan"), float("nan")
    areas = [
        roc_auc_score(is_real, score, sample_weight=w) for w in weights.T if (w[is_real] > 0).any()
    ]
    return float(areas[0]), float(np.std(areas[1:], ddof=1))
