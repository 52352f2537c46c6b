"""Supernovae: spectra, rates, light curves and detection."""
