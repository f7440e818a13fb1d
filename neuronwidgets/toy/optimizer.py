"""LAMB and Adam for many runs, each with its own learning rate and trust ratios."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from neuronwidgets.core.compat import fused_adam
from neuronwidgets.toy.network import Parameters

BETAS = (0.9, 0.999)
"""Decay rates of the moments: the defaults of both papers."""
FUSED_DEVICES = ("cpu", "cuda")
"""Devices on which torch has a fused Adam step."""
LARGEST_NORM = 10.0
"""`phi` of LAMB: larger weight norms count as this, as in `torch_optimizer.Lamb`, which the authors
of arXiv 2211.09169 used with its defaults. At their size `L1` and `L2` start above it."""


class Optimizer:
    """LAMB or Adam on `R` runs at once, without weight decay.

    LAMB is algorithm 2 of You et al., *Large Batch Optimization for Deep Learning* (ICLR 2020);
    Adam is Kingma, Ba 2015. The package's dependencies have no LAMB, and other implementations take
    the trust ratio `phi(||w||) / ||r||` of a whole tensor, where it must be one run's.
    """

    def __init__(
        self, parameters: Parameters, gradient: torch.Tensor, kind: str, fused: bool | None = None
    ) -> None:
        """Args:
        parameters: the weights of `R` runs, changed in place.
        gradient: array of the shape of `parameters.flat`, read at each step.
        kind: "lamb" or "adam".
        fused: whether to use torch's fused Adam step. Not given: where the device has one.
        """
        flat = parameters.flat
        self._fused = flat.device.type in FUSED_DEVICES if fused is None else fused
        self._gradient, self._lamb = gradient, kind == "lamb"
        self._eps = 1e-6 if self._lamb else 1e-8
        self._mean, self._square = torch.zeros_like(flat), torch.zeros_like(flat)
        self._move = torch.zeros_like(flat)
        self._weights = parameters.tensors
        self._moves = parameters.like(self._move).tensors
        self._step, self._one = flat.new_zeros(()), flat.new_ones(())

    def moments(self, other: Optimizer) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Copy the step count to `other`. Returns pairs of arrays: one of `other`, and ours to
        copy."""
        other._step.copy_(self._step)
        return [(other._mean, self._mean), (other._square, self._square)]

    def step(self, rate: torch.Tensor) -> None:
        """One step at the learning rates `rate`, `R x 1`."""
        adam(self._move, self._gradient, self._mean, self._square, self._step, self._eps,
             self._fused)  # fmt: skip
        rates = rate.expand(-1, len(self._weights))
        if self._lamb:
            weight, size = _norms(self._weights).clamp_(max=LARGEST_NORM), _norms(self._moves)
            # Where either norm is zero the ratio is 1, as in the reference implementations.
            ratio = torch.where((weight > 0) & (size > 0), weight / size, self._one)
            rates = rates * ratio
        for tensor, part, own in zip(self._weights, self._moves, rates.unbind(1), strict=True):
            tensor.addcmul_(part, own.view(-1, *[1] * (part.ndim - 1)))


def adam(
    move: torch.Tensor, gradient: torch.Tensor, mean: torch.Tensor, square: torch.Tensor,
    step: torch.Tensor, eps: float, fused: bool,
) -> None:  # fmt: skip
    """Write Adam's step at a learning rate of 1 to `move`; update the moments and the step count.

    `fused` calls the kernel of torch's fused optimiser, which passes over memory once.
    """
    first, second = BETAS
    if fused:
        move.zero_()
        fused_adam(
            [move], [gradient], [mean], [square], [step.add_(1)], lr=1.0, beta1=first,
            beta2=second, weight_decay=0.0, eps=eps, amsgrad=False, maximize=False,
        )  # fmt: skip
        return
    step.add_(1)
    mean.lerp_(gradient, 1 - first)
    square.mul_(second).addcmul_(gradient, gradient, value=1 - second)
    c1, c2 = (-torch.expm1(step * math.log(beta)) for beta in BETAS)
    torch.sqrt(square / c2, out=move).add_(eps)
    torch.div(mean / -c1, move, out=move)


def _norms(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """Euclidean norms of each run's part of each tensor: `R x len(tensors)`."""
    sizes = [torch.linalg.vector_norm(t, dim=tuple(range(1, t.ndim))) for t in tensors]
    return torch.stack(sizes, dim=1)
