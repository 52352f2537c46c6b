"""Noise compared with the exact distribution: moments in units of sampling errors, KS tests.

Run from the repository root: ``python -m benchmarks.noise``. Poisson counts of a known mean, with
and without read noise. Exits with 1 where mean, variance or skewness is 5 sigma off or a KS test
gives p below 1e-4.
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np

from benchmarks.machine import describe_machine
from tests.helpers.oracles import kolmogorov_smirnov, moment_deviations, recorded_electrons

MEAN_E = (3.0, 30.0, 300.0, 3000.0)
READ_NOISE_E = (0.0, 6.0)
SIGMAS = 5.0
LEAST_P = 1e-4


def report(mean_e, read_noise_e, n, seed):
    """Print a line of the table and say whether it is within the limits."""
    begin = time.perf_counter()
    recorded = recorded_electrons(mean_e, read_noise_e, n=n, seed=seed)
    nanoseconds = 1e9 * (time.perf_counter() - begin) / n
    deviations = moment_deviations(recorded, mean_e, read_noise_e)
    distance, p = kolmogorov_smirnov(recorded, mean_e, read_noise_e)
    print(
        f"{mean_e:8.0f} {read_noise_e:14.0f} "
        + " ".join(f"{deviation:9.2f}" for deviation in deviations)
        + f" {distance:10.5f} {p:9.4f} {nanoseconds:13.1f}"
    )
    return np.max(np.abs(deviations)) < SIGMAS and p > LEAST_P


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=1_000_000, help="pixels of each case")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    recorded_electrons(3.0, 0.0, n=10, seed=0)  # compile
    print(describe_machine())
    print(f"n = {arguments.n}; deviations in sampling errors")
    print(
        "mean [e] read noise [e]      mean  variance  skewness       KS D         p  ns per pixel"
    )
    within = [
        report(mean_e, read_noise_e, arguments.n, arguments.seed)
        for read_noise_e in READ_NOISE_E
        for mean_e in MEAN_E
    ]
    print("within 5 sigma and p above 1e-4" if all(within) else "MISSED")
    return 0 if all(within) else 1


if __name__ == "__main__":
    sys.exit(main())
