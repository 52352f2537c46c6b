"""All features of one light curve, or of a padded batch on threads.

A point is used if its time, magnitude and error are finite and not masked, and its error is above
zero. Every curve is processed separately: neither threads nor the division into batches change a
bit.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from classifier.features.autocorrelation import fill_autocorrelation
from classifier.features.damped_random_walk import fill_damped_random_walk
from classifier.features.distribution import fill_distribution
from classifier.features.names import FEATURES, FREQUENCIES, HARMONIC_COLUMNS, HARMONICS, RECORD
from classifier.features.period_search import fill_periods
from classifier.features.slopes import fill_slopes
from skyreel.errors import ClassifierError
from survey_profiles.physical_ranges import filled

FARTHEST_DAY = 1e10  # from the origin of time; beyond it float64 does not resolve 0.1 s
LONGEST_DAY = 1e5  # beyond any survey; detects times in seconds
_CURVES_PER_JOB = 256
_SHAPE_OF_HARMONICS = (FREQUENCIES, 2, HARMONICS)  # last but one: amplitudes, phases
_FIRST_HARMONIC, _END_OF_HARMONICS = HARMONIC_COLUMNS.start, HARMONIC_COLUMNS.stop


def features_of(time: ArrayLike, magnitude: ArrayLike, error: ArrayLike) -> dict[str, float]:
    """The 59 features of one curve by name; NaN where a feature is undefined.

    Parameters
    ----------
    time, magnitude, error : array_like, shape (point,)
        In days, mag and mag. Points that are masked, not finite, or without a positive error are
        left out.

    Raises
    ------
    ClassifierError
        Arrays of different lengths, or that hold no numbers; times that do not increase or span
        more than 100,000 days.
    """
    curve = [_numbers(values)[None] for values in (time, magnitude, error)]
    n_points = [curve[0].shape[-1]] if curve[0].ndim == 2 else [0]
    values = features_of_batch(*curve, n_points)[0]
    return dict(zip(FEATURES, values.tolist(), strict=True))


def features_of_batch(
    time: ArrayLike,
    magnitude: ArrayLike,
    error: ArrayLike,
    n_points: ArrayLike,
    *,
    threads: int = 1,
) -> np.ndarray:
    """The features of many curves, float64 (curve, 59), in the order of ``FEATURES``.

    Parameters
    ----------
    time, magnitude, error : array_like, shape (curve, epoch)
        In days, mag and mag; see ``features_of``.
    n_points : array_like of int, shape (curve,)
        Number of leading epochs to use.
    threads : int
        The result does not depend on their number.

    Raises
    ------
    ClassifierError
        Arrays of different shapes; a curve whose times do not increase or span more than
        100,000 days. The message names the first such curve.
    """
    time, magnitude, error = (
        np.ascontiguousarray(_numbers(values)) for values in (time, magnitude, error)
    )
    n_points = _checked_counts(time, magnitude, error, n_points)
    if threads < 1:
        raise ClassifierError(f"features: threads = {threads}; at least 1 is needed.")
    counts = np.isfinite(time) & np.isfinite(magnitude) & np.isfinite(error) & (error > 0)
    counts &= np.arange(time.shape[1]) < n_points[:, None]
    _check_times(time, counts)
    found = np.empty((len(time), len(FEATURES)))

    def work(first):
        part = slice(first, first + _CURVES_PER_JOB)
        rows = found[part]
        records, harmonics = rows.view(RECORD)[:, 0], np.empty((len(rows), *_SHAPE_OF_HARMONICS))
        _fill(time[part], magnitude[part], error[part], counts[part], rows, records, harmonics)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(0, len(time), _CURVES_PER_JOB)))
    return found


def _numbers(values):
    try:
        return filled(values)
    except (TypeError, ValueError) as error:
        raise ClassifierError(f"features: numbers are needed ({error}).") from None


def _checked_counts(time, magnitude, error, n_points):
    shapes = [array.shape for array in (time, magnitude, error)]
    if time.ndim != 2 or len(set(shapes)) > 1:
        listed = ", ".join(str(shape) for shape in shapes)
        raise ClassifierError(
            "features: time, magnitude and error must have one shape, (curve, epoch) in a batch "
            f"or (point,) alone; found {listed}."
        )
    n_points = np.asarray(n_points)
    whole = np.issubdtype(n_points.dtype, np.integer) or n_points.size == 0
    if n_points.shape != time.shape[:1] or not whole:
        raise ClassifierError(
            f"features: n_points has shape {n_points.shape} and type {n_points.dtype}; whole "
            f"numbers of shape {time.shape[:1]} are needed."
        )
    wrong = np.flatnonzero((n_points < 0) | (n_points > time.shape[1]))
    if wrong.size:
        raise ClassifierError(
            f"features: n_points of curve {wrong[0]} is {n_points[wrong[0]]}; allowed are 0 to "
            f"{time.shape[1]}."
        )
    return n_points


def _check_times(time, counts):
    latest = np.maximum.accumulate(np.where(counts, time, -np.inf), axis=1)
    wrong = np.argwhere(counts[:, 1:] & (time[:, 1:] <= latest[:, :-1]))
    if wrong.size:
        curve, before = wrong[0]
        raise ClassifierError(
            f"features: curve {curve}, epoch {before + 1}: time {time[curve, before + 1]:.12g} d "
            f"comes after {latest[curve, before]:.12g} d. Sort the points, and merge those of one "
            "time."
        )
    span = latest.max(axis=1, initial=-np.inf) - np.where(counts, time, np.inf).min(
        axis=1, initial=np.inf
    )
    wrong = np.argwhere(counts & (np.abs(time) >= FARTHEST_DAY))
    if wrong.size:
        raise ClassifierError(
            f"features: curve {wrong[0][0]} has the time {time[tuple(wrong[0])]:.3g} d; allowed "
            f"are {-FARTHEST_DAY:.0e} to {FARTHEST_DAY:.0e} d."
        )
    wrong = np.flatnonzero(span > LONGEST_DAY)
    if wrong.size:
        raise ClassifierError(
            f"features: curve {wrong[0]} spans {span[wrong[0]]:.3g} d; at most "
            f"{LONGEST_DAY:.0f} d are allowed. Are the times in days?"
        )


@njit(cache=True, nogil=True, error_model="numpy")
def _fill(time, magnitude, error, counts, found, records, harmonics):
    """Fill ``found`` (curve, feature), of which ``records`` is a view.

    ``harmonics`` is memory of its own: a view of ``found`` would have another layout for one curve
    than for several, and Numba compiles every layout.
    """
    for i in range(len(found)):
        used = np.flatnonzero(counts[i])
        found[i] = np.nan
        if used.size > 0:
            t, m, e = time[i][used], magnitude[i][used], error[i][used]
            fill_distribution(records[i], m, e)
            fill_slopes(records[i], t, m)
            fill_autocorrelation(records[i], t, m)
            fill_periods(records[i], harmonics[i], t, m)
            found[i, _FIRST_HARMONIC:_END_OF_HARMONICS] = harmonics[i].ravel()
            fill_damped_random_walk(records[i], t, m, e)
        for j in range(found.shape[1]):
            if not np.isfinite(found[i, j]):
                found[i, j] = np.nan
