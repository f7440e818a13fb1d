"""The one-layer tied model of Elhage et al. 2022, *Toy Models of Superposition*.

https://transformer-circuits.pub/2022/toy_model: `y = ReLU(W^T W x + b)`, whose hidden layer holds
more features than it has dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import overload

import numpy as np
import torch

from neuronwidgets.core.checks import number
from neuronwidgets.core.interrupts import uninterrupted
from neuronwidgets.core.modes import own_modes
from neuronwidgets.core.progress import progress_line, warn_stopped
from neuronwidgets.toy.config import make_plain
from neuronwidgets.toy.features import FeatureStream
from neuronwidgets.toy.threads import few_threads


@dataclass(frozen=True, kw_only=True)
class TiedConfig:
    """One tied model: `N` features, each uniform in [0, 1] with probability `1 - sparsity`.

    Attributes:
        features: `N`.
        dims: `m`, at most `N`.
        sparsity: `S`, probability that a feature is absent, in [0, 1).
        importance: feature `i` has weight `importance ** i` in the loss; in (0, 1].
        learning_rate, batch, steps: Adam's, as in the paper's notebook.
        seed: seed of the initial weights and the data.
    """

    features: int = 20
    dims: int = 5
    sparsity: float = 0.9
    importance: float = 1.0
    learning_rate: float = 1e-3
    batch: int = 1024
    steps: int = 10_000
    seed: int = 0

    def __post_init__(self) -> None:
        whole = ("features", "dims", "batch", "steps", "seed")
        make_plain(self, whole, ("sparsity", "importance", "learning_rate"))
        if self.dims > self.features:
            raise ValueError(f"dims must be at most features={self.features}, got {self.dims}.")
        number("sparsity", self.sparsity, least=0, below=1)
        number("importance", self.importance, above=0, most=1)
        number("learning_rate", self.learning_rate, above=0)


@dataclass(frozen=True, repr=False, eq=False)
class Superposition:
    """A trained tied model and the geometry of its features.

    Attributes:
        config: the model's configuration.
        W: float32 `m x N`; column `i` is the direction of feature `i`, `W_i`.
        b: float32 `N`.
        loss: float64 `L`, mean training loss over each hundredth of the steps done.
    """

    config: TiedConfig
    W: np.ndarray
    b: np.ndarray
    loss: np.ndarray

    @cached_property
    def norms(self) -> np.ndarray:
        """`||W_i||`, how strongly a feature is represented: float64 `N`, about 0 or 1."""
        return np.linalg.norm(self.W.astype(np.float64), axis=0)

    @cached_property
    def dimensionality(self) -> np.ndarray:
        """`D_i = ||W_i||^2 / sum_j (W_i_hat . W_j)^2`, a feature's share of a dimension: `N`.

        1 for a feature with a dimension of its own, 1/2 in an antipodal pair, 0 for a feature that
        is not represented.
        """
        W = self.W.astype(np.float64)
        squares = (W.T @ W) ** 2
        total = squares.sum(axis=1)
        return np.divide(self.norms**4, total, out=np.zeros_like(total), where=total > 0)

    @cached_property
    def interference(self) -> np.ndarray:
        """`sum_{j != i} (W_i_hat . W_j)^2`, overlap of the others with a feature: float64 `N`."""
        W = self.W.astype(np.float64)
        squares = (W.T @ W) ** 2
        np.fill_diagonal(squares, 0)
        norms = self.norms**2
        total = squares.sum(axis=1)
        return np.divide(total, norms, out=np.zeros_like(total), where=norms > 0)

    @property
    def dims_per_feature(self) -> float:
        """`m / ||W||_F^2`, dimensions per represented feature: the paper's `D*`."""
        total = float((self.norms**2).sum())
        return self.config.dims / total if total else float("inf")

    def __repr__(self) -> str:
        c = self.config
        return (
            f"Superposition(N={c.features} m={c.dims}, sparsity {c.sparsity:g}: "
            f"{int((self.norms > 0.5).sum())} features represented, loss {self.loss[-1]:.4g})"
        )


@overload
def superpose(
    configs: TiedConfig, *, device: str = "cpu", progress: bool = True
) -> Superposition: ...
@overload
def superpose(
    configs: Sequence[TiedConfig], *, device: str = "cpu", progress: bool = True
) -> list[Superposition]: ...
@own_modes()
def superpose(
    configs: TiedConfig | Sequence[TiedConfig], *, device: str = "cpu", progress: bool = True
) -> Superposition | list[Superposition]:
    """Train one tied model, or many of one shape (`features`, `dims`, `batch`, `steps`) at once.

    Adam on `sum_i importance_i (x_i - y_i)^2`, mean over the batch. An interrupted call returns the
    models as they are.

    Args:
        configs: a `TiedConfig`, or a sequence of them.
        device: "cpu", or an accelerator that torch knows, such as "cuda".
        progress: show a line with the progress and the time left.
    """
    many = [configs] if isinstance(configs, TiedConfig) else list(configs)
    if not many or not all(isinstance(config, TiedConfig) for config in many):
        raise TypeError("configs must be a TiedConfig, or a list with at least one.")
    shapes = {(c.features, c.dims, c.batch, c.steps) for c in many}
    if len(shapes) > 1:
        raise ValueError(
            f"configs must share features, dims, batch and steps, got {len(shapes)} shapes: train "
            "each shape by itself."
        )
    trained = _train(many, torch.device(device), progress)
    return trained[0] if isinstance(configs, TiedConfig) else trained


def _train(configs: list[TiedConfig], device: torch.device, progress: bool) -> list[Superposition]:
    first, runs = configs[0], len(configs)
    N, batch = first.features, first.batch
    # One tensor per run, since each run has its own learning rate.
    starts = [torch.as_tensor(_start(c), device=device).requires_grad_() for c in configs]
    biases = [W.new_zeros(1, N, requires_grad=True) for W in starts]
    optimizer = torch.optim.Adam(
        [
            {"params": [W, b], "lr": c.learning_rate}
            for W, b, c in zip(starts, biases, configs, strict=True)
        ],
        foreach=True,
    )
    weights = np.stack([c.importance ** np.arange(N) for c in configs])[:, None]
    importance = torch.as_tensor(weights, device=device).float()
    streams = [
        FeatureStream(np.full(N, 1 - c.sparsity), False, (c.seed, 2), device) for c in configs
    ]
    x = importance.new_empty(runs, batch, N)
    losses = importance.new_empty(first.steps, runs)
    done = 0
    work = 2 * runs * batch * N * first.dims
    with (
        few_threads(work),
        progress_line("training", first.steps, "steps", progress) as line,
    ):
        try:
            while done < first.steps:
                with uninterrupted():
                    for stream, out in zip(streams, x, strict=True):
                        stream.fill(out)
                    with torch.enable_grad():
                        W, b = torch.stack(starts), torch.stack(biases)
                        y = torch.relu(torch.bmm(torch.bmm(x, W.mT), W) + b)
                        loss = (importance * (y - x) ** 2).sum(dim=(1, 2)) / batch
                        torch.autograd.backward(loss.sum())
                    optimizer.step()
                    optimizer.zero_grad()
                    losses[done] = loss.detach()
                    done += 1
                line.update()
        except KeyboardInterrupt:
            if not done:
                raise
            warn_stopped(done, first.steps, "steps")
    parts = np.array_split(losses[:done].cpu().double().numpy(), min(100, done))
    curve = np.stack([part.mean(axis=0) for part in parts], axis=1)
    return [
        Superposition(c, W.detach().cpu().numpy(), b.detach().cpu().numpy()[0], log)
        for c, W, b, log in zip(configs, starts, biases, curve, strict=True)
    ]


def _start(config: TiedConfig) -> np.ndarray:
    """Xavier's normal initialisation, as in the paper's notebook: float32 `m x N`."""
    rng = np.random.default_rng((config.seed, 1))
    scale = (2 / (config.features + config.dims)) ** 0.5
    return (scale * rng.standard_normal((config.dims, config.features))).astype(np.float32)
