"""What a run will make, how large and how long, before it starts.

The estimate is measured: a few sequences are made in memory and compressed.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numcodecs import Blosc

from simulator.dataset.inputs import InputFile, input_files
from simulator.dataset.schema import ArraySpec, array_specs
from simulator.dataset.writer import codec_options, shard_shape
from simulator.options import MAGNITUDE_LAWS, SPLITS, Options
from simulator.plugins import plugins_of
from simulator.simulator import VALUES_VERSION, Simulator
from skyreel.console import size_text
from skyreel.errors import SimulationError
from skyreel.provenance import versions
from survey_profiles.loading import PLANNED, load_profile

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
_PLANES_SAMPLE = 28  # with templates and differences, which are larger and slower
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

    @cached_property
    def inputs(self) -> dict[str, InputFile]:
        """Files that the data depend on, by role."""
        options = self.simulator.options
        tabulated = options.magnitudes not in MAGNITUDE_LAWS
        return input_files(
            {
                "exposures": options.exposures,
                "magnitudes": options.magnitudes if tabulated else None,
                "templates": options.templates,
                "psf_library": self.simulator.profile.psf.library,
            }
        )

    def settings(self) -> dict[str, Any]:
        """Everything the data depend on, as plain values."""
        options = self.simulator.options.as_dict()
        profile = self.simulator.profile.model_dump(mode="json")
        for role, file in self.inputs.items():
            if role == "psf_library":
                profile["psf"]["library"] = file.label
            else:
                options[role] = file.label
        plugins = plugins_of(self.simulator.classes)
        return {
            **({"plugins": plugins} if plugins else {}),
            "counts": self.counts,
            "options": options,
            "profile": profile,
            "classes": list(self.simulator.classes),
            "bands": list(self.simulator.band_names),
            "versions": {**versions(*PACKAGES), "simulated_values": VALUES_VERSION},
        }

    @property
    def total(self) -> int:
        """Objects of all splits."""
        return sum(self.counts.values())

    def specs(self) -> tuple[ArraySpec, ...]:
        """The arrays of every split."""
        simulator = self.simulator
        return array_specs(
            simulator.parameters, simulator.options.planes, artefacts=simulator.has_artefacts
        )

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
        options, count = self.simulator.options, _SAMPLE
        if options.has_planes:
            shard, _ = shard_shape(self.specs(), self.simulator.n_epochs, options.stamp_size_pix)
            count = min(_PLANES_SAMPLE, shard)
        indices = np.arange(count)
        self.simulator.batch("train", indices[:1] if count < _SAMPLE else indices)  # compile
        start = time.perf_counter()
        sample = self.simulator.batch("train", indices)
        pixels = {"images": sample.images, "mask": sample.mask, **sample.planes}
        size = sum(
            len(Blosc(**codec_options(spec)).encode(pixels[spec.name]))
            for spec in self.specs()
            if spec.name in pixels
        )
        seconds = time.perf_counter() - start
        size += sum(a.nbytes for a in (*sample.epochs.values(), *sample.objects.values()))
        copies = sum(file.size_bytes for file in self.inputs.values() if file.is_copied)
        return size / count * self.total + copies, seconds / count * self.total / threads

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
                f"{self.path}: {self.total:,} sequences need about {size_text(expected_bytes)} "
                f"and {size_text(free)} are free there; ask for fewer, or write elsewhere."
            )


def make_plan(
    survey: str | Path,
    options: Options,
    path: str | Path,
    *,
    n: int,
    validation: int | None = None,
    test: int | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Plan:
    """A checked plan; ``validation`` and ``test`` are n/8 unless given.

    Parameters
    ----------
    survey : str or Path
        Name of a profile, or a TOML file.
    path : str or Path
        The data set to make.
    n : int
        Objects of the training split.
    overrides : mapping of dotted key to value, optional
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
            raise SimulationError(
                f"{count:,} sequences for {split}; allowed are {low} to {MAX_OBJECTS:,}."
            )
    if options.exposures and (overrides or {}).get("conditions", PLANNED) != PLANNED:
        raise SimulationError("conditions of the profile and of exposures: choose one of the two.")
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
