"""What a run will make, how large and how long, before it starts.

The estimate is measured: a few sequences are made in memory and compressed.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numcodecs import Blosc

from simulator.dataset.schema import array_specs
from simulator.options import SPLITS, Options
from simulator.plugins import plugins_of
from simulator.simulator import Simulator
from skyreel.errors import SimulationError
from skyreel.provenance import file_digest, folder_digest, versions
from survey_profiles import load_profile

PACKAGES = (
    "skyreel",
    "numpy",
    "scipy",
    "numba",
    "zarr",
    "numcodecs",
    "sncosmo",
    "galsim",
    "astropy",
)
_SAMPLE = 256
_DEEPEST_MAG = 5.0  # by which exposures may go deeper than the stars that are drawn
_HEADROOM = 1.05
MAX_OBJECTS = 2**40


@dataclass(frozen=True)
class Plan:
    """A run: the simulator, how many objects of each split, and where they go."""

    simulator: Simulator
    counts: dict[str, int]
    path: Path
    survey: str
    overrides: dict[str, str]

    def settings(self) -> dict:
        """Everything the data depends on, as plain values."""
        options = self.simulator.options.as_dict()
        for name in ("exposures", "magnitudes"):
            if options[name] and Path(options[name]).is_file():
                options[name] = f"{Path(options[name]).name} sha256:{file_digest(options[name])}"
        if options["templates"]:
            options["templates"] = f"sha256:{folder_digest(options['templates'])}"
        profile = self.simulator.profile.model_dump(mode="json")
        library = profile["psf"]["library"]
        if library:
            profile["psf"]["library"] = f"{Path(library).name} sha256:{file_digest(library)}"
        plugins = plugins_of(self.simulator.classes)
        return {
            **({"plugins": plugins} if plugins else {}),
            "counts": self.counts,
            "options": options,
            "profile": profile,
            "classes": list(self.simulator.classes),
            "bands": list(self.simulator.band_names),
            "versions": versions(*PACKAGES),
        }

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def specs(self):
        """The arrays of every split."""
        return array_specs(self.simulator.parameters)

    def class_counts(self) -> dict[str, dict[str, int]]:
        """Objects of every class in every split."""
        cycle = self.simulator.options.cycle()
        names = self.simulator.classes
        table: dict[str, dict[str, int]] = {name: {} for name in names}
        for split, n in self.counts.items():
            rest = np.arange(n - n % len(cycle), n)
            counts = np.bincount(cycle, minlength=len(names)) * (n // len(cycle))
            counts += np.bincount(self.simulator.labels(split, rest), minlength=len(names))
            for name, count in zip(names, counts, strict=True):
                table[name][split] = int(count)
        return table

    def estimate(self, threads: int) -> tuple[float, float]:
        """(bytes on disk, seconds) of the whole run, from a small sample."""
        indices = np.arange(_SAMPLE)
        self.simulator.batch("train", indices)  # compile
        start = time.perf_counter()
        sample = self.simulator.batch("train", indices)
        codec = Blosc(cname="zstd", clevel=1, shuffle=Blosc.SHUFFLE)
        size = sum(len(codec.encode(a)) for a in (sample.images, sample.mask))
        seconds = time.perf_counter() - start
        size += sum(a.nbytes for a in (*sample.epochs.values(), *sample.objects.values()))
        return size / _SAMPLE * self.total, seconds / _SAMPLE * self.total / threads

    def check_disk(self, expected_bytes: float) -> None:
        """Refuse a run that does not fit.

        Raises
        ------
        SimulationError
        """
        parent = self.path.absolute().parent
        while not parent.exists():
            parent = parent.parent
        free = shutil.disk_usage(parent).free
        already = sum(f.stat().st_size for f in self.path.rglob("*") if f.is_file())
        if expected_bytes * _HEADROOM - already > free:
            raise SimulationError(
                f"{self.path}: {self.total:,} sequences need about {expected_bytes / 1e9:.1f} GB "
                f"and {free / 1e9:.1f} GB are free there; ask for fewer, or write elsewhere."
            )


def make_plan(
    survey, options: Options, path, *, n, validation=None, test=None, overrides=None
) -> Plan:
    """A checked plan; ``validation`` and ``test`` are n/8 unless given.

    Parameters
    ----------
    survey : str or path
        Name of a profile, or a TOML file.
    overrides : dict of dotted key to value, optional
        Replaces numbers of the profile.

    Raises
    ------
    SimulationError, survey_profiles.ProfileError, survey_profiles.ExposureTableError
    """
    eighth = -(-n // 8)
    counts = dict(
        zip(SPLITS, (n, *(eighth if v is None else v for v in (validation, test))), strict=True)
    )
    for split, count in counts.items():
        low = 1 if split == "train" else 0
        if not low <= count <= MAX_OBJECTS:
            raise SimulationError(f"{count} sequences for {split}; allowed are {low} and more.")
    profile = load_profile(survey, overrides)
    simulator = Simulator(profile, options)
    depth, field = simulator.depth_mag(), profile.field
    if not field.bright_mag < depth < field.faint_mag + _DEEPEST_MAG:
        raise SimulationError(
            f"{survey}: exposures reach {depth:.1f} mag (5 sigma, median), but stars are drawn "
            f"from {field.bright_mag:g} to {field.faint_mag:g}; check zero points, exposure times "
            "and [field]."
        )
    return Plan(simulator, counts, Path(path), str(survey), dict(overrides or {}))
