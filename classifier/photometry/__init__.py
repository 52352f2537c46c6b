"""Light curves from stamps: optimal photometry, and differences from the earliest images."""

from classifier.photometry.lightcurves import Flag, LightCurves
from classifier.photometry.measuring import measure
from classifier.photometry.psf import PsfModel
from classifier.photometry.settings import Settings

__all__ = ["Flag", "LightCurves", "PsfModel", "Settings", "measure"]
