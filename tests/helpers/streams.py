"""Streams of small untrained networks, fed with the images of a split."""

import numpy as np

from classifier.image_selection import ImageSelection
from classifier.models.recurrent import build_network
from classifier.models.recurrent.trained_network import Network
from classifier.network_inputs import AssumedPsf
from classifier.stream import Conditions

IMAGES = 6
CHOICES = {"compact": {}, "rcnn": {"filters": 8, "dense": 16, "units": 12}}


def network_of(name, tmp_path, split, seed=1):
    """An untrained network whose answers differ from image to image."""
    import keras

    keras.utils.set_random_seed(seed)
    variants = build_network(name, size_pix=21, n_classes=len(split.classes), **CHOICES[name])
    return Network(
        tmp_path / name,
        split.classes,
        "hits",
        ImageSelection(images=IMAGES),
        21,
        AssumedPsf(4.0, 3.8),
        {"kind": "network"},
        variants,
    )


def alert(stamps, row, epoch, **known):
    """What a survey says of one image."""
    conditions = {
        "mjd": stamps.mjd[row, epoch],
        "zero_point_mag": stamps.zero_point_mag[row, epoch],
        "exposure_time_s": stamps.exposure_time_s[row, epoch],
        "seeing_fwhm_pix": stamps.seeing_fwhm_pix[row, epoch],
        "gain_e_per_adu": stamps.gain_e_per_adu[row],
        "read_noise_e": stamps.read_noise_e[row],
    }
    return stamps.images_adu[row, epoch], Conditions(**(conditions | known))


def many(stream, stamps, alerts):
    """Answers to a batch of (row, epoch)."""
    found = [alert(stamps, row, epoch) for row, epoch in alerts]
    return stream.update_many([row for row, _ in alerts], *zip(*found, strict=True))


def followed(stream, stamps, rows, epochs):
    """Answers (object, image, class) to images of some objects, a batch for every image."""
    found = [many(stream, stamps, [(row, epoch) for row in rows]) for epoch in epochs]
    return np.stack(found, axis=1)
