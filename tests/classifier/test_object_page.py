"""One object: its summary figure, its strip, and its page."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_hex

from classifier.dataset import DatasetSplit
from classifier.evaluation import Predictions
from classifier.image_selection import ImageSelection, SelectedSplit
from classifier.photometry import PhotometrySettings, PsfModel, measure
from classifier.reports.object_figures import magnitude_ticks, nights_of, summary_figure
from classifier.reports.object_page import (
    draw_object_summary,
    mistake_parts,
    object_page,
    object_summary_path,
)
from classifier.reports.object_strip import strip
from classifier.reports.object_summary import ObjectSummary, object_summary_of, rows_of
from skyreel.errors import ClassifierError, OutputError
from skyreel.report.figures import as_csv
from skyreel.report.theme import DPI, class_styles

CLASSES = ("SN", "RRL", "CEP", "EB", "NV", "GAL", "AST")


def made_up(n_images, *, size=21, seed=0):
    """An object of so many images, four a night."""
    rng = np.random.default_rng(seed)
    day = np.arange(n_images) // 4 + 0.07 * (np.arange(n_images) % 4)
    return ObjectSummary(
        name="object",
        survey="made up",
        band="g",
        day=day,
        sigma=rng.normal(0, 1, (n_images, size, size)),
        flux_njy=rng.normal(5e3, 5e2, n_images),
        error_njy=np.full(n_images, 300.0),
        saturated=np.zeros(n_images, dtype=bool),
        classes=CLASSES,
        probabilities=rng.dirichlet(np.ones(7), n_images),
        true_class="SN",
    )


def drawn(summary):
    """The figure of an object, laid out."""
    figure = summary_figure(summary)
    figure.canvas.draw()
    return figure


def parts(figure):
    """The images, and the axes of fluxes, probabilities and time."""
    stamps = [image for axes in figure.axes for image in axes.images]
    named = {axes.get_ylabel() or axes.get_xlabel(): axes for axes in figure.axes}
    flux = next(axes for name, axes in named.items() if "flux" in name)
    return stamps, flux, named["Probability"], named["Days since the first image [d]"]


def texts(figure):
    return [text.get_text() for text in figure.texts]


def centre_dots(drawn):
    box = drawn.get_window_extent()
    return (box.x0 + box.x1) / 2


@pytest.mark.slow
@pytest.mark.parametrize("n_images", [1, 2, 11, 12, 22, 30, 33])
def test_every_stamp_stands_above_its_point_and_covers_no_other(n_images):
    stamps, flux, probabilities_axes, _ = parts(drawn(made_up(n_images)))
    assert len(stamps) == n_images
    columns = probabilities_axes.lines[0].get_xdata()
    expected = flux.transData.transform(np.stack([columns, np.zeros(n_images)], axis=1))[:, 0]
    placed = [centre_dots(axes) for axes in stamps]
    np.testing.assert_allclose(placed, expected, atol=0.75)  # stamps sit on whole dots
    boxes = [axes.get_window_extent() for axes in stamps]
    for k, one in enumerate(boxes):
        assert not any(one.overlaps(other) for other in boxes[k + 1 :])
        assert one.x1 <= flux.figure.bbox.x1 and one.y1 <= flux.figure.bbox.y1


@pytest.mark.parametrize("size", [15, 21, 63])
def test_a_pixel_of_a_stamp_is_a_whole_number_of_dots(size):
    figure = drawn(made_up(22, size=size))
    for image in parts(figure)[0]:
        box = image.get_window_extent()
        assert box.width == pytest.approx(box.height)
        assert box.width / size == pytest.approx(round(box.width / size))
        assert figure.dpi == DPI


def test_of_a_long_sequence_some_images_are_drawn_but_all_points():
    stamps, flux, probabilities_axes, _ = parts(drawn(made_up(90)))
    assert len(stamps) == 33
    assert probabilities_axes.lines[0].get_xdata().size == 90
    points = [line for line in flux.lines if line.get_marker() == "o"]
    assert points[0].get_xdata().size == 90


def test_lines_are_the_probabilities_and_points_the_fluxes():
    summary = made_up(9)
    _, flux, probabilities_axes, time = parts(drawn(summary))
    lines = {to_hex(line.get_color()): line.get_ydata() for line in probabilities_axes.lines}
    for k, (colour, _) in enumerate(class_styles(CLASSES)):
        np.testing.assert_array_equal(lines[to_hex(colour)], summary.probabilities[:, k])
    assert flux.get_ylabel() == "g flux [µJy]"
    points = next(line for line in flux.lines if line.get_marker() == "o")
    np.testing.assert_allclose(points.get_ydata(), summary.flux_njy / 1e3)
    ends = np.array([path.vertices[-1] for path in time.collections[0].get_paths()])
    np.testing.assert_allclose(ends, np.stack([summary.day, np.zeros(9)], axis=1))


def test_an_image_that_cannot_be_measured_gets_a_cross_and_saturated_ones_are_open():
    flux_njy, saturated = made_up(6).flux_njy, np.arange(6) == 2
    flux_njy[4] = np.nan
    summary = replace(made_up(6), flux_njy=flux_njy, saturated=saturated)
    _, flux, probabilities_axes, _ = parts(drawn(summary))
    columns = probabilities_axes.lines[0].get_xdata()
    crosses = next(line for line in flux.lines if line.get_marker() == "x")
    np.testing.assert_array_equal(crosses.get_xdata(), columns[[4]])
    opened = next(line for line in flux.lines if line.get_markerfacecolor() == "#FFFFFF")
    np.testing.assert_array_equal(opened.get_xdata(), columns[[2]])
    assert flux.texts[0].get_text() == "open: saturated; ×: not measured"


def test_nothing_measured_or_seen_is_still_a_page():
    summary = made_up(3)
    nothing = np.full(3, np.nan)
    sigma = np.full_like(summary.sigma, np.nan)
    figure = drawn(replace(summary, flux_njy=nothing, error_njy=nothing, sigma=sigma))
    assert any("masked pixels blue" in text for text in texts(figure))


def test_a_constant_star_does_not_look_like_a_varying_one():
    summary = replace(made_up(8), flux_njy=np.full(8, 1e6), error_njy=np.full(8, 1e3))
    low, high = parts(drawn(summary))[1].get_ylim()
    assert high - low > 0.1  # of 1 mJy


def test_the_true_and_the_predicted_class_are_in_the_title():
    summary = made_up(2)
    sure = np.eye(7)[[3, 3]]
    said = "predicted after 2 images: EB (1.00)"
    for true, words in (("EB", "true class: EB"), (None, "class not known")):
        title = texts(drawn(replace(summary, probabilities=sure, true_class=true)))
        assert f"{words}; {said}" in title


def test_images_of_one_night_stand_together():
    assert nights_of(np.array([0, 0.1, 0.9, 1.0, 4.0])).tolist() == [0, 0, 1, 1, 2]
    assert nights_of(np.array([0, 3.0, 6.0])).tolist() == [0, 0, 0]
    columns = parts(drawn(made_up(8)))[2].lines[0].get_xdata()
    steps = np.diff(columns)
    assert steps[3] > 1 and np.allclose(np.delete(steps, 3), 1)


def test_a_class_has_its_colour_whatever_others_a_model_knows():
    looks = dict(zip(CLASSES, class_styles(CLASSES), strict=True))
    few = ("EB", "QSO", "SN")
    of_few = dict(zip(few, class_styles(few), strict=True))
    assert len(set(looks.values())) == 7
    assert of_few["EB"] == looks["EB"] and of_few["SN"] == looks["SN"]
    assert of_few["QSO"] not in looks.values()


@settings(deadline=None)
@given(high=st.floats(1e-3, 1e9), share=st.floats(-3, 0.98))
def test_magnitudes_stand_at_their_fluxes_within_the_axis_and_apart(high, share):
    low = high * share
    fluxes, names = magnitude_ticks(low, high)
    assert 1 <= len(fluxes) <= 8
    for flux, name in zip(fluxes, names, strict=True):
        assert low <= flux <= high * (1 + 1e-9)
        assert 31.4 - 2.5 * np.log10(flux) == pytest.approx(float(name), abs=1e-6)
    assert (np.diff(fluxes) <= -0.08 * (high - low)).all()


def test_noise_alone_has_no_magnitudes():
    assert magnitude_ticks(-5.0, -1.0) == ([], [])


@pytest.fixture(scope="module")
def shown(small_dataset):
    return SelectedSplit(DatasetSplit(small_dataset, "test"), ImageSelection(images=6))


@pytest.fixture(scope="module")
def predictions(shown):
    n = len(shown)
    probabilities = np.random.default_rng(2).dirichlet(np.ones(7), (n, 6))
    count = shown.stamps(0, n).n_epochs
    names = shown.split.object_ids
    return Predictions(
        shown.split.classes, probabilities, shown.split.labels, count, np.full(n, np.nan), names
    )


def test_an_object_is_drawn_as_it_was_classified_and_measured(shown, predictions):
    summary = object_summary_of(shown, 12, predictions)
    stamps = shown.stamps(12, 13)
    curves = measure(stamps, PsfModel.of(shown.split.profile), PhotometrySettings(templates=0))
    np.testing.assert_array_equal(summary.flux_njy, curves.flux_njy[0])
    np.testing.assert_array_equal(np.isnan(summary.sigma), np.isnan(stamps.images_adu[0]))
    np.testing.assert_array_equal(summary.probabilities, predictions.probabilities[12])
    assert summary.true_class == shown.split.classes[shown.split.labels[12]]
    assert summary.day[0] == 0 and summary.day.size == 6


def test_predictions_may_be_of_few_objects_in_any_order(shown, predictions, tmp_path):
    draw_object_summary(tmp_path / "a.png", shown, 12, predictions)
    draw_object_summary(tmp_path / "b.png", shown, 12, predictions.of([30, 12, 4]))
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_a_model_that_leaves_out_a_masked_image_keeps_its_prediction_there(predictions, shown):
    stamps, full = shown.stamps, predictions.probabilities

    def masked(first, end):
        found = stamps(first, end)
        found.images_adu[:, [0, 3]] = np.nan
        return found

    fewer = full[[12]].copy()
    fewer[:, 4:] = np.nan
    seen = replace(predictions.of([12]), probabilities=fewer, n_images=[4])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SelectedSplit, "stamps", lambda self, first, end: masked(first, end))
        summary, of_all = (
            object_summary_of(shown, 12, seen),
            object_summary_of(shown, 12, predictions),
        )
    assert np.isnan(summary.sigma[[0, 3]]).all() and np.isnan(summary.flux_njy[[0, 3]]).all()
    assert np.isnan(summary.probabilities[0]).all()
    np.testing.assert_array_equal(summary.probabilities[1:], full[12][[0, 1, 1, 2, 3]])
    np.testing.assert_array_equal(of_all.probabilities, full[12])
    drawn(summary)


def test_an_object_that_was_not_classified_so_is_refused(shown, predictions):
    with pytest.raises(ClassifierError, match=r"object 5 has 6 images .* predictions after 0"):
        object_summary_of(shown, 5, predictions.of([12]))
    fewer = SelectedSplit(shown.split, ImageSelection(images=4))
    with pytest.raises(
        ClassifierError, match="has 4 images in the band g, and predictions after 6"
    ):
        object_summary_of(fewer, 5, predictions)


def test_an_unknown_object_is_named_with_how_many_there_are(shown):
    assert rows_of(shown.split, ["3", "69"]) == [3, 69]
    with pytest.raises(ClassifierError, match="no object 'Vega' among its 70"):
        rows_of(shown.split, ["3", "Vega"])
    with pytest.raises(ClassifierError, match=r"its 70\. Did you mean .69."):
        rows_of(shown.split, ["699"])


def test_an_object_summary_lies_beside_the_predictions_whatever_the_object_is_called(tmp_path):
    path = object_summary_path(tmp_path / "p.parquet", "../field 3/$a_1$")
    assert path == tmp_path / "p_.._field_3__a_1_.png"
    figure = drawn(replace(made_up(2), name="$a_{1"))
    assert "$a_{1" in texts(figure)


def test_a_place_that_cannot_be_written_gets_one_sentence(shown, predictions, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        draw_object_summary(tmp_path / "file" / "a.png", shown, 12, predictions)


def test_images_without_a_detection_are_grey_and_said_to_be():
    flux = np.array([500.0, 5000.0, 100.0, -300.0])
    summary = replace(made_up(4), flux_njy=flux, error_njy=np.full(4, 300.0))
    assert summary.detected.tolist() == [False, True, False, False]
    flux_axes = parts(drawn(summary))[1]
    assert flux_axes.texts[0].get_text() == "grey: not detected (< 3σ)"
    assert "not detected (&lt; 3σ)" in object_page(summary).html()
    assert "Detected in 1 of 4 images" in object_page(summary).verdict[2]


@pytest.mark.parametrize("draw", [summary_figure, strip])
def test_the_data_of_a_figure_of_an_object_are_its_light_curve(draw):
    summary = made_up(5)
    rows = [row.split(",") for row in as_csv(draw(summary)).splitlines()[1:]]
    curve = [row for row in rows if row[1] == "light curve"]
    assert curve[0][2] == "Days since the first image [d]" and curve[0][4] == "g flux [µJy]"
    np.testing.assert_allclose([float(row[5]) for row in curve], summary.flux_njy / 1e3)
    np.testing.assert_allclose([float(row[6]) for row in curve], summary.error_njy / 1e3)


def test_mistakes_link_to_pages_that_link_back_whatever_objects_are_called(tmp_path):
    names = ["a/b", "a_b", "<script>", "gone"]
    summaries = {name: replace(made_up(3), name=name) for name in names[:3]}
    captions = {name: f"{name}: wrong" for name in names}
    found = mistake_parts(captions, summaries, tmp_path, back="index.html")
    links = [part.link for part in found[:3]]
    assert len(set(links)) == 3 and found[3].text == "gone: wrong Its images are not available."
    for link in links:
        text = (tmp_path / link).read_text()
        assert 'href="../index.html"' in text and "<script" not in text
    assert "&lt;script&gt;" in (tmp_path / links[2]).read_text()
