"""Noise of simulated LSST stamps against the variance planes of real LSSTCam alerts."""

import io

import numpy as np
import pytest

from simulator import Options, Simulator
from survey_profiles import ephemeris, load_profile

NANOJANSKY_ZERO_MAG = 31.4
STAMP, BORDER = 31, 3


def border_of(stamp):
    """Pixels at most three from the edge."""
    inner = slice(BORDER, -BORDER)
    used = np.ones(stamp.shape, dtype=bool)
    used[inner, inner] = False
    return stamp[used]


def scatter_of(values):
    """Robust standard deviation."""
    return 1.4826 * np.median(np.abs(values - np.median(values)))


def science_images(folder):
    """Band, MJD, position, and noise [nJy] of border and of variance plane, of each alert."""
    import fastavro
    from astropy.io import fits

    with (folder / "lsst/alerts.avro").open("rb") as file:
        for alert in fastavro.reader(file):
            planes = fits.open(io.BytesIO(alert["cutoutScience"]))
            image, variance = (border_of(planes[k].data.astype(float)) for k in (0, 1))
            meta = alert["meta"]
            place = (meta["midpointMjdTai"], meta["ra"], meta["dec"])
            yield meta["band"], *place, scatter_of(image), np.sqrt(np.median(variance))


@pytest.mark.real
def test_stamps_have_the_noise_of_real_alerts_under_their_own_sky(real_data, tmp_path):
    bands = load_profile("lsst").bands
    real = [row for row in science_images(real_data) if row[0] in bands]
    assert len(real) == 131
    measured = np.array([row[-2] / row[-1] for row in real])
    # The variance plane is the noise of independent pixels: error of one ratio 9 %, of all 1 %.
    assert abs(np.median(measured) - 1) < 0.03
    path = tmp_path / "alerts.csv"
    expected_adu = write_exposures(path, real)
    more = {"cadence.min_epochs": 1, "field.neighbours_per_arcmin2": 0, "hosts.other_fraction": 0}
    options = Options(exposures=str(path), classes={"NV": 1}, stamp_size_pix=STAMP, seed=3)
    found = Simulator(load_profile("lsst", more), options).batch("train", np.arange(600))
    ratio = []
    for stamp, sky in zip(found.images[:, 0], found.epochs["sky_adu"][:, 0], strict=True):
        nearest = np.argmin(np.abs(expected_adu[:, 0] - sky))
        ratio.append(scatter_of(border_of(stamp.astype(float))) / expected_adu[nearest, 1])
    # 600 stamps of 336 border pixels: 1.17 / sqrt(600 x 336) is 0.003.
    assert abs(np.median(ratio) - 1) < 0.03


def write_exposures(path, real):
    """Write the visits of alerts; returns sky and noise [ADU] that their variance planes imply."""
    profile = load_profile("lsst")
    camera, site = profile.camera, profile.site
    lines, expected = [], []
    for field, (name, mjd, ra, dec, _, noise_njy) in enumerate(real):
        band = profile.bands[name]
        hour = ephemeris.hour_angle_h(mjd, ra, site.longitude_deg)
        airmass = ephemeris.airmass(ephemeris.altitude_deg(hour, dec, site.latitude_deg))
        zero = band.zero_point_mag - band.extinction_mag_per_airmass * (airmass - 1.0)
        per_njy = band.exposure_time_s * 10.0 ** (0.4 * (zero - NANOJANSKY_ZERO_MAG))
        noise_e = noise_njy * per_njy * camera.gain_e_per_adu
        sky_adu = (noise_e**2 - camera.read_noise_e**2) / camera.gain_e_per_adu
        expected.append((sky_adu, noise_e / camera.gain_e_per_adu))
        values = (band.exposure_time_s, airmass, 1.0, sky_adu, zero, 24.0)
        lines.append(f"{field},{mjd},{name}," + ",".join(f"{v:.6f}" for v in values))
    names = "exposure_time_s,airmass,seeing_fwhm_arcsec,sky_adu,zero_point_mag,limiting_mag"
    path.write_text("\n".join([f"field,mjd,band,{names}", *lines]))
    return np.array(expected)
