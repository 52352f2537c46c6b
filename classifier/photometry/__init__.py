"""Light curves from stamps: optimal photometry, and differences from the earliest images."""

from classifier.photometry.light_curves import Flag, LightCurves
from classifier.photometry.measurement import measure
from classifier.photometry.psf_model import PsfModel
from classifier.photometry.settings import PhotometrySettings

__all__ = ["Flag", "LightCurves", "PhotometrySettings", "PsfModel", "measure"]
