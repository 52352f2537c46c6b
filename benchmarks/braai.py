"""Real/bogus scores of braai (Duev et al. 2019, MNRAS 489, 3582) for ZTF alert packets, by label.

``python -m benchmarks.braai --network braai.keras --alerts a.avro --labels labels.csv``

The network is ZTF's own and no part of skyreel. ``--alerts`` names Avro files, or folders of them;
``--labels`` a table with ``candid`` and ``label``, or the truth table that ``simulate --alerts``
writes (``candid``, ``class``, ``magnitude``; a transient fainter than the detection by a magnitude
or more is a residual). For every label the share of scores above 0.5 is printed, all and by ranges
of the magnitude, with binomial errors.
"""

from __future__ import annotations

import argparse
import gzip
import io
import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import fastavro
import numpy as np
import pandas as pd
from astropy.io import fits

from benchmarks.machine import describe_machine

CUTOUTS = ("Science", "Template", "Difference")
SIZE_PIX = 63
THRESHOLD = 0.5
TRANSIENTS = ("SN", "TDE", "KN", "AST")
FAINTER_MAG = 1.0
MAGNITUDES = (0.0, 17.0, 18.0, 19.0, 20.0, 99.0)


def packets(paths: list[str]) -> Iterator[dict]:
    """Packets of Avro files, and of those in folders."""
    for path in map(Path, paths):
        for file in sorted(path.rglob("*.avro")) if path.is_dir() else [path]:
            with file.open("rb") as opened:
                yield from fastavro.reader(opened)


def triplet(packet: dict) -> np.ndarray:
    """Cutouts (row, column, 3) as braai takes them: missing pixels 0, each of unit norm."""
    planes = np.full((SIZE_PIX, SIZE_PIX, 3), 1e-9)
    for k, name in enumerate(CUTOUTS):
        content = gzip.decompress(packet[f"cutout{name}"]["stampData"])
        data = np.nan_to_num(fits.getdata(io.BytesIO(content), ignore_missing_simple=True))
        norm = np.linalg.norm(data)
        rows, columns = data.shape
        planes[:rows, :columns, k] = data / norm if norm > 0 else data
    return planes.astype(np.float32)


def labels_of(path: str) -> pd.DataFrame:
    """``label`` by candid, and ``magnitude``: the true one, where the table has it."""
    table = pd.read_parquet(path) if path.endswith(".parquet") else pd.read_csv(path)
    table = table.rename(columns={"class": "label"}).astype({"candid": "int64"})
    table["magnitude"] = table.get("magnitude", np.nan)
    return table.set_index("candid")[["label", "magnitude"]]


def named(packet: dict, labels: pd.DataFrame) -> str:
    """The label of a packet; of a transient much fainter than the detection, a residual."""
    if packet["candid"] not in labels.index:
        return "unlabelled"
    label, true_mag = labels.loc[packet["candid"]]
    is_residual = label in TRANSIENTS and true_mag > packet["candidate"]["magpsf"] + FAINTER_MAG
    return f"{label}, residual of its host or neighbours" if is_residual else str(label)


def line(scores: np.ndarray) -> str:
    """Share above the threshold, its binomial error (half an alert at least), and the number."""
    share = (scores > THRESHOLD).mean()
    error = np.sqrt(max(share * (1 - share), 1 / scores.size / 4) / scores.size)
    return f"{share:.3f} +- {error:.3f} ({scores.size:,})"


def main() -> None:
    """Print one line for each label."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--network", required=True, help="braai_d6_m9.keras")
    parser.add_argument("--alerts", nargs="+", required=True, help="Avro files or folders")
    parser.add_argument("--labels", required=True, help="table of candid and label")
    given = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    network, labels = keras.saving.load_model(given.network, compile=False), labels_of(given.labels)
    found = [(named(packet, labels), packet) for packet in packets(given.alerts)]
    names = np.array([name for name, _ in found])
    magnitude = np.array([packet["candidate"]["magpsf"] for _, packet in found])
    images = np.stack([triplet(packet) for _, packet in found])
    scores = np.asarray(network.predict(images, batch_size=256, verbose=0)).ravel()
    print(f"{describe_machine()}; share of scores above {THRESHOLD}")
    for name in np.unique(names):
        own = names == name
        parts = [line(scores[own])]
        for low, high in pairwise(MAGNITUDES):
            chosen = own & (magnitude >= low) & (magnitude < high)
            if chosen.any():
                parts.append(f"{low:g}-{high:g}: {line(scores[chosen])}")
        print(f"{name}: " + "; ".join(parts))


if __name__ == "__main__":
    main()
