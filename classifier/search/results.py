"""What a search found: a table of trials, the best of each network, and Welch tests between them.

The printed table has the columns of table 6.4 of Arredondo's thesis on classifiers of two stamps
(2021): validation and test accuracy with their standard deviations over seeds, time of a
prediction, and probabilities of Welch tests.
"""

from __future__ import annotations

import csv
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from classifier.evaluation.welch_test import welch_test
from classifier.search.random_search import Trial
from skyreel.atomic_files import whole_file
from skyreel.console import printable
from skyreel.json_io import write_json

RESULTS, TRIALS = "search.json", "trials.csv"
_SCORES = ("test_accuracy", "test_mean_recall", "ms_each")
_COLUMNS = ("network", "number", "seed", "accuracy", "iterations", "stopped", *_SCORES)


def write_results(folder: Path, by_network: list[list[Trial]]) -> None:
    """Write all trials as CSV, and the best of each network with the Welch tests as JSON.

    Raises
    ------
    skyreel.errors.OutputError
    """
    trials = [trial for found in by_network for trial in found]
    varied = list(trials[0].values)
    with whole_file(folder / TRIALS) as unfinished, unfinished.open("w", newline="") as file:
        rows = csv.DictWriter(file, [*_COLUMNS, *varied], extrasaction="ignore")
        rows.writeheader()
        for trial in trials:
            ended = max(trial.accuracies, default=0)
            own = {"accuracy": trial.accuracy, "iterations": ended}
            rows.writerow({**asdict(trial), **own, **trial.values})
    write_json(folder / RESULTS, search_record(by_network))


def search_record(by_network: list[list[Trial]]) -> dict[str, Any]:
    """Plain values, for JSON: the best combination of each network, and the tests."""
    best = [repeats_of(trials) for trials in by_network]
    return {
        "networks": [
            {
                "network": repeats[0].network,
                "values": repeats[0].values,
                "n_trials": len(trials) - len(repeats),
                "n_stopped": sum(trial.stopped for trial in trials),
                "validation_accuracy": _mean_and_spread([t.accuracy for t in repeats]),
                **{name: _mean_and_spread([getattr(t, name) for t in repeats]) for name in _SCORES},
            }
            for trials, repeats in zip(by_network, best, strict=True)
        ],
        "welch_tests": [
            {
                "first": first[0].network,
                "second": second[0].network,
                **asdict(_test(first, second)),
            }
            for first, second in combinations(best, 2)
        ],
    }


def repeats_of(trials: list[Trial]) -> list[Trial]:
    """Trainings of the best combination of one network, which are scored on the test split."""
    return [trial for trial in trials if trial.test_accuracy is not None]


def _test(first, second):
    """Of test accuracies."""
    return welch_test([t.test_accuracy for t in first], [t.test_accuracy for t in second])


def _mean_and_spread(values):
    """Mean and standard deviation over seeds."""
    return {"mean": np.mean(values), "standard_deviation": np.std(values, ddof=1)}


def results_table(by_network: list[list[Trial]]) -> Table:
    """Accuracies of the best combination of each network, and Welch tests against the others."""
    record = search_record(by_network)
    table = Table("network", "validation accuracy", "test accuracy", "ms each", "best combination")
    for found in record["networks"]:
        values = ", ".join(f"{name}={value}" for name, value in found["values"].items())
        table.add_row(
            found["network"],
            *(_text(found[name], 3) for name in ("validation_accuracy", "test_accuracy")),
            _text(found["ms_each"], 2),
            printable(values),
        )
    for test in record["welch_tests"]:
        table.caption = "\n".join(filter(None, (table.caption, _sentence(test))))
    return table


def _text(found, digits):
    return f"{found['mean']:.{digits}f} +- {found['standard_deviation']:.{digits}f}"


def _sentence(test):
    return (
        f"{test['first']} - {test['second']}: {test['difference']:+.3f} "
        f"({test['low']:+.3f} to {test['high']:+.3f} with 95 % confidence), Welch test "
        f"p = {test['p']:.2g}, Hedges' g = {test['effect']:.1f}"
    )
