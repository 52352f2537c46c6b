"""RR Lyrae stars of type ab and c: the population of the 483 stars of SDSS Stripe 82.

Numbers and templates are those of Sesar et al. 2010 (ApJ 708, 717), tables 2 and 3: periods,
g amplitudes and their relation, amplitude ratios, colours, and how often each template fits.
"""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from scipy.special import ndtr

from simulator.lightcurves.periodic.periodic_star import (
    PeriodicStar,
    Shapes,
    data_path,
    fourier_series,
    letter_indices,
    random_epoch,
    relative_to,
)
from simulator.lightcurves.protocol import Bands
from simulator.lightcurves.truncated_normal import truncated_normal

NODES = 513
TEMPLATE_ARCHIVE = "RRLyr_ugriz_templates.tar.gz"
C_FRACTION = 104 / 483
AMPLITUDE_LIMITS_MAG = (0.2, 1.7)


@dataclass(frozen=True)
class Kind:
    """Statistics of one type; arrays over u, g, r, i, z, with y taken as z.

    ``amplitude`` is (constant, slope with log P, rms) of the g amplitude; ``mean_mag`` absolute
    magnitudes (M_V = 0.60) at the mean log P and ``slope`` their trend with log P;
    ``colour_scatter`` the star's own offset, one number shared by all bands. ``frequency``
    counts the stars that a template fits best, from ``first_id``.
    """

    log_period: tuple[float, float]
    log_period_limits: tuple[float, float]
    amplitude: tuple[float, float, float]
    ratio: tuple[float, ...]
    ratio_scatter: tuple[float, ...]
    mean_mag: tuple[float, ...]
    slope: tuple[float, ...]
    colour_scatter: tuple[float, ...]
    shape_correlation: float
    first_id: int
    frequency: dict[str, tuple[int, ...]]


AB = Kind(
    log_period=(-0.238, 0.0516),
    log_period_limits=(-0.40, -0.04),
    amplitude=(0.074, -3.770, 0.231),
    ratio=(0.954, 1.0, 0.721, 0.577, 0.521),
    ratio_scatter=(0.066, 0.0, 0.031, 0.031, 0.033),
    mean_mag=(1.845, 0.710, 0.573, 0.542, 0.543),
    slope=(0.26, 0.29, -0.40, -0.78, -0.95),
    colour_scatter=(0.0, 0.0, -0.038, -0.056, -0.061),
    shape_correlation=0.70,
    first_id=100,
    frequency={
        "u": (65, 39, 38, 16, 18, 31, 16, 34, 18, 38, 66),
        "g": (31, 29, 23, 17, 14, 23, 21, 9, 22, 8, 9, 13, 19, 12, 11, 6, 22, 10, 13, 39, 28),
        "r": (22, 19, 23, 16, 20, 18, 15, 11, 26, 20, 16, 13, 23, 12, 18, 9, 26, 12, 43, 17),
        "i": (32, 20, 10, 4, 27, 11, 18, 18, 18, 21, 21, 23, 8, 16, 10, 37, 17, 28, 23, 17),
        "z": (57, 30, 15, 11, 15, 22, 27, 13, 16, 14, 18, 16, 7, 18, 15, 15, 19, 51),
    },
)
C = Kind(
    log_period=(-0.470, 0.0533),
    log_period_limits=(-0.62, -0.35),
    amplitude=(0.507, 0.0, 0.0912),
    ratio=(0.884, 1.0, 0.707, 0.551, 0.481),
    ratio_scatter=(0.043, 0.0, 0.021, 0.017, 0.020),
    mean_mag=(1.823, 0.670, 0.642, 0.669, 0.706),
    slope=(-0.23, 0.23, -0.35, -0.70, -0.86),
    colour_scatter=(0.0, 0.0, -0.030, -0.046, -0.056),
    shape_correlation=0.43,
    first_id=0,
    frequency={"u": (104,), "g": (74, 30), "r": (52, 52), "i": (49, 55), "z": (104,)},
)
KINDS = (AB, C)  # in the order of the parameter ``subtype``


class RRLyrae(PeriodicStar):
    """RR Lyrae stars; with ``templates`` holding the published archive, its own curves."""

    name = "RRL"
    thesis_cutoff_mag = 21.5
    parameters = MappingProxyType(
        {
            "subtype": "0 for RRab, 1 for RRc",
            "period_d": "pulsation period [d]",
            "amplitude_mag": "peak-to-peak amplitude in the reference band [mag]",
            "epoch_max_mjd": "a time of maximum light [d]",
            "mean_mag": "magnitude of the mean flux in the reference band [mag]",
            "template_id": "number of the g template of Sesar et al. 2010",
        }
    )

    def __init__(self, bands: Bands, templates: Path | None = None) -> None:
        self.bands = bands
        self._letters = ["ugrizz"[k] for k in letter_indices(bands)]
        self._columns = np.array(["ugriz".index(letter) for letter in self._letters])
        curves = template_curves(templates)
        ids = [_template_ids(letter) for letter in self._letters]
        most = max(map(len, ids))
        rows = [
            [curves[letter, k] for k in [*known, *known[:1] * (most - len(known))]]
            for letter, known in zip(self._letters, ids, strict=True)
        ]
        self.shapes = Shapes(np.array(rows))

    def _draw(self, draws, context):
        is_c = draws.uniform() < C_FRACTION
        batch = _Batch(is_c.astype(np.int64))
        log_period = np.clip(
            draws.normal(*batch.of("log_period").T), *batch.of("log_period_limits").T
        )
        amplitude_g, standard = _amplitudes_g(draws, batch, log_period)
        rank = _shape_rank(draws, batch, standard)
        scale = amplitude_g[:, None] * self._ratios(draws, batch)
        colour = self._colours(draws, batch, log_period)
        mean_mag = context.magnitude_law.draw(draws, self.name)
        period_d = 10.0**log_period
        shape = np.stack([_shape_numbers(letter, is_c, rank) for letter in self._letters], 1)
        return {
            "subtype": is_c.astype(float),
            "period_d": period_d,
            "amplitude_mag": scale[:, self.bands.reference].copy(),
            "epoch_max_mjd": random_epoch(draws, context, period_d),
            "mean_mag": mean_mag,
            "template_id": _ids_from_numbers(is_c, _shape_numbers("g", is_c, rank)),
            **self._curves(mean_mag, colour, shape, scale),
        }

    def _ratios(self, draws, batch):
        """Amplitudes over that in g; one scatter moves all bands together."""
        ratio = batch.of("ratio") + draws.normal()[:, None] * batch.of("ratio_scatter")
        return ratio[:, self._columns]

    def _colours(self, draws, batch, log_period):
        trend = batch.of("slope") * (log_period - batch.of("log_period")[:, 0])[:, None]
        own = draws.normal()[:, None] * batch.of("colour_scatter")
        magnitude = (batch.of("mean_mag") + trend + own)[:, self._columns]
        return relative_to(self.bands.reference, magnitude)


class _Batch:
    """The statistics of each object's type, shape (object, ...)."""

    def __init__(self, kind):
        self._kind = kind

    def of(self, field):
        return np.array([getattr(kind, field) for kind in KINDS])[self._kind]


def _amplitudes_g(draws, batch, log_period):
    """The g amplitude, cut at its limits, and its distance from the type's mean in sigma."""
    constant, slope, rms = batch.of("amplitude").T
    expected = constant + slope * log_period
    limits_sigma = tuple((limit - expected) / rms for limit in AMPLITUDE_LIMITS_MAG)
    amplitude = truncated_normal(draws.uniform(), expected, rms, limits_sigma)
    mean_log_period, sigma_log_period = batch.of("log_period").T
    mean = constant + slope * mean_log_period
    standard = (amplitude - mean) / np.hypot(slope * sigma_log_period, rms)
    return amplitude, standard


def _shape_rank(draws, batch, standard_amplitude):
    """Place of the star among the templates, 0 to 1, tied to the amplitude.

    Template numbers run from round to sharp curves and correlate with the g amplitude; the
    Gaussian copula keeps both that and how often each template occurs. The same rank is used
    in every band, which pairs the bands' templates.
    """
    rho = batch.of("shape_correlation")
    return ndtr(rho * standard_amplitude + np.sqrt(1 - rho**2) * draws.normal())


def _shape_numbers(letter, is_c, rank):
    """Row of each object's template among those of a band: ab first, then c."""
    first_c = len(AB.frequency[letter])
    numbers = [_by_frequency(kind.frequency[letter], rank) for kind in KINDS]
    return np.where(is_c, first_c + numbers[1], numbers[0])


def _by_frequency(frequency, rank):
    edges = np.cumsum(frequency) / np.sum(frequency)
    return np.searchsorted(edges[:-1], rank, side="right")


def _template_ids(letter):
    ids = [kind.first_id + k for kind in KINDS for k in range(len(kind.frequency[letter]))]
    return [str(number) for number in ids]


def _ids_from_numbers(is_c, numbers):
    first_c = len(AB.frequency["g"])
    return np.where(is_c, C.first_id + numbers - first_c, AB.first_id + numbers).astype(float)


def template_curves(templates: Path | None = None) -> dict[tuple[str, str], np.ndarray]:
    """Curves from 0 at maximum to about 1 at minimum, by (letter, id), shape (node,).

    From the published archive if ``templates`` holds it, otherwise from order-10 Fourier fits
    of it (rms 0.002 of the amplitude).
    """
    archive = Path(templates) / TEMPLATE_ARCHIVE if templates else None
    if archive is not None and archive.is_file():
        return _published_curves(archive)
    return _fourier_curves()


def _fourier_curves():
    phase = np.linspace(0.0, 1.0, NODES)
    lines = data_path("rrlyrae_templates_fourier10.csv").read_text().splitlines()[2:]
    curves = {}
    for letter, number, *coefficients in (line.split(",") for line in lines):
        c0, *rest = map(float, coefficients)
        curve = fourier_series(phase, c0, np.array(rest[:10]), np.array(rest[10:]))
        curves[letter, number] = curve - curve[0]
    return curves


def _published_curves(archive):
    phase = np.linspace(0.0, 1.0, NODES)
    curves = {}
    with tarfile.open(archive) as members:
        for member in filter(lambda m: m.name.endswith(".dat"), members):
            at, value = np.loadtxt(members.extractfile(member), unpack=True)
            stem = Path(member.name).stem
            curves[stem[-1], stem[:-1]] = np.interp(phase, at, value, period=1.0)
    return curves
