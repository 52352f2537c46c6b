"""The page of one object, its summary as a PNG, and the mistakes of a report that link to pages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import numpy as np

from classifier.evaluation.predictions import Predictions
from classifier.image_selection import SelectedSplit
from classifier.photometry.measurement import NJY_ZERO_POINT_MAG
from classifier.reports.object_figures import summary_figure
from classifier.reports.object_strip import strip
from classifier.reports.object_summary import ObjectSummary, object_summary_of
from skyreel.report.figures import Figure, save_png
from skyreel.report.page import Note, Page, Part, Section
from skyreel.report.tables import Cell, Table, columns
from skyreel.report.theme import class_name, class_styles

OBJECTS = "objects"
"""Folder of a report that holds the pages of its objects."""


def object_summary_path(out: str | Path, object_id: object) -> Path:
    """Where the summary of an object goes: beside the file of the predictions."""
    return Path(out).with_name(f"{Path(out).stem}_{_plain(object_id)}.png")


def draw_object_summary(
    path: str | Path, selected: SelectedSplit, row: int, predictions: Predictions
) -> None:
    """Write a PNG of one object; arguments are those of `object_summary_of`.

    Raises
    ------
    ClassifierError
        The object has no images in the band, or other ones than were classified; or the
        survey's PSFs cannot be read.
    OutputError
        The path cannot be written.
    """
    save_png(summary_figure(object_summary_of(selected, row, predictions)), path)


def mistake_parts(
    captions: Mapping[str, str],
    summaries: Mapping[str, ObjectSummary],
    folder: Path,
    *,
    back: str,
    model: str = "",
) -> list[Part]:
    """A strip of images with the light curve of every object, linked to a page of its own.

    Parameters
    ----------
    captions : mapping of str to str
        By object, in the order they are listed.
    summaries : mapping of str to ObjectSummary
        Objects without one are listed without images.
    folder : path
        Of the report; the pages are written into its folder `OBJECTS`.
    back : str
        File name of the report's page.
    model : str
        Put before the file names, where a report has several models.

    Raises
    ------
    OutputError
        A page cannot be written.
    """
    parts: list[Part] = []
    for name, caption in captions.items():
        if name not in summaries:
            parts.append(Note(f"{caption} Its images are not available."))
            continue
        file_name = f"{_distinct(f'{model}_{name}' if model else name)}.html"
        object_page(summaries[name], back=f"../{back}").write(folder / OBJECTS / file_name)
        link = {"link": f"{OBJECTS}/{file_name}", "link_text": "Object page"}
        parts.append(Figure(strip(summaries[name]), caption, _plain(name), **link))
    return parts


def object_page(summary: ObjectSummary, *, back: str = "") -> Page:
    """The page of one object; ``back`` is the address of the report it belongs to."""
    figure = Figure(
        summary_figure(summary),
        "Top: the images, sky-subtracted, with one stretch. Middle: the light curve with one "
        "standard error, magnitudes at the right. Bottom: the class probabilities after every "
        "image. Columns are images; lines at the foot lead to their dates.",
        _plain(summary.name),
    )
    return Page(
        title=f"Object {summary.name}",
        verdict=tuple(_verdict(summary)),
        headline=figure,
        sections=[
            Section("Probabilities after all images", [_probabilities(summary)]),
            Section("Images", [_images(summary)]),
        ],
        classes=dict.fromkeys(summary.classes),
        facts={"Survey": summary.survey, "Band": summary.band},
        back=back,
    )


def _verdict(s):
    predicted, n = s.classes[s.predicted], s.day.size
    images = "1 image" if n == 1 else f"{n} images"
    result = f"Predicted after {images}: {class_name(predicted)} ({predicted}, "
    result += f"probability {s.probabilities[-1, s.predicted]:.2f})"
    if s.true_class is None:
        yield f"{result}; the true class is not known."
    elif s.true_class == predicted:
        yield f"{result}; this is the true class."
    else:
        yield f"{result}; the true class is {class_name(s.true_class)} ({s.true_class})."
    with np.errstate(invalid="ignore"):
        other = s.probabilities.argmax(axis=1) != s.predicted
    first = int(np.flatnonzero(other)[-1]) + 2 if other.any() else 1
    yield f"The prediction is {predicted} from image {first} on."
    bright = np.nanmedian(s.flux_njy[s.detected]) if s.detected.any() else np.nan
    seen = f"Detected in {int(s.detected.sum())} of {images}"
    if np.isfinite(bright):
        seen += f"; median magnitude there {NJY_ZERO_POINT_MAG - 2.5 * np.log10(bright):.1f}"
    yield f"{seen} ({s.band} band, at 3σ or more)."


def _probabilities(s):
    colours = [colour for colour, _ in class_styles(s.classes)]
    rows = [
        [
            Cell(s.classes[k], colour=colours[k]),
            class_name(s.classes[k]),
            f"{s.probabilities[-1, k]:.3f}",
            "true class" if s.classes[k] == s.true_class else "",
        ]
        for k in np.argsort(-s.probabilities[-1], kind="stable")
    ]
    heads = [*columns("Class", "Name", text=True), *columns("Probability", "")]
    return Table(heads, rows)


def _images(s):
    rows = []
    for k in range(s.day.size):
        measured = np.isfinite(s.flux_njy[k])
        values = (s.flux_njy[k], s.error_njy[k])
        fluxes = [f"{v:,.0f}" if measured else "–" for v in values]
        note = "saturated" if s.saturated[k] else "" if s.detected[k] else "not detected (< 3σ)"
        known = np.isfinite(s.probabilities[k]).all()
        predicted = s.classes[int(s.probabilities[k].argmax())] if known else "–"
        note = note if measured else "not measured"
        rows.append([str(k + 1), f"{s.day[k]:.3f}", *fluxes, predicted, note])
    heads = columns("Image", "Day [d]", f"{s.band} flux [nJy]", "Error [nJy]", "Predicted")
    return Table([*heads, *columns("Note", text=True)], rows)


def _plain(object_id):
    return re.sub(r"[^\w.+-]", "_", str(object_id))


def _distinct(name):
    """A file name that no other object has."""
    plain = _plain(name)
    return plain if plain == name else f"{plain}-{sha256(name.encode()).hexdigest()[:6]}"
