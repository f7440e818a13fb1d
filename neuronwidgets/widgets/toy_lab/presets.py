"""What ToyLab trains: presets, and what is too large to draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from neuronwidgets.toy import PRESETS, Config
from neuronwidgets.widgets.toy_lab.picture import NAMES

SIZE = {"features": 64, "dims": 32, "neurons": 256, "batch": 512, "steps": 8704}
"""Trains in half a minute on a laptop, and shows the paper's effect."""
MOST_CELLS = 1 << 22
MOST_EMBEDDED = 1 << 29


def preset_of(config: Config) -> str:
    """The name of the preset that a configuration is, or ""."""
    return next((n for n in reversed(PRESETS) if at_preset(n, config) == config), "")


def at_preset(name: str, config: Config) -> Config:
    """A configuration brought to a preset; the world, the optimiser and the seed stay."""
    if name not in PRESETS:
        raise ValueError(f"{name!r} is no preset; there are {', '.join(map(repr, PRESETS))}.")
    knobs = asdict(config)
    for own in ("bias", "decay", *(["neurons"] if name == "more neurons" else [])):
        del knobs[own]
    return PRESETS[name](**knobs)


def checked(configs: Any) -> tuple[Config, ...]:
    """One or two configurations, or what is wrong with them."""
    many = (configs,) if not isinstance(configs, Sequence) else tuple(configs)
    for config in many:
        if not isinstance(config, Config):
            raise TypeError(
                f"a {type(config).__name__} is no configuration: neuronwidgets.toy.Config is "
                "needed."
            )
    if not 1 <= len(many) <= len(NAMES):
        raise ValueError(
            f"{len(many)} configurations; the lab shows one or two. neuronwidgets.toy.train takes "
            "any number."
        )
    if any(c.features * c.dims**2 > MOST_EMBEDDED for c in many):
        raise ValueError(
            f"features x dims^2 come to more than {MOST_EMBEDDED:,}: the embedding would take "
            "too long to make here. neuronwidgets.toy.train takes it."
        )
    if sum(c.neurons * c.features for c in many) > MOST_CELLS:
        raise ValueError(
            f"neurons x features come to more than {MOST_CELLS:,}, too many to draw as it trains: "
            "neuronwidgets.toy.train takes them."
        )
    return many
