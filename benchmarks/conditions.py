"""Drawn LSST conditions against a schedule: ``python -m benchmarks.conditions --data DATA``.

Percentiles (5, 50, 95) of depth, FWHM_eff, sky and airmass by band, drawn from the profile and of
Rubin schedule baseline v2.0, and medians of the conditions as delivered. The airmass of the
schedule follows from place and time, its sky from ``fiveSigmaDepth`` with the throughputs it was
made with, and its depth from these with the throughputs of the profile.
"""

from __future__ import annotations

import argparse
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np

from benchmarks.machine import describe_machine
from survey_profiles import depth as depths
from survey_profiles import draw_pointings, ephemeris, load_profile
from survey_profiles.profile import Band, Profile

PERCENT = [5, 50, 95]
QUANTITIES = ("m5 [mag]", "FWHM_eff [arcsec]", "sky [mag/arcsec^2]", "airmass")
POINTINGS = 2048
# SysEngVals of rubin_sim with throughputs v1.7: C_m, dC_m, k, dark sky.
V17 = {
    "u": (23.390261, 0.371939, 0.502296, 22.960730),
    "g": (24.506791, 0.098515, 0.213738, 22.257758),
    "r": (24.489914, 0.051961, 0.125886, 21.196590),
    "i": (24.372551, 0.036845, 0.096182, 20.477419),
    "z": (24.202753, 0.024581, 0.068623, 19.599578),
    "y": (23.769195, 0.018609, 0.169504, 18.610405),
}


def drawn(profile: Profile, seed: int) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Band names and the drawn values of ``QUANTITIES``."""
    pointings = draw_pointings(profile, seed, POINTINGS)
    for index, (name, band) in enumerate(profile.bands.items()):
        used = np.isfinite(pointings.mjd) & (pointings.band == index)
        time_s = pointings.exposure_time_s[used].astype(float)
        light_adu = pointings.sky_adu[used] - depths.dark_adu(profile.camera, time_s)
        sky = depths.sky_mag_per_arcsec2(profile.camera, light_adu, time_s, band.zero_point_mag)
        width = depths.effective_fwhm_arcsec(pointings.seeing_fwhm_arcsec[used].astype(float))
        yield name, [pointings.limiting_mag[used], width, sky, pointings.airmass[used]]


def scheduled(path: Path, profile: Profile, name: str) -> list[np.ndarray]:
    """Values of ``QUANTITIES`` in the visits of a schedule in one band."""
    columns = "observationStartMJD, fieldRA, fieldDec, seeingFwhmEff, fiveSigmaDepth"
    query = f"SELECT {columns} FROM observations WHERE filter = ?"
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
        mjd, ra, dec, fwhm, depth = np.array(database.execute(query, (name,)).fetchall()).T
    hour = ephemeris.hour_angle_h(mjd, ra, profile.site.longitude_deg)
    airmass = ephemeris.airmass(ephemeris.altitude_deg(hour, dec, profile.site.latitude_deg))
    sky = sky_of(name, depth, fwhm, airmass)
    return [_depth_of(profile.bands[name], sky, fwhm, airmass), fwhm, sky, airmass]


def sky_of(name, depth_mag, fwhm_arcsec, airmass):
    """Sky of visits of two exposures of 15 s; in u one of 30 s."""
    coefficient, loss, extinction, dark = V17[name]
    exposures = 1 if name == "u" else 2
    return depths.sky_of_m5_mag_per_arcsec2(
        depth_mag - 1.25 * np.log10(exposures),
        coefficient,
        effective_fwhm_arcsec=fwhm_arcsec,
        exposure_time_s=30.0 / exposures,
        extinction_mag_per_airmass=extinction,
        airmass=airmass,
        noise_loss_mag=loss,
        dark_sky_mag_per_arcsec2=dark,
    )


def _depth_of(band: Band, sky_mag, fwhm_arcsec, airmass):
    return depths.m5_mag(
        band.m5_coefficient_mag,
        sky_mag_per_arcsec2=sky_mag,
        effective_fwhm_arcsec=fwhm_arcsec,
        exposure_time_s=band.exposure_time_s,
        extinction_mag_per_airmass=band.extinction_mag_per_airmass,
        airmass=airmass,
        noise_loss_mag=band.m5_noise_loss_mag,
        dark_sky_mag_per_arcsec2=band.dark_sky_mag_per_arcsec2,
    )


def _row(values):
    return " ".join(f"{v:5.2f}" for v in np.percentile(values, PERCENT))


def compare(path: Path, seed: int) -> None:
    """Print the table of planned conditions, and the medians of the delivered ones."""
    profile = load_profile("lsst")
    planned = dict(drawn(profile, seed))
    for k, quantity in enumerate(QUANTITIES):
        print(f"{quantity}: drawn | {path.name}")
        for name, values in planned.items():
            there = scheduled(path, profile, name)[k]
            print(f"  {name} {_row(values[k])} | {_row(there)}")
    print("delivered less planned: median m5 [mag], ratio of median FWHM_eff")
    for name, values in drawn(load_profile("lsst", conditions="delivered"), seed):
        deeper, wider = (np.median(values[k]) for k in (0, 1))
        before = [np.median(v) for v in planned[name][:2]]
        print(f"  {name} {deeper - before[0]:+.2f} {wider / before[1]:.2f}")


def main() -> None:
    """Compare with the schedule in a folder of real observations."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of real observations")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    print(describe_machine())
    compare(given.data / "lsst/schedules/baseline_v2.0_1yr.db", given.seed)


if __name__ == "__main__":
    main()
