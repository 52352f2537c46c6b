"""The page of a forecast: what a schedule and a model find, how soon, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from classifier.evaluation.bootstrap import Estimates
from classifier.evaluation.comparison import is_significant
from classifier.forecast.event_rates import NOT_COUNTED
from classifier.forecast.results import Difference, ModelResults, Results, ScheduleResults
from classifier.forecast.scores_in_time import (
    FALSE_POSITIVE_RATES,
    StableTime,
    rate_name,
)
from classifier.reports import forecast_figures as figures
from classifier.reports.evaluation_page import PAGE, estimate
from skyreel.report.figures import Figure
from skyreel.report.page import Note, Page, Section
from skyreel.report.tables import Cell, Column, Table, columns, number
from skyreel.report.theme import class_styles

DEFINITIONS = (
    "First detection: the first image in which the object has a signal-to-noise of 5, from its "
    "true flux and the noise of sky, read-out and the object itself (not of a host). The signal of "
    "supernovae and asteroids is their whole flux, that of variable stars the change from their "
    "median magnitude in the band; a star that does not vary is detected as a source, and a galaxy "
    "in its first image.",
    "Image 1 is that of the first detection; all images before it are given to the model, too. "
    "Objects with fewer images keep their last prediction; one without a prediction yet counts as "
    "wrong.",
    "Objects drawn are those of the sky, detected or not: supernovae by their rates out to the "
    "redshift that the brightest reaches in the deepest exposure, stars by the survey's counts. "
    "Scores are of the detected ones, efficiencies are shares of all drawn.",
    "Purity, F1 and false-positive rates are those of equally many detected objects of every "
    "class. In the sky most objects do not vary: multiply by your own class frequencies.",
)
PAIRED = (
    "Paired: object i has the same class, subtype, redshift, luminosity, colour, magnitude, "
    "period, light-curve shape and host under both schedules, and its explosion or phase is at the "
    "same place of the time span. Its position, exposures and noise are not the same. Scores "
    "are of the objects that both schedules detect. Bold: two standard errors or more from zero."
)


def write_page(results: Results, about: Mapping[str, str], folder: Path) -> None:
    """Write the page into a folder.

    Raises
    ------
    OutputError
    """
    forecast_page(results, about).write(folder / PAGE)


def forecast_page(results: Results, about: Mapping[str, str]) -> Page:
    """The page of a forecast; figures are of the first schedule and its first model."""
    first = results.schedules[0]
    counts = dict(zip(results.classes, first.n_detected.tolist(), strict=True))
    caption = (
        f"{first.name}, {first.models[0].model}: recall of every class by the number of images and "
        "of days since the first detection, the shaded bands one standard error."
    )
    headline = Figure(figures.recall_in_time(results), caption, "recall_in_time")
    sections = [
        *_differences(results),
        *(section for each in results.schedules for section in _scores(results, each)),
        _stable(results),
        _confusion(results),
        *_efficiency(results),
        _numbers(results),
        *_groups(results),
        *_bands(results),
        *_spread(results),
        Section("Definitions", [Note(text) for text in (*DEFINITIONS, *results.notes)]),
    ]
    title = "Forecast: " + " and ".join(each.name for each in results.schedules)
    return Page(title, tuple(_verdict(results)), headline, sections, counts, about)


def _verdict(results: Results) -> Iterator[str]:
    first = results.schedules[0]
    model = first.models[0]
    yield (
        f"{first.name}: macro F1 {_pair(model.final, 'macro_f1')} after the last image, mean "
        f"recall {_pair(model.final, 'mean_recall')} ({model.model}, "
        f"{first.n_detected.sum():,} detected objects)."
    )
    yield _soonest(results, model)
    if results.differences:
        yield _compared(results)
    elif model.numbers:
        yield (
            "Expected a year: "
            + "; ".join(
                f"{each.group} {each.detected:,.0f} detected, {each.correct:,.0f} of them "
                "classified correctly"
                for each in model.numbers
            )
            + "."
        )


def _pair(found: Estimates, name: str, sign: str = "") -> str:
    return estimate((float(found.values[name]), float(found.errors[name])), sign)


def _soonest(results, model):
    parts = []
    for name, time in zip(results.classes, model.days, strict=True):
        median = time.quartiles[1]
        parts.append(
            f"{name} {median:.0f} d" if np.isfinite(median) else f"{name} more than half never"
        )
    return "Median time to a stable correct class: " + ", ".join(parts) + "."


def _compared(results):
    difference, (first, other) = results.differences[0], results.schedules
    value = float(difference.final.values["macro_f1"])
    error = float(difference.final.errors["macro_f1"])
    clear = "" if is_significant((value, error)) else " (not significant)"
    return (
        f"{other.name} less {first.name}: macro F1 {estimate((value, error), '+')}{clear}, on "
        f"{difference.n_both:,} objects that both detect."
    )


def _scores(results: Results, schedule: ScheduleResults) -> Iterator[Section]:
    model = schedule.models[0]
    heads = [Column("Class"), *columns("Drawn", "Detected", "Never detected", group="Objects")]
    heads += columns("Recall", "Purity", "F1", group="After the last image")
    rates = [rate_name(rate) for rate in FALSE_POSITIVE_RATES]
    rates_text = [f"{rate:g}" for rate in FALSE_POSITIVE_RATES]
    heads += columns(*rates_text, group="True-positive rate at a false-positive rate of")
    rows = []
    for k, (name, (colour, _)) in enumerate(
        zip(results.classes, class_styles(results.classes), strict=True)
    ):
        drawn, detected = schedule.n_drawn[k], schedule.n_detected[k]
        never = number(1 - detected / drawn) if drawn else Cell("–")
        cells = [Cell(f"{drawn:,}"), Cell(f"{detected:,}"), never]
        final = model.final
        cells += [
            number(final.values[s][k], final.errors[s][k]) for s in ("recall", "purity", "f1")
        ]
        last = model.by_images
        cells += [number(last.values[s][-1, k], last.errors[s][-1, k]) for s in rates]
        rows.append([Cell(name, colour=colour), *cells])
    text = (
        f"Standard errors are from {results.n_bootstrap} resamples of the objects. A dash: too few "
        "objects of other classes for such a false-positive rate, or none of the class."
    )
    yield Section(f"Scores: {schedule.name}", [Table(heads, rows, text)])


def _stable(results: Results) -> Section:
    heads = [Column("Schedule"), Column("Class")]
    for unit in ("Days", "Images"):
        heads += columns("25 %", "Median", "75 %", group=unit)
    heads.append(Column("Never"))
    rows = []
    for schedule in results.schedules:
        model = schedule.models[0]
        for name, days, images in zip(results.classes, model.days, model.images, strict=True):
            cells = [*_quartiles(days, 1), *_quartiles(images, 0)]
            rows.append([schedule.name, name, *cells, number(days.never, days.never_error)])
    text = (
        "From the first detection to a prediction that is correct and stays so. Objects that "
        "never reach one count as infinitely late: a dash where a quartile is among them."
    )
    return Section("Time to a stable correct class", [Table(heads, rows, text)])


def _quartiles(time: StableTime, digits: int) -> list[Cell]:
    return [number(v, e, digits=digits) for v, e in zip(time.quartiles, time.errors, strict=True)]


def _confusion(results):
    parts = []
    for schedule in results.schedules:
        model = schedule.models[0]
        caption = f"{schedule.name}, {model.model}: classes predicted after the last image."
        drawing = figures.confusion_matrix(model, results.classes)
        parts.append(Figure(drawing, caption, f"confusion_{len(parts)}"))
    return Section("Confusion matrix", parts)


def _efficiency(results: Results) -> Iterator[Section]:
    parts = []
    for k, schedule in enumerate(results.schedules):
        model = schedule.models[0]
        for quantity, label in figures.LABELS.items():
            names = figures.has_bins(model, quantity)
            if names:
                caption = (
                    f"{schedule.name}: share of all objects drawn that are detected, and that are "
                    f"also classified correctly, by {label.split(' [')[0].lower()}. Bars: half the "
                    "width of 68.3 % Wilson intervals. Every bin, of these and other quantities, "
                    "is in selection_function.parquet."
                )
                drawing = figures.efficiency(model, quantity, names)
                parts.append(Figure(drawing, caption, f"efficiency_{quantity}_{k}"))
        parts += _sky(schedule, model, k)
    if parts:
        yield Section("Efficiency", parts)


def _sky(schedule, model: ModelResults, k: int):
    names = figures.has_bins(model, "sky")
    if not names:
        return []
    caption = (
        f"{schedule.name}: share of all objects drawn that are detected and classified correctly, "
        "in cells of equal area with five objects or more. Colours are relative to the largest "
        "share of a panel."
    )
    return [Figure(figures.sky_map(model, names), caption, f"sky_{k}")]


def _numbers(results: Results) -> Section:
    heads = [Column("Schedule"), Column("Type"), *columns("Exploding", "Detected", "Correct")]
    heads += [*columns("Rate error", "Largest z", "Area [deg²]"), Column("Rate", text=True)]
    rows = []
    for schedule in results.schedules:
        for each in schedule.models[0].numbers:
            cells = [Cell(f"{each.exploding:,.0f}")]
            for value, error in (
                (each.detected, each.detected_error),
                (each.correct, each.correct_error),
            ):
                cells.append(Cell(f"{value:,.0f}", (f"± {error:,.0f}",)))
            cells += [Cell(f"{100 * each.rate_error:.0f} %"), Cell(f"{each.largest_redshift:.2f}")]
            cells += [Cell(f"{each.area_deg2:,.0f}"), Cell(each.source)]
            rows.append([schedule.name, each.group, *cells])
    text = (
        "A year, over the whole area: the published rate in the Planck 2018 cosmology times the "
        "efficiency by redshift of this forecast, for one sequence of images a year at every "
        "position, and a lower limit where sequences are cut (see the notes); positions in a table "
        "of visits are drawn in proportion to its visits. Errors are those of the simulated "
        f"sample; that of the published rate stands beside it. {NOT_COUNTED}"
    )
    if not rows:
        missing = "The area of the survey is not known (--area-deg2), or no supernova was drawn. "
        return Section("Expected numbers", [Note(missing + NOT_COUNTED)])
    return Section("Expected numbers", [Table(heads, rows, text)])


def _groups(results: Results) -> Iterator[Section]:
    heads = [Column("Schedule"), Column("Group"), *columns("Drawn", "Detected", "Share detected")]
    heads += columns("Macro F1", "Mean recall")
    rows = []
    for schedule in results.schedules:
        for each in schedule.models[0].groups:
            half = (each.detected_high - each.detected_low) / 2
            cells = [Cell(f"{each.n:,}"), Cell(f"{each.n_detected:,}"), number(each.detected, half)]
            cells.append(number(each.macro_f1, each.macro_f1_error))
            cells.append(number(each.mean_recall, each.mean_recall_error))
            rows.append([schedule.name, f"{each.kind}: {each.name}", *cells])
    text = (
        "After the last image, by programme and observing season where the schedule gives "
        "positions (else by year), and by the number of images in 30 days of a sequence, in "
        "thirds of the objects. In rolling seasons the first third is of low activity, the last "
        "of high activity."
    )
    if rows:
        yield Section("Programmes, seasons and cadence", [Table(heads, rows, text)])


def _bands(results: Results) -> Iterator[Section]:
    heads = [
        Column("Schedule"),
        Column("Band left out"),
        *columns("Macro F1", "Without it", "Loss"),
    ]
    rows = []
    for schedule in results.schedules:
        for each in schedule.models[0].bands:
            pair = (each.loss, each.loss_error)
            loss = number(*pair, sign="+", bold=is_significant(pair))
            rows.append(
                [schedule.name, each.band, number(each.macro_f1), number(each.without), loss]
            )
            n = each.n_objects
    if rows:
        text = (
            f"After the last image, for the first {n:,} detected objects, equally many of every "
            "class, predicted again without their images in one band. Bold: two standard errors "
            "or more from zero."
        )
        yield Section("Bands left out", [Table(heads, rows, text)])


_SPREAD_SCORES = ("macro_f1", "mean_recall")


def _spread(results: Results) -> Iterator[Section]:
    rows = []
    for schedule in results.schedules:
        rows += [_spread_row(schedule, model) for model in schedule.models]
        if (spread := schedule.spread) is not None:
            cells = [
                number(float(spread.values[s]), float(spread.errors[s]), of="over models")
                for s in _SPREAD_SCORES
            ]
            rows.append([schedule.name, Cell("mean", bold=True), *cells, "", ""])
    text = (
        "Errors over objects: 200 resamples within each class. Errors over fields: resamples of "
        "the sequences of exposures with all objects of each, which share nights, seeing and "
        "clouds; larger ones than over objects are the spread over weather and cadence. The error "
        "of a mean is the standard deviation of one model: the spread over training seeds, if the "
        "models differ in nothing else."
    )
    heads = [Column("Schedule"), Column("Model")]
    heads += columns(
        *("Macro F1, over objects", "Mean recall, over objects"),
        *("Macro F1, over fields", "Mean recall, over fields"),
    )
    yield Section("Spread over objects, fields and models", [Table(heads, rows, text)])


def _spread_row(schedule, model):
    cells = [
        number(float(each.values[s]), float(each.errors[s]))
        for each in (model.final, model.over_fields)
        for s in _SPREAD_SCORES
    ]
    return [schedule.name, model.model, *cells]


def _differences(results: Results) -> Iterator[Section]:
    for each in results.differences[:1]:
        first, other = (schedule.name for schedule in results.schedules)
        caption = (
            "Recall of every class by days since the first detection, of all detected objects."
        )
        parts = [
            Table(*_difference_table(results, each), f"{other} less {first}. {PAIRED}"),
            Figure(figures.schedules_in_time(results), caption, "schedules_in_time"),
        ]
        yield Section("Differences between the schedules", parts)


def _difference_table(results: Results, each: Difference):
    heads = [Column("Class"), *columns("Recall", "Purity", "F1", group="Detected by both")]
    heads += columns("Detected", "Detected and correct", group="Share of all drawn")
    rows = []
    for k, name in enumerate(results.classes):
        cells = [_signed(each.final, s, k) for s in ("recall", "purity", "f1")]
        cells += [_signed(each.shares, s, k) for s in ("detected", "correct")]
        rows.append([name, *cells])
    means = [_signed(each.final, s, ()) for s in ("mean_recall", "macro_f1")]
    rows.append([Cell("mean", bold=True), means[0], Cell("–"), means[1], Cell("–"), Cell("–")])
    return heads, rows


def _signed(found: Estimates, name: str, place) -> Cell:
    pair = float(found.values[name][place]), float(found.errors[name][place])
    return number(*pair, sign="+", bold=is_significant(pair))
