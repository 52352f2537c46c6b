"""Photometry of real HiTS stars and supernovae, compared with independent fits and light curves."""

import numpy as np
import pytest

from classifier.photometry import Flag, measure
from tests.helpers.real_stars import read_sequences
from tests.helpers.stars import hits_psf

pytestmark = [pytest.mark.real, pytest.mark.slow]

CALIBRATION_SCATTER = 0.006  # of real exposures, from the scatter of bright stars
NJY_ZERO_POINT_MAG = 31.4


@pytest.fixture(scope="module")
def measured(real_data):
    """Sequences and light curves of each kind."""
    found = {}
    for kind in ("NV", "RRL", "EB", "SN"):
        sequences = read_sequences(real_data, kind)
        found[kind] = sequences, measure(sequences.stamps, hits_psf())
    return found


def robust_scatter(values):
    return 1.4826 * np.nanmedian(np.abs(values - np.nanmedian(values)))


def njy_per_adu(stamps):
    return 10 ** (0.4 * (NJY_ZERO_POINT_MAG - stamps.zero_point_mag)) / stamps.exposure_time_s


def clean(sequences, curves, least_signal_to_noise=50):
    """Bright unsaturated images in g."""
    bright = curves.signal_to_noise > least_signal_to_noise
    return bright & (sequences.stamps.band == 0) & ~sequences.stamps.saturated


@pytest.mark.parametrize(("kind", "scatter"), [("NV", 0.01), ("RRL", 0.02), ("EB", 0.02)])
def test_fluxes_of_real_stars_agree_with_free_moffat_fits(measured, kind, scatter):
    """Those fits have all eight parameters free: 1 % of zero point is what profiles differ by."""
    sequences, curves = measured[kind]
    in_adu = curves.flux_njy / njy_per_adu(sequences.stamps)
    ratio = (in_adu / sequences.column("psf_flux_adu"))[clean(sequences, curves)]
    ratio = ratio[np.isfinite(ratio)]
    assert ratio.size > 500
    assert abs(np.median(ratio) - 1.0) < 0.01
    assert robust_scatter(ratio) < scatter


def test_fluxes_of_real_stars_agree_with_their_catalogue_magnitudes(measured):
    """The catalogue is 1.1 % brighter than free fits of the same stars, by its own aperture."""
    sequences, curves = measured["NV"]
    magnitude = np.array([header["MAG"] for header in sequences.headers])[:, None]
    ratio = curves.flux_njy / 10 ** (0.4 * (NJY_ZERO_POINT_MAG - magnitude))
    assert abs(np.median(ratio[clean(sequences, curves)]) - 0.989) < 0.01


def test_light_curves_of_real_constant_stars_scatter_by_noise_and_calibration(measured):
    sequences, curves = measured["NV"]
    used = clean(sequences, curves)
    excess = []
    for flux, error, good in zip(curves.flux_njy, curves.flux_error_njy, used, strict=True):
        if good.sum() >= 10:
            relative = flux[good] / np.median(flux[good])
            noise = np.hypot(np.median(error[good] / flux[good]), CALIBRATION_SCATTER)
            excess.append(robust_scatter(relative) / noise)
    assert len(excess) > 200
    assert 0.85 < np.median(excess) < 1.25


def test_positions_agree_with_free_moffat_fits(measured):
    sequences, curves = measured["NV"]
    apart = (curves.x_pix - (sequences.column("psf_x_pix") - 10.0))[clean(sequences, curves)]
    assert abs(np.nanmedian(apart)) < 0.05
    assert robust_scatter(apart) < 0.05


def test_differences_of_real_constant_stars_are_noise(measured):
    sequences, curves = measured["NV"]
    found = curves.difference_flux_njy / curves.difference_flux_error_njy
    found = found[clean(sequences, curves) & np.isfinite(found)]
    assert abs(robust_scatter(found) - 1.0) < 0.2
    assert (np.abs(found) > 5).mean() < 0.01


def test_differences_of_real_supernovae_follow_the_surveys_light_curves(measured):
    """Some of those light curves are doubtful, and templates may hold the supernova."""
    sequences, curves = measured["SN"]
    theirs = sequences.column("lc_flux_adu") * njy_per_adu(sequences.stamps)
    correlations = []
    for i in range(len(curves)):
        ours = curves.difference_flux_njy[i]
        both = np.isfinite(ours) & np.isfinite(theirs[i]) & (sequences.stamps.band[i] == 0)
        if both.sum() >= 6:
            correlations.append(np.corrcoef(ours[both], theirs[i][both])[0, 1])
    assert len(correlations) > 40
    assert np.median(correlations) > 0.9


def test_every_real_image_with_a_zero_point_is_measured(measured):
    """Stamps lack at most a few pixels; seeing that is not known is fitted."""
    for sequences, curves in measured.values():
        calibrated = np.isfinite(sequences.stamps.zero_point_mag)
        assert np.isfinite(curves.flux_njy[calibrated]).mean() > 0.999
        lost = np.isfinite(sequences.stamps.mjd) & ~calibrated
        assert np.isnan(curves.flux_njy[lost]).all()
        assert ((curves.flags[lost] & Flag.NO_CALIBRATION) > 0).all()
