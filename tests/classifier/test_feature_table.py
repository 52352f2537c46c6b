"""Features of a data set in one file: whole or absent, independent of blocks and threads."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from classifier.dataset import DatasetSplit
from classifier.features import feature_table
from classifier.features.feature_table import FeatureTable
from classifier.features.pipeline import FeatureConfig, FeaturePipeline
from skyreel.atomic_files import locked_folder
from skyreel.errors import ClassifierError, OutputError


@pytest.fixture
def split(small_dataset, monkeypatch):
    """The training split, in blocks of 50 objects."""
    monkeypatch.setattr(DatasetSplit.blocks, "__defaults__", (50,))
    return DatasetSplit(small_dataset, "train")


CONFIG = FeatureConfig(images=8, light_curves="science")


def table(split, path, **changes):
    options = {"config": CONFIG, "every": True, **changes}
    return FeatureTable(path, split, **options)


def test_rows_are_the_features_of_the_first_images(split, tmp_path):
    made = table(split, tmp_path / "f.parquet")
    made.make(threads=1)
    pipeline = FeaturePipeline(split, CONFIG)
    curves = pipeline.light_curves(0, len(split))
    for k in (1, 3, 8):
        features, index = made.read(k)
        rows = np.flatnonzero(curves.n_epochs >= k)
        np.testing.assert_array_equal(index, rows)
        expected = pipeline.features(curves.of(rows), np.full(rows.size, k))
        np.testing.assert_array_equal(features, expected)


def test_a_block_is_read_by_its_number_of_images_alone(split, tmp_path, monkeypatch):
    monkeypatch.setattr(FeatureTable, "_merge", lambda self: None)
    made = table(split, tmp_path / "f.parquet")
    made.make(threads=1)
    (first, *_) = sorted(made.parts.glob("*.parquet"))
    file = pq.ParquetFile(first)
    for k in range(8):
        n_images = file.read_row_group(k, columns=["n_images"])["n_images"].to_numpy()
        assert (n_images == k + 1).all() and n_images.size == (split.n_epochs[:50] > k).sum()


def test_all_images_by_default_one_row_per_object(split, tmp_path):
    table(split, tmp_path / "f.parquet", every=False).make(threads=2)
    rows = pq.read_table(tmp_path / "f.parquet")
    assert rows.num_rows == len(split)
    assert rows["object"].to_pylist() == [str(i) for i in range(len(split))]
    assert rows["label"].to_pylist() == [split.classes[i] for i in split.labels]
    assert (rows["n_images"].to_numpy() == np.minimum(split.n_epochs, 8)).all()


def test_a_resumed_run_gives_the_same_file(split, tmp_path):
    table(split, tmp_path / "whole.parquet").make(threads=1)
    stopped = table(split, tmp_path / "stopped.parquet")

    def stop(objects):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped.make(threads=1, on_progress=stop)
    assert not stopped.path.exists() and list(stopped.parts.glob("*.parquet"))
    half = stopped.parts / "000000150.parquet.partial"
    half.write_bytes(b"half a file")
    stopped.make(threads=2)
    one, two = (pq.read_table(path) for path in (stopped.path, tmp_path / "whole.parquet"))
    assert one.column_names == two.column_names
    for name in one.column_names:
        np.testing.assert_array_equal(one[name].to_numpy(), two[name].to_numpy())
    assert not stopped.parts.exists()


def test_a_finished_file_is_not_computed_again(split, tmp_path):
    made = table(split, tmp_path / "f.parquet")
    made.make(threads=1)
    written = made.path.stat().st_mtime_ns
    made.make(threads=1)
    assert made.path.stat().st_mtime_ns == written


def test_a_file_of_version_0_1_is_read(split, tmp_path):
    made = table(split, tmp_path / "f.parquet", every=False)
    made.make(threads=1)
    settings = made.settings()
    settings["recipe"] = settings.pop("feature_config")
    old = pq.read_table(made.path).replace_schema_metadata(
        {"skyreel_features": json.dumps(settings)}
    )
    pq.write_table(old, made.path)
    assert made.is_complete()


def test_a_file_of_other_settings_is_kept(split, tmp_path):
    made = table(split, tmp_path / "f.parquet", every=False)
    made.make(threads=1)
    with pytest.raises(ClassifierError, match="other data or settings"):
        other = FeatureConfig(images=7, light_curves="science")
        table(split, made.path, config=other, every=False).make(threads=1)
    assert made.is_complete()


def test_an_incomplete_file_is_named_and_kept(split, tmp_path):
    made = table(split, tmp_path / "f.parquet", every=False)
    made.make(threads=1)
    made.path.write_bytes(made.path.read_bytes()[:-300])
    with pytest.raises(ClassifierError, match="not a finished feature file"):
        made.make(threads=1)


def test_a_full_disk_is_reported_and_finished_blocks_are_kept(split, tmp_path, monkeypatch):
    made, written = table(split, tmp_path / "f.parquet"), []
    write = feature_table._write_groups

    def full_after_two(*arguments, **options):
        if len(written) == 2:
            raise OSError(28, "No space left on device")
        written.append(arguments)
        write(*arguments, **options)

    monkeypatch.setattr(feature_table, "_write_groups", full_after_two)
    with pytest.raises(OutputError, match="No space left on device"):
        made.make(threads=1)
    assert len(list(made.parts.glob("*.parquet"))) == 2
    monkeypatch.setattr(feature_table, "_write_groups", write)
    made.make(threads=1)
    assert made.is_complete()


def test_a_missing_band_is_named(split):
    with pytest.raises(ClassifierError, match="has the bands g, r, i, not 'y'"):
        FeaturePipeline(split, FeatureConfig(bands=("y",)))


def test_differences_and_images_together_have_both_names(split):
    config = FeatureConfig(images=8, light_curves="both")
    pipeline = FeaturePipeline(split, config)
    curves = pipeline.light_curves(0, 20)
    found = pipeline.features(curves, curves.n_epochs.astype(int))
    assert found.shape == (20, len(config.feature_names))
    assert config.feature_names.index("difference_Mean") >= len(config.feature_names) // 2
    np.testing.assert_array_equal(
        found[:, : found.shape[1] // 2],
        FeaturePipeline(split, CONFIG).features(curves, curves.n_epochs.astype(int)),
    )


def test_features_after_few_images_do_not_depend_on_later_ones(split, tmp_path):
    made = table(split, tmp_path / "f.parquet")
    made.make(threads=1)
    rows = pq.read_table(made.path, filters=[("n_images", "==", 3)])
    curves = FeaturePipeline(split, CONFIG).light_curves(0, len(split))
    flux_njy = np.median(curves.flux_njy[rows["index"], :3], axis=1)
    magnitude, bright = rows["magnitude"].to_numpy(), flux_njy > 0
    assert bright.sum() > 100
    np.testing.assert_allclose(
        magnitude[bright], 31.4 - 2.5 * np.log10(flux_njy[bright]), rtol=1e-6
    )
    assert np.isnan(magnitude[~bright]).all()


def test_a_second_process_is_refused(split, tmp_path):
    made = table(split, tmp_path / "f.parquet")
    with locked_folder(made.parts), pytest.raises(OutputError, match="another process"):
        made.make(threads=1)


def test_no_images_are_refused():
    with pytest.raises(ClassifierError, match="--images 0"):
        FeatureConfig(images=0)
