"""``ingest``: real sequences of a survey as a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from finetune.readers import reader_names
from skyreel import commands
from skyreel.commands import NOTHING_WRITTEN, command, new_app, split_list
from skyreel.output_paths import check_folder

app = new_app()


@command(app, stopped=NOTHING_WRITTEN)
def ingest(
    path: Annotated[Path, typer.Argument(help="Folder, file, archive or data set to read.")],
    source: Annotated[str, typer.Option("--from", help=f"Format: {', '.join(reader_names())}.")],
    out: Annotated[
        Path | None, typer.Option(help="Data set to make.", show_default="name of PATH.zarr")
    ] = None,
    survey: Annotated[
        str | None, typer.Option(help=commands.SURVEY, show_default="the format's")
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            help="Rows and columns of a stamp, odd; others are cut or padded to it.",
            show_default="most common",
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            help="Table with candid or object, and label: CSV, ECSV, FITS, Parquet or JSON."
        ),
    ] = None,
    classes: Annotated[str | None, commands.CLASSES] = None,
    quiet: commands.Quiet = False,
) -> None:
    """Read real image sequences into the layout that simulated ones have.

    They become the split 'test'. Files that cannot be read are named and left out.
    """
    name = path.resolve().name.split(".")[0] or "real"
    out = out or Path(f"{name}.zarr")
    check_folder(out, dataset=True)
    from skyreel.console import new_console, status

    with status(new_console(quiet), "Opening the files"):
        from finetune.ingest.conversion import Request, run_request

    run_request(
        Request(
            reader=source,
            path=path,
            out=out,
            survey=survey,
            size_pix=size,
            quiet=quiet,
            labels=labels,
            classes=split_list(classes),
        )
    )


if __name__ == "__main__":
    app()
