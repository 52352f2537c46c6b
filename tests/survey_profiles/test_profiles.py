"""Profiles are complete, sourced, frozen, and say everything that is wrong with them at once."""

import json
import pickle
import sqlite3
import tomllib
from contextlib import closing

import numpy as np
import pytest
from pydantic import ValidationError

from simulator import Options, Simulator
from survey_profiles import Profile, ProfileError, load_profile, observing_conditions, profile_names
from survey_profiles.depth import m5_mag
from survey_profiles.loading import profile_text
from survey_profiles.sources import flat_items, holds_number, source_of, unsourced_keys

SURVEYS = ("hits", "lsst", "ztf")


def problems_of(overrides, survey="hits"):
    with pytest.raises(ProfileError) as caught:
        load_profile(survey, overrides)
    return {p.key: str(p) for p in caught.value.problems}


def test_the_package_brings_three_surveys():
    assert profile_names() == SURVEYS


@pytest.mark.parametrize("survey", SURVEYS)
def test_every_number_of_a_profile_has_a_source(survey):
    profile = load_profile(survey)
    numbers = [k for k, v in flat_items(profile.model_dump(exclude={"sources"})) if holds_number(v)]
    assert len(numbers) > 60
    assert all(len(profile.source(key)) > 5 for key in numbers)


@pytest.mark.parametrize("survey", SURVEYS)
def test_a_profile_survives_json_and_pickle(survey):
    profile = load_profile(survey)
    assert Profile.model_validate(json.loads(json.dumps(profile.model_dump()))) == profile
    assert pickle.loads(pickle.dumps(profile)) == profile


def test_a_profile_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        load_profile("hits").camera.gain_e_per_adu = 2.0


def test_hits_uses_g_alone_and_62_ccds():
    profile = load_profile("hits")
    assert profile.cadence.bands == ("g",) and tuple(profile.bands) == ("g", "r", "i")
    assert len(profile.camera.ccds) == 62


def test_overrides_are_toml_values_and_become_the_users():
    profile = load_profile("hits", {"cadence.bands": '["g", "r"]', "psf.model": "kolmogorov"})
    assert profile.cadence.bands == ("g", "r") and profile.psf.model == "kolmogorov"
    assert profile.source("cadence.bands") == "set by the user"


def test_an_overridden_gain_holds_for_every_ccd():
    profile = load_profile("hits", {"camera.gain_e_per_adu": "4.1"})
    gains = {ccd.gain_e_per_adu for ccd in profile.camera.ccds}
    assert gains | {profile.camera.gain_e_per_adu} == {4.1}


def test_all_problems_are_reported_at_once():
    found = problems_of(
        {
            "camera.gain_e_per_adu": -1,
            "psf.model": "mofat",
            "reference_band": "q",
            "cadence.max_epochs": "4",
            "seeing.nite_share": "0.1",
        }
    )
    assert set(found) == {
        "camera.gain_e_per_adu",
        "psf.model",
        "reference_band",
        "cadence",
        "seeing.nite_share",
    }
    assert "found -1; allowed: greater than or equal to 0.000001" in found["camera.gain_e_per_adu"]
    assert "Did you mean 'moffat'?" in found["psf.model"]
    assert "Did you mean 'night_share'?" in found["seeing.nite_share"]
    assert "min_epochs (15) at most max_epochs (4)" in found["cadence"]


def test_a_key_in_an_unknown_table_names_the_nearest():
    found = problems_of({"camra.gain_e_per_adu": "4"})
    assert "Did you mean 'camera.gain_e_per_adu'?" in found["camra.gain_e_per_adu"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seeing.zenith_fwhm_arcsec", "[1.0, 0.9]"),
        ("seeing.night_share", "nan"),
        ("cadence.nights", "[]"),
        ("cadence.bands", '["Y"]'),
        ("field.faint_mag", "10"),
        ("psf.model", "library"),
        ("depth.model", "m5"),
        ("site.latitude_deg", "99"),
        ("bands.g.filter", "sdssg"),
    ],
)
def test_what_no_survey_can_be_is_refused(key, value):
    assert any(key.startswith(k) or k.startswith("bands.") for k in problems_of({key: value}))


def test_an_unknown_survey_names_the_nearest():
    with pytest.raises(ProfileError, match="Did you mean 'hits'"):
        load_profile("hitz")


def hits_file(tmp_path, change):
    from importlib import resources

    text = (resources.files("survey_profiles") / "hits.toml").read_text()
    path = tmp_path / "mine.toml"
    path.write_text(change(text))
    return path


def test_a_profile_of_ones_own_is_read_from_its_path(tmp_path):
    path = hits_file(tmp_path, lambda text: text.replace('name = "hits"', 'name = "mine"', 1))
    assert load_profile(path).name == "mine"


MINIMAL = """
name = "mine"
reference_band = "r"
camera = { pixel_scale_arcsec = 0.5, gain_e_per_adu = 1.5, read_noise_e = 8 }
seeing = { zenith_fwhm_arcsec = [0.9, 1.4, 3.0] }
field = { bright_mag = 14, faint_mag = 20.5 }
site = { latitude_deg = 32.8, longitude_deg = -105.5 }
[bands]
g = { filter = "ztfg", exposure_time_s = 60, zero_point_mag = 23.6 }
r = { filter = "ztfr", exposure_time_s = 60, zero_point_mag = 23.4 }
[cadence]
bands = ["g", "r"]
[cadence.season]
first_mjd = 60000
night_gaps_day = [1, 2, 4]
blocks = [{ bands = ["g", "r"] }]
"""


@pytest.fixture
def minimal(tmp_path):
    """The path of a profile of twenty keys."""
    path = tmp_path / "mine.toml"
    path.write_text(MINIMAL)
    return path


def test_twenty_keys_make_a_survey_that_simulates(minimal):
    profile = load_profile(minimal)
    assert len(list(flat_items(tomllib.loads(MINIMAL)))) == 20
    assert profile.title == "mine" and profile.field.neighbour_faint_mag == 20.5
    assert profile.bands["r"].extinction_mag_per_airmass == 0.126
    assert profile.cadence.season.night_gap_weights == (1, 1, 1)
    found = Simulator(profile, Options(stamp_size_pix=9)).batch("train", range(35))
    assert found.objects["n_epochs"].min() >= profile.cadence.min_epochs
    assert found.objects["max_signal_to_noise"].max() > 20
    assert set(np.unique(found.objects["label"])) == set(range(7))


def test_numbers_of_a_file_without_sources_are_the_users_and_the_rest_are_defaults(minimal):
    profile = load_profile(minimal, {"psf.beta_median": "3.5"})
    assert profile.psf.beta_median == 3.5 and profile.psf.model == "moffat"
    for key in ("camera.gain_e_per_adu", "bands.g.zero_point_mag", "psf.beta_median"):
        assert profile.source(key) == "set by the user"
    assert "default" in profile.source("weather.cloudy_night_fraction")
    assert Profile.model_validate(json.loads(json.dumps(profile.model_dump()))) == profile


def test_every_key_is_described_and_keys_with_a_default_are_not_required():
    schema = Profile.model_json_schema()
    required = set()
    for table in (schema, *schema["$defs"].values()):
        required |= {f"{table['title']}.{key}" for key in table["required"]}
        for key, field in table["properties"].items():
            assert "description" in field or "$ref" in field, (table["title"], key)
    assert "Band.zero_point_mag" in required and "Camera.gain_e_per_adu" in required
    assert not required & {"Band.moonlight_factor", "Profile.title", "Profile.psf"}


def test_an_unsourced_number_and_a_source_for_nothing_are_refused(tmp_path):
    path = hits_file(tmp_path, lambda t: t.replace('"sky.airmass_exponent"', '"sky.airmas"'))
    with pytest.raises(ProfileError) as caught:
        load_profile(path)
    found = {p.key: str(p) for p in caught.value.problems}
    assert "without a source" in found["sky.airmass_exponent"]
    assert "Did you mean 'sky.airmass_exponent'?" in found["sources.sky.airmas"]


@pytest.mark.parametrize("content", [b"name = ", b"\xff\xfe"])
def test_a_file_that_is_not_toml_is_refused(tmp_path, content):
    path = tmp_path / "broken.toml"
    path.write_bytes(content)
    with pytest.raises(ProfileError, match=r"allowed: (a )?TOML"):
        load_profile(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ProfileError, match="No such file"):
        load_profile(tmp_path / "absent.toml")


def test_the_closest_source_wins():
    sources = {"bands": "a", "bands.*.sky": "b", "bands.g.sky": "c"}
    keys = ("bands.g.sky", "bands.r.sky", "bands.r.zero")
    assert [source_of(k, sources) for k in keys] == ["c", "b", "a"]
    assert unsourced_keys({"bands": {"g": {"sky": 1}}, "x": True, "y": [1]}, sources) == ["y"]


def test_lsst_zero_points_are_the_published_ones_of_an_electron():
    profile = load_profile("lsst")
    per_electron = 2.5 * np.log10(profile.camera.gain_e_per_adu)
    published = {"u": 26.524, "g": 28.508, "r": 28.361, "i": 28.171, "z": 27.782, "y": 26.818}
    for name, value in published.items():
        assert abs(profile.bands[name].zero_point_mag + per_electron - value) < 0.001


def lsst_depth(band, sky_mag, effective_fwhm_arcsec, exposure_time_s=30.0, airmass=1.0):
    return m5_mag(
        band.m5_coefficient_mag,
        sky_mag_per_arcsec2=sky_mag,
        effective_fwhm_arcsec=effective_fwhm_arcsec,
        exposure_time_s=exposure_time_s,
        extinction_mag_per_airmass=band.extinction_mag_per_airmass,
        airmass=airmass,
        noise_loss_mag=band.m5_noise_loss_mag,
        dark_sky_mag_per_arcsec2=band.dark_sky_mag_per_arcsec2,
    )


def test_m5_gives_the_published_depths():
    # SMTN-002 v1.9: dark zenith depths rounded to 0.01, at the FWHM_eff of Ivezic et al. 2019.
    theta = {"u": 0.92, "g": 0.87, "r": 0.83, "i": 0.80, "z": 0.78, "y": 0.76}
    depth = {"u": 23.70, "g": 24.97, "r": 24.52, "i": 24.13, "z": 23.56, "y": 22.55}
    for name, band in load_profile("lsst").bands.items():
        ours = lsst_depth(band, band.dark_sky_mag_per_arcsec2, theta[name])
        assert abs(ours - depth[name]) < 0.01


def test_instrument_noise_matters_less_in_long_exposures_and_bright_skies():
    band = load_profile("lsst").bands["u"]
    dark = band.dark_sky_mag_per_arcsec2
    root = 1.25 * np.log10(100.0)
    gained = lsst_depth(band, dark, 0.9, 3000.0) - lsst_depth(band, dark, 0.9) - root
    assert 0.97 * band.m5_noise_loss_mag < gained < band.m5_noise_loss_mag
    brighter = lsst_depth(band, dark - 5.0, 0.9) - lsst_depth(band, dark, 0.9) + 2.5
    assert gained == pytest.approx(brighter)


@pytest.mark.real
def test_m5_gives_the_depths_of_a_schedule_of_rubin(real_data):
    path = real_data / "lsst/schedules/opsim_v5_47columns_100visits.db"
    names = "band, skyBrightness, seeingFwhmEff, visitExposureTime, airmass, fiveSigmaDepth"
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
        visits = database.execute(f"SELECT {names} FROM observations").fetchall()
    bands = load_profile("lsst").bands
    residual = [depth - lsst_depth(bands[band], *rest) for band, *rest, depth in visits]
    assert len(residual) == 100
    assert np.abs(residual).max() < 0.001


@pytest.mark.parametrize(
    ("survey", "key", "value"),
    [
        ("lsst", "cadence.season.season_day", 1e9),
        ("lsst", "cadence.field_radius_deg", 1e6),
        ("lsst", "cadence.footprint.ra_deg", [-1e6, 1e6]),
        ("lsst", "cadence.season.pair_gap_min", [1e-6, 1e9]),
        ("hits", "weather.night_scatter_mag", 50),
        ("hits", "weather.exposure_scatter_mag", 1e10),
        ("hits", "weather.cloud_loss_mean_mag", 100),
        ("hits", "bands.g.moonlight_factor", 1e300),
        ("hits", "bands.g.zero_point_mag", -5),
        ("hits", "bands.g.exposure_time_s", 1e9),
        ("hits", "camera.gain_e_per_adu", 1e30),
        ("hits", "camera.read_noise_e", 1e20),
        ("hits", "camera.dark_current_e_per_s", 1e30),
        ("hits", "field.neighbours_per_arcmin2", 1e6),
        ("hits", "seeing.zenith_fwhm_arcsec", [1e-5, 1.0]),
    ],
)
def test_numbers_of_no_survey_are_refused(survey, key, value):
    found = problems_of({key: value}, survey)
    assert any(name.startswith(key) for name in found)


def test_positions_and_resampling_that_do_not_go_together_are_refused():
    far = {"psf.position_jitter_pix": 2, "psf.position_offset_pix": [0.5, -1]}
    assert load_profile("hits", far).psf.largest_offset_pix == 3
    found = problems_of({**far, "psf.lanczos_order": 3})
    assert "below 2 pixels where lanczos_order is above 0, not 3" in found["psf"]


def test_a_season_of_too_many_visits_is_refused():
    found = problems_of(
        {
            "cadence.season.season_day": 366,
            "cadence.season.window_day": 366,
            "cadence.season.blocks": [{"bands": ["g"] * 20}],
        },
        "lsst",
    )
    assert "at most 4,000 planned visits in window_day" in found["cadence.season"]


def test_a_byte_order_mark_changes_nothing(tmp_path):
    path = tmp_path / "survey.toml"
    path.write_text(profile_text("hits"), encoding="utf-8-sig")
    assert load_profile(path) == load_profile("hits")
    assert profile_text(path) == profile_text("hits")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a = " + "[" * 5000, "invalid TOML"),
        ("a = " + "9" * 5000, "invalid TOML"),
        ("#" * 2**22 + "\n", "4,194,305 bytes; allowed: 4,194,304"),
    ],
)
def test_text_that_python_cannot_parse_is_refused(tmp_path, text, found):
    (tmp_path / "survey.toml").write_text(text)
    with pytest.raises(ProfileError, match=found):
        load_profile(tmp_path / "survey.toml")


def test_a_timetable_that_gives_no_field_is_given_up_early(monkeypatch):
    rounds = []
    monkeypatch.setattr(
        observing_conditions,
        "_draw_round",
        lambda profile, seed, attempt, count: (
            rounds.append(attempt)
            or ({"mjd": np.full((count, 1), np.nan)}, np.zeros(count, dtype=int))
        ),
    )
    with pytest.raises(ProfileError, match="0 of 50 drawn fields"):
        observing_conditions.draw_pointings(load_profile("hits"), 1, 10)
    assert len(rounds) == 5
