"""The real HiTS sequences of 2015, all of them, through ``ingest``."""

import numpy as np
import pytest

from simulator.dataset.reader import open_dataset
from simulator.detector.defects import BAD_PIXEL, SATURATED
from tests.helpers.ingestion import ingest

pytestmark = [pytest.mark.real, pytest.mark.slow]


@pytest.fixture(scope="module")
def split(real_data, tmp_path_factory):
    out = tmp_path_factory.mktemp("real") / "real.zarr"
    with pytest.MonkeyPatch.context() as patch:
        folder = real_data / "hits" / "sequences"
        assert ingest(patch, folder, "--out", out, "--quiet") == 0
    return open_dataset(out)["test"]


def test_all_objects_are_read_with_their_classes(split):
    assert split.attrs["classes"] == ["SN", "RRL", "EB", "NV"]
    np.testing.assert_array_equal(np.bincount(split["label"][:]), [48, 46, 37, 243])
    assert len(set(split["object_id"][:])) == 374


def test_counts_are_missing_only_where_masked(split):
    used = np.arange(split["mjd"].shape[1]) < split["n_epochs"][:][:, None]
    images, mask = split["images"][:], split["mask"][:]
    np.testing.assert_array_equal(np.isfinite(images[used]), (mask[used] & BAD_PIXEL) == 0)
    assert np.isfinite(images[used]).mean() > 0.9999
    assert ((mask & SATURATED) != 0).any(axis=(2, 3)).sum() == 7  # epochs that HiTS flags
    assert np.isfinite(split["published_flux_adu"][:][used]).sum() > 3000


def test_the_sky_is_that_of_the_border(split):
    """The published level is a statistic of the same pixels: equal where no star reaches them.

    The median of 80 pixels errs by 1.25 / sqrt(80) = 0.14 of a pixel's noise; stars on the
    border move the two apart in a few stamps.
    """
    used = np.arange(split["mjd"].shape[1]) < split["n_epochs"][:][:, None]
    border = np.ones(split["images"].shape[2:], dtype=bool)
    border[1:-1, 1:-1] = False
    median_adu = np.nanmedian(split["images"][:][used][:, border], axis=1)
    sky_adu = split["sky_adu"][:][used]
    gain_e_per_adu = np.repeat(split["gain_e_per_adu"][:], split["n_epochs"][:])
    noise_adu = np.sqrt(sky_adu / gain_e_per_adu)
    off = np.abs(median_adu - sky_adu) / noise_adu
    assert np.percentile(off, 90) < 0.14 and np.median(off) < 0.02


def test_alerts_are_where_the_published_flux_first_exceeds_5_sigma(split):
    """Rows of ALERT count from 0; SNHiTS15ca has no light curve, and an alert from elsewhere."""
    flux_adu, error_adu = split["published_flux_adu"][:], split["published_flux_error_adu"][:]
    supernovae = np.flatnonzero(split["label"][:] == 0)
    alerts = split["first_alert_epoch"][:]
    for row in supernovae:
        above = np.flatnonzero(flux_adu[row] / error_adu[row] > 5)
        known = np.isfinite(flux_adu[row]).any()
        if known:
            assert alerts[row] == (above[0] if above.size else -1)
    assert (alerts[split["label"][:] != 0] == -1).all() and (alerts[supernovae] >= 0).sum() > 40


def test_only_supernovae_were_resampled(split):
    np.testing.assert_array_equal(split["resampled"][:], split["label"][:] == 0)
