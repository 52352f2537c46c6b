"""FITS cubes with bytes, headers, columns and pixels mutated, beside one that must be read."""

from __future__ import annotations

import gzip
from pathlib import Path
from random import Random

import numpy as np
from astropy.io import fits

from tests.helpers.cubes import HEADER, epoch_table, random_cube, write_cube
from tests.helpers.fuzzing import ODD_NUMBERS, ODD_TEXTS, mutated
from tests.helpers.ingest_fuzzing import fault_of, run_ingest

CARDS = (
    *("NAXIS", "NAXIS1", "NAXIS2", "NAXIS3", "BITPIX", "PCOUNT", "GCOUNT", "TFIELDS", "TFORM1"),
    *("TTYPE1", "TDIM1", "TSCAL1", "TZERO1", "TNULL1", "EXTNAME", "XTENSION", "BSCALE", "BZERO"),
    *("BLANK", "SIMPLE", "EXTEND", "END", "GAIN", "PIXSCALE", "ZIMAGE", "ZTILE1", "ZNAXIS1"),
    *("ZVAL1", "ZCMPTYPE", "ZNAXIS3", "ZBITPIX", "TTYPE2", "THEAP"),
)
VALUES = (
    *("-1", "0", "1", "99999999999999", "9" * 40, "1E400", "NaN", "T", "''", "'x'", "'1PE(3)'"),
    *("'PJ(9999999)'", "'1000000000E'", "'STAMPS'", "'EPOCHS'", "'GZIP_1'", "2147483648", "-64"),
)
NUMBERS = tuple(v for v in ODD_NUMBERS if isinstance(v, float))


def prepare(folder: Path) -> tuple[bytes, bytes]:
    """A good file, plain and tile-compressed."""
    plain = write_cube(folder / "plain.fits", cube=random_cube(5, 9))
    with fits.open(plain) as hdus:
        tiles = fits.CompImageHDU(hdus["STAMPS"].data.astype("i4"), name="STAMPS")
        fits.HDUList([hdus[0], tiles, hdus["EPOCHS"]]).writeto(folder / "tiles.fits")
    return plain.read_bytes(), (folder / "tiles.fits").read_bytes()


def make(base: tuple[bytes, bytes], rng: Random, folder: Path) -> tuple[str, Path]:
    """A folder of a mutated file and a good one."""
    inside = folder / "in"
    inside.mkdir()
    (inside / "good.fits").write_bytes(base[0].replace(b"'plain", b"'good "))
    how = rng.choice(["bytes", "card", "card", "gzip", "values", "values", "bomb"])
    content = rng.choice(base)
    if how == "bytes":
        _, content = mutated(rng, content)
    elif how == "card":
        content = _with_cards(content, rng)
    elif how == "gzip":
        _, content = mutated(rng, gzip.compress(content, 1))
    elif how == "bomb":
        content = content[:2880] + b" " * 2880 * rng.choice([100, 5000])
    if how == "values":
        _write_odd_values(inside / "a.fits", rng)
    else:
        (inside / "a.fits").write_bytes(content)
    return how, inside


def check(base: tuple[bytes, bytes], case: Path, folder: Path) -> str | None:
    """Read the folder; the good file must be there."""
    return fault_of(run_ingest("hits", case, folder), {"good"})


def _with_cards(content, rng):
    for _ in range(rng.choice([1, 1, 2, 4])):
        keyword = f"{rng.choice(CARDS):<8}"
        places = [i for i in range(0, len(content), 80) if content[i : i + 8] == keyword.encode()]
        at = rng.choice(places) if places else 80 * rng.randrange(60)
        card = f"{keyword}= {rng.choice(VALUES):>20}".ljust(80)[:80].encode()
        content = content[:at] + card + content[at + 80 :]
    return content


def _write_odd_values(path, rng):
    cube, table = random_cube(5, 9), epoch_table(5)
    for _ in range(rng.choice([1, 2, 4])):
        column = rng.choice([name for name in table.colnames if name != "band"])
        if table[column].dtype.kind == "f":
            rows = rng.choice([slice(None), rng.randrange(5)])
            table[column][rows] = rng.choice(NUMBERS)
        if rng.random() < 0.3:
            with np.errstate(over="ignore"):
                cube[rng.randrange(5)] = np.float32(rng.choice(NUMBERS))
    texts = [t for t in ODD_TEXTS if len(t) < 60 and t.isascii() and t.isprintable()]
    values = [*(v for v in ODD_NUMBERS if np.isfinite(v)), *texts, True]
    header = {rng.choice(list(HEADER)): rng.choice(values)} if rng.random() < 0.5 else {}
    if rng.random() < 0.3:
        header["OBJECT"] = rng.choice(texts)
    write_cube(path, cube=cube, table=table, **header)
