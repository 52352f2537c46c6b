"""Models by kind, and cards of earlier versions."""

import json

import pytest

from classifier.models.model_card import CARD, model_identity, read_card, upgraded
from classifier.models.registry import KINDS, open_model
from skyreel.errors import ClassifierError

CARD_0_1 = {
    "format_version": 1,
    "kind": "network",
    "network": "compact",
    "choices": {"beta": 2.5},
    "classes": ["SN", "NV"],
    "survey": "hits",
    "size_pix": 21,
    "showing": {"images": 22, "start_fractions": [], "band": "g"},
    "options": {"network": "compact", "choices": {}, "turned": True},
}


def written(folder, card):
    folder.mkdir(exist_ok=True)
    (folder / CARD).write_text(json.dumps(card))
    return folder


def test_a_card_of_version_0_1_is_read_with_the_keys_of_today(tmp_path):
    card = read_card(written(tmp_path / "a", CARD_0_1), kind="network", keys=("selection",))
    assert card["selection"] == {"images": 22, "start_fractions": [], "bands": ["g"]}
    assert card["options"]["rotate"] is True
    assert card["assumed_psf"] == {"fwhm_pix": 4.0, "beta": 2.5}
    assert not {"showing", "turned"} & (card.keys() | card["options"].keys())
    assert read_card(written(tmp_path / "b", card)) == card


def test_settings_of_version_0_1_are_those_of_today():
    run = {"options": {"method": "committee", "also": ["committee", "head"]}, "model": CARD_0_1}
    found = upgraded(run)
    assert found["options"] == {"method": "ensemble", "also": ["ensemble", "head"]}
    assert found["model"] == upgraded(CARD_0_1) == upgraded(upgraded(CARD_0_1))
    assert upgraded({"recipe": {"images": 3}, "grid": [1]}) == {
        "feature_config": {"images": 3},
        "grid": [1],
    }


def test_an_unknown_kind_is_one_sentence(tmp_path):
    folder = written(tmp_path / "a", {**CARD_0_1, "kind": "oracle"})
    with pytest.raises(ClassifierError, match="is of a 'oracle', which is not supported by"):
        open_model(folder)
    assert set(KINDS) == {
        "network",
        "stamp",
        "forest",
        "alert-forest",
        "autoencoder",
        "logistic-regression",
        "ensemble",
        "alert-ensemble",
    }


def test_the_identity_covers_numbers_and_cards_of_subfolders_and_nothing_else(tmp_path):
    written(tmp_path, CARD_0_1)
    inner = written(tmp_path / "inner", CARD_0_1)
    (inner / "weights.npz").write_bytes(b"numbers")
    found = [model_identity(tmp_path, CARD_0_1)]
    (tmp_path / "notes.md").write_text("nothing of the model")
    assert model_identity(tmp_path, CARD_0_1) == found[0]
    (inner / "weights.npz").write_bytes(b"other numbers")
    found.append(model_identity(tmp_path, CARD_0_1))
    (inner / CARD).write_text(json.dumps({**CARD_0_1, "survey": "ztf"}))
    found.append(model_identity(tmp_path, CARD_0_1))
    (tmp_path / "forest_01.skops").write_bytes(b"trees")
    found.append(model_identity(tmp_path, CARD_0_1))
    (inner / "weights.npz").rename(tmp_path / "weights.npz")
    found.append(model_identity(tmp_path, CARD_0_1))
    assert len(set(found)) == 5
