"""Which options each model of ``train`` takes, checked and with their defaults."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skyreel.errors import ClassifierError, nearest

if TYPE_CHECKING:
    from classifier.models.forest.training import ForestOptions
    from classifier.training.alert_baseline_training import AlertBaselineOptions
    from classifier.training.by_network import AnyOptions

STAMPS = ("deep-hits", "alerce-stamp", "two-stamp-stacked", "two-stamp-separated")
ALERT_FORESTS = ("metadata-forest", "pixel-forest")
ALERT_BASELINES = (*ALERT_FORESTS, "logistic-regression")
CLUSTERING = ("vae", "vade")
OF_ALERTS = (*STAMPS, *ALERT_BASELINES, *CLUSTERING)
MODELS = ("compact", "multiband", "rcnn", "forest", *OF_ALERTS)


def check_model(
    model: str,
    of_networks: dict[str, Any],
    of_forests: dict[str, Any],
    of_alerts: dict[str, Any] | None = None,
) -> None:
    """Refuse an unknown model, and options of another one; None is an option not given.

    Raises
    ------
    ClassifierError
    """
    if model not in MODELS:
        raise ClassifierError(f"--model {model!r}; known models: {', '.join(MODELS)}.")
    every = of_networks | of_forests | (of_alerts or {})
    if model in ALERT_BASELINES:
        own = {"merge", "crop_pix"} | ({"trees", "depth"} if model in ALERT_FORESTS else set())
    elif model == "forest":
        own = set(of_forests)
    else:
        own = set(of_networks) | (set(of_alerts or ()) if model in STAMPS else set())
        own |= {"alerts", "crop_pix"} if model in CLUSTERING else set()
    if foreign := _flags({name: value for name, value in every.items() if name not in own}):
        raise ClassifierError(f"{foreign}: not an option of --model {model}.")


def check_source(
    model: str, data: Path | None, survey: str | None, simulated: dict[str, Any]
) -> None:
    """Refuse training data that are given twice, or not at all."""
    if (data is None) == (survey is None):
        what = "--data or --survey" if survey is None else "--data or --survey, not both"
        raise ClassifierError(f"give {what}.")
    if set(simulated.get("profile_set") or ()) == {"conditions"}:
        simulated = {**simulated, "profile_set": None, "conditions": True}
    if survey is None and _flags(simulated):
        raise ClassifierError(f"{_flags(simulated)}: only with --survey.")
    if survey is not None and (model == "forest" or model in OF_ALERTS):
        raise ClassifierError(f"--survey: --model {model} is trained on a data set; give --data.")


def given_options(model: str, common: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Options by name; of common ones a model of first alerts has the seed alone.

    Raises
    ------
    ClassifierError
    """
    if model in OF_ALERTS:
        if common["images"] is not None or common["band"] is not None or common["start"] != "first":
            raise ClassifierError(f"--images, --band, --start: not options of --model {model}.")
        common = {"seed": common["seed"]}
    return {**common, **own}


def options_of(
    model: str, given: dict[str, Any]
) -> AnyOptions | ForestOptions | AlertBaselineOptions:
    """Checked options of a model, from those given by name; None is an option not given.

    Raises
    ------
    ClassifierError
    """
    chosen = {name: value for name, value in given.items() if value is not None}
    if model == "forest":
        from classifier.models.forest.training import ForestOptions

        _check_names(model, chosen, ForestOptions)
        return ForestOptions(**chosen)
    if model in OF_ALERTS:
        return _alert_options(model, chosen)
    from classifier.training.options import NetworkOptions, parsed_choices

    _check_names(model, chosen, NetworkOptions)
    if isinstance(chosen.get("choices"), list):
        chosen["choices"] = parsed_choices(chosen["choices"])
    return NetworkOptions(network=model, **chosen)


def _alert_options(model, chosen):
    from classifier.training.options import parsed_choices
    from classifier.training.stamp_options import StampOptions, parsed_merge

    if not isinstance(chosen.get("merge", {}), dict):
        chosen["merge"] = parsed_merge(chosen["merge"])
    if model in ALERT_FORESTS:
        from classifier.training.alert_forest_training import INPUTS, AlertForestOptions

        _check_names(model, chosen, AlertForestOptions)
        return AlertForestOptions(inputs=INPUTS[model], **chosen)
    if model in ALERT_BASELINES:
        from classifier.training.alert_baseline_training import AlertBaselineOptions

        _check_names(model, chosen, AlertBaselineOptions)
        return AlertBaselineOptions(**chosen)
    family = StampOptions
    if model in CLUSTERING:
        from classifier.training.autoencoder_options import AutoencoderOptions

        family = AutoencoderOptions
    _check_names(model, chosen, family)
    if isinstance(chosen.get("choices"), list):
        chosen["choices"] = parsed_choices(chosen["choices"])
    return family(network=model, **chosen)


def _check_names(model, chosen, options):
    known = [each.name for each in fields(options)]
    for name in chosen:
        if name not in known:
            raise ClassifierError(
                f"{name}: not an option of the model {model!r}. {nearest(name, known)}"
            )


_FLAGS = {"choices": "choice", "rotate": "rotated", "crop_pix": "crop", "alerts": "which_alerts"}


def _flags(options):
    """Flags of the options that were given."""
    given = [_FLAGS.get(name, name) for name, value in options.items() if value is not None]
    return ", ".join("--" + name.replace("_", "-") for name in given)
