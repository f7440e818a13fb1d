"""`y = L2 f(L1 x + b)` and its gradients, for many runs at once.

Shapes: `R` runs, `B` samples, `m` inputs, `k` neurons, `O` outputs. Batched products keep the runs
apart, so each computes the same as it would by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional


def activate(values: torch.Tensor, nonlinearity: str) -> torch.Tensor:
    """`f` of the hidden layer. SoLU is `x * exp(x)`, as in arXiv 2211.09169."""
    if nonlinearity == "relu":
        return functional.relu(values)
    if nonlinearity == "gelu":
        return functional.gelu(values)
    return values * values.exp()


def slope(values: torch.Tensor, nonlinearity: str) -> torch.Tensor:
    """`f'` at the pre-activations."""
    if nonlinearity == "gelu":
        return torch.ops.aten.gelu_backward(torch.ones_like(values), values)
    return values.exp() * (values + 1)


def response(
    W1: torch.Tensor, b: torch.Tensor, W_e: torch.Tensor, nonlinearity: str, value: float = 1.0
) -> torch.Tensor:
    """`A[j, i]`, activation of neuron `j` when feature `i` alone is `value`: `... x k x N`."""
    return activate(value * (W1 @ W_e) + b[..., None], nonlinearity)


def initial(dims: int, neurons: int, outputs: int, bias: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """`L1` `k x m`, `b` `k`, `L2` `O x k`, float32, initialised like PyTorch's linear layers.

    Uniform in +-1 / sqrt(inputs); `bias` is added to `b`.
    """
    wide, narrow = dims**-0.5, neurons**-0.5
    W1 = rng.uniform(-wide, wide, (neurons, dims))
    b = rng.uniform(-wide, wide, neurons) + bias
    W2 = rng.uniform(-narrow, narrow, (outputs, neurons))
    return W1.astype(np.float32), b.astype(np.float32), W2.astype(np.float32)


@dataclass(frozen=True, eq=False)
class Parameters:
    """The weights of `R` runs in one array, so that an optimiser step is one operation.

    Attributes:
        flat: `R k (m + 1) + R O k`: the runs' `hidden`, then their `L2`.
        runs, dims, neurons, outputs: `R`, `m`, `k`, `O`.
    """

    flat: torch.Tensor
    runs: int
    dims: int
    neurons: int
    outputs: int

    @staticmethod
    def of(W1: np.ndarray, b: np.ndarray, W2: np.ndarray, device: torch.device) -> Parameters:
        """From `R x k x m`, `R x k` and `R x O x k`."""
        hidden = np.concatenate([W1, b[..., None]], axis=2)
        flat = np.concatenate([hidden.ravel(), W2.ravel()])
        runs, neurons, dims = W1.shape
        return Parameters(torch.as_tensor(flat, device=device), runs, dims, neurons, W2.shape[1])

    @property
    def hidden(self) -> torch.Tensor:
        """`[L1, b]`, which multiplies `[x, 1]`: `R x k x (m + 1)`, a view."""
        return self.flat[: self._middle].view(self.runs, self.neurons, self.dims + 1)

    @property
    def W1(self) -> torch.Tensor:
        """`R x k x m`, a view."""
        return self.hidden[..., : self.dims]

    @property
    def b(self) -> torch.Tensor:
        """`R x k`, a view."""
        return self.hidden[..., self.dims]

    @property
    def W2(self) -> torch.Tensor:
        """`R x O x k`, a view."""
        return self.flat[self._middle :].view(self.runs, self.outputs, self.neurons)

    @property
    def tensors(self) -> tuple[torch.Tensor, ...]:
        """`W1`, `b` and `W2`: views that start with `R`."""
        return self.W1, self.b, self.W2

    def like(self, flat: torch.Tensor) -> Parameters:
        """`Parameters` of the same shapes with another array."""
        return Parameters(flat, self.runs, self.dims, self.neurons, self.outputs)

    @property
    def _middle(self) -> int:
        return self.runs * (self.dims + 1) * self.neurons


class Gradients:
    """Loss and gradients on a batch, written to arrays that are allocated once."""

    def __init__(
        self, parameters: Parameters, batch: int, nonlinearity: str, l1: torch.Tensor
    ) -> None:
        """Args:
        l1: weight of the sum of absolute activations, `R`.
        """
        runs, like = parameters.runs, parameters.flat
        self._p, self._batch, self._nonlinearity = parameters, batch, nonlinearity
        self._l1 = l1[:, None, None] if bool((l1 > 0).any()) else None
        self._pre = like.new_empty(runs, batch, parameters.neurons)
        self._down = torch.empty_like(self._pre)
        self._error = like.new_empty(runs, batch, parameters.outputs)
        self._g = parameters.like(torch.zeros_like(like))
        self._hidden, self._W2 = parameters.hidden, parameters.W2
        self._g_hidden, self._g_W2 = self._g.hidden, self._g.W2
        self.flat = self._g.flat

    def __call__(self, x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """The loss, squared errors summed over outputs and averaged over samples: `R`.

        The loss leaves the L1 term out, so that runs with and without it are comparable. The
        gradients, written to `self.flat`, include it.

        Args:
            x: `R x B x (m + 1)`, the inputs and a last column of ones.
            target: `R x B x O`.
        """
        torch.bmm(x, self._hidden.mT, out=self._pre)
        relu = self._nonlinearity == "relu"
        active = self._pre.relu_() if relu else activate(self._pre, self._nonlinearity)
        error = torch.baddbmm(target, active, self._W2.mT, beta=-1, out=self._error)
        loss = torch.linalg.vector_norm(error.flatten(1), dim=1).square_().div_(self._batch)
        error.mul_(2 / self._batch)
        torch.bmm(error.mT, active, out=self._g_W2)
        down = torch.bmm(error, self._W2, out=self._down)
        if self._l1 is not None:
            down += self._l1 / self._batch * active.sign()
        if relu:
            torch.ops.aten.threshold_backward.grad_input(down, active, 0, grad_input=down)
        else:
            down *= slope(self._pre, self._nonlinearity)
        # In this order, since the transposed product rounds differently for one run than for many.
        torch.bmm(down.mT, x, out=self._g_hidden)
        return loss
