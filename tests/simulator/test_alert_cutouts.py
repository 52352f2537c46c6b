"""Cutouts of simulated detections: pixels, headers, variance, compression."""

import gzip
import io

import fastavro
import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from simulator.alerts.fits_bytes import gzipped, primary
from simulator.alerts.observations import aperture_flux
from simulator.alerts.rubin_schema import VERSIONS
from tests.helpers.alert_observations import maker_of, observations, records


def stamp_of(content):
    """Pixels of the first image of a cutout, by astropy, which checks the headers."""
    packed = content.startswith(b"\x1f\x8b")
    with fits.open(io.BytesIO(gzip.decompress(content) if packed else content)) as hdus:
        hdus.verify("exception")
        return np.array(hdus[0].data)


@pytest.mark.parametrize("size_pix", [21, 63])
def test_stamps_of_ztf_are_the_planes(size_pix):
    batch, alerts, read = records("ztf", size_pix=size_pix)
    flux, sky = batch.epochs["difference_flux_adu"], batch.epochs["sky_adu"]
    for k, (alert, record) in enumerate(zip(alerts, read, strict=True)):
        own = alert.object, alert.epoch
        expected = {
            "Science": batch.stamps["images"][k].astype(np.float32),
            "Template": batch.stamps["template"][k] + sky[own],
            "Difference": batch.stamps["difference"][k] * np.float32(np.sign(flux[own])),
        }
        for name, image in expected.items():
            found = stamp_of(record[f"cutout{name}"]["stampData"])
            assert found.dtype == ">f4"
            np.testing.assert_array_equal(found, image)


@pytest.mark.parametrize("side", ["left", "right", "top", "bottom"])
def test_stamps_of_ztf_end_at_the_edge_of_the_detector(side):
    batch = observations()
    own = np.flatnonzero(batch.detections()[0] == 0)
    outside = np.zeros((63, 63), dtype=np.uint8)
    lost = {"left": np.s_[:, :9], "right": np.s_[:, -9:], "bottom": np.s_[:9], "top": np.s_[-9:]}
    outside[lost[side]] = 8
    batch.stamps["mask"][own] = outside
    maker = maker_of("ztf")
    packet = next(iter(maker.packets(batch))).packet
    record = fastavro.schemaless_reader(io.BytesIO(packet), maker.schema.packet, None)
    found = stamp_of(record["cutoutScience"]["stampData"])
    kept = batch.stamps["images"][0][outside == 0].reshape(found.shape)
    np.testing.assert_array_equal(found, kept)
    position = record["candidate"]["xpos"], record["candidate"]["ypos"]
    expected = {"left": (0, 32 - 9), "right": (0, 3072 - 31 + 9)}
    expected |= {"bottom": (1, 32 - 9), "top": (1, 3080 - 31 + 9)}
    axis, place = expected[side]
    assert position[axis] == place


@pytest.mark.parametrize("version", VERSIONS)
def test_cutouts_of_rubin_have_variance_psf_and_a_wcs(version):
    batch, alerts, read = records(version, size_pix=31, lost_columns=3)
    for k, (alert, record) in enumerate(zip(alerts, read, strict=True)):
        own = alert.object, alert.epoch
        zero_point, seconds, sky = (
            batch.epochs[n][own] for n in ("zero_point_mag", "exposure_time_s", "sky_adu")
        )
        scale = np.float32(10 ** (0.4 * (31.4 - float(zero_point))) / float(seconds))
        inside = batch.stamps["mask"][k] & 8 == 0
        with fits.open(io.BytesIO(record["cutoutScience"])) as hdus:
            hdus.verify("exception")
            assert [hdu.name for hdu in hdus] == ["PRIMARY", "UNCERT", "PSFIMAGE"]
            counts = batch.stamps["images"][k].astype(np.float32)
            expected = np.where(inside, (counts - sky) * scale, np.nan)
            np.testing.assert_array_equal(hdus[0].data, expected)
            variance = (counts / 5.8 + (10.3 / 5.8) ** 2) * scale**2
            np.testing.assert_allclose(hdus["UNCERT"].data, variance, rtol=1e-5)
            assert hdus["PSFIMAGE"].data.sum() == pytest.approx(1, abs=1e-6)
            assert hdus[0].header["BUNIT"] == "nJy"
            middle = hdus[0].data.shape[0] // 2 + 1
            pixel = batch.centre_x_pix[k] + middle, batch.centre_y_pix[k] + middle
            sky_position = WCS(hdus[0].header).wcs_pix2world([pixel], 1)[0]
        source = record["diaSource"]
        assert sky_position == pytest.approx([source["ra"], source["dec"]], abs=1e-9)
        difference = stamp_of(record["cutoutDifference"])
        expected = np.where(inside, batch.stamps["difference"][k] * scale, np.nan)
        np.testing.assert_array_equal(difference, expected)


def test_fits_of_astropy_has_the_same_bytes():
    image = np.random.default_rng(0).normal(size=(21, 63)).astype(np.float32)
    out = io.BytesIO()
    fits.PrimaryHDU(image).writeto(out)
    ours = primary(image, extended=True)
    without_comments = [ours[i : i + 30].rstrip() for i in range(0, 480, 80)]
    theirs = [out.getvalue()[i : i + 30].rstrip() for i in range(0, 480, 80)]
    assert without_comments == theirs
    assert ours[2880:] == out.getvalue()[2880:]


def test_gzip_is_reproducible():
    content = bytes(range(256)) * 80
    assert gzipped(content) == gzipped(content)
    assert gzip.decompress(gzipped(content)) == content


def test_aperture_flux_of_a_star_is_its_flux():
    y, x = np.mgrid[:31, :31] - 15.0
    images = np.stack(
        [np.exp(-((x - a) ** 2 + (y - b) ** 2) / 4.5) for a, b in ((0.3, -0.4), (14, 13))]
    )
    total = 2 * np.pi * 2.25
    position = np.array([0.3, 14.0]), np.array([-0.4, 13.0])
    flux, error = aperture_flux(images, np.ones_like(images), *position, 8.0)
    assert flux[0] == pytest.approx(total, rel=1e-3)
    assert error[0] == pytest.approx(np.sqrt(np.pi * 64), rel=0.05)
    assert 0 < flux[1] < total  # cut by the stamp's edge
