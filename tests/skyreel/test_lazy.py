"""Names imported on first use exist, and unknown ones are refused like any attribute."""

from importlib import import_module

import pytest

PACKAGES = (
    "survey_profiles",
    "simulator",
    "classifier",
    "classifier.evaluation",
    "finetune.reports",
)


@pytest.mark.parametrize("name", PACKAGES)
def test_every_public_name_can_be_imported(name):
    package = import_module(name)
    assert package.__all__ == dir(package)
    for public in package.__all__:
        assert getattr(package, public) is not None


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'simulator' has no attribute 'nonsense'"):
        _ = import_module("simulator").nonsense
