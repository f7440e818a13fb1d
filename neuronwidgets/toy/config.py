"""What a toy model is and how it is trained: every knob of arXiv 2211.09169, checked."""

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
WAKING = 1.9
"""The least that the first half takes of the biases is `exp(-WAKING)`; or neurons stay dead."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """One toy model and its training (Jermyn, Schiefer, Hubinger 2022, arXiv 2211.09169).

    The defaults are the paper's, which take a GPU; `Config(features=64, dims=8, neurons=128,
    batch=256, steps=4096)` trains in seconds on a CPU.

    Attributes:
        features: `N`, how many features there are.
        dims: `m`, width of the input, at most `N`.
        neurons: `k`, width of the hidden layer.
        eps: mean probability that a feature is present (uniform in [0, 1] if so, else 0).
        distribution: "equal" probabilities, or "power_law": proportional to `i ** -1.1`.
        task: "decoder" recovers the features; "reprojector" embeds them anew, in `m` other
            dimensions; "absolute" recovers the absolute value of signed features.
        nonlinearity: "relu", "gelu" or "solu" (here `x * exp(x)`, as in the paper).
        bias: added to the hidden layer's initial biases, so their initial mean: 0 or -1.
        decay: at every step of the first half, biases are multiplied by
            `1 - decay * learning_rate`. Fewer steps need more of it: see `negative_bias`.
        l1: weight of the sum of absolute activations of a sample in the loss.
        learning_rate: the highest of the cosine's; the paper sweeps 0.001 to 0.03.
        cycle: steps from the highest learning rate to 0; as many lead back (`T_max`).
        batch: samples per step.
        steps: steps of training.
        seed: of the embedding, the initial weights and the data.
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
                f"dims={self.dims} is more than features={self.features}: the embedding takes N "
                "features to m <= N dimensions."
            )
        number("eps", self.eps, above=0, most=1)
        number("decay", self.decay, least=0)
        number("l1", self.l1, least=0)
        number("learning_rate", self.learning_rate, above=0)
        if self.decay * self.learning_rate >= 1:
            raise ValueError(
                f"decay={self.decay:g} at learning_rate={self.learning_rate:g} would turn the "
                "biases' sign at every step: decay * learning_rate must be under 1."
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

        At -1 almost every neuron is dead, and only the decay brings it back. Fewer steps need
        more of it, but in proportion it would pull harder than the optimiser can: the biases of
        neurons that wake end at 0. In trials with 2,560 to 14,848 steps the most monosemantic
        neurons came about where the decay is `0.03 * sqrt(2^17 / steps)`, which is the paper's
        0.03 at its 2^17 steps, and which is what stands here unless `decay` is given.
        """
        made = cls(**{"bias": -1.0, **knobs})
        if "decay" in knobs:
            return made
        rate, steps = made.learning_rate, made.steps
        decay = PAPER_DECAY * math.sqrt(PAPER_STEPS / steps)
        decay = max(decay, 2 * WAKING / (rate * steps))
        # So few steps that one would turn the sign: as fast as can be instead.
        return replace(made, decay=min(decay, 0.5 / rate))

    @classmethod
    def more_neurons(cls, **knobs: Any) -> Config:
        """The negative start with eight neurons per feature instead of two."""
        return cls.negative_bias(**{"neurons": 8 * knobs.get("features", cls.features), **knobs})


PRESETS: dict[str, Callable[..., Config]] = {
    "zero bias": Config.zero_bias,
    "negative bias": Config.negative_bias,
    "more neurons": Config.more_neurons,
}
"""The paper's interventions by name; each takes any of `Config`'s fields."""


def make_plain(config: object, whole: Sequence[str], numbers: Sequence[str]) -> None:
    """Checks the fields of a frozen dataclass and makes NumPy's numbers Python's."""
    for name in whole:
        value = integer(
            name, getattr(config, name), 0 if name == "seed" else 1, wrong_type=TypeError
        )
        object.__setattr__(config, name, value)
    for name in numbers:
        object.__setattr__(config, name, number(name, getattr(config, name), wrong_type=TypeError))
