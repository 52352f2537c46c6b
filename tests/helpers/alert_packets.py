"""Small alert packets, as ZTF and Rubin could have sent them."""

from __future__ import annotations

import gzip
import io
import tarfile

import fastavro
import numpy as np
from astropy.io import fits

from finetune.readers.protocol import RealSequence, Skipped
from finetune.readers.ztf import ZtfAlerts
from survey_profiles import load_profile

NIGHT_0_JD = 2457754.5
SYNC = b"S" * 16  # the marker between blocks


def candid_of(jd, rcid=15, number=8):
    """The number ZTF gives an alert of this time."""
    day = jd - NIGHT_0_JD
    return int(day) * 10**15 + int(day % 1 * 1e6) * 10**9 + rcid * 10**7 + number


def stamp(image, packed=True, **header):
    """An image as FITS, compressed by default."""
    file = io.BytesIO()
    hdu = fits.PrimaryHDU(np.asarray(image, dtype=np.float32))
    hdu.header.update(header)
    hdu.writeto(file)
    return gzip.compress(file.getvalue(), 1) if packed else file.getvalue()


def random_image(seed=0, size=63):
    """Counts about a sky of 200 DN."""
    return np.random.default_rng(seed).normal(200, 8, (size, size)).astype(np.float32)


CANDIDATE = {
    "jd": 2459000.7,
    "fid": 2,
    "diffmaglim": 20.3,
    "isdiffpos": "t",
    "rcid": 15,
    "field": 506,
    "xpos": 1500.2,
    "ypos": 1700.6,
    "ra": 47.3,
    "dec": 9.7,
    "magpsf": 18.5,
    "sigmapsf": 0.05,
    "fwhm": 2.2,
    "magzpsci": 26.3,
    "exptime": 30.0,
    "distnr": 1.2,
}
PREVIOUS = {
    "jd": 2458998.7,
    "fid": 1,
    "magpsf": 18.0,
    "sigmapsf": 0.1,
    "isdiffpos": "f",
    "diffmaglim": 20.0,
    "candid": 7,
}
FORCED = {
    "jd": 2458990.7,
    "fid": 2,
    "forcediffimflux": 1000.0,
    "forcediffimfluxunc": 50.0,
    "magzpsci": 26.0,
    "diffmaglim": 20.1,
}


def ztf_packet(object_id="ZTF20aaaaaaa", *, cutouts=None, history=(), forced=(), **candidate):
    """A packet; ``candidate`` replaces fields, ``cutouts`` replaces cutouts by name or bytes."""
    fields = {**CANDIDATE, **candidate}
    candid = fields.pop("candid", None) or candid_of(fields["jd"], fields["rcid"])
    images = {
        n: stamp(random_image(i)) for i, n in enumerate(("Science", "Template", "Difference"))
    }
    packet = {
        "schemavsn": "4.02",
        "objectId": object_id,
        "candid": candid,
        "candidate": fields,
        "prv_candidates": [{**PREVIOUS, **row} for row in history],
        "fp_hists": [{**FORCED, **row} for row in forced],
    }
    for name, content in {**images, **(cutouts or {})}.items():
        packet[f"cutout{name}"] = content and {"fileName": f"{name}.fits.gz", "stampData": content}
    return packet


def rubin_packet(alert_id=1, *, images=None, history=(), forced=(), variance=25.0, **source):
    """A packet; ``images`` replaces cutouts by name."""
    table = {
        "diaSourceId": alert_id,
        "diaObjectId": 77,
        "ssObjectId": 0,
        "detector": 148,
        "midpointMjdTai": 61100.25 + alert_id / 8,
        "ra": 149.8,
        "dec": 3.2,
        "psfFlux": -2000.0,
        "psfFluxErr": 100.0,
        "band": "g",
        **source,
    }
    packet = {"diaSourceId": alert_id, "diaSource": table, "prvDiaSources": list(history)}
    packet["prvDiaForcedSources"] = list(forced) or None
    for i, name in enumerate(("Science", "Template", "Difference")):
        image = np.random.default_rng(i).normal(0, 5, (31, 31))
        packet[f"cutout{name}"] = (images or {}).get(name, rubin_cutout(image, variance))
    return packet


def rubin_cutout(image, variance=25.0, psf_sigma_pix=2.0, **header):
    """Image, variance and PSF."""
    y, x = np.mgrid[-20:21, -20:21]
    psf = np.exp(-(x**2 + y**2) / (2 * psf_sigma_pix**2))
    file = io.BytesIO()
    primary = fits.PrimaryHDU(np.asarray(image, dtype=np.float32))
    primary.header["BUNIT"] = "nJy"
    primary.header.update(header)
    others = [
        fits.ImageHDU(np.full(image.shape, np.asarray(variance, np.float32)), name="UNCERT"),
        fits.ImageHDU(psf, name="PSFIMAGE"),
    ]
    fits.HDUList([primary, *others]).writeto(file)
    return file.getvalue()


def schema_of(value, name="packet"):
    """An Avro schema that fits a packet."""
    if isinstance(value, dict):
        fields = [{"name": k, "type": schema_of(v, f"{name}_{k}")} for k, v in value.items()]
        return {"type": "record", "name": name, "fields": fields}
    if isinstance(value, list):
        return {"type": "array", "items": schema_of(value[0], name) if value else "int"}
    return [
        "null",
        {bytes: "bytes", str: "string", int: "long", float: "double"}.get(type(value), "int"),
    ]


def packed(packets, codec="null", schema=None):
    """A container file of packets, a block each; they must be alike."""
    file = io.BytesIO()
    schema = schema or schema_of(packets[0])
    fastavro.writer(file, schema, packets, codec=codec, sync_interval=1, sync_marker=SYNC)
    return file.getvalue()


def write_packets(path, *packets, codec="null"):
    """A container file of packets."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(packed(packets, codec))
    return path


def read_ztf(path):
    """Sequences by name, and what was skipped."""
    reader = ZtfAlerts()
    items = list(reader.read(reader.files(path), load_profile("ztf")))
    sequences = {s.object_id: s for s in items if isinstance(s, RealSequence)}
    return sequences, [s for s in items if isinstance(s, Skipped)]


def tar_of(path, files, mode):
    """A tar archive of files by name."""
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def varint(number):
    """A number as Avro writes it."""
    value, out = number << 1 if number >= 0 else (-number << 1) - 1, bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def container(schema: str, *blocks, codec="null", sync=SYNC):
    """A container file of blocks (records claimed, bytes claimed, bytes)."""
    out = b"Obj\x01" + varint(2)
    for key, value in (("avro.schema", schema), ("avro.codec", codec)):
        out += varint(len(key)) + key.encode() + varint(len(value)) + value.encode()
    out += varint(0) + sync
    for count, size, content in blocks:
        out += varint(count) + varint(len(content) if size is None else size) + content + sync
    return out
