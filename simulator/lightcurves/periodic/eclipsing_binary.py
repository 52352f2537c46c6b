"""Eclipsing binaries: contact, semi-detached and detached, from a library of Roche models.

Periods, amplitudes and colours follow the LINEAR variables (Palaversa et al. 2013, AJ 146, 101):
contact systems its type 5 (2,246 stars), semi-detached ones its Algol type 4 (342); detached
systems are added with log P uniform to 10 d and Algol amplitudes. LINEAR is biased to large
amplitudes, and so are these; its unfiltered amplitudes are taken as those in r.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

import numpy as np

from simulator.lightcurves.periodic.periodic_star import (
    PeriodicStar,
    Shapes,
    brightened,
    letter_indices,
    random_epoch,
    relative_to,
)
from simulator.lightcurves.periodic.roche_library import DETACHED_LOG_PERIOD, SUBTYPES, read_library
from simulator.lightcurves.protocol import Bands

CONTACT, SEMI_DETACHED, DETACHED = range(len(SUBTYPES))
# LINEAR holds 87 % contact systems, helped by their duty cycle and short periods; we give the
# systems that are hard to find (13 % there) 30 %. Detection by the survey then acts on it.
SUBTYPE_FRACTION = (0.70, 0.10, 0.20)
ECLIPSE_SIGMA = 5.0
BRIGHTENED_ABOVE_LIMIT_MAG = 4.0
NODES = 513

# Percentiles of the LINEAR table (types 5 and 4): log10 period [d], amplitude and g-i [mag].
_PERCENT = np.array([1, 5, 10, 16, 25, 50, 75, 84, 90, 95, 99]) / 100
LINEAR_LOG_PERIOD = (
    (-0.670, -0.626, -0.608, -0.594, -0.573, -0.527, -0.458, -0.420, -0.370, -0.268, 0.141),
    (-0.584, -0.437, -0.349, -0.303, -0.236, -0.114, 0.089, 0.170, 0.273, 0.360, 0.654),
)
LINEAR_AMPLITUDE_MAG = (
    (0.273, 0.315, 0.333, 0.355, 0.380, 0.472, 0.592, 0.655, 0.704, 0.762, 0.946),
    (0.246, 0.329, 0.342, 0.368, 0.387, 0.478, 0.580, 0.649, 0.720, 0.863, 1.028),
)
LINEAR_ALGOL_G_I_MAG = (
    -0.490,
    -0.137,
    0.019,
    0.213,
    0.401,
    0.978,
    1.425,
    1.796,
    1.985,
    2.306,
    2.737,
)
# LINEAR's contact systems: g-i = -.53 - 2.50 log P up to this period (0.44 d), level beyond it;
# scatter is half the central 68 % of the residuals on either side.
CONTACT_G_I = (-0.53, -2.50)
CONTACT_KNEE_LOG_PERIOD, CONTACT_G_I_SCATTER = -0.36, (0.23, 0.40)
G_I_LIMITS_MAG = (-0.5, 2.7)

# Dwarfs: g-i, effective temperature and colours along the stellar locus. u-g are medians of
# LINEAR's binaries in bins of g-i; the others after Covey et al. 2007 (AJ 134, 2398). Up to g-i =
# 1.9 temperatures and r-i agree within 140 K and 0.05 mag with the table of dwarfs of E. Mamajek
# (version 2024.05.15, after Pecaut & Mamajek 2013, ApJS 208, 9); z-y = .45 (i-z).
LOCUS_G_I = np.array([-0.50, -0.20, 0.05, 0.35, 0.65, 0.95, 1.25, 1.55, 1.85, 2.15, 2.70])
LOCUS_TEMPERATURE_K = np.array(
    [9800, 8100, 7250, 6450, 5700, 5150, 4700, 4350, 4050, 3850, 3500], dtype=float
)
LOCUS_U_G = np.array([1.05, 1.08, 1.10, 1.09, 1.32, 1.69, 2.03, 2.25, 2.38, 2.43, 2.50])
LOCUS_R_I = np.array([-0.19, -0.10, -0.02, 0.08, 0.17, 0.26, 0.34, 0.43, 0.57, 0.76, 1.25])
LOCUS_I_Z = np.array([-0.15, -0.10, -0.04, 0.01, 0.07, 0.13, 0.18, 0.24, 0.32, 0.42, 0.68])
# Library systems are kept in cells of temperature (contact, semi-detached) or of log P
# (detached), so that the shape fits the colour, or the radii the period.
CELLS = (5, 3, 8)


class EclipsingBinary(PeriodicStar):
    """Eclipsing binaries of which the survey detects an eclipse; ``templates`` is not used."""

    name = "EB"
    epoch_name = "epoch_min_mjd"
    parameters = MappingProxyType(
        {
            "subtype": "0 contact, 1 semi-detached, 2 detached",
            "period_d": "orbital period [d]",
            "amplitude_mag": "peak-to-peak amplitude in the reference band [mag]",
            "epoch_min_mjd": "a time of primary minimum, star 1 eclipsed [d]",
            "mean_mag": "magnitude of the mean flux in the reference band [mag]",
            "mass_ratio": "mass of star 2 over that of star 1",
            "inclination_deg": "orbital inclination, 90 edge-on [deg]",
            "temperature_1_k": "polar temperature of star 1 [K]",
            "temperature_2_k": "polar temperature of star 2 [K]",
            "fill_out": "0 at the inner, 1 at the outer critical surface; NaN unless in contact",
            "radius_1": "polar radius of star 1 over the separation",
            "radius_2": "polar radius of star 2 over the separation",
        }
    )
    _FROM_LIBRARY = (
        "mass_ratio",
        "inclination_deg",
        "temperature_1_k",
        "temperature_2_k",
        "fill_out",
        "radius_1",
        "radius_2",
    )

    def __init__(self, bands: Bands, templates: Path | None = None) -> None:
        self.bands = bands
        self._columns = letter_indices(bands)
        self._systems, self._cells, self.shapes = _library_in(tuple(self._columns.tolist()))

    def _position(self, phase):
        return 1.0 - np.abs(2.0 * phase - 1.0)

    def _draw(self, draws, context):
        subtype = draws.choice(SUBTYPE_FRACTION)
        log_period = _log_periods(draws, subtype)
        g_i = _colours_g_i(draws, subtype, log_period)
        system = self._cells.draw(draws, subtype, log_period, _temperatures_k(g_i))
        g_i = np.where(subtype == DETACHED, self._own_g_i(system), g_i)
        mean_mag = context.magnitude_law.draw(draws, self.name)
        period_d = 10.0**log_period
        return {
            "subtype": subtype.astype(float),
            "period_d": period_d,
            "amplitude_mag": self.shapes.amplitude[self.bands.reference, system],
            "epoch_min_mjd": random_epoch(draws, context, period_d),
            "mean_mag": mean_mag,
            **{name: self._systems[name][system] for name in self._FROM_LIBRARY},
            **self._levels(mean_mag, g_i, system),
        }

    def _levels(self, mean_mag, g_i, system):
        colour = relative_to(self.bands.reference, locus_magnitudes(g_i)[:, self._columns])
        shape = np.repeat(system[:, None], len(self._columns), axis=1)
        level = mean_mag[:, None] + colour
        return {"_shape": shape, "_scale": np.ones_like(level), "_level": level}

    def _own_g_i(self, system):
        log_temperature = np.log(self._systems["temperature_1_k"][system])
        return np.interp(-log_temperature, -np.log(LOCUS_TEMPERATURE_K), LOCUS_G_I)

    def out_of_eclipse(self, parameters: dict[str, np.ndarray], band: np.ndarray) -> np.ndarray:
        """Magnitude at maximum light in each epoch's band, shape (object, epoch)."""
        brightest = self.shapes.of(self.shapes.brightest, parameters["_shape"])
        return np.take_along_axis(parameters["_level"] + brightest, band, axis=1)

    def _accepts(self, parameters, context):
        """True where an observed epoch is fainter than maximum light by 5 sigma."""
        schedule = context.schedule
        magnitude = self.magnitudes(parameters, schedule.mjd, schedule.band)
        level = self.out_of_eclipse(parameters, schedule.band)
        significant = schedule.signal_to_noise(magnitude, change_mag=level) >= ECLIPSE_SIGMA
        return np.any(significant & (magnitude > level) & schedule.observed, axis=1)

    def _brightened(self, parameters, context):
        """Put primary minimum on the deepest epoch, 4 mag above its limiting magnitude there.

        Every eclipse of the library is then detected unless the limit is a few electrons.
        """
        schedule = context.schedule
        limit = np.where(schedule.observed, schedule.limiting_mag, -np.inf)
        rows, epoch = np.arange(len(limit)), limit.argmax(axis=1)
        deepest_mjd = np.where(schedule.observed.any(axis=1), schedule.mjd[rows, epoch], 0.0)
        at_minimum = {**parameters, "epoch_min_mjd": deepest_mjd}
        magnitude = self.magnitudes(at_minimum, schedule.mjd, schedule.band)[rows, epoch]
        step = magnitude - (limit[rows, epoch] - BRIGHTENED_ABOVE_LIMIT_MAG)
        return brightened(at_minimum, np.where(np.isfinite(step), step, 0.0))


def _log_periods(draws, subtype):
    """log10 of periods [d]: LINEAR's for contact and semi-detached, uniform for detached."""
    rank = draws.uniform()
    uniform = DETACHED_LOG_PERIOD[0] + rank * np.ptp(DETACHED_LOG_PERIOD)
    return np.select(
        [subtype == CONTACT, subtype == SEMI_DETACHED],
        [_quantile(LINEAR_LOG_PERIOD[k], rank) for k in (CONTACT, SEMI_DETACHED)],
        uniform,
    )


def _quantile(percentiles, rank):
    """Inverse distribution through the table; its outer 1 % are left out."""
    return np.interp(_PERCENT[0] + rank * (_PERCENT[-1] - _PERCENT[0]), _PERCENT, percentiles)


def _colours_g_i(draws, subtype, log_period):
    """g-i: tied to the period for contact systems, LINEAR's Algols for the others."""
    normal, rank = draws.normal(), draws.uniform()
    constant, slope = CONTACT_G_I
    scatter = np.where(log_period < CONTACT_KNEE_LOG_PERIOD, *CONTACT_G_I_SCATTER)
    contact = constant + slope * np.minimum(log_period, CONTACT_KNEE_LOG_PERIOD) + scatter * normal
    g_i = np.where(subtype == CONTACT, contact, _quantile(LINEAR_ALGOL_G_I_MAG, rank))
    return np.clip(g_i, *G_I_LIMITS_MAG)


def _temperatures_k(g_i):
    return np.exp(np.interp(g_i, LOCUS_G_I, np.log(LOCUS_TEMPERATURE_K)))


def locus_magnitudes(g_i: np.ndarray) -> np.ndarray:
    """Magnitudes in ugrizy of dwarfs with these g-i, relative to r, shape (object, 6)."""
    u_g, r_i, i_z = (np.interp(g_i, LOCUS_G_I, c) for c in (LOCUS_U_G, LOCUS_R_I, LOCUS_I_Z))
    g = g_i - r_i
    z = -r_i - i_z
    return np.stack([g + u_g, g, np.zeros_like(g), -r_i, z, z - 0.45 * i_z], axis=-1)


def _about_mean_flux(curves):
    """Curves over half an orbit, (letter, system, node), about the magnitude of the mean flux."""
    flux = 10.0 ** (-0.4 * curves)
    mean = 0.5 * (flux[..., 1:] + flux[..., :-1]).mean(axis=-1, keepdims=True)
    return curves + 2.5 * np.log10(mean)


@lru_cache(maxsize=4)  # half a second of CPU time
def _library_in(columns):
    """Parameters of the systems of the library, their cells, and their curves in some bands."""
    library = read_library()
    curves = library.resampled(np.array(columns), NODES)
    return library.parameters, _Cells(library), Shapes(_about_mean_flux(curves))


class _Cells:
    """Library systems in cells, weighted within each to LINEAR's amplitudes.

    A system's weight is LINEAR's probability of the amplitudes nearest to its own, so the
    drawn amplitudes follow LINEAR's within the range that the cell's systems cover.
    """

    def __init__(self, library):
        amplitude = np.ptp(library.curves[:, "ugrizy".index("r")], axis=1)
        subtype, systems = library.parameters["subtype"], library.parameters
        self._edges, self._first = [], np.concatenate([[0], np.cumsum(CELLS)])
        order, cumulative = [], []
        for kind, count in enumerate(CELLS):
            members = np.flatnonzero(subtype == kind)
            name = "log_period" if kind == DETACHED else "temperature_1_k"
            place = systems[name][members]
            edges = np.quantile(place, np.arange(1, count) / count)
            self._edges.append(edges)
            for cell in range(count):
                inside = members[np.searchsorted(edges, place, side="right") == cell]
                inside = inside[np.argsort(amplitude[inside], kind="stable")]
                order.append(inside)
                target = LINEAR_AMPLITUDE_MAG[min(kind, SEMI_DETACHED)]
                shares = _amplitude_shares(amplitude[inside], target)
                cumulative.append(len(cumulative) + np.append(np.cumsum(shares)[:-1], 1.0))
        self._order, self._cumulative = np.concatenate(order), np.concatenate(cumulative)

    def draw(self, draws, subtype, log_period, temperature_k):
        """Numbers of library systems, shape (object,)."""
        cell = np.zeros(len(subtype), dtype=np.int64)
        for kind, edges in enumerate(self._edges):
            place = log_period if kind == DETACHED else temperature_k
            inside = np.searchsorted(edges, place, side="right")
            cell = np.where(subtype == kind, self._first[kind] + inside, cell)
        return self._order[np.searchsorted(self._cumulative, cell + draws.uniform())]


def _amplitude_shares(sorted_amplitude, target):
    """Probability of each amplitude's neighbourhood under a table of percentiles; sums to 1."""
    middles = 0.5 * (sorted_amplitude[1:] + sorted_amplitude[:-1])
    edges = np.concatenate([sorted_amplitude[:1], middles, sorted_amplitude[-1:]])
    shares = np.diff(np.interp(edges, target, _PERCENT))
    shares = np.maximum(shares, 1e-9)
    return shares / shares.sum()
