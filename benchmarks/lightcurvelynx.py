"""LightCurveLynx beside skyreel on one schedule: ``python -m benchmarks.lightcurvelynx``.

    pip install lightcurvelynx
    python -m benchmarks.lightcurvelynx --schedule baseline_v2.0_1yr.db

Both simulate light curves with noise of the same kind of source at the same positions, on one
core, from the same table of visits and in windows of the same length, in turn. Their sources: a
constant spectrum, a sine wave in all bands, and the packaged SN Ia spectra of Hsiao. Ours: constant
stars, RR Lyrae, and supernovae (the same Ia spectra and type II). Theirs integrate spectra over the
bands for each visit, ours interpolate tables made at the start, which is not timed; neither is the
reading of the schedule. skyreel then draws the pixels too, which LightCurveLynx does not.

LightCurveLynx would download throughputs; both use those of the profile instead. The schedule
lacks airmass and sky: they follow from place, time and depth as in `benchmarks.conditions`.
"""

from __future__ import annotations

import argparse
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.conditions import sky_of
from benchmarks.machine import describe_machine
from simulator.lightcurves.filters import bandpass, own_curve
from simulator.options import Options
from simulator.simulator import Simulator
from survey_profiles import ephemeris, load_profile
from survey_profiles.profile import Profile

AB_NJY = 31.4  # AB magnitude of 1 nJy
LONG = {"cadence.max_epochs": "200"}  # all visits of a window, but of deep drilling
COLUMNS = (
    "observationStartMJD,visitExposureTime,filter,seeingFwhmEff,fiveSigmaDepth,fieldRA,fieldDec"
)
KINDS = {"constant": "NV", "periodic": "RRL", "supernova": "SN"}


def visit_table(path: Path, profile: Profile) -> pd.DataFrame:
    """The visits of a schedule with the airmass and the sky that it lacks."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
        table = pd.read_sql_query(f"SELECT {COLUMNS} FROM observations", database)
    mjd, ra, dec = (
        table[name].to_numpy() for name in ("observationStartMJD", "fieldRA", "fieldDec")
    )
    hour = ephemeris.hour_angle_h(mjd, ra, profile.site.longitude_deg)
    altitude = ephemeris.altitude_deg(hour, dec, profile.site.latitude_deg)
    table["airmass"] = ephemeris.airmass(altitude)
    for name, rows in table.groupby("filter").indices.items():
        depth, fwhm, airmass = (
            table[column].to_numpy()[rows]
            for column in ("fiveSigmaDepth", "seeingFwhmEff", "airmass")
        )
        table.loc[rows, "skyBrightness"] = sky_of(name, depth, fwhm, airmass)
    return table.dropna().reset_index(drop=True)


def peer(path: Path, profile: Profile) -> Any:
    """The schedule and the profile's passbands as LightCurveLynx takes them."""
    from lightcurvelynx.astro_utils.passbands import Passband, PassbandGroup
    from lightcurvelynx.obstable.opsim import OpSim
    from lightcurvelynx.survey_info import SurveyInfo

    curves = {name: own_curve(name, b) or bandpass(b.filter) for name, b in profile.bands.items()}
    passbands = [
        Passband(np.column_stack([curve.wave_angstrom, curve.transmission]), "LSST", name)
        for name, curve in curves.items()
    ]
    table = OpSim(visit_table(path, profile), radius=profile.cadence.field_radius_deg)
    return SurveyInfo(table, passbands=PassbandGroup(passbands))


def peer_source(
    kind: str, ra_deg: np.ndarray, dec_deg: np.ndarray, mjd: tuple[float, float]
) -> Any:
    """A source of LightCurveLynx at given positions, with random light."""
    from lightcurvelynx.math_nodes.given_sampler import GivenValueList
    from lightcurvelynx.math_nodes.np_random import NumpyRandomFunc
    from lightcurvelynx.models.basic_models import ConstantSEDModel, SinWaveModel
    from lightcurvelynx.models.sncosmo_models import SncosmoWrapperModel

    def uniform(low, high):
        return NumpyRandomFunc("uniform", low=low, high=high)

    place = {
        "ra": GivenValueList(ra_deg),
        "dec": GivenValueList(dec_deg),
        "t0": GivenValueList(mjd),
    }
    if kind == "constant":
        return ConstantSEDModel(uniform(1e3, 1e5), **place)
    if kind == "periodic":
        light = {"brightness": uniform(1e4, 1e5), "amplitude": uniform(1e3, 1e4)}
        return SinWaveModel(**light, frequency=uniform(1.0, 3.0), **place)
    source = {"amplitude": uniform(1e-10, 1e-8), "redshift": uniform(0.05, 0.4)}
    return SncosmoWrapperModel("hsiao-subsampled", **source, **place)


def peer_light_curves(survey: Any, source: Any, n: int, window_day: float) -> int:
    """Simulate windows of light curves with LightCurveLynx and count the measurements."""
    from lightcurvelynx.simulate import simulate_lightcurves

    window = (-0.5 * window_day, 0.5 * window_day)
    found = simulate_lightcurves(
        source, n, survey, obs_time_window_offset=window, progress_bar=False
    )
    return int(found["nobs"].sum())


def our_light_curves(simulator: Simulator, n: int) -> int:
    """Simulate true fluxes, errors and measured fluxes [nJy], and count them."""
    drawn = simulator.drawn("test", np.arange(n))
    schedule, magnitude = drawn.conditions.schedule, drawn.objects.magnitude
    flux_njy = 10.0 ** (-0.4 * (magnitude - AB_NJY))
    with np.errstate(divide="ignore", invalid="ignore"):
        error_njy = flux_njy / schedule.signal_to_noise(magnitude)
    dark_njy = 10.0 ** (-0.4 * (schedule.limiting_mag - AB_NJY)) / 5.0
    error_njy = np.where(flux_njy > 0, error_njy, dark_njy)
    measured = flux_njy + error_njy * np.random.default_rng(0).standard_normal(flux_njy.shape)
    return int(np.isfinite(measured).sum())


def rate(simulate: Callable[[int], int], n: int, runs: int) -> tuple[float, float]:
    """Objects per second of one core, the best of some runs, and measurements per object."""
    simulate(min(n, 64))  # compile, and fill caches
    seconds = []
    for _ in range(runs):
        start = time.process_time()
        measurements = simulate(n)
        seconds.append(time.process_time() - start)
    return n / min(seconds), measurements / n


def compare(path: Path, kind: str, survey: Any, n: int, runs: int) -> None:
    """Print the rates of both programs for one kind of source."""
    profile = load_profile("lsst", LONG)
    simulator = Simulator(profile, Options(classes={KINDS[kind]: 1}, exposures=str(path)))
    at = simulator.pointings.rows(simulator.pointing_numbers("test", np.arange(n)))
    middle_mjd = 0.5 * (np.nanmin(at.mjd, axis=1) + np.nanmax(at.mjd, axis=1))
    window_day = profile.cadence.season.window_day

    def lynx(k):
        source = peer_source(kind, at.ra_deg[:k], at.dec_deg[:k], middle_mjd[:k])
        return peer_light_curves(survey, source, k, window_day)

    ours, our_visits = rate(lambda k: our_light_curves(simulator, k), n, runs)
    pixels, _ = rate(lambda k: len(simulator.batch("test", np.arange(k)).images), n // 4, runs)
    theirs, their_visits = rate(lynx, n, runs)
    print(
        f"{kind} ({KINDS[kind]}), {our_visits:.0f} (LightCurveLynx: {their_visits:.0f}) "
        f"measurements each: skyreel {ours:,.0f} light curves/s, with pixels {pixels:,.0f}; "
        f"LightCurveLynx {theirs:,.0f}; ratio {ours / theirs:.1f}, per measurement "
        f"{ours * our_visits / theirs / their_visits:.1f}, with pixels {pixels / theirs:.2f}"
    )


def main() -> None:
    """Compare both programs on one schedule."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--schedule", type=Path, required=True, help="Rubin OpSim v2.0, SQLite")
    parser.add_argument("--n", type=int, default=1000, help="light curves of each kind")
    parser.add_argument("--runs", type=int, default=3, help="the best of so many is printed")
    given = parser.parse_args()
    print(describe_machine())
    survey = peer(given.schedule, load_profile("lsst"))
    for kind in KINDS:
        compare(given.schedule, kind, survey, given.n, given.runs)


if __name__ == "__main__":
    main()
