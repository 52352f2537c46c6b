"""Published spectral series, read through sncosmo: packaged ones, or a user's sncosmo cache.

Files are opened by path, not through sncosmo's registry, so nothing is downloaded.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from simulator.lightcurves.supernovae.seds import WAVE_ANGSTROM
from skyreel.errors import SimulationError

if TYPE_CHECKING:
    from sncosmo import TimeSeriesSource

HSIAO_FILE = Path("models/hsiao/Hsiao_SED_V3.fits")
# Type II in sncosmo's list of built-in sources; SN 1987A is left out as peculiar.
SAKO_II = ("000018", "001472", "003818", "014599")
VINCENZI_II = (
    *("ASASSN14jb", "ASASSN15oz", "SN1999em", "SN2004et", "SN2007od", "SN2008bj", "SN2008in"),
    *("SN2009N", "SN2009bw", "SN2009dd", "SN2009ib", "SN2009kr", "SN2012A", "SN2012aw"),
    *("SN2013ab", "SN2013am", "SN2013by", "SN2013ej", "SN2013fs", "SN2014G", "SN2016X"),
    "SN2016bkv",
)
II_FILES = (
    *(Path(f"models/sako/S11_SDSS-{name}.SED") for name in SAKO_II),
    *(Path(f"models/vincenzi/V19_{name}_HostExtCorr.SED") for name in VINCENZI_II),
)
_VISIBLE_FRACTION = 0.01  # of the V-band peak: templates often begin with empty spectra


def check_directory(templates: Path) -> None:
    """Refuse a template directory that is not there."""
    if not Path(templates).is_dir():
        raise SimulationError(
            f"templates: {templates} is not a directory; give an sncosmo data cache."
        )


def hsiao_source(templates: Path | None = None) -> TimeSeriesSource:
    """The SN Ia of Hsiao et al. (2007) as an sncosmo source.

    The packaged subsample (5 d steps), or the full V3 when ``templates`` is given.
    """
    import sncosmo

    if templates is None:
        return sncosmo.get_source("hsiao-subsampled")
    path = Path(templates) / HSIAO_FILE
    if not path.is_file():
        raise SimulationError(
            f"templates: the SN Ia spectra {path} are missing; give an sncosmo cache."
        )
    return sncosmo.TimeSeriesSource(*sncosmo.read_griddata_fits(str(path)), name="hsiao")


def type_ii_sources(templates: Path) -> list[TimeSeriesSource]:
    """The SNe II of Sako et al. (2011) and Vincenzi et al. (2019) found under ``templates``."""
    import sncosmo

    paths = [Path(templates) / file for file in II_FILES]
    found = [path for path in paths if path.is_file()]
    if not found:
        raise SimulationError(
            f"templates: no SN II spectra such as {paths[0]} or {paths[-1]}; give an sncosmo cache."
        )
    return [_linear_source(sncosmo, path) for path in found]


def _linear_source(sncosmo, path):
    grid = sncosmo.read_griddata_ascii(str(path))
    return sncosmo.TimeSeriesSource(*grid, zero_before=True, time_spline_degree=1, name=path.stem)


def first_visible_phase_day(source: TimeSeriesSource) -> float:
    """The first phase at which the rest-frame V light is above 1 % of its peak."""
    phase_day = np.arange(source.minphase(), source.maxphase(), 0.25)
    light = np.nan_to_num(source.bandflux("bessellv", phase_day))
    return float(phase_day[np.argmax(light > _VISIBLE_FRACTION * light.max())])


def spectra(source: TimeSeriesSource, phase_day: np.ndarray) -> np.ndarray:
    """Flux density at WAVE_ANGSTROM, (phase, wavelength); ends of the source's range are held."""
    phase_day = np.clip(phase_day, source.minphase(), source.maxphase())
    wave_angstrom = np.clip(WAVE_ANGSTROM, source.minwave(), source.maxwave())
    unique_angstrom, inverse = np.unique(wave_angstrom, return_inverse=True)
    return np.maximum(source.flux(phase_day, unique_angstrom), 0.0)[:, inverse]
