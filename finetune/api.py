"""The commands of this package as Python functions; each writes what its command writes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skyreel.commands import n_cores
from skyreel.console import new_console
from skyreel.output_paths import check_folder

if TYPE_CHECKING:
    from classifier.models.protocol import Model
    from finetune.domain_gap.gap import DomainGap


def ingest(
    path: str | Path,
    *,
    source: str,
    out: str | Path | None = None,
    survey: str | None = None,
    size_pix: int | None = None,
    labels: str | Path | None = None,
    classes: Iterable[str] = (),
    quiet: bool = False,
) -> Path:
    """Convert real sequences into a data set; its path.

    Parameters
    ----------
    path : path
        Folder, file, archive or data set to read.
    source : str
        Format: "hits", "ztf", "rubin" or "zarr".
    out : path, optional
        Data set to write; by default the name of ``path`` with the suffix .zarr.
    survey : str, optional
        Survey profile, by name or file; by default that of the format.
    size_pix : int, optional
        Rows and columns of a stamp, odd; by default the most common.
    labels : path, optional
        Table of labels: CSV, ECSV, FITS, Parquet or JSON.
    classes : iterable of str
        Classes to keep; by default all.
    quiet : bool
        Whether nothing is printed.

    Raises
    ------
    UserError, RunError

    Examples
    --------
    >>> path = ingest("hits.zarr", source="zarr", out="copy.zarr", quiet=True)
    >>> path.name
    'copy.zarr'
    """
    from finetune.ingest.conversion import Request, run_request

    path = Path(path)
    out = Path(out or f"{path.resolve().name.split('.')[0] or 'real'}.zarr")
    request = Request(
        reader=source,
        path=path,
        out=out,
        survey=survey,
        size_pix=size_pix,
        quiet=quiet,
        labels=None if labels is None else Path(labels),
        classes=tuple(classes),
    )
    run_request(request)
    return out


def finetune(
    model: str | Path,
    real: str | Path,
    *,
    out: str | Path,
    per_class: Iterable[int] = (10,),
    also: Iterable[str] = (),
    threads: int | None = None,
    quiet: bool = False,
    **options: Any,
) -> Model:
    """Adapt a network to real labelled sequences, report the gain; the adapted model.

    Parameters
    ----------
    model : str or path
        Shipped network by name, or folder of a network.
    real : path
        Data set of real labelled sequences.
    out : path
        Folder of the report and of the adapted model.
    per_class : iterable of int
        Training objects per class of the reported draws.
    also : iterable of str
        Other methods to report.
    threads : int, optional
        By default the number of CPU cores.
    quiet : bool
        Whether nothing is printed.
    **options
        Others of `finetune.options.Options`: ``trials``, ``method``, ``simulated``, ``seed``, ...

    Raises
    ------
    UserError, RunError
    """
    from finetune.cli.finetune import adapt_and_report
    from finetune.options import Options

    out = Path(out)
    check_folder(out)
    chosen = Options(
        model=str(model), real=Path(real), per_class=tuple(per_class), also=tuple(also), **options
    )
    command = f"skyreel.finetune({str(model)!r}, {str(real)!r}, out={str(out)!r})"
    return adapt_and_report(chosen, out, n_cores(threads), new_console(quiet), command)


def domain_gap(
    real: str | Path,
    *,
    out: str | Path = "gap",
    survey: str | None = None,
    profile_overrides: dict[str, str] | None = None,
    split: str = "test",
    quiet: bool = False,
    **settings: Any,
) -> DomainGap:
    """Measure the gap between real objects and their simulation, and report it.

    Parameters
    ----------
    real : path
        Data set of real labelled sequences.
    out : path
        Folder of the report.
    survey : str, optional
        Survey profile, by name or file; by default that of the data set.
    profile_overrides : dict, optional
        Replaced values of the profile by key.
    split : str
    quiet : bool
        Whether nothing is printed.
    **settings
        Of `finetune.domain_gap.gap.Settings`: ``images``, ``matched``, ``seed``, ...

    Raises
    ------
    UserError, RunError
    """
    from classifier.dataset import DatasetSplit
    from finetune.cli.domain_gap import compare_and_report, profile_for
    from finetune.domain_gap.gap import Settings

    out = Path(out)
    check_folder(out)
    chosen = DatasetSplit(real, split)
    chosen.refuse_empty()
    profile = profile_for(chosen, survey, profile_overrides or {})
    command = f"skyreel.domain_gap({str(real)!r}, out={str(out)!r})"
    console = new_console(quiet)
    return compare_and_report(chosen, profile, Settings(**settings), out, console, command)
