"""The commands of this package as Python functions; each writes what its command writes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skyreel.commands import PLANNED, n_cores, named_conditions
from skyreel.console import new_console
from skyreel.output_paths import check_file, check_folder

if TYPE_CHECKING:
    from classifier.evaluation import Predictions
    from classifier.evaluation.clusters import Clusters
    from classifier.evaluation.comparison import Comparison
    from classifier.forecast.results import Results
    from classifier.models.protocol import Model


def train(
    out: str | Path,
    *,
    data: str | Path | None = None,
    survey: str | Path | None = None,
    model: str = "compact",
    exposures: str | Path | None = None,
    classes: str | None = None,
    profile_overrides: Mapping[str, object] | None = None,
    conditions: str = PLANNED,
    plugins: Iterable[str | Path] = (),
    images: int | None = None,
    start: str = "first",
    band: str | None = None,
    seed: int = 0,
    threads: int | None = None,
    quiet: bool = False,
    **options: Any,
) -> Model:
    """Train a classifier on a data set or a survey, and evaluate it on the test split.

    Parameters
    ----------
    out : path
        Folder of the model; a run that stopped there is finished.
    data : path, optional
        Data set with the splits train, validation and test; or:
    survey : str or path, optional
        Survey to simulate during the training, which ``exposures``, ``classes``,
        ``profile_overrides``, ``conditions`` and ``plugins`` change as in `skyreel.simulate`.
    model : str
        Of sequences: "compact", "multiband", "rcnn" (networks) or "forest"; of first alerts, from
        a data set with planes: "deep-hits", "alerce-stamp", "two-stamp-stacked",
        "two-stamp-separated", "metadata-forest", "pixel-forest" or "logistic-regression", and of
        any data set with differences "vae" or "vade", which cluster without labels; these have none
        of the options ``images``, ``start`` and ``band``.
    images : int, optional
        Largest number of images of a sequence; by default 22, for "multiband" 60.
    start : str
        "first": sequences begin with their first image; "alert": five images before the alert.
    band : str, optional
        One, or for "multiband" several by comma; by default the reference band of the survey, or
        all its bands.
    seed : int
    threads : int, optional
        By default the number of CPU cores.
    quiet : bool
        Whether nothing is printed.
    **options
        Of networks (`classifier.training.options.NetworkOptions`), of stamp classifiers
        (`classifier.training.stamp_options.StampOptions`), of "vae" and "vade"
        (`classifier.training.autoencoder_options.AutoencoderOptions`) or of forests
        (`classifier.models.forest.training.ForestOptions`,
        `classifier.training.alert_forest_training.AlertForestOptions`); of "logistic-regression"
        `classifier.training.alert_baseline_training.AlertBaselineOptions`.

    Returns
    -------
    Model

    Raises
    ------
    UserError, RunError

    Examples
    --------
    >>> forest = train("forest", model="forest", data="hits.zarr", trees=3, depth=4, quiet=True)
    >>> forest.classes[:2]
    ('SN', 'RRL')
    """
    from classifier.cli.train_options import check_model, check_source, given_options
    from classifier.cli.training_run import train_model

    simulated = {
        "exposures": None if exposures is None else str(exposures),
        "classes": classes,
        "profile_set": {**(profile_overrides or {}), **named_conditions(conditions)} or None,
    }
    check_model(model, {}, {})
    check_source(model, data, survey, simulated)
    check_folder(Path(out))
    common = {"images": images, "start": start, "band": band, "seed": seed}
    given = given_options(model, common, options)
    return train_model(
        model,
        Path(out),
        None if data is None else Path(data),
        None if survey is None else str(survey),
        simulated,
        [Path(path) for path in plugins],
        given,
        n_cores(threads),
        quiet,
        f"skyreel.train({str(out)!r}, model={model!r}, ...)",
    )


def classify(
    model: str | Path,
    data: str | Path,
    *,
    out: str | Path,
    split: str = "test",
    report: str | Path | None = None,
    sky_map: str | Path | None = None,
    any_survey: bool = False,
    threads: int | None = None,
    quiet: bool = False,
) -> Predictions | Clusters:
    """Class probabilities of sequences after every image; clusters of a model without classes.

    Parameters
    ----------
    model : str or path
        Shipped model by name, or a folder.
    data : path
        Data set, simulated or real.
    out : path
        Table of the predictions to write: .parquet, .csv, .ecsv or .fits.
    split : str
        "train", "validation" or "test".
    report : path, optional
        Folder for a page of scores and plots, where labels are known; of clusters always.
    sky_map : path, optional
        PNG to write: predicted classes on the sky, where positions are known.
    any_survey : bool
        Whether the model may be of another survey.
    threads : int, optional
        By default the number of CPU cores.
    quiet : bool
        Whether nothing is printed.

    Returns
    -------
    Predictions, or classifier.evaluation.clusters.Clusters

    Raises
    ------
    UserError, RunError

    Examples
    --------
    >>> predictions = classify("hits-compact", "hits.zarr", out="some.parquet", quiet=True)
    >>> predictions.probabilities.shape[2]
    7
    """
    from classifier.cli.classify import (
        draw_map,
        known_positions,
        predict_split,
        refuse_unlabelled,
    )
    from classifier.cli.cluster_report import cluster_split, refuse_plots
    from classifier.dataset import DatasetSplit
    from classifier.models.registry import check_fit, makes_clusters, open_model
    from skyreel.tables import SUFFIXES

    out, report = Path(out), None if report is None else Path(report)
    sky_map = None if sky_map is None else Path(sky_map)
    check_file(out, suffixes=SUFFIXES)
    check_file(sky_map, "sky_map", (".png",))
    check_folder(report, "report")
    chosen, cores = DatasetSplit(data, split), n_cores(threads)
    positions = None if sky_map is None else known_positions(chosen)
    opened = open_model(model, threads=cores)
    clusters = makes_clusters(opened)
    if clusters:
        refuse_plots(None, sky_map)
    elif report is not None:
        refuse_unlabelled(chosen)
    console = new_console(quiet)
    fit = {"any_survey": any_survey, "any_class": clusters}
    for note in check_fit(str(model), opened, chosen, **fit):
        console.print(f"Note: {note}")
    if clusters:
        return cluster_split(opened, chosen, out, report, console)
    predictions = predict_split(opened, chosen, out, report, cores, console)
    if sky_map is not None:
        draw_map(sky_map, positions, predictions, console)
    return predictions.loaded()


def compare(
    models: Iterable[str | Path],
    data: str | Path,
    *,
    out: str | Path,
    names: Iterable[str] = (),
    split: str = "test",
    any_survey: bool = False,
    threads: int | None = None,
    quiet: bool = False,
) -> Comparison:
    """Compare models on the same objects: scores, paired differences, one page.

    Parameters
    ----------
    models : iterable of str or path
        Shipped models by name, or folders.
    data : path
        Data set, simulated or real, with labels.
    out : path
        Folder of the report; predictions there are used again.
    names : iterable of str
        Names of the models on the page; by default their own.
    split : str
        "train", "validation" or "test".
    any_survey : bool
        Whether models may be of another survey.
    threads : int, optional
        By default the number of CPU cores.
    quiet : bool
        Whether nothing is printed.

    Returns
    -------
    Comparison

    Raises
    ------
    UserError, RunError

    Examples
    --------
    >>> comparison = compare(["hits-compact"], "hits.zarr", out="comparison", quiet=True)
    >>> sorted(comparison.scores)
    ['hits-compact']
    """
    from classifier.cli.compare import compare_models, open_models

    check_folder(Path(out))
    cores = n_cores(threads)
    found, chosen = open_models(
        [str(model) for model in models],
        tuple(names),
        Path(data),
        split,
        any_survey=any_survey,
        threads=cores,
    )
    return compare_models(found, chosen, Path(out), cores, new_console(quiet))


def forecast(
    survey: str | Path,
    models: str | Path | Iterable[str | Path],
    *,
    out: str | Path,
    schedule: str | Path = "drawn",
    position: str | None = None,
    programme: str = "all",
    dates: str | None = None,
    season: int | None = None,
    against: str | Path | None = None,
    against_models: Iterable[str | Path] = (),
    n: int = 20_000,
    area_deg2: float | None = None,
    profile_overrides: Mapping[str, object] | None = None,
    plugins: Iterable[str | Path] = (),
    any_survey: bool = False,
    seed: int = 0,
    threads: int | None = None,
    quiet: bool = False,
) -> Results:
    """How well and how soon trained models classify what a survey observes.

    Parameters
    ----------
    survey : str or path
        Survey profile, by name or TOML file.
    models : str, path, or iterable of them
        Shipped models by name, or folders; several, as training seeds, with equal classes.
    out : path
        Folder of the page, the JSON and the tables.
    schedule : str or path
        Table of exposures or visits, as of Rubin's OpSim; "drawn": from the profile.
    position, programme, dates, season : optional
        Visits of a table to use, as in `survey_profiles.VisitSelection`.
    against : str or path, optional
        Another schedule, "drawn", or another survey profile to compare with.
    against_models : iterable of str or path
        Models for ``against``; by default ``models``.
    n : int
        Objects with images: those that a schedule detects.
    area_deg2 : float, optional
        Area of the survey, for the numbers a year; by default the profile's footprint.
    profile_overrides : mapping, optional
        Replaced numbers of the profile, by dotted key.
    plugins : iterable of path
        Python files that register light-curve classes.
    any_survey : bool
        Whether models may be of another survey.
    seed : int
    threads : int, optional
        By default the number of CPU cores.
    quiet : bool
        Whether nothing is printed.

    Returns
    -------
    Results

    Raises
    ------
    UserError, RunError
    """
    from classifier.cli.forecast import make_forecast, visits

    several = [models] if isinstance(models, str | Path) else models
    asked = {
        "survey": str(survey),
        "schedule": str(schedule),
        "against": None if against is None else str(against),
        "models": tuple(map(str, several)),
        "against_models": tuple(map(str, against_models)),
        "n": n,
        "area_deg2": area_deg2,
        "overrides": dict(profile_overrides or {}),
        "visits": visits(position, programme, dates, season),
        "any_survey": any_survey,
        "seed": seed,
    }
    called = f"skyreel.forecast({str(survey)!r}, ..., out={str(out)!r})"
    return make_forecast(
        Path(out), asked, [Path(path) for path in plugins], n_cores(threads), quiet, called
    )
