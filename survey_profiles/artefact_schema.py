"""What a profile holds of artefacts: how often each kind is what a bogus alert shows."""

from __future__ import annotations

from survey_profiles.schema_types import Fraction, Table


class Artefacts(Table):
    """Shares of the kinds among artefacts; only their ratios count.

    The defaults are those of ZTF: counts among 103 real alerts labelled as bogus or satellite
    trail, by eye and from the balance of positive and negative light.
    """

    dipole: Fraction = 0.107
    """Misaligned template; default: 11 of 103."""
    psf_mismatch: Fraction = 0.495
    """Residual of a star whose PSF is not matched; default: 51 of 103."""
    saturated_star: Fraction = 0.068
    """Saturated star, bleeding and spikes; default: 7 of 103."""
    cosmic_ray: Fraction = 0.019
    """Cosmic ray that is not masked; default: 2 of 103."""
    bad_pixels: Fraction = 0.136
    """Dark or hot pixels that are not masked; default: 14 of 103."""
    bad_column: Fraction = 0.01
    """Part of a column without charge; default: 1 of 103."""
    satellite_trail: Fraction = 0.155
    """Trail or glints of a satellite; default: 16 of 103, selected for them."""
    ghost: Fraction = 0.01
    """Reflection of a bright star; default chosen, none of 103."""
    template_defect: Fraction = 0.01
    """Spot or hole in the template; default chosen, none of 103."""
    detector_edge: Fraction = 0.01
    """Stamp at the edge of the detector, without another cause; default: 1 of 103."""
