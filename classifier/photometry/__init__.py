"""Light curves from stamps: optimal photometry, and differences from the earliest images."""

from classifier.photometry.light_curves import Flag, LightCurves
from classifier.photometry.measurement import PhotometrySettings, measure
from classifier.photometry.psf_model import PsfModel

__all__ = ["Flag", "LightCurves", "PhotometrySettings", "PsfModel", "measure"]
