"""``subtract``: the difference of two images of the same field, and what changed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skyreel import commands
from skyreel.commands import NOTHING_WRITTEN, command, new_app

app = new_app()


@command(app, stopped=NOTHING_WRITTEN)
def subtract(
    science: Annotated[Path, typer.Argument(metavar="SCIENCE.fits", help="Image to search.")],
    template: Annotated[
        Path, typer.Argument(metavar="TEMPLATE.fits", help="Earlier image on the same pixel grid.")
    ],
    out: Annotated[
        Path,
        typer.Option(help="FITS file of the difference, its noise, mask, kernels and detections."),
    ],
    method: Annotated[
        str, typer.Option(help="'alard-lupton' (fitted kernel) or 'zogy' (from both PSFs).")
    ] = "alard-lupton",
    decorrelate: Annotated[
        bool,
        typer.Option(help="Make the noise of an Alard-Lupton difference white."),
    ] = True,
    threshold: Annotated[float, typer.Option(help="Least |S/N| of a detection.")] = 5.0,
    psf_science: Annotated[
        Path | None,
        typer.Option(
            metavar="PSF.fits", help="PSF image, odd and square.", show_default="from stars"
        ),
    ] = None,
    psf_template: Annotated[
        Path | None,
        typer.Option(
            metavar="PSF.fits", help="PSF image, odd and square.", show_default="from stars"
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Also draw both images and the difference, as .png.")
    ] = None,
    quiet: commands.Quiet = False,
) -> None:
    """Subtract a template from a science image and detect what changed.

    The image with the narrower PSF is convolved to match the other one; the difference is in
    units of the science image, with the noise of every pixel.
    """
    from simulator.difference import api

    api.subtract(
        science,
        template,
        out=out,
        method=method,
        decorrelate=decorrelate,
        threshold=threshold,
        psf_science=psf_science,
        psf_template=psf_template,
        plot=plot,
        quiet=quiet,
    )


if __name__ == "__main__":
    app()
