"""A folder that is no network any more is refused in one sentence."""

import shutil

import pytest

from classifier.models.recurrent.trained_network import Network
from skyreel.errors import ClassifierError
from tests.helpers.damaged_models import DAMAGES, edited
from tests.helpers.running import SMALL


@pytest.fixture
def damaged(trained_network, tmp_path):
    """A copy of the model that a test may damage."""
    return shutil.copytree(trained_network.folder, tmp_path / "damaged")


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        *DAMAGES,
        (
            edited(network="os.system"),
            "damaged .network: Input should be 'compact', 'multiband' or 'rcnn'",
        ),
        (edited(choices={"filters": "many"}), r"damaged \(filters: "),
        (edited(choices={**SMALL, "units": 8000}), "does not fit weights.npz"),
        (edited(choices={**SMALL, "units": 10**30}), r"damaged \(units: "),
        (edited(choices={**SMALL, "filters": [8000] * 4}), r"damaged \(a layer of"),
        (edited(choices={**SMALL, "times": "yes"}), r"damaged \(times: "),
        (edited(selection={"images": 10**12, "start_fractions": [], "band": "g"}), "images: "),
        (edited(assumed_psf={"fwhm_pix": float("nan"), "beta": 3.0}), "assumed_psf.fwhm_pix: "),
        (edited(kind="forest"), "a network is needed"),
        (edited(selection={}), "damaged"),
    ],
)
def test_a_damaged_model_is_one_sentence(damaged, damage, sentence):
    damage(damaged)
    with pytest.raises(ClassifierError, match=sentence) as caught:
        Network.open(damaged)
    assert "\n" not in str(caught.value)
