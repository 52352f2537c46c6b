"""Features computed by feets 1.0, with the options that make it follow FATS."""

from __future__ import annotations

import inspect

import feets.extractors as fx

EXTRACTORS = {
    fx.MedianAmplitude(): "MedianAmplitude",
    fx.AutocorLength(): "Autocor_length",
    fx.WeightedBeyondNStd(): "WeightedBeyondNStd",
    fx.CAR(): "CAR_mean CAR_sigma CAR_tau",
    fx.Con(): "Con",
    fx.LinearTrend(): "LinearTrend",
    fx.MaxSlope(): "MaxSlope",
    fx.Mean(): "Mean",
    fx.MedianAbsDev(): "MedianAbsDev",
    fx.MedianBRP(quantile=0.2): "MedianBRP",  # of half the range
    fx.PairSlopeTrend(): "PairSlopeTrend",
    fx.Q31(): "Q31",
    fx.RCS(): "Rcs",
    fx.SlottedALength(T=1): "SlottedALength",
    fx.StetsonK(): "StetsonK",
    fx.StetsonKAC(T=1): "StetsonK_AC",
}
RENAMED = {
    "MedianAmplitude": "Amplitude",
    "WeightedBeyondNStd": "Beyond1Std",
    "SlottedALength": "SlottedA_length",
}


def feets_features(time, magnitude, error):
    """What feets finds, by our names, of one curve (point,), for what it defines as FATS does.

    The times given to it begin at zero, as FATS's folding depends on their origin.
    """
    time = time - time[0]
    found = _periods(time, magnitude)
    for extractor, name in EXTRACTORS.items():
        wanted = {"time": time, "magnitude": magnitude, "error": error}
        accepted = inspect.signature(extractor.extract).parameters
        values = extractor.extract(**{key: wanted[key] for key in wanted if key in accepted})
        found |= {RENAMED.get(key, key): values[key] for key in name.split()}
    return found


def _periods(time, magnitude):
    step = 1 / (6 * time[-1])
    grid = {
        "method": "slow",
        "samples_per_peak": 6,
        "minimum_frequency": step,
        "maximum_frequency": 300 * len(time) * step,
    }
    extractor = fx.AstropyLombScargle(
        lscargle_kwds={
            "model_kwds": {"fit_mean": False, "center_data": True},
            "autopower_kwds": grid,
        },
        nperiods=1,
    )
    found = extractor.extract(magnitude, time)
    return {name: found[name][0] for name in ("PeriodLS", "Psi_CS", "Psi_eta")}
