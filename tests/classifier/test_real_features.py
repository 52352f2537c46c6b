"""Features of real HiTS sequences, computed as for simulated ones."""

import numpy as np
import pytest

from classifier.dataset import DatasetSplit
from classifier.features import FEATURES
from classifier.features.pipeline import FeatureConfig, FeaturePipeline
from finetune.ingest.conversion import Request, run_request


@pytest.fixture(scope="module")
def real_split(real_data, tmp_path_factory):
    """All real HiTS sequences."""
    out = tmp_path_factory.mktemp("real") / "real.zarr"
    path = real_data / "hits" / "sequences"
    run_request(Request(reader="hits", path=path, out=out, survey=None, size_pix=None, quiet=True))
    return DatasetSplit(out, "test")


@pytest.mark.slow
@pytest.mark.real
def test_real_variables_vary_more_than_real_constant_stars(real_split):
    pipeline = FeaturePipeline(real_split, FeatureConfig(images=30, light_curves="both"))
    curves = pipeline.light_curves(0, len(real_split))
    features = pipeline.features(curves, curves.n_epochs.astype(int))
    scatter = features[:, FEATURES.index("Meanvariance")]
    labels = np.array(real_split.classes)[real_split.labels]
    quiet = np.nanmedian(scatter[labels == "NV"])
    # flat-fielding and PSF errors of HiTS are 0.6 %, amplitudes of RR Lyrae tenths of magnitudes
    assert quiet < 0.03
    assert np.nanmedian(scatter[labels == "RRL"]) > 5 * quiet
    assert np.nanmedian(scatter[labels == "EB"]) > 3 * quiet
    differences = features[:, len(FEATURES) + FEATURES.index("Amplitude")]
    assert np.isfinite(differences).all()


@pytest.mark.slow
@pytest.mark.real
def test_nearly_every_real_epoch_that_can_be_used_is_measured(real_split):
    pipeline = FeaturePipeline(real_split, FeatureConfig(images=30))
    curves = pipeline.light_curves(0, len(real_split))
    stamps = real_split.stamps(0, len(real_split))
    profile = real_split.profile
    widest_fwhm_pix = profile.seeing.max_fwhm_arcsec / profile.camera.pixel_scale_arcsec
    wide = stamps.seeing_fwhm_pix > widest_fwhm_pix
    expected = np.isfinite(stamps.zero_point_mag) & ~wide
    assert 0.1 < wide.sum() / np.isfinite(stamps.mjd).sum() < 0.2
    assert abs(np.isfinite(curves.flux_njy).sum() / expected.sum() - 1) < 0.01
