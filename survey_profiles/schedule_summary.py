"""What a schedule or visit table holds, in numbers and as tables of the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from survey_profiles import depth as depths
from survey_profiles.exposure_tables import read_visits
from survey_profiles.exposure_tables.sky_positions import visits_at_positions
from survey_profiles.exposure_tables.visits import Visits
from survey_profiles.observing_conditions import BandValues
from survey_profiles.visit_selection import VisitSelection, season_numbers

if TYPE_CHECKING:
    from rich.table import Table

    from survey_profiles.profile import Profile

_POSITIONS = 256
_PERCENTILES = (5, 50, 95)
_QUARTILES = (25, 50, 75)
_SAME_NIGHT_DAY = 0.5


def read_schedule(
    path: str | Path, profile: Profile, selection: VisitSelection | None = None, seed: int = 0
) -> tuple[Visits, dict[str, Any]]:
    """The visits of a schedule that are selected, and their summary.

    Parameters
    ----------
    path : str or Path
    profile : Profile
    selection : VisitSelection, optional
    seed : int
        Of the positions at which gaps and visits are counted.

    Returns
    -------
    Visits
    dict
        Plain values: visits, dates, bands (percentiles 5, 50, 95), seasons, programmes, visits and
        gaps at positions, rows left out, and what is derived. Widths are effective (FWHM_eff) in
        arcsec, skies are in mag/arcsec^2.

    Raises
    ------
    skyreel.errors.ExposureTableError
    """
    visits = read_visits(path, profile, selection)
    used = np.flatnonzero(visits.rows.mask)
    columns = {name: values[used] for name, values in visits.columns.items()}
    night = np.unique(np.round(columns["mjd"] + profile.site.longitude_deg / 360.0))
    summary = {
        "schedule": str(path),
        "survey": profile.name,
        "visits": len(used),
        "first_mjd": float(columns["mjd"].min()),
        "last_mjd": float(columns["mjd"].max()),
        "nights": len(night),
        "bands": _by_band(profile, columns),
        "seasons": _by_season(profile, columns, visits.first_mjd),
        "programmes": _by_programme(visits, used),
        "positions": _at_positions(visits, seed),
        "left_out": dict(visits.rows.left_out),
        "derived": list(visits.notes),
    }
    return visits, summary


def _by_band(profile, columns):
    sky = depths.sky_mag_per_arcsec2(
        profile.camera,
        columns["sky_adu"] - depths.dark_adu(profile.camera, columns["exposure_time_s"]),
        columns["exposure_time_s"],
        BandValues(profile, columns["band"])["zero_point_mag"],
    )
    shown = {
        "depth_mag": columns["limiting_mag"],
        "fwhm_eff_arcsec": depths.effective_fwhm_arcsec(columns["seeing_fwhm_arcsec"]),
        "sky_mag_per_arcsec2": sky,
        "airmass": columns["airmass"],
    }
    found = {}
    for number, name in enumerate(profile.band_names):
        mine = columns["band"] == number
        if mine.any():
            exposure = float(np.median(columns["exposure_time_s"][mine]))
            found[name] = {
                "visits": int(mine.sum()),
                "exposure_time_s": exposure,
                **{key: _percentiles(values[mine]) for key, values in shown.items()},
            }
    return found


def _percentiles(values, which=_PERCENTILES):
    return [float(value) for value in np.percentile(values, which)]


def _by_season(profile, columns, first_mjd):
    season = season_numbers(columns["mjd"], columns["ra_deg"], first_mjd)
    return {
        int(number): {
            name: int(((season == number) & (columns["band"] == k)).sum())
            for k, name in enumerate(profile.band_names)
        }
        for number in np.unique(season)
    }


def _by_programme(visits, used):
    if visits.in_deep_drilling is None:
        return None
    deep = int(visits.in_deep_drilling[used].sum())
    return {"wfd": len(used) - deep, "ddf": deep}


def _at_positions(visits, seed):
    """Visits and gaps between nights at drawn positions."""
    places = visits_at_positions(visits, seed, _POSITIONS)
    mjd = visits.columns["mjd"]
    gaps = [np.diff(mjd[rows]) for rows in places]
    nights = np.concatenate([gap[gap > _SAME_NIGHT_DAY] for gap in gaps])
    return {
        "drawn": len(places),
        "visits": _percentiles([len(rows) for rows in places]),
        "night_gap_day": _percentiles(nights, _QUARTILES) if nights.size else None,
    }


# --- Tables of the terminal ---------------------------------------------------------------------


def summary_tables(summary: Mapping[str, Any]) -> Iterator[str | Table]:
    """Sentences and tables of a summary, for a console of rich."""
    yield (
        f"{summary['visits']:,} visits in {summary['nights']:,} nights, MJD "
        f"{summary['first_mjd']:.2f} to {summary['last_mjd']:.2f}, with the profile "
        f"{summary['survey']}."
    )
    yield _band_table(summary["bands"])
    yield _season_table(summary["seasons"], list(summary["bands"]))
    yield from _sentences(summary)


def _band_table(bands):
    from rich.table import Table

    table = Table("band", "visits", title="Percentiles 5, 50, 95", title_justify="left")
    for heading in ("exposure [s]", "depth [mag]", "FWHM_eff [arcsec]", "sky [mag]", "airmass"):
        table.add_column(heading, justify="right")
    for name, band in bands.items():
        table.add_row(
            name,
            f"{band['visits']:,}",
            f"{band['exposure_time_s']:g}",
            *(
                " ".join(f"{value:.2f}" for value in band[key])
                for key in ("depth_mag", "fwhm_eff_arcsec", "sky_mag_per_arcsec2", "airmass")
            ),
        )
    return table


def _season_table(seasons, bands):
    from rich.table import Table

    table = Table("season", title="Visits by observing season", title_justify="left")
    for name in (*bands, "all"):
        table.add_column(name, justify="right")
    for number, counts in seasons.items():
        row = [counts[name] for name in bands]
        table.add_row(str(number), *(f"{count:,}" for count in (*row, sum(row))))
    return table


def _sentences(summary):
    if summary["programmes"]:
        counts = summary["programmes"]
        yield f"Programmes: {counts['wfd']:,} wide (wfd), {counts['ddf']:,} deep drilling (ddf)."
    places = summary["positions"]
    low, median, high = places["visits"]
    yield (
        f"At {places['drawn']} positions drawn near visits: {median:.0f} visits in the median "
        f"(5 to 95 %: {low:.0f} to {high:.0f})."
    )
    if places["night_gap_day"]:
        gaps = ", ".join(f"{gap:.1f}" for gap in places["night_gap_day"])
        yield f"Gaps between nights, quartiles: {gaps} d."
    for reason, count in summary["left_out"].items():
        yield f"{count:,} row{'s' if count > 1 else ''} left out: {reason}."
    yield from summary["derived"]
