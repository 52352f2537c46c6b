"""The report of a folder of ``finetune``: ``report.html`` and ``report.json``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from classifier.dataset import DatasetSplit
from classifier.reports import evaluation_figures as plots
from classifier.reports.evaluation_page import CALIBRATION, CONFUSION, estimate
from classifier.reports.object_page import mistake_parts
from classifier.reports.object_summary import summaries_of
from finetune.reports import few_shot_figures as figures
from finetune.reports.few_shot_mistakes import (
    Misclassified,
    most_often_misclassified,
    selected_as,
)
from finetune.reports.few_shot_record import few_shot_record
from finetune.reports.few_shot_results import NETWORK, STATES, FewShot, read_few_shot
from finetune.reports.few_shot_scores import (
    Scoring,
    by_images,
    evaluations,
    matched_scores,
    shared_bins,
)
from finetune.reports.few_shot_summary import (
    headline_of,
    headline_table,
    models_of,
    statements,
    typical_size,
)
from finetune.reports.few_shot_tables import (
    BASELINES,
    difference_table,
    equivalence_table,
    matched_table,
    score_table,
)
from skyreel.json_io import write_json
from skyreel.report.figures import Figure
from skyreel.report.page import Cards, Note, Page, Section

PAGE, RECORD = "report.html", "report.json"
_SCORES = (
    "Mean over the classes that have real objects; any other predicted class is an error. Scores "
    "are of the test objects of each draw. Below each score: the standard deviation of one draw, "
    "and the standard error that the number of objects gives. Without a label, all objects are "
    "test objects. Probabilities of objects with fewer images are carried forward."
)
_EQUIVALENCE = (
    "Real labels per class that the real-only baseline needs for the same mean recall: its "
    "learning curve, made monotonic, is interpolated in the logarithm of the number. In "
    "parentheses: 68 % range over resamples of the objects, with scores averaged over draws."
)
_DIFFERENCES = (
    "After all images, on the same test objects of the same draws. Bold: two errors or more from "
    "zero, the errors of draws and objects added in quadrature. Draws overlap, so they are not "
    "fully independent."
)


def write_few_shot_report(
    folder: str | Path, real: DatasetSplit | None, *, console: Console | None = None
) -> Path:
    """Write the report of a folder; returns the path of the page.

    Parameters
    ----------
    folder : path
        Of ``finetune``; the page says which results are missing.
    real : DatasetSplit or None
        The real sequences, for images of the misclassified ones; without them there are none.
    console : rich.console.Console, optional
        Prints the main scores and the path of the page.

    Raises
    ------
    FinetuneError, ClassifierError
        The folder is not one of these or is damaged, or the sequences cannot be read.
    OutputError
        The folder cannot be written.
    """
    folder = Path(folder)
    report = _Report(Scoring(read_few_shot(folder)), folder, real)
    found = headline_of(report.scoring)
    record = few_shot_record(report.scoring, found, _facts(report.few), report.missed)
    write_json(folder / RECORD, record)
    report.page().write(folder / PAGE)
    if console is not None:
        console.print(headline_table(found))
        if found["statement"]:
            console.print(found["statement"])
        console.print(f"The report: {folder / PAGE}")
    return folder / PAGE


@dataclass
class _Report:
    scoring: Scoring
    folder: Path
    real: DatasetSplit | None

    def __post_init__(self):
        self.few = self.scoring.few
        self.method = NETWORK if NETWORK in self.few.methods else self.few.methods[0]
        self.size = typical_size(self.scoring, self.method)
        self.missed = most_often_misclassified(self.few, self.method, self.size)

    def page(self) -> Page:
        few = self.few
        counts = np.bincount(few.labels, minlength=len(few.classes)).tolist()
        model, data = few.run.model, few.run.real
        parts = (
            self._scores,
            self._differences,
            self._by_images,
            self._confusion,
            self._calibration,
            self._magnitudes,
            self._embedding,
            self._misclassified,
            self._missing,
        )
        return Page(
            title=f"{Path(model).name} adapted to {Path(data).name}",
            verdict=tuple(self._verdict()),
            headline=self._learning_curves(),
            sections=[section for part in parts for section in part()],
            classes=dict(zip(few.classes, counts, strict=True)),
            facts=_facts(few),
        )

    def _verdict(self) -> Iterator[str]:
        scoring, longest, k = self.scoring, self.few.longest, self.size
        score, gain = (f(self.method, k, longest) for f in (scoring.score, scoring.gain))
        text = f"{self.method}: mean recall {_text(score)} with {_labels({k})}"
        if gain is not None:
            text += f", a gain of {_text(gain, '+')} over the model before adaptation"
        yield f"{text}."
        unknown = "Without the real-only baseline there is no label equivalence."
        yield next(statements(scoring), unknown)
        leads = {b: scoring.lead(self.method, b, k, longest) for b in BASELINES}
        texts = [f"{_text(s, '+')} over {b}" for b, s in leads.items() if s and b != self.method]
        yield (
            f"Lead of the {self.method} with {_labels({k})}: {', '.join(texts)}."
            if texts
            else "No baseline was run."
        )

    def _learning_curves(self):
        few, scoring = self.few, self.scoring
        scores, draws = {}, {}
        for name in few.methods:
            sizes = [k for k in few.per_class(name) if few.draws_of(name, k)]
            scores[name] = {k: scoring.score(name, k, few.longest) for k in sizes}
            draws[name] = {k: scoring.mean_recall(name, k, few.longest)[:, 0] for k in sizes}
        return Figure(
            figures.learning_curves(scores, draws),
            "Mean recall after all images by number of real labels per class. Dashed: without any "
            "real label. Bars: standard deviation of one draw (without a label, standard error of "
            "the objects). Dots: the draws.",
            "learning_curves",
        )

    def _scores(self):
        yield Section("Mean recall", [score_table(self.scoring, _SCORES)])
        found = equivalence_table(self.scoring, _EQUIVALENCE)
        if found:
            yield Section("Label equivalence", [found])

    def _differences(self):
        found = difference_table(self.scoring, self.few.longest, _DIFFERENCES)
        if found:
            yield Section("Gains and leads", [found])

    def _by_images(self):
        few = self.few
        sizes = {name: typical_size(self.scoring, name) for name in models_of(few)}
        if sizes:
            curves = {name: by_images(self.scoring, name, k) for name, k in sizes.items()}
            titles = ["Mean", *(few.classes[k] for k in few.present)]
            images = np.arange(1, few.longest + 1)
            caption = (
                f"Before adaptation (dashed) and with {_labels({*sizes.values()})}, on the same "
                "test objects. Bands: standard deviation of one draw."
            )
            drawn = figures.recall_by_images(few.methods, curves, images, titles)
            figure = Figure(drawn, caption, "recall_by_images")
            yield Section("Recall by number of images", [figure])

    def _evaluations(self):
        """By method, before and after adaptation."""
        for name in models_of(self.few):
            found = evaluations(self.few, name, typical_size(self.scoring, name))
            if found:
                yield name, found

    def _confusion(self):
        found = {key: e for _, of in self._evaluations() for key, e in of.items()}
        if found:
            caption = f"{CONFUSION} Counts are sums over the draws."
            yield Section("Confusion", [Figure(plots.confusion(found), caption, "confusion")])

    def _calibration(self):
        found = {key: e for _, of in self._evaluations() for key, e in of.items()}
        if found:
            caption = f"{CALIBRATION} Objects are sums over the draws; bars allow for repetition."
            figure = Figure(plots.calibration(found), caption, "calibration")
            yield Section("Calibration", [figure])

    def _magnitudes(self):
        scoring, few = self.scoring, self.few
        bins, title = shared_bins(few), "Recall at matched magnitudes"
        if not bins:
            yield Section(title, [Note("No whole magnitude holds five objects of two classes.")])
            return
        sizes = {name: typical_size(scoring, name) for name in few.methods}
        scores = {
            name: matched_scores(scoring, bins, name, k, few.longest)[1]
            for name, k in sizes.items()
        }
        figure = Figure(
            figures.matched_magnitudes(scores, [_bin_name(few, each) for each in bins]),
            f"Mean recall with {_labels({*sizes.values()})} after all images, in the whole "
            "magnitudes that hold at least five objects of two classes or more, over these "
            "classes. Here brightness alone says less about the class. Bars: standard error of the "
            "objects.",
            "matched_magnitudes",
        )
        table = matched_table(scoring, bins, "Mean over these bins of magnitude.")
        yield Section(title, [figure, table])

    def _embedding(self):
        if not (self.folder / STATES).is_file():
            return
        joint = figures.laid_out(figures.read_states(self.folder / STATES), self.few.classes)
        if joint is not None:
            n_real = int(joint[2].sum())
            caption = (
                f"Hidden state of the network after the last image, for {len(joint[2]) - n_real:,} "
                f"simulated and {n_real:,} real sequences, mapped by t-SNE. Where real objects lie "
                "among the simulated ones of their class, the simulation resembles them; distances "
                "between groups have no meaning."
            )
            figure = Figure(figures.joint_embedding(*joint), caption, "joint_embedding")
            yield Section("Joint embedding of simulated and real sequences", [figure])

    def _misclassified(self):
        title, what = "Misclassified sequences", f"{self.method} with {_labels({self.size})}"
        if not self.missed:
            yield Section(title, [Note(f"None: {what}.")])
            return
        captions = {each.object_id: _caption(each) for each in self.missed}
        summaries = {}
        if self.real is not None:
            selected = selected_as(self.real, self.few)
            first = self.few.draws_of(self.method, self.size)[0]
            predictions = self.few.predictions_of(self.method, first)
            summaries = summaries_of(selected, predictions, captions)
        text = (
            f"{what[0].upper()}{what[1:]}, after all images; objects misclassified in most draws "
            "come first. Images are sky-subtracted, with one stretch (that of the mean is deeper); "
            "masked pixels are blue. Probabilities on the object pages are of the first draw."
        )
        parts = mistake_parts(captions, summaries, self.folder, back=PAGE)
        yield Section(title, [Note(text), Cards("", parts)])

    def _missing(self):
        if self.few.missing:
            yield Section("Missing results", [Note(f"{text}.") for text in self.few.missing])


def _facts(few: FewShot) -> dict[str, str]:
    run, counts = few.run, np.bincount(few.labels, minlength=len(few.classes))
    draws = ", ".join(f"{len(few.draws[k])} of {k}" for k in few.draws if k)
    objects = f"{len(few.labels):,}"
    if few.left_out:
        objects += f" ({few.left_out:,} left out: no label, or no image for some method)"
    absent = ", ".join(c for c, n in zip(few.classes, counts, strict=True) if not n)
    facts = {
        "Model": run.model if "model" in few.record else None,
        "Real sequences": run.real if "real" in few.record else None,
        "Objects": objects,
        "Classes absent from the sample": absent,
        "Draws": f"{draws} per class" if draws else None,
        "Method": run.method,
        "Homogenised": {True: "yes", False: "no"}.get(run.homogenised),
        "Seconds": _in_words(run.seconds),
    }
    return {key: str(value) for key, value in facts.items() if value}


def _in_words(seconds):
    if isinstance(seconds, Mapping):
        return ", ".join(f"{key} {_in_words(value)}" for key, value in seconds.items())
    return f"{seconds:,.1f}" if isinstance(seconds, (int, float)) else None


def _bin_name(few, each):
    return f"{each.low} to {each.low + 1}\n{', '.join(few.classes[k] for k in each.classes)}"


def _caption(m: Misclassified) -> str:
    times = f"misclassified in {m.wrong} of {m.tested} draws" if m.tested > 1 else "misclassified"
    bright = f" {m.magnitude:.1f} mag." if np.isfinite(m.magnitude) else ""
    before = f" Before: {m.before} ({m.probability_before:.2f})." if m.before else ""
    return (
        f"{m.object_id}: true class {m.true_class}, predicted {m.predicted_class} "
        f"({m.probability:.2f}), {times}.{before}{bright}"
    )


def _text(score, sign=""):
    error = score.over_draws if np.isfinite(score.over_draws) else score.error
    return estimate((score.value, error), sign)


def _labels(sizes: Sequence[int] | set[int]) -> str:
    texts = [f"{k} label{'s' * (k != 1)} per class" if k else "no label" for k in sorted(sizes)]
    return " or ".join(texts)
