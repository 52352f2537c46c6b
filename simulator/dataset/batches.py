"""Shuffled batches of a data set, for training loops outside this package.

Objects are read in blocks of neighbours, because a block costs hardly more than one object of it:
the blocks come in random order, and objects are shuffled within a buffer of several blocks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from simulator.dataset.reader import open_dataset
from skyreel.errors import SimulationError

ARRAYS = ("images", "mjd", "n_epochs", "label")


def shuffled_batches(
    path: str | Path,
    split: str = "train",
    *,
    batch_size: int = 64,
    arrays: Sequence[str] = ARRAYS,
    seed: int = 0,
    block_objects: int = 256,
    buffer_blocks: int = 8,
    part: tuple[int, int] = (0, 1),
) -> Iterator[dict[str, np.ndarray]]:
    """One pass over a split in random order, in batches.

    Parameters
    ----------
    path : path
        Data set, simulated or real.
    split : str
        "train", "validation" or "test".
    batch_size : int
        Objects of a batch; the last batch of a pass may have fewer.
    arrays : sequence of str
        Names of the arrays to read.
    seed : int
        Fixes the order. Give every pass another one.
    block_objects : int
        Neighbouring objects that are read together; a multiple of the chunks of 64 objects reads
        no chunk twice.
    buffer_blocks : int
        Blocks in memory, within which objects are shuffled.
    part : (int, int)
        (worker, number of workers): this pass yields only the blocks of one worker. All workers
        together yield every object once.

    Returns
    -------
    iterator of dict of str to numpy.ndarray
        Arrays by name, the first axis being the object; types and units are those of the data set.

    Raises
    ------
    SimulationError
        There is no such data set, split or array.

    Examples
    --------
    >>> import skyreel
    >>> dataset = skyreel.simulate("hits", out="batches.zarr", n=70, quiet=True)
    >>> batch = next(shuffled_batches("batches.zarr", batch_size=32, seed=1))
    >>> batch["images"].shape[2:]
    (21, 21)
    """
    root = open_dataset(path)
    missing = [name for name in arrays if split not in root or name not in root[split]]
    if missing:
        raise SimulationError(f"{path} has no arrays {', '.join(missing)} in the split {split!r}.")
    group, rng = root[split], np.random.default_rng(seed)
    firsts = np.arange(0, group[arrays[0]].shape[0], block_objects)
    firsts = rng.permutation(firsts)[part[0] :: part[1]]
    rows = [slice(first, first + block_objects) for first in firsts]
    buffers = (rows[k : k + buffer_blocks] for k in range(0, len(rows), buffer_blocks))
    return _batches((_read(group, arrays, blocks) for blocks in buffers), batch_size, rng)


def _read(group, arrays, blocks):
    return {name: np.concatenate([group[name][rows] for rows in blocks]) for name in arrays}


def _batches(buffers, size, rng):
    """Batches of shuffled buffers; what is left of a buffer goes before the next."""
    rest = {}
    for buffer in buffers:
        order = rng.permutation(_length(buffer))
        for name, values in buffer.items():
            shuffled = values[order]
            rest[name] = np.concatenate([rest[name], shuffled]) if name in rest else shuffled
        whole = _length(rest) // size * size
        for first in range(0, whole, size):
            yield {name: values[first : first + size] for name, values in rest.items()}
        rest = {name: values[whole:] for name, values in rest.items()}
    if rest and _length(rest):
        yield rest


def _length(arrays):
    return len(next(iter(arrays.values())))
