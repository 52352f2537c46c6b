"""The command ``ingest``: real sequences of a survey as a data set."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from finetune.readers import reader_names

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def ingest(
    path: Annotated[Path, typer.Argument(help="Folder, file, archive or data set to read.")],
    source: Annotated[str, typer.Option("--from", help=f"Format: {', '.join(reader_names())}.")],
    out: Annotated[
        Path | None, typer.Option(help="Data set to make.", show_default="name of PATH.zarr")
    ] = None,
    survey: Annotated[
        str | None,
        typer.Option(help="Survey profile: a name, or a TOML file.", show_default="the format's"),
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
        typer.Option(help="CSV table with the columns candid or object, and label."),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(help="Keep these classes alone: SN,AST", show_default="all"),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing but errors.")] = False,
):
    """Read real image sequences into the layout that simulated ones have.

    They become the split 'test'. Files that cannot be read are named and left out.
    """
    from finetune.ingest.conversion import Request, run_request

    name = path.resolve().name.split(".")[0] or "real"
    run_request(
        Request(
            reader=source,
            path=path,
            out=out or Path(f"{name}.zarr"),
            survey=survey,
            size_pix=size,
            quiet=quiet,
            labels=labels,
            classes=tuple(filter(None, map(str.strip, (classes or "").split(",")))),
        )
    )


def main() -> None:
    """Entry point: one sentence and exit code 2 for a bad request, 1 for a failed run."""
    from skyreel.errors import Interrupted, RunError, UserError

    try:
        app()
    except UserError as error:
        print(f"ingest: {error}", file=sys.stderr)
        sys.exit(2)
    except RunError as error:
        print(f"ingest: {error}", file=sys.stderr)
        sys.exit(1)
    except Interrupted:
        print("ingest: stopped; nothing was written.", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
