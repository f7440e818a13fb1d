"""A toy model and its training: the settings of arXiv 2211.09169, checked."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from neuronwidgets.core.checks import integer, number, one_of

DISTRIBUTIONS = ("equal", "power_law")
TASKS = ("decoder", "reprojector", "absolute")
NONLINEARITIES = ("relu", "gelu", "solu")
OPTIMIZERS = ("lamb", "adam")

PAPER_DECAY, PAPER_STEPS = 0.03, 2**17
"""The paper's decay of the biases and its number of steps."""
WAKING = 1.9
"""Exponent: in the first half of training, the decay of `negative_bias` shrinks the biases to
`exp(-WAKING)` of their start or less, since otherwise neurons stay dead."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """One toy model and its training (Jermyn, Schiefer, Hubinger 2022, arXiv 2211.09169).

    The defaults are the paper's and need a GPU. `Config(features=64, dims=8, neurons=128,
    batch=256, steps=4096)` trains in seconds on a CPU.

    Attributes:
        features: `N`, the number of features.
        dims: `m`, width of the input, at most `N`.
        neurons: `k`, width of the hidden layer.
        eps: mean probability that a feature is present. A present feature is uniform in [0, 1], an
            absent one 0.
        distribution: "equal" probabilities, or "power_law": proportional to `i ** -1.1`.
        task: "decoder" recovers the features; "reprojector" embeds them in `m` other dimensions;
            "absolute" recovers the absolute values of signed features.
        nonlinearity: "relu", "gelu" or "solu" (here `x * exp(x)`, as in the paper).
        bias: mean of the hidden layer's initial biases, 0 or -1 in the paper.
        decay: each step of the first half multiplies the biases by `1 - decay * learning_rate`.
            Fewer steps need a larger decay: see `negative_bias`.
        l1: weight of the sum of absolute activations of a sample in the loss.
        learning_rate: the cosine schedule's highest; the paper sweeps 0.001 to 0.03.
        cycle: steps from the highest learning rate to 0, and from 0 back (`T_max`).
        batch: samples per step.
        steps: steps of training.
        seed: seed of the embedding, the initial weights and the data.
        optimizer: "lamb" (the paper's) or "adam", which needs smaller learning rates.
    """

    features: int = 512
    dims: int = 64
    neurons: int = 1024
    eps: float = 1 / 64
    distribution: str = "equal"
    task: str = "decoder"
    nonlinearity: str = "relu"
    bias: float = 0.0
    decay: float = 0.0
    l1: float = 0.0
    learning_rate: float = 0.01
    cycle: int = 512
    batch: int = 2**13
    steps: int = 2**17
    seed: int = 0
    optimizer: str = "lamb"

    def __post_init__(self) -> None:
        whole = ("features", "dims", "neurons", "cycle", "batch", "steps", "seed")
        make_plain(self, whole, ("eps", "bias", "decay", "l1", "learning_rate"))
        if self.dims > self.features:
            raise ValueError(
                f"dims must be at most features={self.features}, got {self.dims}: the embedding "
                "takes N features to m <= N dimensions."
            )
        number("eps", self.eps, above=0, most=1)
        number("decay", self.decay, least=0)
        number("l1", self.l1, least=0)
        number("learning_rate", self.learning_rate, above=0)
        if self.decay * self.learning_rate >= 1:
            raise ValueError(
                "decay * learning_rate must be under 1, or every step flips the biases' sign; got "
                f"decay={self.decay:g} at learning_rate={self.learning_rate:g}."
            )
        choices = {
            "distribution": DISTRIBUTIONS,
            "task": TASKS,
            "nonlinearity": NONLINEARITIES,
            "optimizer": OPTIMIZERS,
        }
        for name, known in choices.items():
            one_of(name, getattr(self, name), known)

    @property
    def outputs(self) -> int:
        """Width of the output: `m` for the re-projector, else `N`."""
        return self.dims if self.task == "reprojector" else self.features

    @classmethod
    def zero_bias(cls, **knobs: Any) -> Config:
        """The paper's ordinary start: biases of mean 0."""
        return cls(**{"bias": 0.0, "decay": 0.0, **knobs})

    @classmethod
    def negative_bias(cls, **knobs: Any) -> Config:
        """The paper's intervention: biases start at -1 and decay over the first half.

        At -1 almost every neuron is dead, and only the decay revives it. Fewer steps need a larger
        decay, but not in proportion: then the decay outweighs the optimiser, and the biases of
        revived neurons end at 0. Unless `decay` is given it is `0.03 * sqrt(2^17 / steps)`, the
        paper's 0.03 at its 2^17 steps. In trials with 2,560 to 14,848 steps this decay gave the
        most monosemantic neurons.
        """
        config = cls(**{"bias": -1.0, **knobs})
        if "decay" in knobs:
            return config
        rate, steps = config.learning_rate, config.steps
        decay = PAPER_DECAY * math.sqrt(PAPER_STEPS / steps)
        decay = max(decay, 2 * WAKING / (rate * steps))
        # With very few steps this decay would flip the sign, so it is capped.
        return replace(config, decay=min(decay, 0.5 / rate))

    @classmethod
    def more_neurons(cls, **knobs: Any) -> Config:
        """`negative_bias` with eight neurons per feature instead of two."""
        return cls.negative_bias(**{"neurons": 8 * knobs.get("features", cls.features), **knobs})


PRESETS: dict[str, Callable[..., Config]] = {
    "zero bias": Config.zero_bias,
    "negative bias": Config.negative_bias,
    "more neurons": Config.more_neurons,
}
"""The paper's interventions by name; each takes any of `Config`'s fields."""


def make_plain(config: object, whole: Sequence[str], numbers: Sequence[str]) -> None:
    """Check the fields of a frozen dataclass and convert NumPy numbers to Python numbers."""
    for name in whole:
        value = integer(
            name, getattr(config, name), 0 if name == "seed" else 1, wrong_type=TypeError
        )
        object.__setattr__(config, name, value)
    for name in numbers:
        object.__setattr__(config, name, number(name, getattr(config, name), wrong_type=TypeError))
