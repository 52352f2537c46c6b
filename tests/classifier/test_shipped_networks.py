"""The networks that come with the package have the accuracy of their cards."""

import numpy as np
import pytest

from classifier.dataset import DatasetSplit
from classifier.forecast.predictions_in_time import SimulatedSplit
from classifier.models.registry import open_model, shipped_models
from simulator.dataset.plan import make_plan
from simulator.dataset.run import execute, writer_for
from simulator.options import PLANES, Options
from simulator.simulator import Simulator
from survey_profiles import load_profile


def test_the_shipped_network_knows_its_classes_well(small_dataset):
    assert "hits-compact" in shipped_models()
    predictions = open_model("hits-compact").predict(DatasetSplit(small_dataset, "train"))
    right = predictions.after(22).argmax(axis=1) == predictions.label
    assert right.mean() > 0.94 - 4 * np.sqrt(0.94 * 0.06 / right.size)  # its card says 0.94


@pytest.mark.slow
@pytest.mark.parametrize(("survey", "accuracy"), [("lsst", 0.90), ("ztf", 0.87)])
def test_the_shipped_networks_of_several_bands_know_their_classes(survey, accuracy):
    assert f"{survey}-multiband" in shipped_models()
    model = open_model(f"{survey}-multiband")
    simulator = Simulator(load_profile(survey), Options(seed=5))
    predictions = model.predict(SimulatedSplit(simulator, np.arange(210)))
    last = predictions.probabilities[np.arange(210), predictions.n_images - 1]
    right = last.argmax(axis=1) == predictions.label
    error = np.sqrt(accuracy * (1 - accuracy) / right.size)
    assert right.mean() > accuracy - 4 * error  # as their cards say


@pytest.mark.slow
@pytest.mark.parametrize(("name", "recall"), [("ztf-stamp", 0.89), ("ztf-two-stamp", 0.94)])
def test_the_shipped_classifiers_of_first_alerts_know_their_classes(name, recall, tmp_path):
    assert name in shipped_models()
    model, path = open_model(name), tmp_path / "alerts.zarr"
    classes = {"SN": 2, "LPV": 1, "EB": 1, "AST": 1, "AGN": 6, "BOGUS": 2}
    options = Options(classes=classes, planes=PLANES, stamp_size_pix=31, magnitudes="flat", seed=77)
    plan = make_plan("ztf", options, path, n=1, validation=0, test=400)
    with writer_for(plan) as writer:
        execute(plan, writer, threads=1)
    predictions = model.predict(DatasetSplit(path, "test"))
    used = predictions.n_images > 0
    label, answer = predictions.label[used], predictions.probabilities[used, 0].argmax(axis=1)
    numbers = np.bincount(label, minlength=5)
    known = numbers >= 5  # asteroids have no second alert
    right = np.bincount(label[answer == label], minlength=5)[known] / numbers[known]
    assert known.sum() >= 3
    error = np.sqrt(np.sum(recall * (1 - recall) / numbers[known])) / known.sum()
    assert right.mean() > recall - 4 * error  # as their cards say
