"""Difference images: PSF matching, subtraction and detection, on stamps and on whole images."""
