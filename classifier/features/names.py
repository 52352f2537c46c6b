"""Names of the features, spelt as in FATS, and the record of the features of one curve."""

from __future__ import annotations

import numpy as np

FREQUENCIES = 3
HARMONICS = 4
_OF_HARMONICS = tuple(
    f"Freq{frequency + 1}_harmonics_{kind}_{harmonic}"
    for frequency in range(FREQUENCIES)
    for kind in ("amplitude", "rel_phase")
    for harmonic in range(HARMONICS)
)
FEATURES = (
    "Amplitude",
    "AndersonDarling",
    "Autocor_length",
    "Beyond1Std",
    "CAR_mean",
    "CAR_sigma",
    "CAR_tau",
    "Con",
    "Eta_e",
    "FluxPercentileRatioMid20",
    "FluxPercentileRatioMid35",
    "FluxPercentileRatioMid50",
    "FluxPercentileRatioMid65",
    "FluxPercentileRatioMid80",
    *_OF_HARMONICS,
    "LinearTrend",
    "MaxSlope",
    "Mean",
    "Meanvariance",
    "MedianAbsDev",
    "MedianBRP",
    "PairSlopeTrend",
    "PercentAmplitude",
    "PercentDifferenceFluxPercentile",
    "PeriodLS",
    "Period_fit",
    "Psi_CS",
    "Psi_eta",
    "Q31",
    "Rcs",
    "Skew",
    "SlottedA_length",
    "SmallKurtosis",
    "Std",
    "StetsonK",
    "StetsonK_AC",
)
# The phase of a first harmonic relative to itself: zero wherever it is defined.
CONSTANT = tuple(f"Freq{i + 1}_harmonics_rel_phase_0" for i in range(FREQUENCIES))

# Kernels fill a record by name. Its 24 columns of harmonics are also viewed as one array
# (frequency, kind, harmonic).
RECORD = np.dtype([(name, np.float64) for name in FEATURES])
HARMONIC_COLUMNS = slice(FEATURES.index(_OF_HARMONICS[0]), FEATURES.index(_OF_HARMONICS[-1]) + 1)
