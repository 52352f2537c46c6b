"""A forecast for LSST: what 20 % wider seeing costs, object by object.

Run:

    python examples/lsst_forecast.py lsst-multiband forecasts/
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

WIDER = 1.2


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", help="model trained on LSST: name or folder")
    parser.add_argument("out", type=Path, help="folder of the two forecasts and the tables")
    parser.add_argument("--n", type=int, default=20_000, help="objects with images")
    parser.add_argument("--pointings", type=int, default=512, help="sequences of exposures")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(argv)


def exposures(path: Path, n: int, seed: int, widening: float) -> Path:
    """Write the exposures of ``n`` drawn pointings, with seeing wider by a factor.

    The depth of a point source in front of a bright sky falls by 2.5 log10 of that factor.
    """
    from astropy.table import Table

    from survey_profiles import draw_pointings, load_profile

    profile = load_profile("lsst")
    pointings = draw_pointings(profile, seed, n)
    field, epoch = np.nonzero(np.isfinite(pointings.mjd))
    columns = {
        name: getattr(pointings, name)[field, epoch]
        for name in ("mjd", "exposure_time_s", "airmass", "sky_adu", "zero_point_mag")
    }
    seeing = pointings.seeing_fwhm_arcsec[field, epoch]
    columns["seeing_fwhm_arcsec"] = seeing * widening
    loss_mag = 2.5 * np.log10(widening)
    columns["limiting_mag"] = pointings.limiting_mag[field, epoch] - loss_mag
    columns["band"] = np.array(profile.band_names)[pointings.band[field, epoch]]
    columns["field"] = field.astype(str)
    used = columns["seeing_fwhm_arcsec"] <= profile.seeing.max_fwhm_arcsec
    path.parent.mkdir(parents=True, exist_ok=True)
    Table(columns)[used].write(path, overwrite=True)
    return path


def main(argv: list[str] | None = None) -> None:
    """Compare planned exposures with the same ones under wider seeing."""
    import skyreel

    asked = parse(argv)
    tables = [
        exposures(asked.out / name, asked.pointings, asked.seed, widening)
        for name, widening in (("planned.ecsv", 1.0), ("wider.ecsv", WIDER))
    ]
    results = skyreel.forecast(
        "lsst",
        asked.model,
        out=asked.out / "forecast",
        schedule=tables[0],
        against=tables[1],
        n=asked.n,
        seed=asked.seed,
    )
    (difference,) = results.differences
    for name, value, error in zip(
        results.classes,
        difference.shares.values["correct"],
        difference.shares.errors["correct"],
        strict=True,
    ):
        print(f"{name}: detected and correct {value:+.3f} ± {error:.3f}")


if __name__ == "__main__":
    try:
        main()
    except ValueError as error:
        sys.exit(f"lsst_forecast: {error}")
