"""What tests share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data():
    """The folder of real observations named by SKYREEL_DATA; skips the test without it."""
    folder = os.environ.get("SKYREEL_DATA")
    if not folder:
        pytest.skip("SKYREEL_DATA does not name a folder of real observations")
    return Path(folder)
