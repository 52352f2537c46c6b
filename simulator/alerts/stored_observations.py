"""Observations read from a data set with planes, and what its simulator knows beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from simulator.alerts.alert_identifiers import object_numbers
from simulator.alerts.catalogue import field_catalogue
from simulator.alerts.observations import EPOCH_ARRAYS, STAMPS, Alert, Instrument, Observations
from simulator.alerts.psf_images import psf_images
from simulator.alerts.sky_positions import object_positions
from simulator.contiguous import contiguous
from simulator.dataset.schema import MARKS
from simulator.options import SPLITS

if TYPE_CHECKING:
    from simulator.dataset.reader import Dataset
    from simulator.simulator import Drawn, Simulator

MOST_PART_OBJECTS = 64
"""Objects that are read at once: those of a chunk of a data set, or fewer of long sequences."""

_FOR_VARIANCE = "template_noise_adu"  # which ZTF's packets have no place for
_MOST_PART_BYTES = 2**28
_STAMP_BYTES = 2 + 1 + 4 * 4  # of a pixel in all of `STAMPS`


class StoredObservations:
    """The objects of a data set, part by part.

    Parameters
    ----------
    dataset : Dataset
        With the planes template and difference.
    simulator : Simulator
        The one that made it.
    with_psf : bool
        Whether packets need images of the PSFs.
    """

    def __init__(self, dataset: Dataset, simulator: Simulator, *, with_psf: bool) -> None:
        self._dataset, self._simulator, self._with_psf = dataset, simulator, with_psf
        self._arrays = {split: dict(group.arrays()) for split, group in dataset.groups()}

    def instrument(self) -> Instrument:
        """What packets need of the survey."""
        profile = self._simulator.profile
        n_epochs = profile.template.epochs
        return Instrument(
            self._simulator.band_names,
            profile.camera.pixel_scale_arcsec,
            n_epochs[len(n_epochs) // 2],
            profile.template.days_before,
            self._simulator.options.seed,
            profile.difference.error_factor,
        )

    def parts(self) -> list[tuple[str, str, np.ndarray]]:
        """Name, split and indices of every part."""
        found, options = [], self._simulator.options
        object_bytes = self._simulator.n_epochs * options.stamp_size_pix**2 * _STAMP_BYTES
        step = int(np.clip(_MOST_PART_BYTES // object_bytes, 1, MOST_PART_OBJECTS))
        for split in (s for s in SPLITS if s in self._arrays):
            group = self._arrays[split]
            n, chunk = group["label"].shape[0], group["images"].chunks[0]
            whole = max(step // chunk * chunk, 1)
            for first in range(0, n, whole):
                indices = np.arange(first, min(first + whole, n))
                found.append((f"{split}-{first:09d}", split, indices))
        return found

    def batch(self, split: str, indices: np.ndarray) -> Observations:
        """Observations of objects that follow each other in a split."""
        group, rows = self._arrays[split], slice(indices[0], indices[-1] + 1)
        epochs = {name: group[name][rows] for name in EPOCH_ARRAYS}
        obj, epoch = np.nonzero(epochs["difference_detected"])
        stamps = {}
        if obj.size:
            names = STAMPS if self._with_psf else (n for n in STAMPS if n != _FOR_VARIANCE)
            stamps = {name: group[name].at(obj + indices[0], epoch) for name in names}
        drawn = self._simulator.drawn(split, indices)
        scene, neighbours = self._simulator.scene_of(drawn)
        true_x, true_y = self._true_positions(scene)
        measured = [np.nan_to_num(group[f"difference_{a}_pix"][rows]) for a in "xy"]
        epochs["x_pix"], epochs["y_pix"] = measured[0] - true_x, measured[1] - true_y
        if self._with_psf and obj.size:
            stamps |= self._psfs(drawn, obj, epoch, epochs["band"][obj, epoch])
        position = self._positions(split, indices, drawn)
        scale = self._simulator.profile.camera.pixel_scale_arcsec
        return Observations(
            number=object_numbers(SPLITS.index(split), indices),
            ra_deg=position[0],
            dec_deg=position[1],
            ccd=group["ccd"][rows].astype(int),
            gain_e_per_adu=group["gain_e_per_adu"][rows],
            read_noise_e=group["read_noise_e"][rows],
            moves=drawn.objects.rate_arcsec_per_h > 0,
            epochs=epochs,
            catalogue=field_catalogue(neighbours, drawn.objects, _own_magnitude(drawn), scale),
            stamps=stamps,
            centre_x_pix=measured[0][obj, epoch].astype(float),
            centre_y_pix=measured[1][obj, epoch].astype(float),
        )

    def _true_positions(self, scene):
        """Where the source is on every stamp: in the centre of those that are resampled."""
        resampled = self._simulator.profile.psf.lanczos_order > 0
        return (0.0, 0.0) if resampled else (scene.x_pix, scene.y_pix)

    def _psfs(self, drawn, obj, epoch, band):
        return {
            "psf": psf_images(contiguous(drawn.conditions.psf), obj, epoch),
            "template_psf": psf_images(contiguous(drawn.coadds.psf), obj, band),
        }

    def _positions(self, split, indices, drawn):
        simulator = self._simulator
        pointings = simulator.pointings
        numbers = simulator.pointing_numbers(split, indices)
        place = pointings.ra_deg[numbers], pointings.dec_deg[numbers]
        return object_positions(simulator.profile, simulator.options.seed, drawn.address, *place)

    def truth(self, split: str, indices: np.ndarray, alerts: Sequence[Alert]) -> pa.Table:
        """True class, magnitude and parameters of packets."""
        group, rows = self._arrays[split], slice(indices[0], indices[-1] + 1)
        obj = np.array([alert.object for alert in alerts], dtype=np.intp)
        epoch = np.array([alert.epoch for alert in alerts], dtype=np.intp)
        classes, bands = (np.array(self._dataset.attrs[name]) for name in ("classes", "bands"))
        columns: dict[str, Any] = {
            "candid": pa.array([alert.source_id for alert in alerts], pa.int64()),
            "objectId": pa.array([alert.object_id for alert in alerts], pa.string()),
            "class": pa.array(classes[group["label"][rows][obj]].tolist(), pa.string()),
            "split": pa.array([split] * len(alerts), pa.string()),
            "index": pa.array(indices[obj].astype(np.int64)),
            "epoch": pa.array(epoch.astype(np.int64)),
            "mjd": group["mjd"][rows][obj, epoch],
            "band": pa.array(bands[group["band"][rows][obj, epoch]].tolist(), pa.string()),
            "magnitude": group["magnitude"][rows][obj, epoch],
        }
        for name, array in group.items():
            if name not in (MARKS, "label", *columns) and array.ndim == 1:
                columns[name] = array[rows][obj]
        return pa.table(columns)


def _own_magnitude(drawn: Drawn) -> np.ndarray:
    """Magnitudes of the objects in their templates, (object, band); inf of transients."""
    transient = drawn.objects.alerts[:, None]
    with np.errstate(divide="ignore"):
        return np.where(transient, np.inf, -2.5 * np.log10(drawn.objects.template_flux))
