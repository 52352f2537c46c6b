"""Artefacts: light and losses in stamps, how often each kind is drawn, what they leave alone."""

from __future__ import annotations

import numpy as np
import pytest

from classifier.features.alert_features import FEATURES, single_epoch_features
from classifier.features.first_alert_planes import Planes
from simulator import Options, Simulator, load_profile
from simulator.artefacts import drawing
from simulator.artefacts.drawing import with_stars
from simulator.artefacts.kernels import (
    Artefacts,
    add_artefact,
    add_disc,
    add_template_defect,
    add_track,
    change_column,
    change_spot,
)
from simulator.artefacts.kinds import (
    DIFFERENCE_ONLY,
    NAMES,
    OF_OBJECT,
    Artefact,
    chance_of_kinds,
    parse_artefacts,
    shares_of_kinds,
)
from simulator.dataset.regenerate import simulator_of
from simulator.difference.plane_maker import (
    Neighbouring,
    misaligned,
    mistaken_psf,
    mistaken_scale,
)
from simulator.gaussian_mixture import pixel_centres
from simulator.psf.psf import Psf
from skyreel.errors import SimulationError

PROFILE = load_profile("ztf")
SHARES = PROFILE.artefacts.model_dump()
SIZE = 21


def simulator(artefacts="", classes=None, **options):
    classes = classes or {"SN": 1, "NV": 1}
    options = {"stamp_size_pix": SIZE, "seed": 4, **options}
    return Simulator(PROFILE, Options(classes=classes, artefacts=artefacts, **options))


def one(kind, *, size=1.0, angle=0.0, flux=1000.0, x=0.0, y=0.0):
    def column(value):
        return np.full((1, 1), float(value))

    numbers = (column(v) for v in (x, y, size, angle, flux))
    return Artefacts(np.array([[kind]], dtype=np.uint8), *numbers)


def round_psf(fwhm=2.5):
    def column(value):
        return np.full((1, 1), float(value))

    shape = column(fwhm), column(3.0), column(0), column(0)
    index = np.zeros((1, 1), dtype=np.int64)
    return Psf(0, *shape, np.ones(1), np.ones(1), index, column(1), np.zeros((0, 0, 0)), 1)


# What a user asks for -----------------------------------------------------------------------


def test_a_text_names_a_total_chance_or_kinds():
    assert parse_artefacts("") == (0.0, {})
    assert parse_artefacts("0.05") == (0.05, {})
    chances = parse_artefacts("ghost:0.1, Dipole")[1]
    assert chances == {Artefact.GHOST: 0.1, Artefact.DIPOLE: 0.02}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("streak", "kind 'streak'"),
        ("1.5", "chance '1.5'"),
        ("-0.1", "chance '-0.1'"),
        ("ghost:x", "chance 'x'"),
        ("ghost:nan", "chance 'nan'"),
        ("ghost,ghost", "twice"),
        ("ghost:0.6,dipole:0.6", "add up to 1.2"),
        ("none", "kind 'none'"),
    ],
)
def test_bad_texts_are_one_sentence(text, found):
    with pytest.raises(SimulationError, match=found):
        Options(artefacts=text)


def test_kinds_of_a_difference_need_that_plane():
    for kind in DIFFERENCE_ONLY:
        with pytest.raises(SimulationError, match="--planes science,template,difference"):
            simulator(NAMES[kind])
    chances = chance_of_kinds("0.1", SHARES, with_difference=False)
    assert chances[list(DIFFERENCE_ONLY)].sum() == 0
    np.testing.assert_allclose(chances.sum(), 0.1)
    whole = chance_of_kinds("0.1", SHARES, with_difference=True)
    np.testing.assert_allclose(
        whole[1:], 0.1 * np.array([SHARES[n] for n in NAMES[1:]]) / sum(SHARES.values())
    )


def test_a_profile_without_shares_is_said_so_only_where_they_are_needed():
    with pytest.raises(SimulationError, match="shares of all kinds"):
        shares_of_kinds(dict.fromkeys(SHARES, 0.0), with_difference=True)
    zero = {f"artefacts.{name}": "0" for name in SHARES}
    assert not Simulator(load_profile("ztf", overrides=zero)).has_artefacts


# Kernels ------------------------------------------------------------------------------------


def test_a_track_keeps_its_electrons_and_is_thin():
    stamp = np.zeros((21, 21), dtype=np.float32)
    add_track(stamp, 0.0, 0.0, 8.0, 0.0, 100.0)
    np.testing.assert_allclose(stamp.sum(), 800.0, rtol=1e-5)
    assert np.flatnonzero(stamp.any(axis=1)).tolist() == [10]
    stamp[:] = 0
    add_track(stamp, 200.0, 0.0, 8.0, 1.0, 100.0)  # beyond the edge
    assert not stamp.any()


def test_bad_pixels_darken_or_brighten_a_round_spot():
    stamp = np.full((21, 21), 100.0, dtype=np.float32)
    change_spot(stamp, 2.0, -3.0, 1.0, -0.75)
    assert stamp[7, 12] == 25.0 and (stamp < 100).sum() == 5
    change_spot(stamp, -5.0, 5.0, 0.5, 40.0)
    assert stamp[15, 5] == 140.0 and (stamp > 100).sum() == 1


def test_a_bad_column_has_one_end():
    for upwards, rows in ((True, np.arange(12, 21)), (False, np.arange(12))):
        stamp = np.full((21, 21), 100.0, dtype=np.float32)
        change_column(stamp, 3.0, 2.0, upwards, -1.0)
        dark = np.argwhere(stamp == 0)
        assert dark[:, 0].tolist() == rows.tolist() and set(dark[:, 1]) == {13}


def test_a_ghost_is_a_disc_of_its_area():
    stamp = np.zeros((63, 63), dtype=np.float32)
    add_disc(stamp, 0.0, 0.0, 12.0, 5.0)
    # the integral of a Fermi edge of width 1 adds pi^2 / 3 to the squared radius
    np.testing.assert_allclose(stamp.sum(), 5 * np.pi * (12**2 + np.pi**2 / 3), rtol=1e-3)


@pytest.mark.slow
def test_a_trail_crosses_the_stamp_with_its_light_per_pixel():
    grid = (*pixel_centres(31), 31)
    flat = np.zeros(31 * 31, dtype=np.float32)
    trail = one(Artefact.SATELLITE_TRAIL, size=0.0, angle=np.pi / 2, flux=200.0)
    add_artefact(flat, grid, trail, round_psf(), 0, 0, 0.0, 0.0)
    rows = flat.reshape(31, 31).sum(axis=1)
    np.testing.assert_allclose(rows, 200.0, rtol=0.03)  # 1.5 % of a Moffat profile is outside


def test_glints_are_stars_at_equal_distances():
    grid = (*pixel_centres(63), 63)
    flat = np.zeros(63 * 63, dtype=np.float32)
    trail = one(Artefact.SATELLITE_TRAIL, size=15.0, angle=0.0, flux=1000.0)
    add_artefact(flat, grid, trail, round_psf(), 0, 0, 0.0, 0.0)
    row = flat.reshape(63, 63)[31]
    peaks = [k for k in range(1, 62) if row[k] > row[k - 1] and row[k] > row[k + 1]]
    assert peaks == [1, 16, 31, 46, 61]


def test_a_template_defect_has_its_flux_and_only_that_kind_has_one():
    values = np.zeros((41, 41), dtype=np.float32)
    add_template_defect(values, one(Artefact.GHOST), 0, 0, 0.0, 0.0, 2.0)
    assert not values.any()
    defect = one(Artefact.TEMPLATE_DEFECT, size=1.5, flux=-3000.0, x=2.0)
    add_template_defect(values, defect, 0, 0, 1.0, 0.0, 2.0)
    np.testing.assert_allclose(values.sum(), -1500.0, rtol=1e-4)
    assert np.unravel_index(values.argmin(), values.shape) == (20, 23)


def test_alignment_and_psf_are_wrong_where_artefacts_say_so():
    shift = np.zeros((1, 1))
    x, y = misaligned(shift, shift, one(Artefact.DIPOLE, x=0.7, y=-0.4))
    assert (x[0, 0], y[0, 0]) == (0.7, -0.4)
    assert misaligned(shift, shift, one(Artefact.GHOST, x=0.7))[0][0, 0] == 0
    psf = mistaken_psf(round_psf(), one(Artefact.PSF_MISMATCH, size=1.2))
    assert psf.fwhm_pix[0, 0] == 2.5 * 1.2
    assert mistaken_psf(round_psf(), one(Artefact.DIPOLE, size=1.2)).fwhm_pix[0, 0] == 2.5
    scale = np.array([[2.0]])
    assert mistaken_scale(scale, one(Artefact.PSF_MISMATCH, flux=-0.05))[0, 0] == 1.9
    assert mistaken_scale(scale, one(Artefact.GHOST, flux=-0.05))[0, 0] == 2.0


def test_one_more_star_is_added_where_there_is_one():
    columns = np.arange(4.0).reshape(2, 2)
    stars = Neighbouring(np.array([2, 1]), columns, columns, np.ones((2, 2, 3)))
    more = with_stars(stars, np.array([True, False]), *np.array([[9.0, 9], [8.0, 8], [7.0, 7]]))
    assert more.number.tolist() == [3, 1]
    assert more.x_pix[0].tolist() == [0, 1, 9] and more.x_pix[1, :1].tolist() == [2]
    assert more.magnitude[0, 2].tolist() == [7, 7, 7]


# Drawing ------------------------------------------------------------------------------------


def kinds_drawn(made, n=3000):
    drawn = made.drawn("train", np.arange(n))
    artefacts = made._artefacts.draw(drawn.address, drawn.conditions, drawn.objects.bogus)
    return drawn, artefacts


def test_every_kind_is_drawn_as_often_as_asked():
    text = ",".join(f"{NAMES[k]}:{0.01 * k}" for k in Artefact if k not in (0, *DIFFERENCE_ONLY))
    made = simulator(text)
    drawn, artefacts = kinds_drawn(made)
    observed = drawn.conditions.schedule.observed
    free = 1 - sum(0.01 * k for k in OF_OBJECT if k not in DIFFERENCE_ONLY)
    for kind in Artefact:
        if kind == 0 or kind in DIFFERENCE_ONLY:
            continue
        found = (artefacts.kind == kind)[observed]
        chance = 0.01 * kind
        if kind in OF_OBJECT:
            n = len(drawn.address)  # objects have them, not exposures
        else:
            n, chance = found.size, chance * free
        error = np.sqrt(chance * (1 - chance) / n)
        assert abs(found.mean() - chance) < 5 * error, NAMES[kind]


def test_artefacts_of_an_object_do_not_depend_on_the_others():
    made = simulator("0.2")
    whole = kinds_drawn(made, 12)[1]
    drawn = made.drawn("train", [7])
    alone = made._artefacts.draw(drawn.address, drawn.conditions, drawn.objects.bogus)
    for together, single in zip(whole, alone, strict=True):
        np.testing.assert_array_equal(together[7], single[0])


def test_no_artefacts_change_nothing_and_bring_no_array():
    plain, none = (
        simulator().batch("train", range(4)),
        simulator("ghost:0").batch("train", range(4)),
    )
    np.testing.assert_array_equal(plain.images, none.images)
    assert "artefact" not in plain.epochs and "artefact" not in none.epochs


def test_exposures_without_an_artefact_are_the_same_to_the_last_bit():
    text = "cosmic_ray:0.1,bad_pixels:0.1,bad_column:0.1,satellite_trail:0.1,ghost:0.1"
    plain, made = (simulator(t).batch("train", range(30)) for t in ("", text))
    kind = made.epochs["artefact"]
    same = (plain.images == made.images).all(axis=(2, 3))
    assert same[kind == 0].all()
    assert set(np.unique(kind)) == {0, 4, 5, 6, 7, 8}
    for number in np.unique(kind)[1:]:
        changed = ~same[kind == number]
        assert changed.mean() > (0.5 if NAMES[number] in ("cosmic_ray", "bad_pixels") else 0.9)


def test_a_cut_stamp_and_a_saturated_star_are_in_every_exposure():
    made = simulator("detector_edge:0.5,saturated_star:0.5").batch("train", range(12))
    observed = np.isfinite(made.epochs["mjd"])
    kind = made.epochs["artefact"][:, 0]
    assert set(kind) == {Artefact.DETECTOR_EDGE, Artefact.SATURATED_STAR}
    np.testing.assert_array_equal(made.epochs["artefact"], kind[:, None] * observed)
    outside = (made.mask & 8).any(axis=(2, 3))
    assert outside[(kind == Artefact.DETECTOR_EDGE)[:, None] & observed].all()
    plain = simulator().batch("train", range(12))
    star = kind == Artefact.SATURATED_STAR
    more = made.objects["n_neighbours"].astype(int) - plain.objects["n_neighbours"]
    np.testing.assert_array_equal(more, star)


# Bogus objects ------------------------------------------------------------------------------


def test_bogus_objects_have_the_kinds_of_the_profile_and_alerts():
    made = simulator(classes={"BOGUS": 1})
    drawn, artefacts = kinds_drawn(made, 4000)
    kind = drawn.objects.bogus.kind
    shares = shares_of_kinds(SHARES, with_difference=False)
    for number in range(1, len(NAMES)):
        error = np.sqrt(max(shares[number] * (1 - shares[number]), 1e-9) / kind.size)
        assert abs((kind == number).mean() - shares[number]) < 5 * error, NAMES[number]
    shown = artefacts.kind > 0
    assert shown.any(axis=1).all()
    np.testing.assert_array_equal(artefacts.kind.max(axis=1), kind)
    single = ~np.isin(kind, [*OF_OBJECT, Artefact.DIPOLE, Artefact.PSF_MISMATCH])
    assert (shown.sum(axis=1)[single] == 1).all()
    batch = made.batch("train", range(8))
    first = batch.objects["first_alert_epoch"]
    np.testing.assert_array_equal(first, (batch.epochs["artefact"] > 0).argmax(axis=1))
    np.testing.assert_allclose(
        batch.objects["artefact_mjd"], batch.epochs["mjd"][np.arange(8), first]
    )


def test_bogus_objects_are_in_the_middle():
    made = simulator(classes={"BOGUS": 1})
    artefacts = kinds_drawn(made, 500)[1]
    shown = (artefacts.kind > 0) & ~np.isin(artefacts.kind, (Artefact.DETECTOR_EDGE,))
    assert not artefacts.x_pix[shown].any() and not artefacts.y_pix[shown].any()
    few = made.batch("train", range(40))
    trails = np.argwhere(few.epochs["artefact"] == Artefact.SATELLITE_TRAIL)
    assert len(trails)
    for i, epoch in trails:
        stamp = few.images[i, epoch].astype(float)
        noise = np.sqrt(np.median(stamp) / few.objects["gain_e_per_adu"][i])
        assert stamp[9:12, 9:12].max() > np.median(stamp) + 3 * noise


def test_artefacts_of_differences_leave_the_science_images_alone():
    """With planes: what a dipole, an error of the PSF and a template defect change."""
    options = {"planes": ("science", "template", "difference"), "classes": {"NV": 1}}
    plain = simulator(**options).batch("train", range(3))
    text = "dipole:0.3,psf_mismatch:0.3,template_defect:0.4"
    made = simulator(text, **options).batch("train", range(3))
    np.testing.assert_array_equal(plain.images, made.images)
    kind = made.epochs["artefact"]
    assert set(np.unique(kind)) <= {0, 1, 2, 9} and (kind > 0).any()
    assert set(made.planes) == set(plain.planes)


def only(kind):
    """Bogus objects of one kind."""
    chosen = {f"artefacts.{name}": "0" for name in SHARES} | {f"artefacts.{kind}": "1"}
    planes = ("science", "template", "difference")
    options = Options(classes={"BOGUS": 1}, stamp_size_pix=SIZE, planes=planes)
    return Simulator(load_profile("ztf", overrides=chosen), options)


@pytest.mark.parametrize("kind", ["dipole", "psf_mismatch"])
def test_a_bad_subtraction_leaves_more_of_a_star_than_a_good_one(kind):
    """Bogus stars have the error in some exposures; the others are subtracted as well as usual."""
    made = only(kind).batch("train", range(10))
    inner = made.planes["difference"] / np.maximum(made.planes["difference_noise_adu"], 1e-9)
    chi2 = (inner[..., 5:-5, 5:-5] ** 2).mean(axis=(2, 3))
    bad = made.epochs["artefact"] > 0
    good = np.isfinite(made.epochs["mjd"]) & ~bad
    assert np.median(chi2[bad]) > 3 * np.median(chi2[good])
    detected = made.epochs["difference_detected"]
    assert detected[bad].mean() > 5 * 0.5 / np.sqrt(bad.sum())
    assert detected[good].mean() < 0.01
    if kind == "dipole":  # their S/N is the shift, uniform in its logarithm, over its usual error
        low, high = drawing._SHIFT_PIX
        least = PROFILE.difference.threshold_sigma * PROFILE.template.registration_error_pix
        share = np.log(high / least) / np.log(high / low)
        error = np.sqrt(share * (1 - share) / bad.sum())
        assert detected[bad].mean() == pytest.approx(share, abs=5 * error)


def test_residuals_of_unmatched_stars_are_like_those_of_real_bogus_alerts():
    """In most one sign prevails: 34 alerts of ZTF at stars of magnitude 16 to 17.5."""
    made = only("psf_mismatch").batch("train", range(60))
    detected = made.epochs["difference_detected"]
    rows = np.flatnonzero(detected.any(axis=1))
    at = rows, detected.argmax(axis=1)[rows]
    planes = made.images[at], made.planes["template"][at], made.planes["difference"][at]
    found = [
        single_epoch_features(Planes.of(stamps, mask))
        for *stamps, mask in zip(*planes, made.mask[at], strict=True)
    ]
    polarity, correlation = (
        np.array(found)[:, FEATURES.index(name)] for name in ("polarity", "correlation")
    )
    real = {"polarity": 29 / 34, "correlation": 22 / 34}
    shares = {"polarity": np.abs(polarity) > 0.6, "correlation": correlation < 0.75}
    for name, inside in shares.items():
        error = np.sqrt(real[name] * (1 - real[name]) * (1 / 34 + 1 / rows.size))
        assert inside.mean() == pytest.approx(real[name], abs=5 * error), name


def test_a_template_defect_is_in_the_differences_of_one_band():
    made = only("template_defect").batch("train", range(6))
    bad = made.epochs["artefact"] == Artefact.TEMPLATE_DEFECT
    for i in range(6):
        band, used = made.epochs["band"][i], np.isfinite(made.epochs["mjd"][i])
        assert len(set(band[bad[i]])) == 1
        np.testing.assert_array_equal(bad[i], used & (band == band[bad[i]][0]))
    # the faintest is at the 5-sigma limit of the exposure, and nine in ten 0.4 mag brighter
    assert made.epochs["difference_detected"][bad].mean() > 0.7


def test_data_sets_with_artefacts_are_made_again(tmp_path):
    from simulator.api import simulate

    path = tmp_path / "a.zarr"
    counts = {"n": 8, "validation": 0, "test": 0}
    wanted = {"classes": "SN,BOGUS", "artefacts": "ghost:0.2"}
    data = simulate("ztf", out=path, **counts, **wanted, quiet=True, threads=1)
    assert tuple(data.attrs["artefacts"]) == NAMES
    again = simulator_of(path).batch("train", range(8))
    np.testing.assert_array_equal(again.images, data["train"]["images"][:])
    np.testing.assert_array_equal(again.epochs["artefact"], data["train"]["artefact"][:])
