"""The command subtract: its files, and one sentence for what cannot be subtracted."""

from __future__ import annotations

import json

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

import skyreel
from tests.helpers.difference_images import NEW_STAR, moffat_psf, pair_of_fields
from tests.helpers.running import run

SIZE = 160


def header(shift_pix=0.0):
    """A header with a tangential WCS of 0.3 arcsec pixels, and a gain."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = "RA---TAN", "DEC--TAN"
    wcs.wcs.crval, wcs.wcs.cdelt = (150.1, -2.2), (-0.3 / 3600, 0.3 / 3600)
    wcs.wcs.crpix = SIZE / 2 + shift_pix, SIZE / 2
    made = wcs.to_header()
    made["GAIN"] = 3.0
    return made


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Folder of science.fits, template.fits and the two PSF images."""
    folder = tmp_path_factory.mktemp("images")
    images = dict(zip(("science", "template"), pair_of_fields(3), strict=True))
    for name, image in images.items():
        fits.writeto(folder / f"{name}.fits", image.astype(np.float32), header())
    for name, fwhm, beta in (("psf_science", 3.2, 3.5), ("psf_template", 2.6, 3.0)):
        fits.writeto(folder / f"{name}.fits", moffat_psf(25, fwhm, beta=beta))
    return folder


def subtract(monkeypatch, folder, *arguments, science="science.fits", template="template.fits"):
    """Exit code of the command in a folder."""
    monkeypatch.chdir(folder)
    return run(monkeypatch, "subtract", science, template, *arguments)


@pytest.mark.parametrize("method", ["alard-lupton", "zogy"])
def test_a_difference_is_written_with_its_detections_and_record(monkeypatch, files, method):
    options = ["--method", method, "--out", "d.fits", "--plot", "d.png", "--quiet"]
    assert subtract(monkeypatch, files, *options) == 0
    with fits.open(files / "d.fits", checksum=True) as hdus:
        names = [hdu.name for hdu in hdus[1:]]
        assert names == [
            "DIFFERENCE",
            "NOISE",
            "MASK",
            "KERNEL_SCIENCE",
            "KERNEL_TEMPLATE",
            "PSF",
            "DETECTIONS",
        ]
        difference, mask = hdus["DIFFERENCE"].data, hdus["MASK"].data
        assert difference.shape == (SIZE, SIZE)
        assert np.isnan(difference[mask != 0]).all() and np.isfinite(difference[mask == 0]).all()
        assert (hdus["NOISE"].data > 0).all()
        assert WCS(hdus["DIFFERENCE"].header).has_celestial
        assert not WCS(hdus["PSF"].header).has_celestial
    row = Table.read(files / "d.fits", hdu="DETECTIONS")[0]
    centre = (SIZE - 1) / 2
    assert (row["x_pix"], row["y_pix"]) == pytest.approx(np.add(NEW_STAR[1:], centre), abs=0.5)
    sky = WCS(header()).pixel_to_world_values(row["x_pix"], row["y_pix"])
    assert (row["ra_deg"], row["dec_deg"]) == pytest.approx(tuple(map(float, sky)), abs=1e-7)
    record = json.loads((files / "d.fits.json").read_text())
    assert record["command"].startswith("subtract science.fits template.fits --method")
    assert record["detections"] >= 1
    assert record["measured"]["flux_ratio"] == pytest.approx(1, abs=0.02)
    assert (files / "d.png").read_bytes().startswith(b"\x89PNG")


def test_given_psfs_are_used(monkeypatch, files):
    given = ["--psf-science", "psf_science.fits", "--psf-template", "psf_template.fits"]
    assert subtract(monkeypatch, files, *given, "--method", "zogy", "--out", "p.fits") == 0
    record = json.loads((files / "p.fits.json").read_text())
    assert record["measured"]["psf_science"] == "given"
    assert record["options"]["psf_template"] == "psf_template.fits"


def test_python_and_the_command_agree(monkeypatch, files):
    assert subtract(monkeypatch, files, "--out", "c.fits", "--quiet") == 0
    science, template = (fits.getdata(files / f"{n}.fits") for n in ("science", "template"))
    found = skyreel.subtract(files / "science.fits", files / "template.fits", quiet=True)
    written = fits.getdata(files / "c.fits", "DIFFERENCE")
    np.testing.assert_array_equal(written, found.image.difference.astype(np.float32))
    from_arrays = skyreel.subtract(science, template, quiet=True)  # without the gain
    here = [(s.detections["x_pix"][0], s.detections["y_pix"][0]) for s in (from_arrays, found)]
    assert here[0] == pytest.approx(here[1], abs=0.1)


def test_what_was_done_is_printed(monkeypatch, files, capsys):
    swapped = {"science": "template.fits", "template": "science.fits"}
    assert subtract(monkeypatch, files, "--out", "s.fits", **swapped) == 0
    printed = capsys.readouterr().out
    assert "the science image was convolved" in printed
    assert "detections" in printed and "s.fits.json" in printed


def test_the_same_run_writes_the_same_pixels(monkeypatch, files):
    for name in ("one.fits", "two.fits"):
        assert subtract(monkeypatch, files, "--out", name, "--quiet") == 0
    for plane in ("DIFFERENCE", "NOISE", "MASK"):
        one, two = (fits.getdata(files / f"{n}.fits", plane) for n in ("one", "two"))
        np.testing.assert_array_equal(one, two)


# --- what cannot be subtracted ------------------------------------------------------------------


def write(folder, name, pixels, head=None):
    fits.writeto(folder / name, np.asarray(pixels, dtype=np.float32), head, overwrite=True)


def refused(monkeypatch, capsys, folder, *arguments, **names):
    """The one sentence that a command ends with."""
    assert subtract(monkeypatch, folder, "--out", "bad.fits", *arguments, **names) == 2
    error = capsys.readouterr().err
    assert error.startswith("subtract: ") and "Traceback" not in error
    assert not (folder / "bad.fits").exists()
    return error


def test_images_that_cannot_be_subtracted(monkeypatch, capsys, files):
    science = fits.getdata(files / "science.fits")
    half = np.full_like(science, np.nan)
    half[:, :80] = science[:, :80]
    write(files, "left.fits", half, header())
    write(files, "right.fits", half[:, ::-1], header())
    write(files, "nan.fits", np.full_like(science, np.nan), header())
    write(files, "flat.fits", np.full_like(science, 7.0), header())
    write(files, "small.fits", science[:100], header())
    write(files, "tiny.fits", science[:9, :9], header())
    write(files, "moved.fits", science, header(shift_pix=40))
    write(files, "cube.fits", science[None, :, :].repeat(3, 0))
    write(files, "noise.fits", np.random.default_rng(1).normal(size=science.shape), header())
    cases = {
        ("left.fits", "right.fits"): "share 0.0% good pixels",
        ("nan.fits", "template.fits"): "0.0% of its pixels are finite",
        ("science.fits", "flat.fits"): "no noise",
        ("science.fits", "small.fits"): "both must be on the same pixel grid",
        ("tiny.fits", "tiny2.fits"): "21 pixels or more",
        ("science.fits", "moved.fits"): "differ by up to 40.0 pixels",
        ("cube.fits", "template.fits"): "no image of two axes",
        ("science.fits", "noise.fits"): "sources in common",
        ("science.fits", "absent.fits"): "No such file",
        ("science.fits", "science.fits"): "the same file",
    }
    write(files, "tiny2.fits", science[:9, 9:18], header())
    for (science_name, template_name), words in cases.items():
        error = refused(monkeypatch, capsys, files, science=science_name, template=template_name)
        assert words in error, error
    assert "reproject" in refused(monkeypatch, capsys, files, template="moved.fits")
    assert "reproject" in refused(monkeypatch, capsys, files, template="small.fits")


def test_options_that_cannot_be_used(monkeypatch, capsys, files):
    write(files, "even.fits", np.ones((24, 24)))
    write(files, "zero.fits", np.zeros((25, 25)))
    assert "alard-lupton, zogy" in refused(monkeypatch, capsys, files, "--method", "sfft")
    assert "1 to 1000" in refused(monkeypatch, capsys, files, "--threshold", "0")
    assert "1 to 1000" in refused(monkeypatch, capsys, files, "--threshold", "nan")
    assert ".png" in refused(monkeypatch, capsys, files, "--plot", "x.jpg")
    assert "odd number" in refused(monkeypatch, capsys, files, "--psf-science", "even.fits")
    assert "positive sum" in refused(monkeypatch, capsys, files, "--psf-template", "zero.fits")


def test_arrays_that_are_no_images_or_psfs_are_refused(files):
    science, template = (fits.getdata(files / f"{n}.fits") for n in ("science", "template"))
    with pytest.raises(skyreel.UserError, match="odd number"):
        skyreel.subtract(science, template, psf_science=np.ones((4, 4)), quiet=True)
    with pytest.raises(skyreel.UserError, match="two axes"):
        skyreel.subtract(science[None], template[None], quiet=True)


def test_zogy_without_stars_asks_for_psfs(monkeypatch, capsys, files):
    rng = np.random.default_rng(1)
    for name in ("empty1.fits", "empty2.fits"):
        write(files, name, rng.normal(size=(80, 80)))
    error = refused(
        monkeypatch,
        capsys,
        files,
        "--method",
        "zogy",
        science="empty1.fits",
        template="empty2.fits",
    )
    assert "--psf-science" in error


@pytest.mark.parametrize("cut", [0, 100, 2880, 5000, 40000])
def test_damaged_files_give_one_sentence(monkeypatch, capsys, files, cut):
    (files / "cut.fits").write_bytes((files / "science.fits").read_bytes()[:cut])
    refused(monkeypatch, capsys, files, science="cut.fits")


def header_only(path, *cards):
    """A FITS file of these header cards and one block of zeros."""
    lines = ["SIMPLE  =                    T", "BITPIX  =                  -64", *cards, "END"]
    block = "".join(line.ljust(80) for line in lines).ljust(2880).encode()
    path.write_bytes(block + bytes(2880))


@pytest.mark.parametrize(
    ("axes", "words"),
    [
        (("NAXIS   = 2", "NAXIS1  = 1000000", "NAXIS2  = 1000000"), "claims 1000000 x 1000000"),
        (("NAXIS   = 2", "NAXIS1  = 3000", "NAXIS2  = 3000"), "claims 3000 x 3000"),
        (("NAXIS   = 2", "NAXIS1  = -5", "NAXIS2  = 10"), "no image of two axes"),
        (("NAXIS   = 3", "NAXIS1  = 10", "NAXIS2  = 10"), "no readable FITS file"),
    ],
)
def test_headers_that_claim_too_much_are_refused(monkeypatch, capsys, files, axes, words):
    header_only(files / "claims.fits", *axes)
    assert words in refused(monkeypatch, capsys, files, science="claims.fits")


def test_one_image_alone_is_a_matter_of_usage(monkeypatch, capsys, files):
    monkeypatch.chdir(files)
    assert run(monkeypatch, "subtract", "science.fits", "--out", "x.fits") == 2
    assert "TEMPLATE.fits" in capsys.readouterr().err
