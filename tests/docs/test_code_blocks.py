"""Every code block of README and of the documentation runs, at smaller sizes.

A block after an HTML comment ``<!-- run: slow -->``, ``<!-- run: real -->`` or
``<!-- run: no: reason -->`` is not run; it appears as a skipped test with its reason.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.helpers.commands_of_pages import run_shell

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(
    r"(?:<!-- run: (?P<why>[^>]*?) -->\n)?^```(?P<language>sh|python|toml)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
REASONS = {"slow": "takes long", "real": "needs real observations"}
SMALLER = (  # pattern and replacement, applied to shell blocks in this order
    (r" --validation \d+ --test \d+", ""),
    (r"--n \d+", "--n 210 --validation 35 --test 35"),
    (r"--trees 50 --depth 30", "--trees 4 --depth 4"),
    (r"(--model forest --data \S+) (?!--trees)", r"\1 --trees 4 --depth 4 "),
    (r"--iterations \d+", "--iterations 4"),
    (r"--choice clusters=10", "--choice clusters=4 --choice pretraining=4 --iterations 4"),
    (r"(forecast .*)--n 210 --validation 35 --test 35", r"\1--n 70"),
    (r"(finetune .*)--per-class 2 --trials 2", r"\1--per-class 1 --trials 1"),
)
FIELD = """
import numpy as np
from astropy.io import fits
rng = np.random.default_rng(1)
y, x = np.mgrid[:128, :128]
def star(x0, y0, flux): return flux * np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / 6)
stars = sum(star(*rng.uniform(20, 108, 2), 500) for _ in range(6))
fits.writeto("science.fits", stars + star(64, 70, 90) + rng.normal(size=x.shape))
fits.writeto("template.fits", stars + rng.normal(size=x.shape))
y, x = np.mgrid[:15, :15]
for name in ("psf_science.fits", "psf_template.fits"): fits.writeto(name, star(7, 7, 1.0))
"""
FILES = {  # made once, by the commands of the pages themselves, and put into a page's folder
    "hits.zarr": "simulate --survey hits --n 210 --validation 35 --test 35 --out hits.zarr",
    "hits70.zarr": "cp -r hits.zarr hits70.zarr",
    "predictions.parquet": "classify --model hits-compact --data hits.zarr "
    "--out predictions.parquet",
    "forest": "train --model forest --data hits.zarr --trees 4 --depth 4 --out forest/",
    "forest_predictions.parquet": "classify --model forest/ --data hits.zarr "
    "--out forest_predictions.parquet",
    "mine.csv": "python -c \"print('object,mjd,magnitude,error'); "
    "[print(f'a,{50 + k},{20 + k % 3 / 9},0.1') for k in range(30)]\" > mine.csv",
    "science.fits": f"python - <<'END'{FIELD}END",
    "template.fits": "true",
    "psf_science.fits": "true",
    "psf_template.fits": "true",
}
NEEDED = {
    "README.md": ["hits.zarr"],
    "explanation/photometry.md": ["hits.zarr"],
    "explanation/forest.md": ["hits.zarr", "mine.csv"],
    "explanation/networks.md": ["hits.zarr"],
    "explanation/evaluation.md": ["predictions.parquet"],
    "explanation/comparison.md": [
        "hits70.zarr",
        "forest",
        "predictions.parquet",
        "forest_predictions.parquet",
    ],
    "guides/own_images.md": ["hits.zarr"],
    "guides/subtract_images.md": [
        "science.fits",
        "template.fits",
        "psf_science.fits",
        "psf_template.fits",
    ],
    "guides/reading_data.md": ["hits.zarr"],
    "reference/data_layout.md": ["hits.zarr"],
}
NAMES = {  # Python that defines the names a page uses for the reader's own data
    "explanation/features.md": "CURVES",
    "explanation/forest.md": "CURVES",
    "guides/alert_stream.md": "ALERTS",
}
PREPARATION = {
    "CURVES": """
import numpy as np
mjd = np.arange(30.0)
magnitude, error = 20 + np.sin(mjd), np.full(30, 0.1)
mjds, magnitudes, errors = (np.stack([a, a]) for a in (mjd, magnitude, error))
n_points = np.array([30, 20])
""",
    "ALERTS": """
import numpy as np
from dataclasses import replace
image = np.random.default_rng(0).normal(300.0, 9.0, (21, 21)).astype(np.float32)
object_ids, images = ["a", "b"], np.stack([image, image])
class Many:
    def __iter__(self):
        return iter([conditions, conditions])
    def __len__(self):
        return 2
many_conditions = Many()
""",
}


@dataclass(frozen=True)
class Block:
    """One code block of a page."""

    language: str
    code: str
    line: int
    why: str | None


def blocks_of(page: Path) -> list[Block]:
    """All shell and Python blocks of a page, in its order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(m["language"], m["code"], text.count("\n", 0, m.start("code")), m["why"])
        for m in BLOCK.finditer(text)
    ]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT / "docs" if page.name != "README.md" else ROOT))


RUN = [page for page in PAGES if any(b.why is None for b in blocks_of(page))]
NOT_RUN = [(page, b) for page in PAGES for b in blocks_of(page) if b.why is not None]


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Gives a file of `FILES`, made with those before it on first use."""
    folder = tmp_path_factory.mktemp("made")

    def get(name):
        for each, command in FILES.items():
            needed = each == name or (each in ("hits.zarr", "forest") and each in FILES[name])
            if needed and not (folder / each).exists():
                run_shell(command, folder)
        return folder / name

    return get


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN, ids=name_of)
def test_code_of_a_page_runs(page, made, tmp_path, monkeypatch):
    name = name_of(page)
    for needed in NEEDED.get(name, ()):
        source = made(needed)
        run_shell(f"cp -r {source} {tmp_path}/", tmp_path)
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "page"}
    exec(PREPARATION.get(NAMES.get(name), ""), names)
    for block in blocks_of(page):
        if block.why is None:
            run(block, tmp_path, names)


def run(block, folder, names):
    """Run one block, or save it where its first line is the name of a file."""
    saved = re.match(r"# (\S+\.(?:py|toml))\n", block.code)
    if saved:
        (folder / saved[1]).write_text(block.code)
    if block.language == "python":
        exec(compile(block.code, f"line {block.line}", "exec"), names)
    if block.language != "sh":
        return
    code = block.code
    for pattern, smaller in SMALLER:
        code = re.sub(pattern, smaller, code)
    run_shell(code, folder)


@pytest.mark.parametrize(
    ("page", "block"), NOT_RUN, ids=[f"{name_of(page)}:{b.line}" for page, b in NOT_RUN]
)
def test_a_block_that_is_not_run(page, block):
    kind, _, reason = block.why.partition(": ")
    assert kind in ("slow", "real", "no") and (kind in REASONS) != bool(reason)
    pytest.skip(REASONS.get(kind, reason))


def test_most_blocks_run():
    n_all = sum(len(blocks_of(page)) for page in PAGES)
    assert len(NOT_RUN) < 0.4 * n_all


def test_an_error_in_a_block_is_noticed(tmp_path):
    with pytest.raises(AssertionError):
        run_shell("simulate --survey nosuch", tmp_path)
    with pytest.raises(ZeroDivisionError):
        run(Block("python", "1 / 0", 1, None), tmp_path, {})
