"""The page of a few-shot report: one HTML file that needs no other, and no scripts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import chain

import numpy as np

from classifier.reports import evaluation_figures as plots
from classifier.reports.html import (
    cell,
    document,
    facts,
    heading,
    note,
    picture,
    section,
    table,
)
from classifier.reports.object_figure import ObjectSummary
from finetune.reports import few_shot_figures as figures
from finetune.reports.few_shot_mistakes import Missed, small_picture
from finetune.reports.few_shot_results import FOREST, NETWORK
from finetune.reports.few_shot_scores import (
    Scoring,
    by_images,
    evaluations,
    matched_scores,
    shared_bins,
)
from finetune.reports.few_shot_summary import image_counts, label_equivalences, statements
from finetune.reports.few_shot_tables import difference_table, matched_table, score_table

_TYPICAL = 10  # labels per class, of the plots that show one number of them


@dataclass(frozen=True)
class Page:
    """All that the page shows.

    ``missed`` are those of ``method`` after ``size`` labels per class; ``summaries`` what can
    be drawn of them, by name. ``joint`` is what `figures.joint_embedding` takes, or None.
    """

    scoring: Scoring
    title: str
    about: Mapping[str, str]
    method: str
    size: int
    missed: Sequence[Missed] = ()
    summaries: Mapping[str, ObjectSummary] = field(default_factory=dict)
    joint: tuple | None = None


def typical_size(scoring: Scoring, method: str) -> int:
    """Labels per class of the plots that show one number: 10, else the largest below, else any."""
    sizes = [k for k in scoring.few.per_class(method) if scoring.few.draws_of(method, k)]
    below = [k for k in sizes if k <= _TYPICAL]
    return below[-1] if below else sizes[0]


def page_of(page: Page) -> str:
    """The page as HTML."""
    sections = (
        _headline,
        _curve,
        _differences,
        _by_images,
        _confusion,
        _calibration,
        _magnitudes,
        _together,
        _missed,
        _missing,
    )
    parts = chain.from_iterable(part(page) for part in sections)
    return document(page.title, [facts(page.about.items()), *parts])


def _headline(page) -> Iterator[str]:
    scoring = page.scoring
    parts = [f"<p><b>{escape(text)}</b></p>" for text in statements(scoring)]
    for name, images in image_counts(scoring.few).items():
        parts.append(f"<h3>After {'all' if name == 'all' else name} images</h3>")
        parts.append(score_table(scoring, images))
    yield section(
        "Mean recall",
        *parts,
        note(
            "Over the classes that have real objects; an answer that is another class is an error. "
            "Scored on the tested objects of each draw, never on those taught. Below each score: the "
            "standard deviation of one draw, and the standard error that the number of objects gives. "
            "Without a label, all objects are tested. Objects with fewer images keep their last answer."
        ),
    )
    found = label_equivalences(scoring)
    if found:
        rows = [[escape(name), cell(str(labels), "text")] for name, labels in found.items()]
        head = [heading("Model"), heading("As many labels per class", "text")]
        yield section(
            "What the simulation is worth",
            table(head, rows),
            note(
                "How many real labels per class the learner of real objects alone needs to be as "
                "good: its curve, taken never to fall, interpolated in the logarithm. In parentheses "
                "the range of two thirds of the resamples of the objects; the luck of the draw is "
                "averaged, not counted."
            ),
        )


def _curve(page):
    scoring, few = page.scoring, page.scoring.few
    scores, draws = {}, {}
    for name in few.methods:
        sizes = [k for k in few.per_class(name) if few.draws_of(name, k)]
        scores[name] = {k: scoring.score(name, k, few.longest) for k in sizes}
        draws[name] = {k: scoring.mean_recall(name, k, few.longest)[:, 0] for k in sizes}
    yield section(
        "By number of labels",
        picture(
            figures.learning_curves(few.methods, scores, draws),
            "Mean recall after all images. Dashed: without any real label. Bars are the standard "
            "deviation of one draw (without a label: the standard error of the objects), dots the "
            "draws.",
        ),
    )


def _differences(page):
    found = difference_table(page.scoring, page.scoring.few.longest)
    if found:
        yield section(
            "Differences after all images",
            found,
            note(
                "On the same tested objects of the same draws. Bold: two errors or more from zero, "
                "errors of the mean over draws and of the objects taken together. Draws overlap, so "
                "the first of these is not quite independent."
            ),
        )


def _by_images(page):
    few, curves = page.scoring.few, {}
    sizes = set()
    for name in _models(page):
        size = typical_size(page.scoring, name)
        curves[name] = by_images(page.scoring, name, size)
        sizes.add(size)
    if not curves:
        return
    panels = ["Mean", *(few.classes[k] for k in few.present)]
    images = np.arange(1, few.longest + 1)
    yield section(
        "By number of images",
        picture(
            figures.recall_by_images(few.methods, curves, images, panels),
            f"Mean recall and recall of every class, before (dashed) and after {_labels(sizes)}, on "
            "the same objects. Bands are the standard deviation of one draw.",
        ),
    )


def _confusion(page):
    few, pictures = page.scoring.few, []
    for name in _models(page):
        found = evaluations(few, name, typical_size(page.scoring, name))
        if found:
            pictures.append(picture(plots.confusion(found), f"The {name}."))
    if pictures:
        yield section(
            "Confusion",
            *pictures,
            note(
                "Which classes are taken for which, after all images: rows are true classes and add up "
                "to 1. Counts are sums over the draws. Colours follow the square root, so that "
                "mistakes are seen."
            ),
        )


def _calibration(page):
    few, found = page.scoring.few, {}
    for name in _models(page):
        found |= evaluations(few, name, typical_size(page.scoring, name))
    if found:
        yield section(
            "Calibration",
            picture(
                plots.calibration(found),
                "Whether a probability means what it says: points above the diagonal are of a model "
                "that is too modest, points below of one too sure. Objects are sums over the draws; "
                "bars are as wide as if all draws tested the same. ECE is the mean distance from it.",
            ),
        )


def _magnitudes(page):
    scoring, few = page.scoring, page.scoring.few
    bins, title = shared_bins(few), "At the same magnitudes"
    if not bins:
        yield section(title, note("No whole magnitude holds five objects of two classes."))
        return
    scores = {
        name: matched_scores(scoring, bins, name, typical_size(scoring, name), few.longest)[1]
        for name in few.methods
    }
    names = [(_bin_name(few, each), each) for each in bins]
    sizes = {typical_size(scoring, name) for name in few.methods}
    yield section(
        title,
        picture(
            figures.shared_magnitudes(few.methods, scores, names),
            f"Mean recall after {_labels(sizes)} and all images, in the whole magnitudes that hold "
            "at least five objects of two classes or more, over these classes: there, how bright "
            "an object is tells less of what it is. Bars are the standard error of the objects.",
        ),
        matched_table(scoring, bins, image_counts(few)),
        note("Mean over these bins."),
    )


def _bin_name(few, each):
    return f"{each.low} to {each.low + 1}\n{', '.join(few.classes[k] for k in each.classes)}"


def _together(page):
    if page.joint is not None:
        real = page.joint[2]
        yield section(
            "Simulated and real together",
            picture(
                figures.joint_embedding(*page.joint),
                f"What the network remembers of {int((~real).sum()):,} simulated and "
                f"{int(real.sum()):,} real sequences after their last image, laid out by t-SNE. Where "
                "real objects lie among the simulated ones of their class, the simulation is like "
                "them; distances between groups mean nothing.",
            ),
        )


def _missed(page):
    title, what = "Misclassified sequences", f"{page.method} after {_labels({page.size})}"
    if not page.missed:
        yield section(title, note(f"None, of {what}."))
        return
    parts = [
        note(
            f"Of {what}, after all images; those missed in most draws first. Images are less the "
            "sky, with one stretch; masked pixels blue; their mean is shown deeper."
        )
    ]
    for missed in page.missed:
        text = _caption(missed)
        if missed.object_id in page.summaries:
            parts.append(picture(small_picture(page.summaries[missed.object_id]), text))
        else:
            parts.append(note(f"{text} No picture: its images are not those that were classified."))
    yield section(title, *parts)


def _caption(m: Missed):
    times = f"missed in {m.wrong} of {m.tested} draws" if m.tested > 1 else "missed"
    bright = f" {m.magnitude:.1f} mag." if np.isfinite(m.magnitude) else ""
    before = f" Before: {m.before} ({m.probability_before:.2f})." if m.before else ""
    return (
        f"{m.object_id}: true class {m.true_class}, answer {m.predicted_class} ({m.probability:.2f}), "
        f"{times}.{before}{bright}"
    )


def _missing(page):
    if page.scoring.few.missing:
        yield section("Not there", *(note(f"{text}.") for text in page.scoring.few.missing))


def _models(page):
    few = page.scoring.few
    return [name for name in (NETWORK, FOREST) if name in few.methods]


def _labels(sizes):
    texts = [f"{k} label{'s' * (k != 1)} per class" if k else "no label" for k in sorted(sizes)]
    return " or ".join(texts)
