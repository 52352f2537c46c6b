"""One call of ``survey gap``: checked before the work, and written when all is measured."""

from __future__ import annotations

import shlex
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from classifier.dataset import DatasetSplit
from finetune.domain_gap.distances import CONSISTENT
from finetune.domain_gap.gap import Settings, expected_work, measure_gap
from finetune.domain_gap.quantities import QUANTITIES, SELECTION
from finetune.reports.domain_gap_page import PAGE, write_gap
from simulator.dataset.plan import PACKAGES
from skyreel.errors import (
    ClassifierError,
    DomainGapError,
    ExposureTableError,
    OutputError,
    ProfileError,
    SimulationError,
)
from skyreel.provenance import versions
from survey_profiles import load_profile

_BAD, _FAILED, _STOPPED = 2, 1, 130
_WIDTH_OFF_TERMINAL = 160
_SAME_SCALE = 0.02


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the command line asked for."""

    real: Path
    out: Path
    survey: str | None
    own_exposures: bool
    images: int
    matched: int
    lanczos_order: int
    split: str
    profile_set: tuple[str, ...]
    seed: int
    n_bootstrap: int
    quiet: bool

    def settings(self) -> Settings:
        """How the comparison is made."""
        return Settings(
            images=self.images,
            matched=self.matched,
            lanczos_order=self.lanczos_order,
            own_exposures=self.own_exposures,
            seed=self.seed,
            n_bootstrap=self.n_bootstrap,
        )

    def command(self) -> str:
        """The command, in its full form."""
        parts = ["survey", "gap", "--real", str(self.real), "--out", str(self.out)]
        if self.survey:
            parts += ["--survey", self.survey]
        parts += ["--exposures", "real" if self.own_exposures else "drawn", "--split", self.split]
        for name in ("images", "matched", "lanczos_order", "seed"):
            option = "partners" if name == "matched" else name.replace("_", "-")
            parts += [f"--{option}", str(getattr(self, name))]
        parts += ["--bootstrap", str(self.n_bootstrap)]
        for setting in self.profile_set:
            parts += ["--profile-set", setting]
        return shlex.join(parts)


def answer(request: Request) -> int:
    """Do what was asked; the exit code, after one sentence where it is not 0."""
    try:
        run_request(request)
    except (
        DomainGapError,
        ClassifierError,
        SimulationError,
        ProfileError,
        ExposureTableError,
    ) as error:
        print(f"survey gap: {error}", file=sys.stderr)
        return _BAD
    except OutputError as error:
        print(f"survey gap: {error}", file=sys.stderr)
        return _FAILED
    except KeyboardInterrupt:
        print("survey gap: stopped; nothing was written.", file=sys.stderr)
        return _STOPPED
    return 0


def run_request(request: Request) -> None:
    """Measure, and write the page and the record.

    Raises
    ------
    DomainGapError, ClassifierError, SimulationError, ProfileError
        It cannot be done as asked.
    OutputError
        The report cannot be written.
    """
    _check_output(request.out)
    split = DatasetSplit(request.real, request.split)
    split.refuse_empty()
    profile = _profile(request, split)
    width = None if sys.stdout.isatty() else _WIDTH_OFF_TERMINAL
    console = Console(quiet=request.quiet, width=width)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("simulated", total=expected_work(split, request.settings()))
        gap = measure_gap(split, profile, request.settings(), lambda n: progress.advance(task, n))
    about = {
        "command": request.command(),
        "survey": profile.name,
        "title": profile.title,
        "settings": asdict(request.settings()),
        "versions": versions(*PACKAGES),
    }
    write_gap(gap, about, request.out)
    for part in summary(gap):
        console.print(part)
    console.print(f"The report is {request.out / PAGE}.", soft_wrap=True)


def _check_output(out):
    if out.exists() and not out.is_dir():
        raise DomainGapError(f"--out {out} is a file; give a folder.")


def _profile(request, split):
    overrides = {}
    for setting in request.profile_set:
        key, equals, value = setting.partition("=")
        if not (key.strip() and equals):
            raise DomainGapError(
                f"--profile-set {setting!r}: write KEY=VALUE, as in psf.beta_median=3.6."
            )
        overrides[key.strip()] = value.strip()
    if not request.survey and not overrides:
        return split.profile
    profile = load_profile(request.survey or split.profile.name, overrides or None)
    if tuple(profile.bands) != tuple(split.bands):
        raise DomainGapError(
            f"the survey {profile.name!r} has the bands {', '.join(profile.bands)}, and "
            f"{request.real} has {', '.join(split.bands)}."
        )
    scales = [p.camera.pixel_scale_arcsec for p in (profile, split.profile)]
    if abs(scales[0] / scales[1] - 1) > _SAME_SCALE:
        raise DomainGapError(
            f"the survey {profile.name!r} has pixels of {scales[0]:g} arcsec, and {request.real} "
            f"has {scales[1]:g}."
        )
    return profile


_MOST_ROWS = 20


def summary(gap):
    """Tables and sentences to print."""
    yield _areas(gap)
    yield _gaps(gap)


def _areas(gap):
    names = np.unique(gap.class_names)
    title = "real or simulated? area under the curve, 0.5 is perfect"
    table = Table(title=title, title_justify="left")
    table.add_column("told by")
    for name in ("all", *names):
        table.add_column(name, justify="right")
    for label, found in (("everything", gap.overall), *gap.by_group.items()):
        cells = [found.by_class[name] for name in names]
        table.add_row(label, *(f"{a:.3f} ± {e:.3f}" for a, e in [(found.auc, found.error), *cells]))
    return table


def _gaps(gap):
    distances = {**gap.distances, **gap.selection.distances}
    found = [(distances[q.name], q) for q in (*QUANTITIES, *SELECTION)]
    found = sorted(
        (f for f in found if f[0].verdict not in (CONSISTENT, "not measured")),
        key=lambda f: -f[0].excess,
    )
    table = Table(
        title=f"{len(found)} of {len(distances)} quantities are not consistent",
        title_justify="left",
    )
    for name in ("measurement", "real", "simulated", "distance", "verdict"):
        left = name in ("measurement", "verdict")
        table.add_column(name, justify="left" if left else "right", no_wrap=True)
    table.add_column("look at", overflow="fold")
    for d, q in found[:_MOST_ROWS]:
        table.add_row(
            q.name,
            f"{d.real_median:.4g}",
            f"{d.simulated_median:.4g}",
            f"{d.wasserstein:.2f} ± {d.wasserstein_error:.2f}",
            d.verdict,
            escape(q.hint),
        )
    return table
