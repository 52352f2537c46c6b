"""The report of one set of predictions: a page, tables and figures in a folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from classifier.evaluation.comparison import Mistake, most_confident_mistakes
from classifier.evaluation.evaluation import Evaluation
from classifier.evaluation.predictions import Predictions
from classifier.image_selection import SelectedSplit
from classifier.reports import evaluation_figures as figures
from classifier.reports.evaluation_files import NAMES, write_files
from classifier.reports.object_page import mistake_parts
from classifier.reports.object_summary import summaries_of
from classifier.reports.ranking_figures import class_rankings, ranking_curves
from classifier.reports.real_bogus_section import real_bogus_section
from skyreel.report.figures import FEW_OBJECTS, Figure
from skyreel.report.page import Cards, Note, Page, Section
from skyreel.report.tables import Cell, Table, columns, number
from skyreel.report.theme import class_name, class_styles, model_styles

PAGE = "index.html"
CONFUSION = (
    "Confusion matrices after all images: rows are true classes and add up to 1, with counts below "
    "the fractions. Colours follow the square root of the fraction, so that small ones are visible."
)
CALIBRATION = (
    "Accuracy against the largest class probability, in bins of it. Points below the dashed line: "
    "the model is over-confident; above: under-confident. ECE, the expected calibration error, is "
    f"the mean distance from the line. Open points hold {FEW_OBJECTS} objects or fewer."
)


def write_report(
    evaluation: Evaluation,
    folder: str | Path,
    title: str,
    *,
    predictions: Predictions | None = None,
    selected: SelectedSplit | None = None,
    facts: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
) -> None:
    """Write ``index.html``, ``evaluation.json``, three CSV tables and PNG figures.

    Parameters
    ----------
    evaluation : Evaluation
    folder : path
        Made if it is not there; files of an earlier report are replaced.
    title : str
        Usually the model and the data.
    predictions : Predictions, optional
        For ROC and precision-recall curves and the mistakes.
    selected : SelectedSplit, optional
        The images the model was given; every mistake then has a page in ``objects/``.
    facts : mapping of str to str, optional
        Model, data and versions, for the page.
    notes : sequence of str
        What a reader must know of data and model, for the page and ``evaluation.json``.

    Raises
    ------
    OutputError
        The folder cannot be written.
    """
    folder = Path(folder)
    write_files(evaluation, folder, title, notes)
    figures.plot_comparison({title: evaluation}, folder)
    sections = [Section("Scores", [_scores(evaluation)])]
    sections += evaluation_sections({title: evaluation})
    if predictions is not None:
        rankings = class_rankings(predictions)
        place = 1 + [section.title for section in sections].index("Confusion")
        sections[place:place] = [_rankings(rankings)] if rankings else []
        sections.append(_mistakes(predictions, selected, folder))
    if notes:
        facts = {"Notes": " ".join(notes), **(facts or {})}
    _page(evaluation, title, sections, facts or {}).write(folder / PAGE)


def _page(evaluation, title, sections, facts):
    counts = evaluation.final.n_by_class.astype(int).tolist()
    return Page(
        title=title,
        verdict=tuple(_verdict(evaluation)),
        headline=accuracy_figure({title: evaluation}),
        sections=sections,
        classes=dict(zip(evaluation.classes, counts, strict=True)),
        facts={**_left_out(evaluation), **facts},
    )


_SCORES = (
    "Standard errors are from resamples of the objects. The class probabilities of an object with "
    "fewer images are carried forward. Log loss, Brier score and calibration error: less is better."
)


def accuracy_figure(evaluations: figures.Evaluations) -> Figure:
    """Accuracy by number of images, the headline of the page."""
    return Figure(
        figures.accuracy_by_images(evaluations),
        "Accuracy and mean recall by number of images, with bands of one standard error. Bottom: "
        "objects that have at least so many images; where they are few, curves are flat, as "
        "probabilities are carried forward.",
        "accuracy_by_images",
    )


def evaluation_sections(evaluations: figures.Evaluations) -> Iterator[Section]:
    """Sections that a page of one model and a page of several have in common."""
    single = len(evaluations) == 1
    if section := real_bogus_section(evaluations):
        yield section
    yield Section("Confusion", [Figure(figures.confusion(evaluations), CONFUSION, "confusion")])
    drawn = figures.recall_by_class(evaluations)
    caption = "Recall of every class by number of images, with bands of one standard error."
    yield Section("Recall by number of images", [Figure(drawn, caption, "recall_by_images")])
    caption = (
        "Accuracy and mean recall after all images in whole magnitudes, with standard errors. "
        f"Open points hold {FEW_OBJECTS} objects or fewer and are not joined."
    )
    if figures.has_magnitude_bins(evaluations):
        drawn = figures.by_magnitude(evaluations)
        yield Section("Scores by magnitude", [Figure(drawn, caption, "by_magnitude")])
        yield Section("Recall at matched magnitudes", _matched(evaluations, single))
    else:
        yield Section("Scores by magnitude", [Note(figures.NO_MAGNITUDE_BINS)])
    drawn = figures.calibration(evaluations)
    yield Section("Calibration", [Figure(drawn, CALIBRATION, "calibration")])


def _matched(evaluations, single):
    first = next(iter(evaluations.values()))
    if first.matched is None:
        return [Note("No bin of magnitude holds five objects of every class.")]
    present = np.flatnonzero(first.final.n_by_class)
    styles, rows = model_styles(evaluations), []
    for name, e in evaluations.items():
        m = e.matched
        cells = [number(m.mean_recall, m.mean_recall_error)]
        cells += [number(m.recall[k], m.recall_error[k]) for k in present]
        rows.append([Cell("All classes" if single else name, colour=styles[name][0]), *cells])
    heads = columns("Model", "Mean", *(first.classes[k] for k in present))
    return [
        Figure(
            figures.recall_by_magnitude(evaluations),
            "Recall after all images in the whole magnitudes that hold at least five objects of "
            "every class. It separates classes that are hard to classify because they are faint "
            "from classes that are hard at any magnitude.",
            "recall_by_magnitude",
        ),
        Table(
            heads, rows, "Recall over these bins, with all classes weighted to one distribution."
        ),
    ]


def mistake_caption(mistake: Mistake) -> str:
    """One mistake in words."""
    object_id, true_class, predicted, probability, magnitude = mistake
    bright = f", {magnitude:.1f} mag" if np.isfinite(magnitude) else ""
    return (
        f"{object_id}: true class {true_class}, predicted {predicted} ({probability:.3f}){bright}."
    )


def mistake_cards(
    predictions: Predictions,
    selected: SelectedSplit | None,
    folder: Path,
    *,
    model: str = "",
    colour: str = "",
) -> Cards:
    """The most confident mistakes of a model, with images where ``selected`` has them."""
    found = most_confident_mistakes(predictions)
    captions = {m.object_id: mistake_caption(m) for m in found}
    summaries = {} if selected is None else summaries_of(selected, predictions, captions)
    parts = mistake_parts(captions, summaries, folder, back=PAGE, model=model)
    return Cards(model, parts or [Note("No mistakes.")], colour)


MISTAKE_NOTE = Note(
    "Objects that are given a wrong class with the largest probability after all images; "
    "magnitudes are observed medians. Images are sky-subtracted, with one stretch for an object "
    "(that of the mean is deeper); masked pixels are blue. The curve is the measured flux."
)


def _mistakes(predictions, selected, folder):
    cards = mistake_cards(predictions, selected, folder)
    return Section("Most confident mistakes", [MISTAKE_NOTE, cards])


def _rankings(rankings):
    styles = class_styles(rankings)
    rows = [
        [
            Cell(name, colour=colour),
            class_name(name),
            f"{found['n']:,}",
            f"{found['auc']:.4f}",
            f"{found['average_precision']:.4f}",
        ]
        for (name, found), (colour, _) in zip(rankings.items(), styles, strict=True)
    ]
    means = [np.mean([f[key] for f in rankings.values()]) for key in ("auc", "average_precision")]
    rows.append(["Mean", "", "", *(Cell(f"{mean:.4f}", bold=True) for mean in means)])
    heads = [*columns("Class", "Name", text=True), *columns("Objects", "AUC", "Average precision")]
    figure = Figure(
        ranking_curves(rankings),
        "Every class against all others, by its probability after all images. AUC is the area "
        "under the ROC curve; the average precision is the area under precision against recall.",
        "roc_and_precision_recall",
    )
    return Section("ROC and precision-recall", [figure, Table(heads, rows)])


def _scores(evaluation):
    last = evaluation.summary()
    early, early_error = evaluation.by_images.at(0), evaluation.by_images_error.at(0)
    rows = []
    for name in NAMES:
        first = number(getattr(early, name, np.nan), getattr(early_error, name, np.nan))
        title = NAMES[name][0].upper() + NAMES[name][1:]
        rows.append([title, first, number(*last[name])])
    for k, name in enumerate(evaluation.classes):
        if evaluation.final.n_by_class[k]:
            first = number(early.recall[k], early_error.recall[k])
            rows.append([f"Recall of {name}", first, number(*last[f"recall_{name}"])])
    longest = int(evaluation.images[-1])
    heads = columns("Score", "After 1 image", f"After all (up to {longest})")
    return Table(heads, rows, _SCORES)


def _left_out(evaluation):
    counts = {
        "Objects": evaluation.n_objects,
        "Left out, without a label": evaluation.n_unlabelled,
        "Left out, without an image": evaluation.n_without_images,
        "Without a known magnitude": evaluation.n_without_magnitude,
    }
    return {name: f"{n:,}" for name, n in counts.items() if n}


def _verdict(e):
    s, n_classes = e.summary(), int((e.final.n_by_class > 0).sum())
    first = e.by_images.accuracy[0]
    yield (
        f"Accuracy {estimate(s['accuracy'])} and mean recall {estimate(s['mean_recall'])} after "
        f"all images, for {e.n_objects:,} objects of {n_classes} "
        f"class{'es' * (n_classes != 1)}; accuracy {first:.3f} after the first image."
    )
    yield hardest_class(e)
    c, known = e.calibration, e.calibration.n_objects > 0
    weight = c.n_objects[known] / c.n_objects.sum()
    excess = float(weight @ (c.mean_probability - c.accuracy)[known])
    state = "over-confident" if excess > 0 else "under-confident"
    least = 2 * float(np.nan_to_num(e.final_error.accuracy))
    close = abs(excess) <= least
    yield (
        f"Calibration error {estimate(s['calibration_error'])}: "
        + (f"probabilities are {state} by {abs(excess):.3f} on average." if not close else "")
        + ("on average, probabilities agree with the accuracy." if close else "")
    )


def hardest_class(e: Evaluation) -> str:
    """The class of lowest recall, and what it is most often confused with, in words."""
    recall = np.where(e.final.n_by_class > 0, e.final.recall, np.inf)
    k = int(np.argmin(recall))
    others = np.where(np.arange(len(e.classes)) == k, 0, e.final.confusion[k])
    text = f"Lowest recall: {class_name(e.classes[k])} ({e.classes[k]}) {recall[k]:.3f}"
    if others.any():
        j = int(np.argmax(others))
        text += f", most often predicted as {class_name(e.classes[j])} ({e.classes[j]})"
    return f"{text}."


def estimate(found: Iterable[float], sign: str = "") -> str:
    """A number and its standard error as text."""
    value, error = found
    text = f"{value:{sign}.3f}".replace("-", "−")
    return f"{text} ± {error:.3f}" if np.isfinite(error) else text
