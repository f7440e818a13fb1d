"""The configurations that ToyLab trains: presets, and limits of size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from neuronwidgets.toy import PRESETS, Config, steps_within
from neuronwidgets.widgets.toy_lab.picture import NAMES

SIZE = {"features": 64, "dims": 32, "neurons": 256, "batch": 512, "steps": 8704}
"""Shows the paper's effect."""
PATIENCE = 60.0
"""Seconds that the lab's own runs may train: a class waits a minute."""
ENOUGH = 4608
"""Steps that the lab's own runs train at least. On seed 0 the negative start then has 18
monosemantic neurons and the zero start none; after 1,600 steps it is 1 and none."""
MOST_CELLS = 1 << 22
"""The most responses of all runs that are drawn while they train."""
MOST_EMBEDDED = 1 << 29
"""The largest features x dims^2: the embedding of a larger model takes too long to make."""


def own_configs(device: str, patience: float = PATIENCE) -> tuple[Config, ...]:
    """The paper's zero start and its start at -1, in as many steps as this machine trains in
    `patience` seconds, but at least `ENOUGH`."""
    starts = (Config.zero_bias, Config.negative_bias)
    steps = steps_within(patience, [start(**SIZE) for start in starts], device=device)
    return tuple(start(**{**SIZE, "steps": max(ENOUGH, steps)}) for start in starts)


def preset_of(config: Config) -> str:
    """The name of the preset that a configuration has; "" if none."""
    return next((n for n in reversed(PRESETS) if at_preset(n, config) == config), "")


def at_preset(name: str, config: Config) -> Config:
    """A configuration with the knobs of a preset; its data, optimiser and seed stay."""
    if name not in PRESETS:
        raise ValueError(f"{name!r} is no preset; there are {', '.join(map(repr, PRESETS))}.")
    knobs = asdict(config)
    for knob in ("bias", "decay", *(["neurons"] if name == "more neurons" else [])):
        del knobs[knob]
    return PRESETS[name](**knobs)


def checked(configs: Any) -> tuple[Config, ...]:
    """One or two configurations.

    Raises:
        TypeError: something else.
        ValueError: more than two, or too large ones.
    """
    many = (configs,) if not isinstance(configs, Sequence) else tuple(configs)
    for config in many:
        if not isinstance(config, Config):
            raise TypeError(
                "configs must be one or two neuronwidgets.toy.Config, got a "
                f"{type(config).__name__}."
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
