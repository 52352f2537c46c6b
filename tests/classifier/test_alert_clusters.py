"""A trained autoencoder opened and applied: clusters, evidence, damaged files, and commands."""

import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
import zarr
from scipy.stats import norm

from classifier import api
from classifier.dataset import DatasetSplit
from classifier.models.autoencoder.alert_clusters import AlertClusters, network_arrays
from classifier.models.registry import check_fit, open_model
from classifier.snr_stamps import SnrStamps
from classifier.stream import Stream
from skyreel.errors import ClassifierError
from tests.helpers.autoencoders import CHOICES
from tests.helpers.damaged_models import DAMAGES, edited
from tests.helpers.running import copy_of, run


@pytest.fixture(scope="module")
def split(planes_dataset):
    return DatasetSplit(planes_dataset, "test")


@pytest.fixture(scope="module")
def stamps(vade_model, split):
    return vade_model.stamps_of(split)


@pytest.fixture
def damaged(vade_model, tmp_path):
    """A copy of the model that a test may damage."""
    return shutil.copytree(vade_model.folder, tmp_path / "damaged")


def text(captured):
    return " ".join(captured.split())


def test_a_saved_model_gives_the_same_clusters(vade_model, split, stamps):
    again = open_model(vade_model.folder)
    assert isinstance(again, AlertClusters)
    found, same = (model.clustered(stamps, split) for model in (vade_model, again))
    np.testing.assert_array_equal(found.probabilities, same.probabilities)
    np.testing.assert_array_equal(found.outlier_score, same.outlier_score)
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, rtol=1e-5)
    predicted = vade_model.predict(split)
    np.testing.assert_array_equal(predicted.probabilities[stamps.rows, 0], found.probabilities)
    assert (predicted.label == -1).all() and predicted.n_images.sum() == len(stamps)


def test_clusters_of_an_object_do_not_depend_on_the_others(vade_model, split, stamps):
    whole = vade_model.clustered(stamps, split)
    kept = np.arange(len(stamps))[::-2]
    some = vade_model.clustered(stamps.of(kept), split)
    np.testing.assert_allclose(some.outlier_score, whole.outlier_score[kept], rtol=1e-6)
    np.testing.assert_allclose(some.probabilities, whole.probabilities[kept], atol=1e-6)
    assert some.object_id.tolist() == whole.object_id[kept].tolist()


def test_log_evidence_is_exact_where_nothing_depends_on_latent_variables(vade_model, monkeypatch):
    model = open_model(vade_model.folder)
    monkeypatch.setitem(model.card, "network", "vae")  # whose prior is a standard normal
    for variable in model.model.weights:
        variable.assign(np.zeros(variable.shape))
    snr = np.random.default_rng(0).normal(0, 2, (5, 9, 9)).astype(np.float32)
    snr[0, 0] = np.nan
    posterior = model.encoded(snr)
    assert not np.any(posterior)
    x = 3 * np.arcsinh(snr / 3)
    expected = np.nanmean(norm.logpdf(x), axis=(1, 2))
    np.testing.assert_allclose(model.log_evidence(snr, *posterior), expected, rtol=1e-5)


@pytest.mark.parametrize("brightness", ["latent", "given"])
def test_inputs_are_the_stamps_in_units_of_noise(brightness):
    snr = np.random.default_rng(0).normal(0, 5, (4, 9, 9)).astype(np.float32)
    snr[1, 2, 3] = np.nan
    arrays = network_arrays(snr, brightness)
    x = arrays["stamps"] * np.sqrt(arrays["precision"])
    expected = np.nan_to_num(3 * np.arcsinh(snr / 3))
    np.testing.assert_allclose(x[..., 0], expected, rtol=1e-5, atol=1e-6)


def test_reconstructions_and_centroids_are_decoded_in_units_of_noise(vade_model, stamps):
    found = vade_model.reconstructed(stamps.snr)
    assert found.shape == stamps.snr.shape and np.isfinite(found).all()
    latent = vade_model.encoded(stamps.snr)[0]
    expected = 3 * np.sinh(vade_model.decoded(latent))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    expected = 3 * np.sinh(vade_model.decoded(vade_model.mixture.means))
    np.testing.assert_allclose(vade_model.centroids(), expected, rtol=1e-4, atol=1e-5)


def test_the_embedding_is_one_row_per_object(vade_model, split, stamps):
    rows = stamps.rows[[0, 2]]
    found = vade_model.embedding(split, rows)
    np.testing.assert_allclose(
        found.values, vade_model.encoded(stamps.snr)[0][[0, 2]], rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        *(each for each in DAMAGES if each[1] != r"damaged \(classes: "),
        (edited(classes=["cluster_1"]), r"damaged \(classes: one for every cluster\)"),
        (edited(network="os.system"), "damaged .network: Input should be 'autoencoder', 'vae'"),
        (edited(choices={**CHOICES, "latent": 10**9}), r"damaged \(latent: "),
        (edited(choices={**CHOICES, "latent": 400}), "does not fit"),
        (edited(choices={**CHOICES, "filters": [8000] * 4}), r"damaged \(a layer of"),
        (edited(kind="stamp"), r"lacks metadata|damaged|is of a 'stamp'"),
    ],
)
def test_a_damaged_model_is_one_sentence(damaged, damage, sentence):
    damage(damaged)
    with pytest.raises(ClassifierError, match=sentence) as caught:
        AlertClusters.open(damaged)
    assert "\n" not in str(caught.value)


@pytest.fixture
def unlabelled(planes_dataset, tmp_path):
    data = copy_of(planes_dataset, tmp_path)
    zarr.open_group(data)["test"]["label"][:] = 255
    return data


PICTURES = {"index.html", "clusters.json", "centroids.png", "reconstructions.png", "outliers.png"}


@pytest.mark.slow
def test_classify_writes_clusters_and_a_report(
    vade_model, planes_dataset, stamps, monkeypatch, tmp_path, capsys
):
    asked = ["--model", vade_model.folder, "--data", planes_dataset]
    asked += ["--out", tmp_path / "c.parquet", "--report", tmp_path / "page"]
    assert run(monkeypatch, "classify", *asked) == 0
    said = text(capsys.readouterr().out)
    assert f"{28 - len(stamps)} objects left out: no alert." in said
    assert f"{len(stamps)} objects in" in said and "adjusted Rand index" in said
    assert pq.read_table(tmp_path / "c.parquet").num_rows == len(stamps)
    assert {path.name for path in (tmp_path / "page").iterdir()} == PICTURES
    about = json.loads((tmp_path / "page" / "clusters.json").read_text())
    assert np.sum(about["counts"]) == sum(about["sizes"]) == len(stamps)
    assert set(about["scores"]["outlier_auc"]) == {"SN", "RRL", "EB", "AST"}
    page = (tmp_path / "page" / "index.html").read_text()
    assert "In the training data" in page and "Latent space" in page


@pytest.mark.slow
def test_data_without_labels_have_a_report_without_scores(vade_model, unlabelled, tmp_path):
    found = api.classify(
        vade_model.folder,
        unlabelled,
        out=tmp_path / "c.csv",
        report=tmp_path / "page",
        quiet=True,
    )
    assert (found.label == -1).all()
    page = (tmp_path / "page" / "index.html").read_text()
    assert "nothing is scored" in page and "Adjusted Rand" not in page
    assert json.loads((tmp_path / "page" / "clusters.json").read_text())["scores"] is None


@pytest.mark.slow
def test_train_makes_the_same_model_and_its_clusters(
    vade_model, planes_dataset, monkeypatch, tmp_path, capsys
):
    asked = ["--model", "vade", "--data", planes_dataset, "--out", tmp_path / "m", "--crop", 9]
    asked += ["--iterations", 4, "--batch", 8, "--validate-every", 2, "--seed", 3, "--threads", 1]
    for name, value in CHOICES.items():
        value = ",".join(map(str, value)) if isinstance(value, list) else value
        asked += ["--choice", f"{name}={value}"]
    assert run(monkeypatch, "train", *asked) == 0
    assert "validation loss" in text(capsys.readouterr().out)
    card = json.loads((tmp_path / "m" / "model.json").read_text())
    assert card["options"] == vade_model.card["options"]
    assert {path.name for path in (tmp_path / "m" / "evaluation").iterdir()} == PICTURES
    assert (tmp_path / "m" / "clusters.parquet").is_file()


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (["classify", "--plot", "3"], "--plot, --map: not of a model that makes clusters"),
        (["classify", "--map", "m.png"], "--plot, --map: not of a model that makes clusters"),
        (["train", "--merge", "VS=RRL+EB"], "--merge: not an option of --model vade"),
        (["train", "--balance", "none"], "--balance: not an option of --model vade"),
        (["train", "--images", "3"], "not options of --model vade"),
    ],
)
def test_options_of_other_models_are_refused(
    vade_model, planes_dataset, monkeypatch, tmp_path, capsys, command, sentence
):
    name, *more = command
    out = tmp_path / ("c.parquet" if name == "classify" else "m")
    model = vade_model.folder if name == "classify" else "vade"
    monkeypatch.chdir(tmp_path)
    asked = ["--model", model, "--data", planes_dataset, "--out", out, *more]
    if "--map" in more:
        monkeypatch.setattr(
            "classifier.cli.classify.known_positions", lambda split: (np.zeros(28), np.zeros(28))
        )
    assert run(monkeypatch, name, *asked) == 2
    assert sentence in text(capsys.readouterr().err)
    assert not out.exists()


def test_commands_of_classes_refuse_clusters(vade_model, split, planes_dataset, tmp_path):
    with pytest.raises(ClassifierError, match="vade makes clusters, which are no classes"):
        check_fit("vade", vade_model, split, any_survey=False)
    with pytest.raises(ClassifierError, match="makes clusters, which are no classes"):
        api.compare([vade_model.folder], planes_dataset, out=tmp_path / "c", quiet=True)
    with pytest.raises(ClassifierError, match="which a stream does not take"):
        Stream(vade_model)


def test_smaller_stamps_than_those_of_the_training_are_refused(vade_model, split, monkeypatch):
    monkeypatch.setattr(DatasetSplit, "size_pix", 7)
    with pytest.raises(ClassifierError, match="stamps of 7 pixels cannot be cut to 9"):
        vade_model.stamps_of(split)


def test_a_single_stamp_has_a_cluster(vade_model, split, stamps):
    one = SnrStamps(stamps.snr[:1], stamps.labels[:1], stamps.rows[:1], {})
    found = vade_model.clustered(one, split)
    assert len(found) == 1 and np.isfinite(found.outlier_score).all()
