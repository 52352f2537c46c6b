"""Reports: text is escaped, figures have labels and data, a page is whole and says things once."""

import base64
import csv
import re
from collections import Counter
from io import StringIO

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from classifier.evaluation import evaluate, write_report
from classifier.reports import evaluation_figures as figures
from classifier.reports.embedding_figures import embeddings
from classifier.reports.evaluation_page import evaluation_sections
from classifier.reports.ranking_figures import class_rankings, ranking_curves
from finetune.domain_gap.quantities import QUANTITIES
from finetune.reports.domain_gap_page import bin_edges, histograms, label_of
from simulator.lightcurves import BUILT_IN, DEFAULT_CLASSES
from skyreel.report.figures import Figure, as_csv, as_svg, axis_labels, plotted, points, styled
from skyreel.report.page import Cards, Facts, Fold, Note, Page, Section, Text
from skyreel.report.tables import Cell, Table, columns, number
from skyreel.report.theme import CLASS_NAMES, DARK, class_name, class_styles, css_colour
from tests.helpers.made_up_predictions import made_up

EVIL = '<script>alert("&")</script>'


@pytest.fixture(scope="module")
def predictions():
    return made_up(2, n=150)


@pytest.fixture(scope="module")
def evaluations(predictions):
    return {
        "first": evaluate(predictions, n_bootstrap=10),
        "second": evaluate(made_up(3, n=150), n_bootstrap=10),
    }


def all_figures(evaluations, predictions):
    label = np.arange(30) % 3
    position = np.random.default_rng(0).normal(size=(30, 2))
    values = np.random.default_rng(1).normal(size=(80, 4))
    yield from (draw(evaluations) for draw in figures.PLOTS.values())
    yield figures.recall_bars(evaluations)
    yield figures.recall_by_magnitude(evaluations)
    yield ranking_curves(class_rankings(predictions))
    yield embeddings({"first": (position, label, ("SN", "RRL", "EB"))})
    yield histograms(QUANTITIES[:4], values, values[:20])


def test_text_is_escaped_wherever_it_enters():
    @styled
    def draw(figure):
        axes = figure.add_subplot()
        axes.set(title=EVIL, xlabel=EVIL, ylabel=EVIL)
        points(axes, [EVIL, "b"], [1, 2], label=EVIL)

    table = Table([*columns(EVIL, group=EVIL), *columns(EVIL)], [[EVIL, Cell(EVIL, (EVIL,))]], EVIL)
    figure = Figure(draw(), EVIL, EVIL, link=EVIL, link_text=EVIL)
    parts = [Note(EVIL), Facts({EVIL: EVIL}), Text(EVIL), table, figure]
    parts += [Fold(EVIL, [Note(EVIL)]), Cards(EVIL, [Note(EVIL)])]
    page = Page(EVIL, (EVIL,) * 3, figure, [Section(EVIL, parts)], {EVIL: 1}, {EVIL: EVIL}, EVIL)
    text = page.html()
    assert "<script" not in text and text.count("&lt;script&gt;") > 30


def test_every_figure_has_labels_on_every_axis_and_data(evaluations, predictions):
    for drawing in all_figures(evaluations, predictions):
        assert plotted(drawing)
        for axes in drawing.axes:
            assert all(axis_labels(axes)), drawing
            for label in axis_labels(axes):
                assert "agnitude" not in label or "[mag]" in label


def test_the_csv_holds_what_is_drawn(evaluations):
    drawing = figures.accuracy_by_images(evaluations)
    rows = list(csv.DictReader(StringIO(as_csv(drawing))))
    for name, e in evaluations.items():
        mine = [r for r in rows if r["series"] == name and r["y_quantity"] == "Accuracy"]
        np.testing.assert_allclose([float(r["y"]) for r in mine], e.by_images.accuracy)
        np.testing.assert_allclose([float(r["y_error"]) for r in mine], e.by_images_error.accuracy)
        (line,) = [k for k in drawing.axes[0].lines if k.get_label() == name]
        np.testing.assert_allclose([float(r["y"]) for r in mine], line.get_ydata())
    address = Figure(drawing, "caption", "name").csv_address
    assert base64.b64decode(address.split(",")[1]).decode() == as_csv(drawing)


def test_no_line_joins_bins_of_few_objects_and_their_points_are_open():
    @styled
    def draw(figure):
        y = np.arange(6.0)
        points(figure.add_subplot(), y, y, count=[9, 9, 3, 9, 9, 1], joined=True, label="model")

    (axes,) = draw().axes
    lines = [k.get_xdata().tolist() for k in axes.lines if k.get_linestyle() == "-"]
    assert lines == [[0, 1], [3, 4]]
    opened = [k for k in axes.lines if k.get_markerfacecolor() == "#FFFFFF"]
    assert [k.get_xdata().tolist() for k in opened] == [[2, 5]]
    assert len(axes.get_legend_handles_labels()[1]) == 1


def test_a_figure_changes_its_colours_with_the_page_and_is_the_same_every_time(evaluations):
    svg = as_svg(figures.recall_bars(evaluations))
    assert svg == as_svg(figures.recall_bars(evaluations))
    assert css_colour("#1A1A1A") in svg and "#1a1a1a" not in svg
    names = [
        set(re.findall(r'id="([^"]+)"', as_svg(draw(evaluations))))
        for draw in (figures.recall_bars, figures.calibration)
    ]
    assert not names[0] & names[1]
    style = Page("title", ("a", "b", "c")).html()
    light, dark = style.split("prefers-color-scheme: dark")
    for colour, at_night in DARK.items():
        name = css_colour(colour)[4:-1]
        assert f"{name}: {colour};" in light and f"{name}: {at_night};" in dark


def test_outliers_do_not_flatten_a_histogram():
    rng = np.random.default_rng(0)
    real, simulated = rng.normal(size=500), np.append(rng.normal(size=500), [1e6])
    edges = bin_edges(real, simulated)
    assert edges[0] > -4 and edges[-1] < 4
    drawing = histograms(QUANTITIES[:2], np.stack([real[:80]] * 2, 1), np.stack([real] * 2, 1))
    assert [axes.get_title() for axes in drawing.axes] == [label_of(q) for q in QUANTITIES[:2]]
    assert all(abs(sum(s.y) - 1) < 1e-9 for s in plotted(drawing))


def test_classes_are_spelt_out_and_have_their_colours():
    assert tuple(CLASS_NAMES)[: len(DEFAULT_CLASSES)] == DEFAULT_CLASSES
    assert set(CLASS_NAMES) == set(BUILT_IN)
    assert len({colour for colour, _ in class_styles(CLASS_NAMES)}) == len(CLASS_NAMES)
    assert class_name("SN") == "supernova" and class_name("QSO") == "QSO"
    few = dict(zip(("EB", "QSO", "SN"), class_styles(("EB", "QSO", "SN")), strict=True))
    assert few["SN"] == class_styles(("SN",))[0] and few["QSO"] not in class_styles(CLASS_NAMES)
    text = Page("title", ("a", "b", "c"), classes={"RRL": 4}).html()
    assert "RR Lyrae star" in text and "(4)" in text


def test_a_long_page_has_contents_that_lead_to_its_sections():
    sections = [Section(f"Part {k}", [Note(str(k))]) for k in range(6)]
    text = Page("title", ("a", "b", "c"), sections=sections).html()
    links = re.findall(r'href="#([^"]+)"', text)
    assert links == re.findall(r'<section id="([^"]+)"', text) == [f"part-{k}" for k in range(6)]
    assert "<nav" not in Page("title", ("a", "b", "c"), sections=sections[:2]).html()


def test_a_number_has_its_error_and_its_sign():
    assert number(0.5, 0.01).text == "0.500" and number(0.5, 0.01).notes == ("± 0.010",)
    assert number(-0.5, sign="+").text == "−0.500" and number(-0.5).notes == ()
    assert number(np.nan).text == "–"


def test_the_evaluation_page_has_curves_with_the_right_areas(predictions, tmp_path):
    evaluation = evaluate(predictions, n_bootstrap=10)
    write_report(evaluation, tmp_path, "model on data", predictions=predictions)
    text = (tmp_path / "index.html").read_text()
    final, found = predictions.after(predictions.longest), class_rankings(predictions)
    for k, name in enumerate(predictions.classes):
        true = predictions.label == k
        assert found[name]["auc"] == pytest.approx(roc_auc_score(true, final[:, k]))
        precision = average_precision_score(true, final[:, k])
        assert found[name]["average_precision"] == pytest.approx(precision)
        assert f"{found[name]['auc']:.4f}" in text and f"{precision:.4f}" in text
        x, y = found[name]["roc"]
        assert np.trapezoid(y, x) == pytest.approx(found[name]["auc"])
    assert "ROC and precision-recall" in text and "Most confident mistakes" in text
    assert text.count("<svg") == text.count("Data (CSV)") > 5


def test_a_class_without_objects_has_no_curve(predictions):
    some = predictions.of(np.flatnonzero(predictions.label != 0))
    assert predictions.classes[0] not in class_rankings(some)


def test_a_page_says_nothing_twice(evaluations):
    sections = list(evaluation_sections(evaluations))
    texts = [part.text for s in sections for part in s.parts if isinstance(part, Note)]
    texts += [p.caption for s in sections for p in s.parts if isinstance(p, Figure | Table)]
    assert max(Counter(text for text in texts if text).values()) == 1
    assert len({section.anchor for section in sections}) == len(sections)
