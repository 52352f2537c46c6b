"""A network following an alert stream: ``python -m benchmarks.stream [--model FOLDER]``.

Prints alerts per second, the median and 99th percentile of what one call takes, and the CPU time
of all threads in it, for batches of several sizes, after a warm-up. Alerts are of different
objects, each of which has been seen before. Without a model the compact network is taken with
fresh weights: weights do not change the cost of a prediction.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.machine import describe_machine
from classifier.image_selection import ImageSelection
from classifier.models.recurrent import NETWORKS, build_network, trained_network
from classifier.models.recurrent.trained_network import Network
from classifier.network_inputs import AssumedPsf
from classifier.stream import Conditions, Stream

SIZE_PIX, CLASSES = 21, ("SN", "RRL", "CEP", "EB", "NV", "GAL", "AST")
SKY_ADU, GAIN, READ_NOISE_E = 300.0, 3.9, 6.0
WARM_UP_CALLS = 4
LSST_ALERTS_PER_S = 10_000 / 37  # 10,000 alerts an image, an image every 37 s


def fresh_network(name: str) -> Network:
    """A network without training."""
    variants = build_network(name, size_pix=SIZE_PIX, n_classes=len(CLASSES))
    return Network(
        Path(name), CLASSES, "none", ImageSelection(), SIZE_PIX, AssumedPsf(4.0, 3.8), {}, variants
    )


class Alerts:
    """Alerts of ``n`` objects: each call gives the next image of every one, in any band."""

    def __init__(self, n: int, size_pix: int, bands: tuple[str, ...]):
        rng = np.random.default_rng(0)
        self.names = [f"object {k}" for k in range(n)]
        noise_adu = np.sqrt(SKY_ADU / GAIN + (READ_NOISE_E / GAIN) ** 2)
        images = rng.normal(SKY_ADU, noise_adu, (n, size_pix, size_pix))
        self.images = images.astype(np.float32)
        self._mjd, self._rng, self._bands = 57000.0, rng, bands

    def next(self):
        """(names, images, conditions) of the next images."""
        self._mjd += 0.1
        conditions = Conditions(
            mjd=self._mjd,
            zero_point_mag=25.0,
            exposure_time_s=86.0,
            gain_e_per_adu=GAIN,
            seeing_fwhm_pix=float(self._rng.uniform(3, 6)),
            read_noise_e=READ_NOISE_E,
        )
        bands = self._rng.choice(self._bands, len(self.names))
        return self.names, self.images, [replace(conditions, band=str(band)) for band in bands]


def seconds_of_calls(network: Network, batch: int, seconds: float) -> tuple[np.ndarray, np.ndarray]:
    """What every call with so many alerts took, for about so long, and its CPU time."""
    stream, alerts = Stream(network), Alerts(batch, network.size_pix, network.bands)
    for _ in range(WARM_UP_CALLS):
        stream.update_many(*alerts.next())
    took, until = [], time.perf_counter() + seconds
    while time.perf_counter() < until or len(took) < 10:
        given = alerts.next()
        start, cpu = time.perf_counter(), time.process_time()
        stream.update_many(*given)
        took.append((time.perf_counter() - start, time.process_time() - cpu))
    wall, cpu = np.array(took).T
    return wall, cpu


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, help="folder of a trained network")
    parser.add_argument("--network", choices=tuple(NETWORKS), default="compact")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 32, 256, 1024])
    parser.add_argument("--seconds", type=float, default=10.0, help="for every size of batch")
    parser.add_argument("--keras", action="store_true", help="take no step by NumPy")
    arguments = parser.parse_args()
    if arguments.keras:
        trained_network.FEW = 0
    print(describe_machine())
    network = Network.open(arguments.model) if arguments.model else fresh_network(arguments.network)
    kept = Stream(network).bytes_per_object
    print(
        f"{network.name}, {kept:,} bytes kept of an object; LSST: {LSST_ALERTS_PER_S:.0f} alerts/s"
    )
    for batch in arguments.batches:
        took, cpu = seconds_of_calls(network, batch, arguments.seconds)
        middle, worst = 1e3 * np.percentile(took, [50, 99])
        print(
            f"batch {batch:5d}: {batch / took.mean():8,.0f} alerts/s, a call {middle:7.2f} ms "
            f"(median), {worst:7.2f} ms (99 %), {took.size:,} calls; CPU {1e3 * cpu.min():7.2f} ms "
            f"(best), {1e3 * np.median(cpu):7.2f} ms (median)",
            flush=True,
        )


if __name__ == "__main__":
    main()
