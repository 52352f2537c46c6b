"""Supernovae: spectra seen through filters, rates and cosmology, and when they are seen."""
