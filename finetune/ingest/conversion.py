"""Conversion of real sequences into a data set, written under another name and then renamed.

The data set has its own name once it is complete. A run that fails removes what it has written; one
that was killed leaves a folder ``.unfinished``, which the next run removes.
"""

from __future__ import annotations

import os
import shlex
import shutil
import time
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from finetune.ingest.labels import Selection, read_labels
from finetune.ingest.real_arrays import as_arrays, real_specs
from finetune.ingest.report import show, write_record
from finetune.ingest.scan import MAX_SIZE_PIX, files_digest, gather
from finetune.readers import reader_named
from finetune.readers.alert_photometry import PhotometryFile
from finetune.readers.protocol import stored_name
from simulator.dataset.inputs import input_files
from simulator.dataset.plan import PACKAGES
from simulator.dataset.settings import refuse_other_settings
from simulator.dataset.writer import DatasetWriter
from simulator.options import PLANES
from skyreel.atomic_files import folder_lock, interrupts_deferred
from skyreel.console import Bars, new_console
from skyreel.errors import IngestError, Interrupted, StoreError
from skyreel.output_paths import check_folder
from skyreel.provenance import versions

SPLIT = "test"
_UNFINISHED = ".unfinished"
_AFTER_FAILURE = "Nothing is kept: make room and run the same command again."


@dataclass(frozen=True, kw_only=True)
class Request:
    """One call of ``ingest``.

    Parameters
    ----------
    reader : str
        Name of the format, see `finetune.readers`.
    path : Path
        Folder, file, archive or data set to read.
    out : Path
        Data set to write.
    survey : str or None
        Survey profile, by name or file; None: that of the format.
    size_pix : int or None
        Rows and columns of a stamp, odd; None: the most common.
    quiet : bool
    labels : Path or None
        Table of labels, see `finetune.ingest.labels.read_labels`.
    classes : tuple of str
        Classes to keep; empty: all.
    """

    reader: str
    path: Path
    out: Path
    survey: str | None
    size_pix: int | None
    quiet: bool
    labels: Path | None = None
    classes: tuple[str, ...] = ()

    def command(self) -> str:
        """The command line, in its shortest form."""
        parts = ["ingest", "--from", self.reader, str(self.path), "--out", str(self.out)]
        given = (("--survey", self.survey), ("--size", self.size_pix), ("--labels", self.labels))
        for flag, value in (*given, ("--classes", ",".join(self.classes) or None)):
            parts += [flag, str(value)] if value is not None else []
        return shlex.join(parts)


def run_request(request: Request) -> None:
    """Read, write and report.

    Raises
    ------
    UserError
        The request or the files cannot be used.
    StoreError
        The data set cannot be written.
    Interrupted
    """
    try:
        _run(request)
    except KeyboardInterrupt:
        raise Interrupted from None


def _run(request):
    start = time.perf_counter()
    console = new_console(request.quiet)
    _check_request(request)
    reader = reader_named(request.reader)
    files = reader.files(request.path)
    profile = reader.profile(request.survey)
    labels = read_labels(request.labels) if request.labels else None
    settings = _settings(request, profile, files)
    if _is_complete(request.out, settings):
        console.print(
            f"{request.out} is complete: it was made from the same input.", soft_wrap=True
        )
        return
    selection = Selection(labels, request.classes)
    with Bars(console) as bars:
        gathered = gather(reader, files, profile, bars.add("reading", len(files)), selection)
    with ExitStack() as ending:
        _write(gathered, request, settings, ending)
        seconds = time.perf_counter() - start
        write_record(
            request.out, gathered, settings=settings, command=request.command(), seconds=seconds
        )
        show(console, gathered, request.out, seconds=seconds)


def _check_request(request):
    size, out = request.size_pix, request.out
    if size is not None and not (1 <= size <= MAX_SIZE_PIX and size % 2):
        raise IngestError(f"--size {size}; allowed are odd numbers from 1 to {MAX_SIZE_PIX}.")
    check_folder(out, dataset=True)


def _settings(request, profile, files):
    """Everything the data set depends on."""
    return {
        "reader": request.reader,
        "files": len(files),
        "sha256": files_digest(files, request.path),
        "size_pix": request.size_pix,
        "labels": files_digest([request.labels], request.labels) if request.labels else None,
        "classes": list(request.classes) or None,
        "profile": profile.model_dump(mode="json"),
    }


def _is_complete(out, settings):
    """Whether the data set exists; SimulationError if ``out`` is anything else."""
    refuse_other_settings(out, settings)
    return out.is_dir() and any(out.iterdir())


def _write(gathered, request, settings, ending):
    """Write the data set, whole or not at all; from its last shard on, interrupts wait."""
    out = request.out
    unfinished = out.with_name(out.name + _UNFINISHED)
    _remove_abandoned(unfinished)
    size_pix = gathered.size_pix(request.size_pix)
    attributes = _attributes(gathered, request)
    writer = None
    try:
        with interrupts_deferred():  # what is made has a writer, and is removed below
            writer = _writer(gathered, unfinished, size_pix, settings, attributes)
        with PhotometryFile(out) as photometry:
            _fill(writer, gathered, photometry)
            ending.enter_context(interrupts_deferred(until_done=True))
            if not _is_complete(out, settings):  # another process may have made it meanwhile
                photometry.finish()
                unfinished.rename(out)
    except OSError as error:
        reason = error.strerror or error
        raise StoreError(f"{out}: cannot be written ({reason}). {_AFTER_FAILURE}") from error
    finally:
        if writer is not None:
            shutil.rmtree(unfinished, ignore_errors=True)
            writer.close()


def _writer(gathered, path, size_pix, settings, attributes):
    return DatasetWriter(
        path,
        settings=settings,
        specs=gathered.specs(real_specs(gathered.reader.extra)),
        counts={SPLIT: len(gathered.object_ids)},
        attributes=attributes,
        n_epochs=max(gathered.n_epochs),
        size_pix=size_pix,
        inputs=input_files({"psf_library": gathered.profile.psf.library}),
        after_failure=_AFTER_FAILURE,
    )


def _remove_abandoned(unfinished):
    """Remove what a killed run left; StoreError if another run is writing there."""
    if unfinished.exists():
        lock = folder_lock(unfinished)
        shutil.rmtree(unfinished, ignore_errors=True)
        os.close(lock)


def _attributes(gathered, request):
    profile = gathered.profile
    return {
        "classes": list(gathered.classes()),
        "bands": list(profile.bands),
        "survey": profile.name,
        "kind": "real",
        "planes": [PLANES[0], *(name for name in PLANES[1:] if name in gathered.more_images)],
        "source": stored_name(request.path),
        "profile": profile.model_dump(mode="json"),
        "command": stored_name(request.command()),
        "versions": versions(*PACKAGES),
    }


def _fill(writer, gathered, photometry):
    sequences, classes = gathered.sequences(), gathered.classes()
    for split, shard, first, end in writer.pending():
        batch = list(islice(sequences, end - first))
        if [s.object_id for s in batch] != gathered.object_ids[first:end]:
            raise StoreError("The input changed while it was read. Run the same command again.")
        arrays = as_arrays(
            batch,
            writer.specs,
            n_epochs=writer.shape["epoch"],
            size_pix=writer.shape["y"],
            classes=classes,
        )
        photometry.add(batch)
        writer.write_shard(split, shard, arrays)
