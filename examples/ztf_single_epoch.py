"""The single-epoch baseline for real alerts: trees on the stamps of one alert per object.

Run:

    ingest --from ztf alerts/ --labels labels.csv --out real.zarr
    python examples/ztf_single_epoch.py real.zarr
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from rich.console import Console
from rich.table import Table

CLASSES = ("SN", "AST", "variable_star", "BOGUS")
PER_CLASS = (1, 2, 5, 10, 20)


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("real", help="data set with template and difference images")
    parser.add_argument("--classes", default=",".join(CLASSES), help="comma-separated names")
    parser.add_argument("--per-class", default=",".join(map(str, PER_CLASS)), metavar="K,K,...")
    parser.add_argument("--trials", type=int, default=50, help="draws for every K (default 50)")
    parser.add_argument("--disjoint", choices=("field", "object"), default="field")
    parser.add_argument(
        "--without-brightness",
        action="store_true",
        help="leave out the features that measure brightness",
    )
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(argv)


def numbers(text: str, least: int = 1) -> list[int]:
    """Whole numbers from a comma-separated list, sorted."""
    from skyreel.errors import FinetuneError

    try:
        found = sorted({int(part) for part in text.split(",")})
    except ValueError:
        raise FinetuneError(
            f"--per-class {text}: give whole numbers with commas, as 1,5,10."
        ) from None
    if min(found) < least:
        raise FinetuneError(f"--per-class {text}: each must be {least} or more.")
    return found


def read(path: str, classes: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Features (object, feature), labels, fields (object,), and the number without planes."""
    from classifier.dataset import DatasetSplit
    from classifier.features.alert_features import first_alert_features
    from skyreel.errors import FinetuneError

    split = DatasetSplit(path, "test")
    features = first_alert_features(split)
    place = [classes.index(name) if name in classes else -1 for name in split.classes]
    labels = np.array([*place, -1])[split.labels]
    absent = [name for i, name in enumerate(classes) if not (labels == i).any()]
    if absent or len(classes) < 2:
        raise FinetuneError(
            f"{path} has no {', '.join(absent) or 'second class'}; it has "
            f"{', '.join(split.classes)}. Choose two or more of them with --classes."
        )
    unusable = np.isnan(features).any(axis=1)
    labels[unusable] = -1
    return np.nan_to_num(features), labels, split.values("field"), int(unusable.sum())


def recall_table(results: list, classes: tuple[str, ...], labels: np.ndarray) -> Table:
    """Mean recall and recall by class: mean and standard deviation over draws."""
    table = Table(title="recall after one image: trees trained on k alerts of every class")
    table.add_column("k", justify="right")
    table.add_column("mean recall", justify="right")
    for i, name in enumerate(classes):
        table.add_column(f"{name} ({(labels == i).sum()})", justify="right")
    for result in results:
        columns = (result.mean_recall, *result.recall.T)
        cells = [f"{values.mean():.3f} ± {values.std(ddof=1):.3f}" for values in columns]
        table.add_row(str(result.per_class), *cells)
    return table


def confusion_table(result, classes: tuple[str, ...]) -> Table:
    """The confusion matrix, mean over draws."""
    table = Table(title=f"confusion matrix: share of test objects (k = {result.per_class})")
    table.add_column("true class")
    for name in classes:
        table.add_column(name, justify="right")
    for name, row in zip(classes, result.confusion, strict=True):
        table.add_row(name, *(f"{share:.3f}" for share in row))
    return table


def report(args: argparse.Namespace, console: Console) -> None:
    """Read the alerts, train, test, and print the tables."""
    from classifier.features.alert_features import feature_columns
    from finetune.single_epoch import few_shot_scores
    from skyreel.errors import FinetuneError

    if args.trials < 2:
        raise FinetuneError(f"--trials {args.trials}: at least 2, for a standard deviation.")
    sizes, classes = numbers(args.per_class), tuple(args.classes.split(","))
    features, labels, fields, left_out = read(args.real, classes)
    columns = feature_columns(brightness=not args.without_brightness)
    results = [
        few_shot_scores(
            features[:, columns],
            labels,
            fields,
            classes,
            per_class=k,
            trials=args.trials,
            seed=args.seed,
            disjoint=args.disjoint,
        )
        for k in sizes
    ]
    console.print(recall_table(results, classes, labels))
    chosen = 10 if 10 in sizes else sizes[-1]
    console.print(confusion_table(results[sizes.index(chosen)], classes))
    console.print(
        f"{len(columns)} features, {args.trials} draws (± their standard deviation), disjoint by "
        f"{args.disjoint}, seed {args.seed}; {(labels >= 0).sum()} objects, first alert of each, "
        f"{left_out} without three usable stamps."
    )


def main(argv: list[str] | None = None) -> int:
    """Run the example; the exit code."""
    args = parse(argv)
    from skyreel.errors import UserError

    try:
        report(args, Console())
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
