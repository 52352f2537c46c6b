"""Artefacts of images and differences: their kinds, how they are drawn, and their light."""
