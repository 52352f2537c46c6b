"""Small simulated HiTS data sets."""

from simulator.dataset.plan import make_plan
from simulator.dataset.run import execute, writer_for
from simulator.options import Options

SMALL = {"cadence.max_epochs": "6", "cadence.min_epochs": "1"}


def plan_at(path, n=300, seed=1, **changes):
    """The plan of a data set of short sequences; ``changes`` replace profile values."""
    options = Options(seed=seed, stamp_size_pix=9)
    return make_plan(
        "hits", options, path, n=n, validation=20, test=10, overrides={**SMALL, **changes}
    )


def make(path, threads=1, **changes):
    """Simulate such a data set."""
    plan = plan_at(path, **changes)
    with writer_for(plan) as writer:
        return execute(plan, writer, threads=threads)
