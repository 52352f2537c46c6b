"""The exposures of real objects as a table for the simulator."""

from __future__ import annotations

import numpy as np

from classifier.stamps import Split
from simulator.dataset.store import open_dataset

_COLUMNS = ("exposure_time_s", "airmass", "seeing_fwhm_arcsec", "sky_adu", "zero_point_mag",
            "limiting_mag")  # fmt: skip


def write_exposures(split: Split, objects, path) -> None:
    """Write the exposures of some objects as a table for the simulator, a field for each.

    Exposures of which something is not known are left out; a limit that is not known is the
    median of the others.
    """
    from astropy.table import Table

    group = open_dataset(split.path)[split.name]
    chosen = np.asarray(objects)
    arrays = {name: group[name][:][chosen] for name in ("mjd", "band", *_COLUMNS)}
    limit = arrays["limiting_mag"]
    arrays["limiting_mag"] = np.where(np.isfinite(limit), limit, np.nanmedian(limit))
    used = np.arange(split.longest) < split.n_epochs[chosen][:, None]
    for name in ("mjd", *_COLUMNS):
        used &= np.isfinite(arrays[name])
    table = Table({name: arrays[name][used].astype(float) for name in ("mjd", *_COLUMNS)})
    table["band"] = np.array(split.bands)[arrays["band"][used]]
    table["field"] = np.broadcast_to(chosen[:, None], used.shape)[used]
    names = np.array([ccd.name for ccd in split.profile.camera.ccds])
    ccd = group["ccd"][:][chosen]
    if names.size and (ccd >= 0).all():
        table["ccd"] = np.broadcast_to(names[ccd][:, None], used.shape)[used]
    table.write(path)
