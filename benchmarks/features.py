"""Light-curve features per second and core: ours, feets, light-curve; cost of each group.

Run from the repository root: ``python -m benchmarks.features``. All curves have ``--points``
points in HiTS-like nights; times are the best of several rounds after compilation. Ratios are of
one run; feets processes fewer curves, with the settings of FATS where it has them.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
import warnings

import numpy as np
from numba import njit

from benchmarks.machine import describe_machine
from classifier.features import FEATURES, features_of_batch
from classifier.features.autocorrelation import fill_autocorrelation
from classifier.features.damped_random_walk import fill_damped_random_walk
from classifier.features.distribution import fill_distribution
from classifier.features.names import FREQUENCIES, HARMONICS, RECORD
from classifier.features.period_search import fill_periods
from classifier.features.slopes import fill_slopes

ROUNDS = 5
NIGHT_DAY = 0.25


def curves(n_curves, n_points, seed=1):
    """Times [d], magnitudes and errors (curve, point): noise, some with a sine."""
    rng = np.random.default_rng(seed)
    nights = np.sort(rng.integers(0, 12, (n_curves, n_points)), axis=1)
    days = np.sort(57070 + nights + NIGHT_DAY * rng.random((n_curves, n_points)), axis=1)
    error = rng.uniform(0.01, 0.1, days.shape)
    amplitude = rng.choice([0.0, 0.1, 0.5], (n_curves, 1))
    phase = days / rng.uniform(0.2, 1.0, (n_curves, 1))
    noise = error * rng.normal(size=days.shape)
    return days, 20 + amplitude * np.sin(2 * np.pi * phase) + noise, error


def seconds_of(work, *arguments):
    """The best of several rounds, after one that compiles."""
    work(*arguments)
    times = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        work(*arguments)
        times.append(time.perf_counter() - begin)
    return min(times)


@njit(nogil=True)
def _distribution(days, magnitude, error, records, harmonics):
    for i in range(len(days)):
        fill_distribution(records[i], magnitude[i], error[i])


@njit(nogil=True)
def _slopes(days, magnitude, error, records, harmonics):
    for i in range(len(days)):
        fill_slopes(records[i], days[i], magnitude[i])


@njit(nogil=True)
def _autocorrelation(days, magnitude, error, records, harmonics):
    for i in range(len(days)):
        fill_autocorrelation(records[i], days[i], magnitude[i])


@njit(nogil=True)
def _periods(days, magnitude, error, records, harmonics):
    for i in range(len(days)):
        fill_periods(records[i], harmonics[i], days[i], magnitude[i])


@njit(nogil=True)
def _car(days, magnitude, error, records, harmonics):
    for i in range(len(days)):
        fill_damped_random_walk(records[i], days[i], magnitude[i], error[i])


GROUPS = {
    "distribution": _distribution,
    "slopes": _slopes,
    "autocorrelation": _autocorrelation,
    "periods and harmonics": _periods,
    "damped random walk": _car,
}


def report_ours(n_curves, n_points):
    """Print the speed and the cost of every group; return seconds per curve by group and "all"."""
    sample = curves(n_curves, n_points)
    counts = np.full(n_curves, n_points)
    seconds = {"all": seconds_of(lambda: features_of_batch(*sample, counts)) / n_curves}
    print(f"{'ours, all ' + str(len(FEATURES)):44s} {1 / seconds['all']:10.0f} curves/s/core")
    records = np.zeros(n_curves, RECORD)
    harmonics = np.zeros((n_curves, FREQUENCIES, 2, HARMONICS))
    for name, group in GROUPS.items():
        seconds[name] = seconds_of(group, *sample, records, harmonics) / n_curves
        print(f"    {name:40s} {1e6 * seconds[name]:10.1f} us")
    return seconds


def report_light_curve(n_curves, n_points, ours):
    """Print the speed of light-curve's features of the same names, without and with a period."""
    import light_curve as lc

    extractor = lc.Extractor(
        lc.Amplitude(),
        lc.AndersonDarlingNormal(),
        lc.BeyondNStd(1.0),
        lc.Cusum(),
        lc.EtaE(),
        lc.InterPercentileRange(0.25),
        lc.Kurtosis(),
        lc.LinearTrend(),
        lc.MaximumSlope(),
        lc.Mean(),
        lc.MeanVariance(),
        lc.MedianAbsoluteDeviation(),
        lc.MedianBufferRangePercentage(0.2),
        lc.PercentAmplitude(),
        lc.PercentDifferenceMagnitudePercentile(0.05),
        lc.Skew(),
        lc.StandardDeviation(),
        lc.StetsonK(),
        *(lc.MagnitudePercentageRatio(q, 0.05) for q in (0.4, 0.325, 0.25)),
        *(lc.MagnitudePercentageRatio(q, 0.05) for q in (0.175, 0.1)),
    )
    # 300 frequencies a point up to 100 times the mean sampling's Nyquist frequency, directly
    with_period = lc.Extractor(
        extractor, lc.Periodogram(peaks=1, resolution=6, max_freq_factor=100, fast=False)
    )
    sample = curves(n_curves, n_points)
    few = ours["distribution"] + ours["slopes"]
    for function, basis, label in (
        (extractor, few, "our distribution and slopes"),
        (with_period, ours["all"], "ours, all"),
    ):
        seconds = seconds_of(lambda f=function: [f(*c) for c in zip(*sample, strict=True)])
        _print_other(f"light-curve, {len(function.names)} values", seconds / n_curves, basis, label)


def report_feets(n_curves, n_points, ours):
    """Print the speed of feets for the features of ours that it has."""
    from tests.helpers.feets_reference import feets_features

    sample = list(zip(*curves(n_curves, n_points), strict=True))
    seconds = seconds_of(lambda: [feets_features(*curve) for curve in sample]) / n_curves
    _print_other("feets, its equivalents, no harmonics", seconds, ours["all"], "ours, all")
    space = feets_space()
    curve = dict(zip(("time", "magnitude", "error"), sample[0], strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        seconds = seconds_of(lambda: space.extract(**curve))
    _print_other("feets.FeatureSpace, the same features", seconds, ours["all"], "ours, all")


def feets_space():
    """Feets as its users call it, with the features whose names or kinds we share."""
    import feets

    names = (
        "Amplitude AndersonDarling Autocor_length BeyondNStd CAR_mean CAR_sigma CAR_tau Con EtaE "
        "LinearTrend MaxSlope Mean MeanVariance MedianAbsDev MedianBRP PairSlopeTrend "
        "PercentAmplitude PercentDiffPercentile PercentageRatio PeriodLS Period_fit Psi_CS Psi_eta "
        "Q31 Rcs Skew SlottedALength SmallKurtosis Std StetsonK StetsonK_AC"
    )
    harmonics = [name for name in FEATURES if "harmonics" in name]
    return feets.FeatureSpace(
        only=[*names.split(), *harmonics], dask_options={"scheduler": "synchronous"}
    )


def _print_other(name, seconds, basis, label):
    ratio = f"{label}: {seconds / basis:.2g} x its speed"
    print(f"{name:44s} {1 / seconds:10.0f} curves/s/core; {ratio}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=27)
    parser.add_argument("--curves", type=int, default=2000)
    parser.add_argument("--feets-curves", type=int, default=3)
    arguments = parser.parse_args()
    print(describe_machine())
    print(f"{arguments.points} points a curve, one thread")
    ours = report_ours(arguments.curves, arguments.points)
    if importlib.util.find_spec("light_curve"):
        report_light_curve(arguments.curves, arguments.points, ours)
    if importlib.util.find_spec("feets"):
        report_feets(arguments.feets_curves, arguments.points, ours)


if __name__ == "__main__":
    main()
