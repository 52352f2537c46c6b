"""Labelled image sequences of the variable sky, and classifiers trained on them."""
