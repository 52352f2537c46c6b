"""Host galaxies: objects sit where the light is, and chance hosts are as common as on the sky."""

import numpy as np
import pytest

from simulator.lightcurves.protocol import HostSite
from simulator.options import Options
from simulator.rng import Draws, Purpose
from simulator.scene.galaxies import Galaxies, GalaxyPopulation
from simulator.scene.host_galaxies import position_in_host
from simulator.scene.render import BULGE_ROUNDNESS
from simulator.simulator import Simulator
from skyreel.errors import SimulationError
from survey_profiles import load_profile

N = 40_000


def galaxies(e1, e2, bulge_fraction):
    one, nothing = np.ones(N), np.zeros((N, 1))
    return Galaxies(0.1 * one, nothing, bulge_fraction * one, one, one, e1 * one, e2 * one, one > 0)


def axis_ratio(x, y, angle_rad):
    """Of the positions, along an angle and across it; from medians, as bulges have long tails."""
    along = x * np.cos(angle_rad) + y * np.sin(angle_rad)
    across = y * np.cos(angle_rad) - x * np.sin(angle_rad)
    return np.median(np.abs(along)) / np.median(np.abs(across))


@pytest.mark.parametrize("e", [0.0, 0.3, 0.6])
@pytest.mark.parametrize(("bulge_fraction", "share"), [(1.0, BULGE_ROUNDNESS), (0.0, 1.0)])
def test_positions_are_as_elliptical_as_the_light(e, bulge_fraction, share):
    angle_rad = 0.4
    host = galaxies(e * np.cos(2 * angle_rad), e * np.sin(2 * angle_rad), bulge_fraction)
    draws = Draws(3, np.arange(N), Purpose.HOST)
    x, y = position_in_host(draws, host, np.full(N, HostSite.LIGHT))
    drawn = share * e
    # the median of |x| has a relative error of about 1.5 / sqrt(n) for these profiles
    assert axis_ratio(x, y, angle_rad) == pytest.approx((1 + drawn) / (1 - drawn), rel=0.05)


@pytest.fixture(scope="module")
def lsst():
    return Simulator(load_profile("lsst"))


def test_galaxies_are_as_many_as_on_the_sky(lsst):
    population = GalaxyPopulation(lsst.bands)
    cumulative = 0.1 * np.cumsum(population.counts_per_deg2_mag)
    # 92 galaxies of r < 17.77 per square degree in the SDSS main sample, without those of low
    # surface brightness (Strauss et al. 2002, AJ 124, 1810). Their Petrosian magnitudes hold 82 %
    # of the light of a de Vaucouleurs galaxy and nearly all of an exponential one (Blanton et al.
    # 2001, AJ 121, 2358), so counts of whole magnitudes are higher, by the slope below, by 1 to:
    most = 10 ** (0.55 * 2.5 * np.log10(1 / 0.82))
    assert 92 < cumulative[77] < 92 * most
    counts = np.log10(population.counts_per_deg2_mag)
    assert counts[70] - counts[60] == pytest.approx(0.55, abs=0.05)  # 0.6 in a static world
    assert (np.diff(counts[60:], 2) < 0.01).all()  # and flatter the fainter


def test_magnitudes_of_field_galaxies_follow_the_counts(lsst):
    population = GalaxyPopulation(lsst.bands)
    drawn = population.field_magnitudes(Draws(1, np.arange(N), Purpose.HOST), 17.0, 24.0)
    assert drawn.min() >= 17 and drawn.max() <= 24
    counts = population.counts_per_deg2_mag
    for limit in (21.0, 23.0):
        grid = np.linspace(17, 24, 7001)
        density = 10 ** np.interp(grid, 10 + 0.1 * np.arange(counts.size), np.log10(counts))
        expected = density[grid < limit].sum() / density.sum()
        assert abs((drawn < limit).mean() - expected) < 5 * np.sqrt(expected / N) + 1e-3


def test_chance_hosts_do_not_follow_the_magnitudes_of_the_objects(tmp_path):
    (tmp_path / "m.csv").write_text("magnitude\n18.3\n")
    profile = load_profile("hits", {"hosts.other_fraction": 1})
    found = [
        Simulator(profile, Options(classes={"NV": 1}, magnitudes=magnitudes)).batch(
            "train", np.arange(200)
        )
        for magnitudes in ("survey", str(tmp_path / "m.csv"))
    ]
    bright, faint = (one.objects["host_mag"] for one in found)
    np.testing.assert_array_equal(bright, faint)
    assert bright.max() <= profile.field.faint_mag + 0.01
    assert np.median(bright) > profile.field.faint_mag - 2  # counts rise with magnitude
    assert bright.std() > 0.3


def test_a_field_too_dense_for_its_count_is_refused():
    everywhere = {"field.neighbours_per_arcmin2": 100, "field.neighbours_scatter_dex": 0}
    dense = load_profile("ztf", everywhere)
    with pytest.raises(SimulationError, match="neighbours_per_arcmin2 = 100 gives 324 stars"):
        Simulator(dense, Options(stamp_size_pix=101))
    Simulator(dense, Options(stamp_size_pix=21))


def test_positions_beyond_the_margin_of_resampled_stamps_are_refused():
    far = load_profile("hits", {"psf.position_jitter_pix": 2, "psf.position_offset_pix": [1, 1]})
    resampled = far.model_copy(update={"psf": far.psf.model_copy(update={"lanczos_order": 3})})
    with pytest.raises(SimulationError, match=r"is 3 pixels; resampled stamps .* less than 2"):
        Simulator(resampled)
