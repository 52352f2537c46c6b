"""The networks that come with the package have the accuracy of their cards."""

import numpy as np
import pytest

from classifier.dataset import DatasetSplit
from classifier.forecast.predictions_in_time import SimulatedSplit
from classifier.models.registry import open_model, shipped_models
from simulator.options import Options
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
