"""The long steps of the workshop notebooks, the sizes that they can have, and what they cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Size:
    """One size of a step.

    Attributes:
        value: what the notebook uses.
        text: the size, in words.
        units: its cost, in probes: how many times a probe's time it takes.
    """

    value: Any
    text: str
    units: float


@dataclass(frozen=True)
class Notebook:
    """The long steps of a notebook.

    Attributes:
        steps: the sizes of each step, by its name, the largest first.
        words: what its probe does.
        probe: prepares a probe: a small piece of the notebook's work.
    """

    steps: dict[str, tuple[Size, ...]]
    words: str
    probe: Callable[[], Callable[[], Any]]


def _reading() -> Callable[[], Any]:
    """A pass of 64 texts through the bundled GPT-2."""
    import torch

    from neuronwidgets.datasets.load import topics

    bundle = topics()
    inputs = bundle.tokenizer(
        list(bundle.texts[:64]), return_tensors="pt", padding=True, truncation=True, max_length=160
    )

    def probe() -> Any:
        with torch.no_grad():
            return bundle.model(**inputs)

    return probe


def _training() -> Callable[[], Any]:
    """A training step of the lab's two models, at full size."""
    from neuronwidgets.toy.config import Config
    from neuronwidgets.toy.training import Training

    size = _toys(512, 1 << 30)
    state = Training([Config.zero_bias(**size), Config.negative_bias(**size)])
    return lambda: state.advance(seconds=0)


def _toys(batch: int, steps: int) -> dict[str, int]:
    return {"features": 64, "dims": 32, "neurons": 256, "batch": batch, "steps": steps}


def _lab(batch: int, steps: int, cost: float) -> Size:
    return Size(_toys(batch, steps), f"the lab's 2 models of {steps:,} steps", steps * cost)


def _models(batch: int, steps: int, seeds: int, cost: float) -> Size:
    value = {"size": _toys(batch, steps), "seeds": tuple(range(seeds))}
    words = f"comparisons of up to {max(3, 2 * seeds)} models of {steps:,} steps"
    return Size(value, words, steps * cost)


def _table(texts: int, tau: list[float]) -> Size:
    masks = 14 * (2 * len(tau) + 1)
    words = f"{texts} held-out texts under {masks} masks"
    return Size({"texts": texts, "tau": tau}, words, 0.045 * (1 + masks) * texts / 64)


NOTEBOOKS = {
    "split": Notebook(
        {
            "pictures": tuple(Size(n, f"{n:,} pictures", 0.7 * n / 1000) for n in (10_000, 5_000)),
            "texts": tuple(Size(n, f"{n:,} texts", 10 * n / 1000) for n in (4_000, 2_000, 1_000)),
        },
        "Reading 64 texts",
        _reading,
    ),
    "ranges": Notebook(
        {
            "texts": tuple(Size(n, f"{n:,} texts", 14 * n / 1000) for n in (1_500, 1_000, 700)),
            "table": (
                _table(500, [0.5, 1, 1.5, 2, 3]),
                _table(300, [0.5, 1, 1.5, 2, 3]),
                _table(250, [1, 2, 3]),
                _table(150, [1, 2, 3]),
            ),
        },
        "Reading 64 texts",
        _reading,
    ),
    "effects": Notebook(
        {
            "texts": tuple(Size(n, f"{n:,} texts", 13 * n / 1000) for n in (1_000, 700, 500)),
            "held_out": tuple(
                Size(n, f"{n} held-out texts without each concept", 35 * n / 140)
                for n in (140, 100, 70)
            ),
        },
        "Reading 64 texts",
        _reading,
    ),
    "toys": Notebook(
        {
            "lab": (
                _lab(512, 8704, 1.0),
                _lab(512, 4608, 1.0),
                _lab(256, 4608, 0.6),
                _lab(256, 2560, 0.6),
            ),
            "models": (
                _models(512, 4608, 2, 1.85),
                _models(512, 2560, 2, 1.85),
                _models(256, 2560, 2, 1.1),
                _models(256, 2560, 1, 0.8),
            ),
            "tied": tuple(
                Size(n, f"5 tied models of {n:,} steps", 0.6 * n) for n in (2_500, 1_200)
            ),
        },
        "A training step",
        _training,
    ),
}
"""The notebooks, by name. Costs are CPU times on one thread, divided by the probe's. Trainings end
after an odd number of half cycles, of 512 steps each, where the learning rate is 0."""
