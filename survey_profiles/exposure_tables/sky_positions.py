"""Sequences of visits at positions of the sky, for tables whose visits have positions.

A sequence is what falls on a position within one window of ``cadence.season.window_day``. One
longer than a season lies within the time of the table as far as that is long enough. Positions are
given, or drawn around visits, in proportion to how often the sky there is observed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from survey_profiles.exposure_tables.visits import Visits
from survey_profiles.observing_conditions import random_stream
from survey_profiles.visit_selection import VisitSelection, season_numbers

if TYPE_CHECKING:
    from survey_profiles.profile import Profile

POSITIONS = 512
MAX_ROUNDS = 20
DEFAULT_WINDOW_DAY = 150.0  # for profiles with a fixed list of nights
_POSITION_STREAM = 1001


class Sequence(NamedTuple):
    """Rows of the visits of one sequence, in order of time, and where it is.

    ``n_visits`` counts those in the window; rows are at most the first
    ``cadence.max_epochs`` of them.
    """

    rows: NDArray[np.int64]
    n_visits: int
    ra_deg: float
    dec_deg: float


def leave_out_unselected(visits: Visits, selection: VisitSelection) -> None:
    """Leave out visits that are not selected.

    Raises
    ------
    ExposureTableError
        A programme is selected that the table does not name, or nothing is left.
    """
    rows, columns = visits.rows, visits.columns
    if selection.programme != "all":
        if visits.in_deep_drilling is None:
            raise visits.table.error(
                f"{visits.table.path}: no column names the programme of a visit (target_name, "
                "scheduler_note, note); leave out --programme."
            )
        deep = visits.in_deep_drilling
        other = deep if selection.programme == "wfd" else ~deep
        rows.leave_out(other, f"not of the programme {selection.programme}")
    if (dates := selection.dates_mjd()) is not None:
        rows.leave_out((columns["mjd"] < dates[0]) | (columns["mjd"] >= dates[1]), "other dates")
    if selection.season is not None and rows.mask.any():
        used = np.flatnonzero(rows.mask)
        number = season_numbers(columns["mjd"][used], columns["ra_deg"][used], visits.first_mjd)
        other = np.zeros(len(rows.mask), dtype=bool)
        other[used] = number != selection.season
        rows.leave_out(other, f"not in season {selection.season}")
    if (position := selection.position_deg()) is not None:
        _leave_out_others(visits, position)
    if not rows.mask.any():
        reasons = "; ".join(f"{count:,} {why}" for why, count in rows.left_out.items())
        raise visits.table.error(f"{visits.table.path}: no visit can be used ({reasons}).")


def _leave_out_others(visits, position):
    """Leave out visits that do not cover a position."""
    where = _directions(visits.columns["ra_deg"], visits.columns["dec_deg"])
    cosine = np.clip(where @ _directions(*position), -1.0, 1.0)
    distance_deg = np.degrees(np.arccos(cosine))
    nearest_deg = distance_deg[visits.rows.mask].min(initial=180.0)
    if nearest_deg > visits.radius_deg:
        raise visits.table.error(
            f"{visits.table.path}: no visit in use within {visits.radius_deg:.3g} degrees of RA "
            f"{position[0]:g}, Dec {position[1]:g}; the nearest is {nearest_deg:.1f} degrees away."
        )
    visits.rows.leave_out(distance_deg > visits.radius_deg, "elsewhere")


def sequences_at_positions(
    visits: Visits,
    profile: Profile,
    seed: int,
    selection: VisitSelection,
    positions: int = POSITIONS,
) -> list[Sequence]:
    """Sequences of at least ``cadence.min_epochs`` visits.

    Raises
    ------
    ExposureTableError
        No position has one.
    """
    sky = _Sky(visits)
    rng, found, most = random_stream(seed, _POSITION_STREAM), [], 0
    for _ in range(MAX_ROUNDS):
        for sequence in sky.draw(rng, profile, selection, positions):
            most = max(most, len(sequence.rows))
            if len(sequence.rows) >= profile.cadence.min_epochs:
                found.append(sequence)
        if len(found) >= positions:
            return found[:positions]
    if found:
        return found
    raise visits.table.error(
        f"{visits.table.path}: no position has cadence.min_epochs = {profile.cadence.min_epochs} "
        f"visits in use in one season; the most found is {most}. Lower that number: "
        f"--profile-set cadence.min_epochs={max(most // 2, 1)}."
    )


def visits_at_positions(
    visits: Visits, seed: int, positions: int = POSITIONS
) -> list[NDArray[np.int64]]:
    """All rows in use, in order of time, at each of many positions drawn around visits."""
    return list(_Sky(visits).all_at_drawn(random_stream(seed, _POSITION_STREAM), positions))


class _Sky:
    """The visits in use, in order of time, searched by position."""

    def __init__(self, visits):
        from scipy.spatial import KDTree

        used = np.flatnonzero(visits.rows.mask)
        self._used = used[np.argsort(visits.columns["mjd"][used], kind="stable")]
        self._mjd = visits.columns["mjd"][self._used]
        where = visits.columns["ra_deg"][self._used], visits.columns["dec_deg"][self._used]
        self._directions = _directions(*where)
        self._tree = KDTree(self._directions)
        self._radius_deg = visits.radius_deg

    def draw(self, rng, profile, selection, count):
        """Sequences around random visits, at positions near them or at the given one."""
        given = selection.position_deg()
        anchors = rng.integers(len(self._used), size=count)
        if given is None:
            places = _scattered(rng, self._directions[anchors], self._radius_deg)
        else:
            places = np.tile(_directions(*given), (count, 1))
        shares = rng.random(count)
        for anchor, place, share in zip(anchors, places, shares, strict=True):
            rows = self._one_window(self._covering(place), anchor, share, profile.cadence)
            first = rows[: profile.cadence.max_epochs]
            yield Sequence(self._used[first], len(rows), *_angles(place))

    def all_at_drawn(self, rng, count):
        """Rows at positions around random visits."""
        anchors = rng.integers(len(self._used), size=count)
        for place in _scattered(rng, self._directions[anchors], self._radius_deg):
            rows = self._covering(place)
            yield self._used[rows[np.diff(self._mjd[rows], prepend=-np.inf) > 0]]

    def _covering(self, place):
        reach = 2.0 * np.sin(np.radians(self._radius_deg) / 2.0)
        return np.sort(np.asarray(self._tree.query_ball_point(place, reach), dtype=np.int64))

    def _one_window(self, visits, anchor, share, cadence):
        """Those of ``visits`` in one window around the anchor visit, times increasing."""
        length = cadence.season.window_day if cadence.season else DEFAULT_WINDOW_DAY
        start = self._mjd[anchor] - share * length
        if cadence.season and length > cadence.season.season_day:
            start = max(min(start, self._mjd[-1] - length), self._mjd[0])
        mjd = self._mjd[visits]
        rows = visits[(mjd >= start) & (mjd < start + length)]
        return rows[np.diff(self._mjd[rows], prepend=-np.inf) > 0]


def _directions(ra_deg, dec_deg):
    ra, dec = np.radians(ra_deg), np.radians(dec_deg)
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)


def _angles(direction):
    x, y, z = direction
    return float(np.degrees(np.arctan2(y, x)) % 360.0), float(np.degrees(np.arcsin(z)))


def _scattered(rng, directions, radius_deg):
    """Directions moved by up to the radius of a field, even over the field."""
    sideways = rng.normal(size=directions.shape)
    sideways -= directions * (sideways * directions).sum(axis=1, keepdims=True)
    sideways /= np.linalg.norm(sideways, axis=1, keepdims=True)
    angle = np.radians(radius_deg) * np.sqrt(rng.random((len(directions), 1)))
    return directions * np.cos(angle) + sideways * np.sin(angle)
