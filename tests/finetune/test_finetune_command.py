"""``finetune`` from the command line: a folder of report and model, stopped runs, bad requests."""

import json

import numpy as np
import pytest
import zarr

from classifier.dataset import DatasetSplit
from classifier.evaluation import read_predictions
from classifier.models.forest import extra_trees
from classifier.models.forest.training import ForestOptions, ForestTraining
from classifier.models.registry import open_model
from classifier.training import sources
from finetune import compared_methods as methods
from finetune import reports
from finetune.adaptation.head import Head
from survey_profiles import load_profile
from tests.helpers.running import copy_of, run, untrained

pytestmark = pytest.mark.slow

KEPT = ("SN", "RRL", "EB", "NV")
ASKED = ["--per-class", 1, 2, "--trials", 2, "--disjoint", "object", "--threads", 1]
NAMES = ("network", "network, stamps as published", "real-only")
OTHERS = ("network reader", "scratch", "forest")


def finetune(monkeypatch, *arguments):
    return run(monkeypatch, "finetune", *arguments, "--quiet")


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return untrained(
        tmp_path_factory.mktemp("models") / "tiny", load_profile("hits"), images=4
    ).folder


@pytest.fixture(scope="module")
def real(small_dataset, tmp_path_factory):
    """Forty sequences of four classes like real ones; thirty have no label."""
    data = copy_of(small_dataset, tmp_path_factory.mktemp("real"))
    root = zarr.open_group(data)
    group, classes = root["test"], list(root.attrs["classes"])
    labels = group["label"][:]
    known = np.isin(labels, [classes.index(name) for name in KEPT])
    group["label"][:] = np.where(known, labels, 255)
    n = labels.size
    group.create_array("resampled", data=labels == classes.index("SN"))
    group.create_array("field", data=(np.arange(n) % 9 - 1).astype(np.int32))
    group["mask"][0] = 2  # nothing is left of this one
    return data


def smaller(patch):
    """Fewer trees, and fewer simulated sequences."""
    patch.setattr(extra_trees, "N_TREES", 20)
    make = methods.simulated_sequences
    patch.setattr(
        methods,
        "simulated_sequences",
        lambda network, selection, n, **options: make(network, selection, 1, **options),
    )
    patch.setattr(sources, "BLOCK_OBJECTS", 64)  # as many as at least are made


@pytest.fixture(autouse=True)
def small(monkeypatch):
    smaller(monkeypatch)


@pytest.fixture(scope="module")
def asked(network, real):
    return ["--model", network, "--real", real, *ASKED]


@pytest.fixture(scope="module")
def tuned(asked, tmp_path_factory):
    """A folder the command has written."""
    folder = tmp_path_factory.mktemp("tuned") / "tuned"
    with pytest.MonkeyPatch.context() as patch:
        smaller(patch)
        assert finetune(patch, *asked, "--out", folder) == 0
    return folder


@pytest.fixture(scope="module")
def everything(asked, small_dataset, tmp_path_factory):
    """One draw of one per class, with every method."""
    more = ["--per-class", 1, "--trials", 1, "--also", "reader", "--scratch", "--iterations", 2]
    folder = tmp_path_factory.mktemp("everything") / "tuned"
    with pytest.MonkeyPatch.context() as patch:
        smaller(patch)
        asked = [*asked[:4], *more, "--simulated", small_dataset, "--out", folder]
        assert finetune(patch, *asked) == 0
    return folder


def probabilities(folder):
    """Probabilities of every method on every draw."""
    found = sorted((folder / "predictions").rglob("*.parquet"))
    return {str(p.relative_to(folder)): read_predictions(p).probabilities for p in found}


def one_sentence(capsys):
    error = capsys.readouterr().err
    assert error.startswith("finetune: ") and error.count("\n") == 1
    return error


@pytest.mark.slow
def test_the_folder_holds_a_report_draws_and_all_predictions(tuned):
    assert "<html" in (tuned / "report.html").read_text().lower()
    report = json.loads((tuned / "report.json").read_text())
    assert set(NAMES) <= set(report["scores"]["all"])
    found = set(probabilities(tuned))
    drawn = {f"k{k}_t{t}" for k in (1, 2) for t in (0, 1)}
    for name in NAMES:
        before = set() if name in ("real-only", "scratch") else {"k0_t0"}
        assert {f"predictions/{name}/{d}.parquet" for d in drawn | before} <= found
    assert len(found) == 3 * 4 + 2
    run = json.loads((tuned / "run.json").read_text())
    assert run["per_class"] == [0, 1, 2] and run["present"] == list(KEPT)
    assert not list(tuned.rglob("*.partial"))


@pytest.mark.slow
def test_the_draws_written_are_as_asked(tuned, real):
    split = DatasetSplit(real, "test")
    label = dict(zip(split.object_ids, split.labels, strict=True))
    draws = json.loads((tuned / "draws.json").read_text())
    assert [(d["per_class"], d["trial"]) for d in draws] == [(1, 0), (1, 1), (2, 0), (2, 1)]
    for draw in draws:
        counts = np.bincount([label[name] for name in draw["training"]], minlength=7)
        assert sorted(counts) == [0] * 3 + [draw["per_class"]] * 4
        assert not set(draw["training"]) & set(draw["test"])
        labelled = {name for name, value in label.items() if value >= 0} - {"0"}  # no image
        assert set(draw["training"]) | set(draw["test"]) == labelled


@pytest.mark.slow
def test_all_methods_have_predictions_of_the_same_objects(everything):
    found = {
        name: read_predictions(everything / "predictions" / name / "k1_t0.parquet")
        for name in (*NAMES, *OTHERS)
    }
    known = np.isfinite(found["network"].probabilities)
    assert 0 < known.mean() < 1
    for name, predictions in found.items():
        np.testing.assert_array_equal(predictions.object_id, found["network"].object_id)
        there = np.isfinite(predictions.probabilities)
        np.testing.assert_array_equal(there, known, err_msg=name)
        np.testing.assert_allclose(
            predictions.probabilities[there.all(axis=2)].sum(axis=1), 1, atol=1e-4
        )
    differing = {predictions.probabilities.tobytes() for predictions in found.values()}
    assert len(differing) == len(found)
    before, other = (
        read_predictions(everything / "predictions" / name / "k0_t0.parquet").probabilities
        for name in ("network", "network reader")
    )
    np.testing.assert_allclose(
        other, before, atol=1e-6
    )  # every method begins with the same weights
    assert np.nanmax(abs(before - found["network"].probabilities)) > 0.05
    assert set(json.loads((everything / "report.json").read_text())["scores"]["all"]) == set(found)


@pytest.mark.slow
def test_the_model_opens_and_classifies(tuned, real):
    model = open_model(tuned / "model")
    split = DatasetSplit(real, "test")
    predictions = model.predict(split)
    assert predictions.classes == model.classes and set(KEPT) < set(model.classes)
    known = (predictions.label >= 0) & (predictions.n_images > 0)
    right = predictions.after(4)[known].argmax(axis=1) == predictions.label[known]
    assert right.mean() > 0.8  # it was trained on all of them
    assert model.card["adapted"]["objects"] == known.sum()


@pytest.mark.slow
def test_a_finished_run_is_not_repeated(tuned, asked, monkeypatch):
    written = {p: p.stat().st_mtime_ns for p in tuned.rglob("*") if p.is_file()}
    report = {"report.html", "report.json", "draws.json"}

    def wrong(*_, **__):
        raise AssertionError("nothing is left to do")

    monkeypatch.setattr(Head, "fit", wrong)
    monkeypatch.setattr(methods, "simulated_sequences", wrong)
    assert finetune(monkeypatch, *asked, "--out", tuned) == 0
    again = {p for p, when in written.items() if p.stat().st_mtime_ns != when}
    assert {p.name for p in again if p.suffix in (".parquet", ".npz", ".json")} <= report
    assert set(written) == {p for p in tuned.rglob("*") if p.is_file()}


@pytest.mark.slow
def test_a_stopped_run_continues_to_the_same_end(tuned, asked, monkeypatch, tmp_path, capsys):
    fit, calls, stop_at = Head.fit, [], 3

    def stopping(*arguments, **options):
        calls.append(1)
        if len(calls) == stop_at:
            raise KeyboardInterrupt
        return fit(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Head, "fit", stopping)
        assert finetune(patch, *asked, "--out", tmp_path / "cut") == 130
    assert "Run the same command again to finish" in capsys.readouterr().err
    done = probabilities(tmp_path / "cut")
    assert len(done) == stop_at and not (tmp_path / "cut" / "report.html").exists()
    monkeypatch.setattr(reports, "write_few_shot_report", lambda *_, **__: None)  # takes longest
    assert finetune(monkeypatch, *asked, "--out", tmp_path / "cut") == 0
    whole, cut = probabilities(tuned), probabilities(tmp_path / "cut")
    assert set(whole) == set(cut)
    for name, expected in whole.items():
        np.testing.assert_allclose(cut[name], expected, rtol=1e-4, atol=1e-5, err_msg=name)
    drawn = [(f / "draws.json").read_text() for f in (tuned, tmp_path / "cut")]
    assert drawn[0] == drawn[1]


@pytest.mark.slow
def test_other_options_for_the_same_folder_are_refused(tuned, asked, monkeypatch, capsys):
    assert finetune(monkeypatch, *asked, "--seed", 1, "--out", tuned) == 2
    assert "options.seed: 0 there, 1 now" in one_sentence(capsys)


# --- bad requests -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (["--method", "hed"], "no such method. Did you mean 'head'?"),
        (["--also", "reader", "nothing"], "--also nothing: there is no such method. Known:"),
        (["--per-class", 10], "--per-class 10: there are not enough objects"),
        (["--per-class", -1], "--per-class: give one number or more, none below 0"),
        (["--trials", 0], "--trials 0: at least 1"),
        (["--iterations", 0], "--iterations 0: at least 1"),
        (["--seed", -1], "--seed -1; allowed"),
        (["--seed", 71_000_000], "--seed 71000000; allowed are 0 to 70999999"),
        (["--disjoint", "night"], "--disjoint 'night'; allowed: field, object"),
        (["--real", "nowhere.zarr"], "nowhere.zarr"),
        (["--split", "tests"], "has no split 'tests'"),
        (["--model", "hits-huge"], "neither a folder nor a model that comes with the package"),
        (["--simulated", "nowhere.zarr"], "nowhere.zarr"),
        (["--threads", 0], "--threads 0; allowed are 1 to"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_bad_request_is_one_sentence_and_leaves_nothing(
    network, real, monkeypatch, tmp_path, capsys, wrong, sentence
):
    asked = ["--model", network, "--real", real, "--disjoint", "object", "--per-class", 1]
    assert finetune(monkeypatch, *asked, "--out", tmp_path / "out", *wrong) == 2
    assert sentence in one_sentence(capsys)
    assert not (tmp_path / "out").exists()


def test_data_of_one_class_are_refused(network, real, monkeypatch, tmp_path, capsys):
    data = copy_of(real, tmp_path)
    labels = zarr.open_group(data)["test"]["label"]
    labels[:] = np.where(labels[:] == 0, 0, 255)
    asked = ["--model", network, "--real", data, "--out", tmp_path / "out"]
    assert finetune(monkeypatch, *asked) == 2
    assert "objects of 1 classes of the network; adapting needs two or more" in one_sentence(capsys)


def test_a_forest_and_an_ensemble_are_no_networks(
    tuned, small_dataset, real, monkeypatch, tmp_path, capsys
):
    options = ForestOptions(images=2, trees=5, depth=4, light_curves="science")
    ForestTraining(small_dataset, tmp_path / "forest", options, threads=1).run()
    for model, kind in ((tmp_path / "forest", "forest"), (tuned / "model", "ensemble")):
        asked = ["--model", model, "--real", real, "--out", tmp_path / "out"]
        assert finetune(monkeypatch, *asked) == 2
        assert f"is a {kind}; give a network" in one_sentence(capsys)


def test_a_model_of_another_stamp_size_is_refused(real, monkeypatch, tmp_path, capsys):
    model = untrained(tmp_path / "wide", load_profile("hits"), size_pix=33).folder
    assert finetune(monkeypatch, "--model", model, "--real", real, "--out", tmp_path / "out") == 2
    assert "has stamps of 21 pixels" in one_sentence(capsys)


@pytest.mark.slow
def test_sequences_of_a_class_the_network_lacks_are_left_out_and_named(
    network, real, monkeypatch, tmp_path, capsys
):
    data = copy_of(real, tmp_path)
    root = zarr.open_group(data)
    root.attrs["classes"] = ["KN", *root.attrs["classes"][1:]]
    n = root["test/label"].shape[0]
    root["test/band"][3] = 1 - root["test/band"][3]  # none of it in the band of the network
    monkeypatch.setattr(reports, "write_few_shot_report", lambda *_, **__: None)
    asked = ["--model", network, "--real", data, "--out", tmp_path / "out", *ASKED[:2], *ASKED[3:]]
    assert run(monkeypatch, "finetune", *asked, "--trials", 1) == 0
    said = " ".join(capsys.readouterr().out.split())
    left_out = json.loads((tmp_path / "out/run.json").read_text())["left_out"]
    counts = {each["reason"]: each["objects"] for each in left_out}
    assert counts["of the class KN, which the network does not have"] == 10
    assert counts["without a class"] == 30
    assert f"{n - sum(counts.values())} of {n} sequences are used (10 RRL" in said
    assert "10 of the class KN, which the network does not have (" in said
    assert "To classify KN, register classes with --plugin" in said
    draws = json.loads((tmp_path / "out/draws.json").read_text())
    used = {name for draw in draws for name in (*draw["training"], *draw["test"])}
    assert len(used) == n - sum(counts.values())


@pytest.mark.parametrize(
    ("attribute", "value", "sentence"),
    [
        ("survey", "ztf", "is of ztf, "),
        ("bands", ["r", "i"], "has the bands r, i, not 'g'"),
        ("classes", ["XY", "RRL", "CEP", "EB", "NV", "GAL", "AST"], "class XY; the classes of"),
    ],
)
def test_a_simulated_set_that_does_not_fit_the_real_one_is_refused(
    network, real, small_dataset, monkeypatch, tmp_path, capsys, attribute, value, sentence
):
    data = copy_of(small_dataset, tmp_path)
    zarr.open_group(data).attrs[attribute] = value
    asked = ["--model", network, "--real", real, "--simulated", data, "--out", tmp_path / "out"]
    assert finetune(monkeypatch, *asked, *ASKED) == 2
    assert sentence in one_sentence(capsys)
    assert not (tmp_path / "out").exists()


def test_a_simulated_set_without_a_real_class_is_refused(
    network, real, small_dataset, monkeypatch, tmp_path, capsys
):
    data = copy_of(small_dataset, tmp_path)
    labels = zarr.open_group(data)["train/label"]
    labels[:] = np.where(labels[:] == 0, 1, labels[:])
    asked = ["--model", network, "--real", real, "--simulated", data, "--out", tmp_path / "out"]
    assert finetune(monkeypatch, *asked, *ASKED) == 2
    assert "has no sequences of the class SN, which" in one_sentence(capsys)
