"""Sequences per second, end to end on disk, where the time goes, and GalSim on the same scenes.

    python -m benchmarks.speed --n 70000 --out /tmp/speed.zarr
    python -m benchmarks.speed --parts breakdown --out /tmp/speed.zarr

The first prints all figures, the second where the CPU time of each survey goes. Every exposure of
the HiTS timetable is kept (no cut on seeing), so that sequences have about 27 epochs. Prints one
line per figure; nothing is asserted.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import zarr

from benchmarks.machine import describe_machine
from simulator.dataset.plan import make_plan
from simulator.dataset.run import execute, writer_for
from simulator.options import Options
from simulator.scene.render import BULGE_FRACTION, BULGE_PIX, DISC_PIX, HOST_E1, HOST_E2
from simulator.simulator import DRAWN_POINTINGS
from survey_profiles import draw_pointings, load_profile

KEEP_ALL = {"seeing.max_fwhm_arcsec": "20"}
GALSIM_SEQUENCES = 14
BATCH_OBJECTS = {"hits": 3584, "ztf": 2816, "lsst": 1856}  # a shard, or nearly
PARTS = ("startup", "galsim", "breakdown", "runs")


def plan(path, n, survey="hits"):
    """A run of n sequences, all for training."""
    overrides = KEEP_ALL if survey == "hits" else {}
    return make_plan(survey, Options(seed=1), path, n=n, validation=0, test=0, overrides=overrides)


def end_to_end(path, n, threads):
    """(sequences/s, bytes per sequence) of a run to disk."""
    shutil.rmtree(path, ignore_errors=True)
    job = plan(path, n)
    job.simulator.batch("train", np.arange(64))  # compile
    outcome = execute(job, writer_for(job), threads=threads)
    size = sum(f.stat().st_size for f in Path(path).rglob("*") if f.is_file())
    shutil.rmtree(path)
    return outcome.made / outcome.seconds, size / n


def breakdown(path, survey):
    """CPU microseconds per sequence of one thread: all before the pixels, pixels, writing."""
    shutil.rmtree(path, ignore_errors=True)
    job = plan(path, BATCH_OBJECTS[survey], survey)
    simulator = job.simulator
    indices = np.arange(BATCH_OBJECTS[survey])
    simulator.batch("train", indices[:64])
    spent = {"pixels": 0.0}
    from simulator import simulator as module

    expose = module.expose

    def timed(*args, **kwargs):
        start = time.process_time()
        expose(*args, **kwargs)
        spent["pixels"] += time.process_time() - start

    module.expose = timed
    start = time.process_time()
    made = simulator.batch("train", indices)
    module.expose = expose
    spent["light curves, hosts and conditions"] = time.process_time() - start - spent["pixels"]
    writer = writer_for(job)
    arrays = {"images": made.images, "mask": made.mask, **made.epochs, **made.objects}
    start = time.process_time()
    with zarr.config.set({"threading.max_workers": 1, "async.concurrency": 2}):
        writer.write_shard("train", 0, arrays)
    spent["compressing and writing"] = time.process_time() - start
    writer.close()
    shutil.rmtree(path)
    return {name: 1e6 * seconds / indices.size for name, seconds in spent.items()}


def startup():
    """Seconds of what a user waits for first: help of both commands, and 2,048 pointings."""
    taken = {}
    for command in ("simulator.cli", "survey_profiles.cli"):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", command, "--help"], check=True, capture_output=True)
        taken[f"{command} --help"] = time.perf_counter() - start
    profile = load_profile("lsst")
    start = time.perf_counter()
    draw_pointings(profile, 1, DRAWN_POINTINGS)
    taken[f"{DRAWN_POINTINGS:,} LSST pointings drawn"] = time.perf_counter() - start
    return taken


def galsim_stamp_seconds(path):
    """Seconds GalSim takes for each stamp of a few sequences: star, host and noise drawn."""
    import galsim

    job = plan(path, GALSIM_SEQUENCES)
    simulator = job.simulator
    address = np.arange(GALSIM_SEQUENCES, dtype=np.uint64)
    scenes = {}
    from simulator import simulator as module

    expose = module.expose

    def capture(objects, scene, psf, detector, **_):
        scenes.update(scene=scene, psf=psf, detector=detector)

    module.expose = capture
    simulator.batch("train", address.astype(int))
    module.expose = expose
    scene, psf, detector = scenes["scene"], scenes["psf"], scenes["detector"]
    rng = galsim.BaseDeviate(1)
    start, stamps = time.perf_counter(), 0
    for i in range(GALSIM_SEQUENCES):
        for epoch in range(scene.n_epochs[i]):
            _draw_with_galsim(galsim, scene, psf, detector, i, epoch, rng)
            stamps += 1
    return (time.perf_counter() - start) / stamps, stamps / GALSIM_SEQUENCES


def _draw_with_galsim(galsim, scene, psf, detector, i, epoch, rng):
    seeing = galsim.Moffat(beta=psf.beta[i, epoch], fwhm=psf.fwhm_pix[i, epoch])
    seeing = seeing.shear(g1=psf.e1[i, epoch], g2=psf.e2[i, epoch])
    image = galsim.ImageF(21, 21, scale=1.0, init_value=scene.background_e[i, epoch])
    here = galsim.PositionD(scene.x_pix[i, epoch], scene.y_pix[i, epoch])
    if scene.source_e[i, epoch] > 0:
        star = seeing.withFlux(scene.source_e[i, epoch])
        star.drawImage(image, add_to_image=True, offset=here)
    for k in range(scene.n_neighbours[i]):
        beside = galsim.PositionD(scene.neighbour_x_pix[i, k], scene.neighbour_y_pix[i, k])
        star = seeing.withFlux(scene.neighbour_e[i, epoch, k])
        star.drawImage(image, add_to_image=True, offset=here + beside)
    if scene.host_e[i, epoch] > 0:
        host = scene.host[i]
        fraction, shape = host[BULGE_FRACTION], {"g1": host[HOST_E1], "g2": host[HOST_E2]}
        disc = galsim.Exponential(half_light_radius=host[DISC_PIX], flux=1 - fraction)
        bulge = galsim.DeVaucouleurs(half_light_radius=host[BULGE_PIX], flux=fraction)
        galaxy = disc.shear(**shape) + bulge
        galaxy = galsim.Convolve(galaxy.withFlux(scene.host_e[i, epoch]), seeing)
        galaxy.drawImage(image, add_to_image=True, offset=here + galsim.PositionD(*host[:2]))
    noise = galsim.CCDNoise(rng, gain=1.0, read_noise=detector.read_noise_e[i])
    image.addNoise(noise)


def print_runs(path, n, threads):
    """Print the speed of runs of three sizes, and give that of the last."""
    for size in (n // 16, n // 4, n):
        rate, n_bytes = end_to_end(path, size, threads)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(
            f"n = {size:,}: {rate:,.0f} sequences/s to disk on {threads} threads, "
            f"{n_bytes / 1e3:.1f} kB each, peak memory {memory:.2f} GB"
        )
    return rate


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--n", type=int, default=70_000, help="sequences of the timed run")
    parser.add_argument("--out", type=Path, default=Path("speed.zarr"), help="scratch data set")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    args = parser.parse_args()
    print(describe_machine())
    galsim_rate = rate = None
    if "startup" in args.parts:
        for name, seconds in startup().items():
            print(f"{name}: {seconds:.2f} s")
    if "galsim" in args.parts:
        per_stamp, epochs = galsim_stamp_seconds(args.out)
        galsim_rate = 1 / (per_stamp * epochs)
        print(
            f"GalSim, same scenes, one core: {1e3 * per_stamp:.2f} ms a stamp, "
            f"{galsim_rate:.2f} sequences/s of {epochs:.1f} epochs"
        )
    for survey in BATCH_OBJECTS if "breakdown" in args.parts else ():
        for name, microseconds in breakdown(args.out, survey).items():
            print(f"{survey}, {name}: {microseconds:.0f} microseconds of CPU a sequence")
    if "runs" in args.parts:
        rate = print_runs(args.out, args.n, args.threads)
    if rate and galsim_rate:
        print(f"ratio to GalSim on as many cores: {rate / galsim_rate / args.threads:,.0f}")


if __name__ == "__main__":
    main()
