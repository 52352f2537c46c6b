"""The planes of a batch beside its science images, and what is measured in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simulator.artefacts.kernels import Artefacts
from simulator.artefacts.kinds import Artefact
from simulator.contiguous import contiguous
from simulator.difference.kernels import DECORRELATED, ZOGY
from simulator.difference.planes import (
    MEASURED,
    Grids,
    Matched,
    Planes,
    Scenes,
    Settings,
    fill_planes,
)
from simulator.difference.template import BORDER_PIX, Coadds, TemplateBank, TemplateDates
from simulator.gaussian_mixture import pixel_centres
from simulator.rng import key_words
from simulator.scene.render import Scene
from simulator.scene.sersic import DE_VAUCOULEURS, EXPONENTIAL, sersic

if TYPE_CHECKING:
    from simulator.observing.exposures import Conditions
    from simulator.options import Options
    from simulator.psf.psf import Psf
    from simulator.sequences import DrawnObjects
    from survey_profiles import Profile
    from survey_profiles.pointings import Pointings

_METHODS = {"alard-lupton": DECORRELATED, "zogy": ZOGY}  # as profiles name them
_SMALL_PSF_PIX, _LARGE_PSF_PIX = 31, 63  # images of PSFs: transforms of 32 and 64 pixels
_WIDEST_SMALL_FWHM_PIX = 5.5  # a Moffat profile of beta 3 has 98.7 % of its light in 31 pixels
_WIDE_PERCENT = 95.0  # of the survey's exposures: if these are narrow, images of PSFs are small
_RADIUS_FWHM = 1.0  # searched for a detection around the position of the source
_MOST_ELECTRONS = 1e30  # far above any full well, and far below the limit of single precision


class Neighbouring(NamedTuple):
    """Other stars of a batch: number (object,), positions and magnitudes."""

    number: np.ndarray
    x_pix: np.ndarray  # (object, neighbour)
    y_pix: np.ndarray
    magnitude: np.ndarray  # (object, neighbour, band)


class PlaneMaker:
    """Makes the templates and differences that the options ask for.

    Parameters
    ----------
    profile : survey_profiles.Profile
    pointings : survey_profiles.pointings.Pointings
    options : simulator.options.Options
        With planes beside the science image.
    spare_pix : int
        As for `simulator.difference.template.TemplateBank`.
    """

    def __init__(
        self, profile: Profile, pointings: Pointings, options: Options, spare_pix: int = 0
    ) -> None:
        self._options, self._size = options, options.stamp_size_pix
        self._bank = TemplateBank(profile, pointings, self._size, spare_pix)
        self._n_bands = len(profile.bands)
        self._settings = Settings(
            method=_METHODS[profile.difference.method],
            threshold_sigma=float(profile.difference.threshold_sigma),
            variance_factor=float(profile.difference.error_factor) ** 2,
            registration_error_pix=registration_error_as_noise(profile),
            border_pix=BORDER_PIX,
            radius_fwhm=_RADIUS_FWHM,
            lanczos_order=profile.psf.lanczos_order,
        )
        width_pix = pointings.seeing_fwhm_arcsec / profile.camera.pixel_scale_arcsec
        wide = np.nanpercentile(width_pix, _WIDE_PERCENT)
        small = self._size <= _SMALL_PSF_PIX or wide <= _WIDEST_SMALL_FWHM_PIX
        sizes = self._size, self._bank.wide_pix, _SMALL_PSF_PIX if small else _LARGE_PSF_PIX
        self._grids = Grids(
            *((*pixel_centres(size), size) for size in sizes),
            sersic(EXPONENTIAL),
            sersic(DE_VAUCOULEURS),
        )

    def templates(
        self, address: np.ndarray, conditions: Conditions
    ) -> tuple[Coadds, TemplateDates]:
        """Templates of the objects at these addresses, and the times of their exposures."""
        return self._bank.draw(self._options.seed, address, conditions)

    @property
    def transient_share(self) -> float:
        """Share of the largest flux of a transient that its template holds."""
        return self._bank.transient_share

    def make(
        self,
        address: np.ndarray,
        conditions: Conditions,
        coadds: Coadds,
        drawn: DrawnObjects,
        scene: Scene,
        neighbours: Neighbouring,
        images: np.ndarray,
        mask: np.ndarray,
        artefacts: Artefacts,
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Planes (object, epoch, row, column) and values (object, epoch), by array name.

        Parameters
        ----------
        address : array of uint64, shape (object,)
        conditions, coadds, drawn, scene, neighbours
            Of these objects; ``scene`` is that of the science images.
        images, mask : arrays (object, epoch, row, column)
            The science images, which are only read.
        artefacts : simulator.artefacts.kernels.Artefacts
        """
        planes = self._empty(images.shape)
        scene, matched = self._matched(address, conditions, coadds, scene, artefacts)
        scenes = Scenes(
            contiguous(scene),
            contiguous(conditions.psf),
            contiguous(template_scene(coadds, drawn, neighbours)),
            contiguous(coadds.psf),
            np.ascontiguousarray(coadds.variance_share),
            contiguous(mistaken_psf(conditions.psf, artefacts)),
            contiguous(artefacts),
        )
        fill_planes(
            np.ascontiguousarray(address, dtype=np.uint64),
            scenes,
            contiguous(conditions.detector),
            images,
            mask,
            contiguous(matched),
            planes,
            self._settings,
            self._grids,
            key_words(self._options.seed),
        )
        return self._kept(planes), self._measured(planes, conditions, coadds)

    def _matched(self, address, conditions, coadds, scene, artefacts):
        """The light as it is in the stored stamps, and how templates are brought to it."""
        own = scene.x_pix, scene.y_pix
        if self._settings.lanczos_order:  # resampling has brought the source to the centre
            scene = scene._replace(x_pix=np.zeros_like(own[0]), y_pix=np.zeros_like(own[1]))
        there = scene.x_pix, scene.y_pix
        shifts = self._bank.shifts_pix(self._options.seed, address, coadds, conditions, there)
        x, y = misaligned(*shifts, artefacts)
        return scene, Matched(
            band=conditions.schedule.band.astype(np.int64),
            scale=mistaken_scale(coadds.scale_to(conditions), artefacts),
            x_shift_pix=x,
            y_shift_pix=y,
            sky_adu=np.nan_to_num(conditions.sky_adu).astype(float),
            x_resampled_pix=own[0],
            y_resampled_pix=own[1],
        )

    def _empty(self, shape):
        """Arrays for the planes that are asked for, zero where nothing will be written."""
        template, difference = "template" in self._options.planes, self._makes_difference
        per_epoch = (shape[0] if difference else 0, shape[1])

        def of(kept, dtype):
            return np.zeros((shape[0] if kept else 0, *shape[1:]), dtype=dtype)

        return Planes(
            *(of(template, kind) for kind in (np.float32, np.uint8, np.float32)),
            *(of(difference, kind) for kind in (np.float32, np.uint8, np.float32)),
            np.full((*per_epoch, len(MEASURED)), np.nan),
            np.zeros(per_epoch, dtype=bool),
        )

    @property
    def _makes_difference(self):
        return "difference" in self._options.planes

    def _kept(self, planes):
        names = ("", "_mask", "_noise_adu")
        return {
            f"{plane}{name}": getattr(planes, f"{plane}{name.removesuffix('_adu')}")
            for plane in self._options.planes[1:]
            for name in names
        }

    def _measured(self, planes, conditions, coadds):
        observed, band = conditions.schedule.observed, conditions.schedule.band
        of_templates = {
            "template_seeing_fwhm_arcsec": coadds.fwhm_arcsec,
            "template_limiting_mag": coadds.limiting_mag,
        }
        arrays = {
            name: np.where(observed, Coadds.at(values, band), np.nan).astype(np.float32)
            for name, values in of_templates.items()
        }
        if self._makes_difference:
            for k, name in enumerate(MEASURED):
                arrays[f"difference_{name}"] = planes.measured[..., k].astype(np.float32)
            arrays["difference_detected"] = planes.detected
        return arrays


def registration_error_as_noise(profile: Profile) -> float:
    """Error of the alignment [pix] that detections count as noise; 0 where they do not."""
    counts = profile.difference.registration_noise
    return profile.template.registration_error_pix if counts else 0.0


def misaligned(
    x_pix: np.ndarray, y_pix: np.ndarray, artefacts: Artefacts
) -> tuple[np.ndarray, np.ndarray]:
    """Shifts of templates with the errors of alignment of artefacts, each (object, epoch).

    The position of a dipole, a cut stamp or a PSF mismatch is its error of the alignment, see
    `Artefacts`.
    """
    if not artefacts.kind.size:
        return x_pix, y_pix
    kinds = (Artefact.DIPOLE, Artefact.PSF_MISMATCH, Artefact.DETECTOR_EDGE)
    moved = np.isin(artefacts.kind, kinds)
    return (
        x_pix + np.where(moved, artefacts.x_pix, 0.0),
        y_pix + np.where(moved, artefacts.y_pix, 0.0),
    )


def mistaken_scale(scale: np.ndarray, artefacts: Artefacts) -> np.ndarray:
    """Scales of templates (object, epoch) with the errors of PSF mismatches."""
    if not artefacts.kind.size:
        return scale
    error = np.where(artefacts.kind == Artefact.PSF_MISMATCH, artefacts.flux_e, 0.0)
    return scale * (1.0 + error)


def mistaken_psf(psf: Psf, artefacts: Artefacts) -> Psf:
    """The PSF that is used to subtract: of another width where an artefact says so."""
    if not artefacts.kind.size:
        return psf
    mistaken = artefacts.kind == Artefact.PSF_MISMATCH
    factor = np.where(mistaken, artefacts.size_pix, 1.0)
    return psf._replace(fwhm_pix=psf.fwhm_pix * factor, stretch=psf.stretch * factor)


def template_scene(coadds: Coadds, drawn: DrawnObjects, neighbours: Neighbouring) -> Scene:
    """The light on the templates of a batch: one "epoch" per band, electrons of one exposure."""
    none = np.zeros(coadds.x_pix.shape)
    flux = 10.0 ** (-0.4 * neighbours.magnitude.transpose(0, 2, 1))
    per_flux = coadds.electrons(np.ones(none.shape))[..., None]
    return Scene(
        n_epochs=np.full(len(none), none.shape[1], dtype=np.int64),
        x_pix=coadds.x_pix,
        y_pix=coadds.y_pix,
        source_e=np.minimum(coadds.electrons(drawn.template_flux), _MOST_ELECTRONS),
        trail_pix=none,
        trail_angle_rad=none[:, 0],
        host=drawn.host,
        host_e=np.minimum(coadds.electrons(10.0 ** (-0.4 * drawn.host_magnitude)), _MOST_ELECTRONS),
        n_neighbours=neighbours.number,
        neighbour_x_pix=neighbours.x_pix,
        neighbour_y_pix=neighbours.y_pix,
        neighbour_e=np.minimum(per_flux * flux, _MOST_ELECTRONS),
        background_e=coadds.background_e,
    )
