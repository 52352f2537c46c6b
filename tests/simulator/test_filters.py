"""Transmission curves of a profile: integrated as sncosmo does, refused where they cannot be."""

import numpy as np
import pytest
import sncosmo

from simulator import Options, Simulator, load_profile
from simulator.lightcurves.filters import bandpass, own_curve
from simulator.lightcurves.protocol import Bands
from simulator.lightcurves.star_colours import StarColours
from simulator.lightcurves.supernovae.sed_templates import hsiao_source
from simulator.lightcurves.supernovae.seds import WAVE_ANGSTROM, band_weights
from simulator.rng import Draws, Purpose
from simulator.scene.galaxies import GalaxyPopulation
from skyreel.errors import ProfileError

TOP_HAT = [[5000.0, 1.0], [6200.0, 1.0]]
DES_G = bandpass("desg")
DES_G_POINTS = np.stack([DES_G.wave_angstrom, DES_G.transmission], axis=1).tolist()


def curve_of(points):
    profile = load_profile("hits", {"bands.r.transmission": points})
    return own_curve("r", profile.bands["r"])


def bands_with(curve):
    return Bands(("g", "r"), ("desg", "desr"), 0, (None, curve))


def test_a_top_hat_gives_the_magnitudes_of_sncosmo():
    curve, source = curve_of(TOP_HAT), hsiao_source()
    flux = source.flux(0.0, WAVE_ANGSTROM)
    ours = -2.5 * np.log10(band_weights([curve, DES_G])[:, 0] @ flux)
    judged = sncosmo.Bandpass(curve.wave_angstrom, curve.transmission)
    desg = sncosmo.Bandpass(DES_G.wave_angstrom, DES_G.transmission)
    theirs = [source.bandmag(each, "ab", 0.0) for each in (judged, desg)]
    assert np.diff(ours)[0] == pytest.approx(np.diff(theirs)[0], abs=0.01)  # 10 A sums


def test_a_copy_of_a_tabulated_curve_changes_no_colour():
    own, tabulated = bands_with(curve_of(DES_G_POINTS)), Bands(("g", "r"), ("desg", "desg"))
    draws = Draws(3, np.arange(50), Purpose.PHYSICS)
    assert np.abs(StarColours(own).draw(draws)).max() < 1e-3
    offsets = [GalaxyPopulation(bands)._offset for bands in (own, tabulated)]
    np.testing.assert_allclose(*offsets, atol=2e-3)


def test_redder_curves_make_cool_stars_brighter():
    draws = Draws(3, np.arange(50), Purpose.PHYSICS)
    colours = [
        StarColours(bands_with(curve_of([[low, 1.0], [low + 1000.0, 1.0]])))
        .draw(draws)[:, 1]
        .mean()
        for low in (4000.0, 5500.0, 7000.0, 9000.0)
    ]
    assert np.all(np.diff(colours) < 0)


def test_a_survey_with_its_own_curve_simulates_every_class():
    profile = load_profile("hits", {"bands.g.transmission": [[4200.0, 0.5], [5100.0, 0.9]]})
    own = Simulator(profile, Options(seed=2)).batch("train", np.arange(28))
    other = Simulator(load_profile("hits"), Options(seed=2)).batch("train", np.arange(28))
    magnitude = own.epochs["magnitude"]
    assert np.isfinite(magnitude[own.objects["label"] == 0]).any()
    assert not np.array_equal(magnitude, other.epochs["magnitude"], equal_nan=True)


@pytest.mark.parametrize(
    ("points", "problem"),
    [
        ([[5000.0, 1.0], [4900.0, 1.0]], "increasing wavelengths"),
        ([[500.0, 1.0], [600.0, 1.0]], "from 3000 to 11500 Angstrom"),
        ([[5000.0, 1.0]], "increasing wavelengths"),
        ([[5000.0, 0.0], [6000.0, 0.0]], "equivalent width above 100 Angstrom"),
        ([[5000.0, 1.0], [5050.0, 1.0]], "equivalent width above 100 Angstrom"),
        ([[5000.0, -1.0], [6000.0, 1.0]], "greater than or equal to 0"),
        ("mine.csv", "transmission"),
    ],
)
def test_a_curve_that_cannot_be_used_is_refused(points, problem):
    with pytest.raises(ProfileError, match=problem):
        load_profile("hits", {"bands.g.transmission": points})


def test_an_unknown_filter_is_named_with_its_nearest():
    with pytest.raises(ValueError, match=r"'dseg' is not tabulated.*nearest: 'desg'"):
        bandpass("dseg")
