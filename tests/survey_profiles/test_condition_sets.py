"""Named conditions of a profile: other values of some of its keys, each with its source."""

import pytest

from survey_profiles import ProfileError, load_profile
from survey_profiles.loading import condition_names, profile_text

SETS = """
[conditions.hazy]
"weather.cloudy_night_fraction" = 0.5
"bands.g.zero_point_mag" = 24.9

[conditions.hazy.sources]
"weather.cloudy_night_fraction" = "a test"
"bands.g.zero_point_mag" = "another test"
"""


@pytest.fixture
def hazy(tmp_path):
    """A profile like that of HiTS, with conditions of its own."""

    def write(tables=SETS):
        path = tmp_path / "mine.toml"
        path.write_text(profile_text("hits") + tables)
        return path

    return write


def problems_of(path, **given):
    with pytest.raises(ProfileError) as caught:
        load_profile(path, **given)
    return {p.key: str(p) for p in caught.value.problems}


def test_conditions_replace_their_keys_and_the_sources_of_these(hazy):
    path = hazy()
    profile = load_profile(path, conditions="hazy")
    assert profile.weather.cloudy_night_fraction == 0.5
    assert profile.bands["g"].zero_point_mag == 24.9
    assert profile.source("weather.cloudy_night_fraction") == "a test"
    assert profile.source("bands.g.zero_point_mag") == "another test"
    changed = {"weather", "bands", "sources"}
    assert profile.model_dump(exclude=changed) == load_profile("hits").model_dump(exclude=changed)


def test_a_profile_as_planned_is_the_same_with_and_without_other_conditions(hazy):
    assert condition_names("hits") == ("planned",)
    assert condition_names(hazy()) == ("planned", "hazy")
    assert load_profile(hazy()) == load_profile("hits") == load_profile("hits", None, "planned")


def test_overrides_come_after_conditions_and_may_name_them(hazy):
    overrides = {"conditions": "hazy", "weather.cloudy_night_fraction": "0.25"}
    profile = load_profile(hazy(), overrides)
    assert profile.weather.cloudy_night_fraction == 0.25
    assert profile.source("weather.cloudy_night_fraction") == "set by the user"
    assert profile.bands["g"].zero_point_mag == 24.9


def test_conditions_that_a_profile_does_not_have_are_refused(hazy):
    assert (
        "found 'delivered'; allowed: planned."
        in problems_of("hits", conditions="delivered")["conditions"]
    )
    found = problems_of(hazy(), overrides={"conditions": "haze"})
    assert "found 'haze'; allowed: planned, hazy." in found["conditions"]


@pytest.mark.parametrize(
    ("tables", "key", "message"),
    [
        (
            '[conditions.hazy]\n"sky.night_scatter_dex" = 0.1\n',
            "conditions.hazy.sky.night_scatter_dex",
            "without a source",
        ),
        (
            '[conditions.hazy]\n[conditions.hazy.sources]\n"sky.airmas" = "x"\n',
            "conditions.hazy.sources.sky.airmas",
            "unknown key",
        ),
        (
            '[conditions.hazy]\n"sky.nite" = 1\n[conditions.hazy.sources]\n"sky.nite" = "x"\n',
            "sky.nite",
            "no such key",
        ),
        ("[conditions.planned]\n", "conditions", "stands for"),
        ("[conditions]\nhazy = 3\n", "conditions", "a table of tables"),
    ],
)
def test_tables_of_conditions_that_make_no_profile_are_refused(hazy, tables, key, message):
    assert message in problems_of(hazy(tables), conditions="hazy")[key]


def test_a_file_without_sources_needs_none_in_its_conditions(hazy, tmp_path):
    text = profile_text("hits")
    text = text[: text.index("[sources]")] + SETS[: SETS.index("[conditions.hazy.sources]")]
    path = tmp_path / "plain.toml"
    path.write_text(text)
    profile = load_profile(path, conditions="hazy")
    assert profile.source("weather.cloudy_night_fraction") == "set by the user"
