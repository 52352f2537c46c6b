"""Survey profiles in TOML: what is accepted makes finite conditions and images that are lit."""

import copy
import json
import tomllib

import numpy as np

from simulator.options import Options
from simulator.simulator import Simulator
from survey_profiles import load_profile
from survey_profiles.loading import profile_text
from tests.helpers.fuzzing import ODD_NUMBERS, ODD_TEXTS, mutated

FACTORS = (0, 0.01, 0.1, 0.5, 0.9, 1.1, 2, 10, 100, 1e6, -1)
OPTIONS = Options(stamp_size_pix=9)


def prepare(folder):
    Simulator(load_profile("hits"), OPTIONS).batch("train", range(7))
    return {name: profile_text(name) for name in ("hits", "ztf", "lsst")}


def make(base, rng, folder):
    text = base[rng.choice(sorted(base))]
    path = folder / "survey.toml"
    if rng.random() < 0.2:
        how, data = mutated(rng, text.encode())
        path.write_bytes(data)
        return f"text {how}", path
    tree = tomllib.loads(text)
    sources = tree.pop("sources")
    places = list(leaves(tree))
    for _ in range(rng.choice([1, 1, 2, 4])):
        table, key = rng.choice(places)
        table[key] = changed(rng, table[key])
    if rng.random() < 0.5:
        tree["sources"] = sources
    path.write_text("\n".join(f"{json.dumps(k)} = {toml(v)}" for k, v in tree.items()))
    return "values", path


def leaves(tree):
    """(table or list, key) of every value."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in items:
        yield tree, key
        if isinstance(value, dict | list):
            yield from leaves(value)


def changed(rng, value):
    if isinstance(value, int | float) and rng.random() < 0.8:
        return type(value)(value * rng.choice(FACTORS))
    return copy.copy(rng.choice([*ODD_NUMBERS, *ODD_TEXTS, [], {}, [1, 2], ["g", "g"], True]))


def toml(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return repr(value) if isinstance(value, int | float) else json.dumps(value)


def check(base, path, folder):
    profile = load_profile(path)
    made = Simulator(profile, OPTIONS).batch("train", range(14))
    used = np.arange(made.images.shape[1]) < made.objects["n_epochs"][:, None]
    for name, values in made.epochs.items():
        known = values[used] if name != "magnitude" else np.nan_to_num(values[used], posinf=0)
        if not np.isfinite(known).all():
            return f"{name} is not finite"
    if (np.diff(made.epochs["mjd"], axis=1)[used[:, 1:]] <= 0).any():
        return "times that do not increase"
    sky = np.minimum(made.epochs["sky_adu"][used], 1e4)
    dark = np.percentile(made.images[used], 75, axis=(1, 2)) < 0.5 * sky - 5 * np.sqrt(sky + 1e3)
    saturation = min(c.saturation_adu for c in profile.camera.ccds or (profile.camera,))
    gain = min(c.gain_e_per_adu for c in profile.camera.ccds or (profile.camera,))
    if dark.any() and saturation > 1e4 and gain > 0.1 and not profile.psf.lanczos_order:
        return f"{dark.sum()} images darker than their sky"
    return None
